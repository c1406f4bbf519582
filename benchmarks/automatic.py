"""Measures the device time that the automatic mode needs to be as good as 64 full trainings of random search.

Real trainings on the built-in flights. Random search draws 64 settings, including the incumbent, from all
hyperparameters of an architecture, and trains each in full on the newest date range. The setting with the best
`mse_valid` sets the mark, its `mse_test`.

The automatic mode chooses in short mode, on an earlier month. Afterwards, each setting that was its best at some time
is trained in full on the newest range. The device time of automatic mode is that of all choosing until the first
setting that reaches the mark, plus this setting's full training. Neither search confirms its winner. The benchmark
takes minutes to hours on a CPU; `--quick` has one seed and a third of the trials.

    python -m benchmarks.automatic [--quick] [--seeds 3] [--architectures bag-of-words attention]
"""

import argparse
import math
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import median
from typing import Any

from rich.console import Console

from pipeline import spec
from pipeline.analysis.ranking import standings
from pipeline.local import runner
from pipeline.plan.resolve import resolve
from pipeline.results import Row
from pipeline.screen.progress import Lines
from pipeline.space import Assignment, identity_of
from pipeline.store import open_store
from pipeline.sweep import Sweep, merge
from pipeline.training import architectures

TRIALS = 64


def run(root: str, token: int, content: dict[str, Any], lanes: int) -> Sweep:
    """Runs a sweep of the flights without confirmation. `content` holds the other keys of its spec."""
    parsed = spec.from_dict({"data": "flights", "confirm": {"ranges": 0}, **content})
    assert parsed.data is not None
    now = datetime.now(UTC)
    definition = resolve(parsed, now=now, token=f"{token:04x}", covered=parsed.data.covers)
    sweep = Sweep.create(open_store(root), definition)
    runner.run(sweep, Lines(Console(quiet=True), definition), lanes=lanes)
    return sweep


def rows_of(sweep: Sweep) -> list[Row]:
    return merge.look(sweep).rows


def seconds(rows: Sequence[Row]) -> float:
    return math.fsum(row.get("training_time") or 0.0 for row in rows)


def settings_so_far(sweep: Sweep) -> list[tuple[float, Assignment]]:
    """`[(seconds of training so far, best setting so far)]`: an item each time the best setting changes."""
    bests: list[tuple[float, Assignment]] = []
    rows = sorted(rows_of(sweep), key=lambda row: (row["finished"], row["trial"]))
    for at in range(1, len(rows) + 1):
        ranked = standings(sweep.definition, rows[:at])
        # The best of the previous phase stays the best until the current phase has ranked it.
        phases = [phase for phase in sweep.definition.choosing if any(row["phase"] == phase.name for row in rows[:at])]
        if len(phases) > 1 and ranked:
            before = standings(sweep.definition, rows[:at], phases[-2])
            if before and before[0].experiment not in {standing.experiment for standing in ranked}:
                ranked = before
        if ranked and (not bests or identity_of(ranked[0].assignment) != identity_of(bests[-1][1])):
            bests.append((seconds(rows[:at]), ranked[0].assignment))
    return bests


@dataclass(frozen=True)
class Outcome:
    """Result of one seed on one architecture."""

    mark: float
    """The `mse_test` of random search's best setting."""
    random_seconds: float
    automatic_seconds: float | None
    """Seconds until automatic mode reached the mark; None if it never did."""
    final_mse: float
    """The `mse_test` of the automatic mode's final setting."""
    choosing_seconds: float
    """Seconds of all choosing in automatic mode."""


def compare(architecture: str, seed: int, trials: int, lanes: int) -> Outcome:
    """Runs both searches on one architecture with one seed."""
    with tempfile.TemporaryDirectory() as root:
        # Random search, in full on the newest range.
        newest = [["2013-10-01", "2014-01-01"]]
        space = {
            name: declared.domain.model_dump(mode="json", exclude_defaults=True)
            for name, declared in architectures.hyperparameters(architecture).items()
        }
        search = {"experiments": trials, "seed": seed}
        wide = {"architecture": architecture, "parameters": space, "date-range": newest, "search": search}
        random = run(root, 1, wide, lanes)
        best = standings(random.definition, rows_of(random))[0]
        mark = next(iter(best.by_range.values()))["mse_test"]
        # Automatic mode, in short mode on an earlier month.
        search = {"seed": seed}
        automatic = run(root, 2, {"architecture": architecture, "tune": "automatic", "search": search}, lanes)
        # Each of its best settings so far, in full on the newest range.
        reached, final = None, math.nan
        single = {"architecture": architecture, "tune": "nothing", "date-range": newest, "search": search}
        for number, (spent, setting) in enumerate(settings_so_far(automatic)):
            [row] = rows_of(run(root, 16 + number, {**single, "incumbent": setting}, lanes))
            final = row["mse_test"]
            if reached is None and final <= mark:
                reached = spent + row["training_time"]
        return Outcome(mark, seconds(rows_of(random)), reached, final, seconds(rows_of(automatic)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one seed, a third of the trials")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--lanes", type=int, default=2)
    parser.add_argument("--architectures", nargs="+", default=["bag-of-words", "attention"])
    options = parser.parse_args()
    seeds, trials = (1, TRIALS // 3) if options.quick else (options.seeds, TRIALS)
    for architecture in options.architectures:
        outcomes = []
        for seed in range(seeds):
            outcome = compare(architecture, seed, trials, options.lanes)
            outcomes.append(outcome)
            reached = "never" if outcome.automatic_seconds is None else f"{outcome.automatic_seconds:.0f} s"
            print(
                f"{architecture}, seed {seed}: random, {trials} full trials: mse_test {outcome.mark:.5f} in "
                f"{outcome.random_seconds:.0f} s; automatic as good after {reached}; ends at {outcome.final_mse:.5f} "
                f"after {outcome.choosing_seconds:.0f} s of choosing",
                flush=True,
            )
        shares = [
            math.inf if outcome.automatic_seconds is None else outcome.automatic_seconds / outcome.random_seconds
            for outcome in outcomes
        ]
        print(f"{architecture}: median share of random search's device time: {median(shares):.3f} (aim: 0.1)")


if __name__ == "__main__":
    main()
