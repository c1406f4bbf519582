"""The comparison, data set by data set and seed by seed; `__init__.py` says what is compared."""

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
from benchmarks.strangers.comparison import OTHERS, Outcome, compare, in_words
from benchmarks.strangers.data import DataSet

MEAN_AIM, EACH_AIM, TIME_AIM = 1.0, 1.1, 2.0
QUICK = ("bike", "titles", "thin", "weather")
EPOCHS, QUICK_EPOCHS = 200, 30
"""At most so many of each training of Optuna's."""


@dataclass(frozen=True)
class Line:
    """A data set in the table: means over its seeds."""

    name: str
    errors: dict[str, float]
    ratio: float
    """Our error over that of the best of the others."""
    by_seed: list[float]
    ours_seconds: float
    time_ratio: float
    """Our wall time over Optuna's."""


def line_of(outcomes: Sequence[Outcome]) -> Line | None:
    """None if no seed has everything."""
    whole = [outcome for outcome in outcomes if outcome.is_whole]
    if not whole:
        return None
    errors = {name: fmean(one.errors[name] for one in whole) for name in (*OTHERS, "defaults", "ours")}
    ours, optuna = (fmean(one.seconds[name] for one in whole) for name in ("ours", "optuna"))
    best = min(errors[name] for name in OTHERS)
    by_seed = [one.errors["ours"] / best for one in whole]
    return Line(whole[0].data, errors, errors["ours"] / best, by_seed, ours, ours / optuna)


HEADS = ("data", *OTHERS, "defaults", "ours", "ours / best", "by seed", "choosing", "/ Optuna")


def cells_of(line: Line) -> list[str]:
    best = min(OTHERS, key=lambda name: line.errors[name])
    errors = [f"{line.errors[name]:.4f}{'*' if name == best else ''}" for name in (*OTHERS, "defaults", "ours")]
    seeds = " ".join(f"{ratio:.2f}" for ratio in line.by_seed)
    return [line.name, *errors, f"{line.ratio:.3f}", seeds, f"{line.ours_seconds:.0f} s", f"{line.time_ratio:.2f}"]


def print_outcome(outcome: Outcome) -> None:
    words = ", ".join(f"{name} {error:.4f}" for name, error in outcome.errors.items())
    words += " (the answer keeps the defaults)" if outcome.keeps_defaults else ""
    times = ", ".join(f"{name} {seconds:.0f} s" for name, seconds in outcome.seconds.items())
    print(f"{outcome.data}, seed {outcome.seed}: {words or 'nothing'}" + (f"; {times}" if times else ""), flush=True)
    for failure in outcome.failures:
        print(f"  FAILED: {failure}", flush=True)


def made(options: argparse.Namespace, names: Sequence[str], folder: Path) -> list[DataSet]:
    """The data sets; those whose files nobody named, or that cannot be made, are left out, and a line says so."""
    found = []
    for name in names:
        path = getattr(options, name, None)
        if name in data_sets.BY_PATH and path is None:
            print(f"{name}: left out, its file is not in this repository (--{name} PATH)", flush=True)
            continue
        try:
            found.append(data_sets.MAKERS[name](folder, *([path] if name in data_sets.BY_PATH else [])))
        except Exception as error:
            print(f"{name}: left out, {in_words(error)}", flush=True)
    return found


def parsed() -> argparse.Namespace:
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
    """Prints the table and the geometric means; whether all aims are met and nothing failed."""
    names = list(dict.fromkeys(outcome.data for outcome in outcomes))
    lines = {name: line_of([outcome for outcome in outcomes if outcome.data == name]) for name in names}
    whole = [line for line in lines.values() if line is not None]
    missed = [f"{outcome.data}, seed {outcome.seed}: {why}" for outcome in outcomes for why in outcome.failures]
    missed += [f"{name}: no comparison" for name, line in lines.items() if line is None]
    if whole:
        print_table(whole)
        missed += print_means(whole)
    for why in missed:
        print(f"FAILED: {why}")
    return not missed and bool(whole)


def print_table(lines: Sequence[Line]) -> None:
    print("\nmean squared error on the ranges that judge, mean over seeds; * the best of the others\n")
    cells = [HEADS, *map(cells_of, lines)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for number, row in enumerate(cells):
        print("| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |")
        if not number:
            print("|" + "|".join("-" * (width + 2) for width in widths) + "|")


def print_means(lines: Sequence[Line]) -> list[str]:
    """Returns which aims are missed, a line each."""
    mean = geometric_mean(line.ratio for line in lines)
    defaults = geometric_mean(line.errors["defaults"] / min(line.errors[name] for name in OTHERS) for line in lines)
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
    # One thread each, in every process that is started below.
    os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    options = parsed()
    seeds, epochs = (1, QUICK_EPOCHS) if options.quick else (options.seeds, EPOCHS)
    outcomes: list[Outcome] = []
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="hpt-strangers-") as folder:
        for data_set in made(options, options.names, Path(folder)):
            for seed in range(seeds):
                outcomes.append(compare(data_set, options.architecture, seed, epochs))
                print_outcome(outcomes[-1])
                if options.json:
                    options.json.write_text(json.dumps(list(map(asdict, outcomes)), indent=1), encoding="utf-8")
    print(f"{time.monotonic() - began:.0f} s in all")
    sys.exit(0 if conclude(outcomes) else 1)


if __name__ == "__main__":
    main()
