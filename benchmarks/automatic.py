"""How much device time does the automatic mode need to be as good as 64 full trainings of random search?

Real trainings on the built-in flights. Random search draws 64 settings (the incumbent among them) from everything that
an architecture declares and trains each in full on the newest date range; what its best by `mse_valid` has as
`mse_test` is the mark. The automatic mode chooses in its short mode, on the month before; each setting that it would
have named as its best so far is then trained in full on that newest range, and the first one that is as good as the
mark counts, with all the time of choosing until then and this one training. Judging is left out on both sides. Minutes
to hours on a CPU: `--quick` has one seed and a third of the trials.

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


def run(root: str, token: int, asked: dict[str, Any], lanes: int) -> Sweep:
    parsed = spec.from_dict({"data": "flights", "confirm": {"ranges": 0}, **asked})
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
    """After how many seconds of training which setting was the best so far, each time that it changed."""
    found: list[tuple[float, Assignment]] = []
    rows = sorted(rows_of(sweep), key=lambda row: (row["finished"], row["trial"]))
    for at in range(1, len(rows) + 1):
        ranked = standings(sweep.definition, rows[:at])
        # Of a phase that has only begun, the best says less than that of the phase before.
        before = [phase for phase in sweep.definition.choosing if any(row["phase"] == phase.name for row in rows[:at])]
        if len(before) > 1 and ranked:
            known = standings(sweep.definition, rows[:at], before[-2])
            own = {one.experiment: one.score for one in ranked}
            if known and known[0].experiment not in own:
                ranked = known
        if ranked and (not found or identity_of(ranked[0].assignment) != identity_of(found[-1][1])):
            found.append((seconds(rows[:at]), ranked[0].assignment))
    return found


@dataclass(frozen=True)
class Outcome:
    """One seed on one architecture."""

    mark: float
    random_seconds: float
    automatic_seconds: float | None
    """None: never as good."""
    last: float
    """The `mse_test` of what the automatic mode ends with."""
    whole: float
    """Seconds of all its choosing."""


def compare(architecture: str, seed: int, trials: int, lanes: int) -> Outcome:
    with tempfile.TemporaryDirectory() as root:
        newest = [["2013-10-01", "2014-01-01"]]
        space = {
            name: declared.domain.model_dump(mode="json", exclude_defaults=True)
            for name, declared in architectures.hyperparameters(architecture).items()
        }
        search = {"experiments": trials, "seed": seed}
        wide = {"architecture": architecture, "parameters": space, "date-range": newest, "search": search}
        drawn = run(root, 1, wide, lanes)
        best = standings(drawn.definition, rows_of(drawn))[0]
        mark = next(iter(best.by_range.values()))["mse_test"]
        automatic = {"architecture": architecture, "tune": "automatic", "search": {"seed": seed}}
        tuned = run(root, 2, automatic, lanes)
        reached, last = None, math.nan
        for number, (spent, setting) in enumerate(settings_so_far(tuned)):
            alone = {"architecture": architecture, "tune": "nothing", "incumbent": setting, "date-range": newest}
            [row] = rows_of(run(root, 16 + number, {**alone, "search": {"seed": seed}}, lanes))
            last = row["mse_test"]
            if reached is None and last <= mark:
                reached = spent + row["training_time"]
        return Outcome(mark, seconds(rows_of(drawn)), reached, last, seconds(rows_of(tuned)))


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
            one = compare(architecture, seed, trials, options.lanes)
            outcomes.append(one)
            reached = "never" if one.automatic_seconds is None else f"{one.automatic_seconds:.0f} s"
            print(
                f"{architecture}, seed {seed}: random, {trials} full trials: mse_test {one.mark:.5f} in "
                f"{one.random_seconds:.0f} s; automatic as good after {reached}; ends at {one.last:.5f} after "
                f"{one.whole:.0f} s of choosing",
                flush=True,
            )
        shares = [
            math.inf if one.automatic_seconds is None else one.automatic_seconds / one.random_seconds
            for one in outcomes
        ]
        print(f"{architecture}: median share of random search's device time: {median(shares):.3f} (aim: 0.1)")


if __name__ == "__main__":
    main()
