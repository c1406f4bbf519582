"""Compares data set by data set and seed by seed, and prints the table; `__init__.py` describes the comparison."""

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean, geometric_mean

from benchmarks.strangers import data as data_sets
from benchmarks.strangers.comparison import BASELINES, Outcome, compare, in_words
from benchmarks.strangers.data import DataSet

MEAN_AIM, EACH_AIM, TIME_AIM = 1.0, 1.1, 2.0
QUICK = ("bike", "titles", "thin", "weather")
EPOCHS, QUICK_EPOCHS = 200, 30
"""Limit of epochs for each training of Optuna."""


@dataclass(frozen=True)
class Line:
    """A data set's line in the table: means over its seeds."""

    name: str
    errors: dict[str, float]
    ratio: float
    """Our error over that of the best baseline."""
    by_seed: list[float]
    """The ratio of each seed."""
    ours_seconds: float
    time_ratio: float
    """Our wall time over Optuna's."""


def line_of(outcomes: Sequence[Outcome]) -> Line | None:
    """The line of a data set from its outcomes; None if no seed has every error."""
    complete = [outcome for outcome in outcomes if outcome.is_complete]
    if not complete:
        return None
    errors = {name: fmean(outcome.errors[name] for outcome in complete) for name in (*BASELINES, "defaults", "ours")}
    ours, optuna = (fmean(outcome.seconds[name] for outcome in complete) for name in ("ours", "optuna"))
    best = min(errors[name] for name in BASELINES)
    by_seed = [outcome.errors["ours"] / best for outcome in complete]
    return Line(complete[0].data, errors, errors["ours"] / best, by_seed, ours, ours / optuna)


HEADS = ("data", *BASELINES, "defaults", "ours", "ours / best", "by seed", "choosing", "/ Optuna")


def cells_of(line: Line) -> list[str]:
    best = min(BASELINES, key=lambda name: line.errors[name])
    errors = [f"{line.errors[name]:.4f}{'*' if name == best else ''}" for name in (*BASELINES, "defaults", "ours")]
    seeds = " ".join(f"{ratio:.2f}" for ratio in line.by_seed)
    return [line.name, *errors, f"{line.ratio:.3f}", seeds, f"{line.ours_seconds:.0f} s", f"{line.time_ratio:.2f}"]


def print_outcome(outcome: Outcome) -> None:
    words = ", ".join(f"{name} {error:.4f}" for name, error in outcome.errors.items())
    words += " (the answer keeps the defaults)" if outcome.keeps_defaults else ""
    times = ", ".join(f"{name} {seconds:.0f} s" for name, seconds in outcome.seconds.items())
    print(f"{outcome.data}, seed {outcome.seed}: {words or 'nothing'}" + (f"; {times}" if times else ""), flush=True)
    for failure in outcome.failures:
        print(f"  FAILED: {failure}", flush=True)


def data_sets_of(options: argparse.Namespace, folder: Path) -> list[DataSet]:
    """Makes the data sets in the folder. Leaves out, with a printed line, each that has no path or cannot be made."""
    made_sets = []
    for name in options.names:
        path = getattr(options, name, None)
        if name in data_sets.BY_PATH and path is None:
            print(f"{name}: left out, its file is not in this repository (--{name} PATH)", flush=True)
            continue
        try:
            made_sets.append(data_sets.MAKERS[name](folder, *([path] if name in data_sets.BY_PATH else [])))
        except Exception as error:
            print(f"{name}: left out, {in_words(error)}", flush=True)
    return made_sets


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.strangers", description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one seed, four data sets, fewer epochs for Optuna")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--data", help=f"of {','.join(data_sets.MAKERS)}; default: all")
    parser.add_argument("--architecture", default="tabular")
    parser.add_argument("--bike", type=Path, metavar="PATH")
    parser.add_argument("--titles", type=Path, metavar="PATH")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything there, after each seed")
    options = parser.parse_args()
    options.names = options.data.split(",") if options.data else list(QUICK if options.quick else data_sets.MAKERS)
    if unknown := set(options.names) - data_sets.MAKERS.keys():
        parser.error(f"--data: no data set {', '.join(sorted(unknown))}; there are {', '.join(data_sets.MAKERS)}")
    return options


def conclude(outcomes: Sequence[Outcome]) -> bool:
    """Prints the table, the geometric means and each failure. True if all aims are met and nothing failed."""
    names = list(dict.fromkeys(outcome.data for outcome in outcomes))
    lines = {name: line_of([outcome for outcome in outcomes if outcome.data == name]) for name in names}
    complete = [line for line in lines.values() if line is not None]
    failures = [
        f"{outcome.data}, seed {outcome.seed}: {failure}" for outcome in outcomes for failure in outcome.failures
    ]
    failures += [f"{name}: no comparison" for name, line in lines.items() if line is None]
    if complete:
        print_table(complete)
        failures += print_means(complete)
    for failure in failures:
        print(f"FAILED: {failure}")
    return not failures and bool(complete)


def print_table(lines: Sequence[Line]) -> None:
    print("\nmean squared error on the ranges that judge, mean over seeds; * the best of the others\n")
    cells = [HEADS, *map(cells_of, lines)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for number, row in enumerate(cells):
        print("| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |")
        if not number:
            print("|" + "|".join("-" * (width + 2) for width in widths) + "|")


def print_means(lines: Sequence[Line]) -> list[str]:
    """Prints the geometric means and the worst data sets. Returns a line for each aim that is missed."""
    mean = geometric_mean(line.ratio for line in lines)
    defaults = geometric_mean(line.errors["defaults"] / min(line.errors[name] for name in BASELINES) for line in lines)
    times = geometric_mean(line.time_ratio for line in lines)
    worst, slowest = max(lines, key=lambda line: line.ratio), max(lines, key=lambda line: line.time_ratio)
    print(f"\nours over the best of the others, geometric mean of {len(lines)}: {mean:.3f} (aim: {MEAN_AIM})")
    print(f"the worst, {worst.name}: {worst.ratio:.3f} (aim: {EACH_AIM}); the defaults, geometric mean: {defaults:.3f}")
    print(f"wall time over Optuna's: {times:.2f}; {slowest.name}: {slowest.time_ratio:.2f} (aim: {TIME_AIM})")
    missed = [f"geometric mean {mean:.3f} above {MEAN_AIM}"] if mean > MEAN_AIM else []
    missed += [f"{line.name}: {line.ratio:.3f} above {EACH_AIM}" for line in lines if line.ratio > EACH_AIM]
    slow = [line for line in lines if line.time_ratio > TIME_AIM]
    return missed + [f"{line.name}: {line.time_ratio:.2f} times Optuna's time, above {TIME_AIM}" for line in slow]


def main() -> None:
    # Every process that is started below gets one thread.
    os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    options = parse_options()
    seeds, epochs = (1, QUICK_EPOCHS) if options.quick else (options.seeds, EPOCHS)
    outcomes: list[Outcome] = []
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="hpt-strangers-") as folder:
        for data_set in data_sets_of(options, Path(folder)):
            for seed in range(seeds):
                outcomes.append(compare(data_set, options.architecture, seed, epochs))
                print_outcome(outcomes[-1])
                if options.json:
                    options.json.write_text(json.dumps(list(map(asdict, outcomes)), indent=1), encoding="utf-8")
    print(f"{time.monotonic() - began:.0f} s in all")
    sys.exit(0 if conclude(outcomes) else 1)


if __name__ == "__main__":
    main()
