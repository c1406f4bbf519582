"""Tests verdicts by real trainings on the built-in flights: *real* where something is real, and only there.

First come null sweeps, in which every experiment is the same model, so that the winner has won by its seeds alone. Then
a sweep of air time, where settings certainly differ, and one of arrival delay, where they hardly do. It needs one core
and no GPU; `--quick` has fewer repeats and experiments. For a simulation with known truth, see `significance.py`.

    python -m benchmarks.real_or_not [--quick | --null 40]
"""

import argparse
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from scipy import stats

from pipeline import spec
from pipeline.analysis.confirmation import confirmation
from pipeline.analysis.history import History
from pipeline.analysis.power import correction
from pipeline.analysis.ranking import standings
from pipeline.analysis.resemblance import learn
from pipeline.analysis.significance import corrected_t_test
from pipeline.analysis.verdict import ALPHA, Kind, Verdict
from pipeline.data.dataset import Dataset
from pipeline.data.load import load
from pipeline.dates import DateRange
from pipeline.local import runner
from pipeline.plan import resemblance, rounds
from pipeline.plan.resolve import resolve
from pipeline.report.conclude import conclude
from pipeline.report.words import resemblance_in_words
from pipeline.results import Row, Status
from pipeline.screen.progress import Lines
from pipeline.spec import Spec
from pipeline.store import open_store
from pipeline.sweep import Definition, Experiment, Sweep, Trial, digests, ledger, seed_of, trials_of
from pipeline.training.loop import train

TARGETS = ("air_time", "arr_delay")
EXPERIMENTS = 8
"""Experiments of a null sweep, besides the incumbent."""
MOST_FALSE_ALARMS = 3
KEPT = "incumbent kept"
STUDY = 1_000_000
"""Number of the study among the repeats, so that its trainings have other seeds."""
SPECS = Path(__file__).parent.parent / "specs"


def null_spec(target: str) -> Spec:
    """A spec of nine settings for the same training. They differ in patience, which two epochs never use up."""
    return spec.from_dict(
        {
            "architecture": "bag-of-words",
            "data": {"source": "flights", "target": target},
            "references": False,
            "training": {"max-epochs": 2, "epoch-steps": 1},
            "search": {"strategy": "grid"},
            "parameters": {
                "batch_size": 4096,
                "embedding_size": 32,
                "learning_rate": 0.01,
                "early_stopping_patience": list(range(5, 5 + EXPERIMENTS + 1)),
            },
        }
    )


def define(parsed: Spec, token: str) -> Definition:
    assert parsed.data is not None
    return resolve(parsed, now=datetime.now(UTC), token=token, covered=parsed.data.covers)


@dataclass
class Null:
    """Sweeps in which all settings are equally good: trainings differ by their seeds alone."""

    definition: Definition
    datasets: dict[DateRange, Dataset] = field(default_factory=dict)

    def sweep(self, repeat: int) -> list[Row]:
        """Trains round after round, until the planner plans no more."""
        experiments: dict[str, Experiment] = {}
        planned: set[Trial] = set()
        rows: list[Row] = []
        for number in range(1000):
            history = History(self.definition, datetime.now(UTC), experiments, planned, rows)
            new, packs = rounds.next_round(history, number)
            if not packs:
                break
            experiments |= {experiment.id: experiment for experiment in new}
            planned |= set(trials_of(packs))
            rows += [self._row(repeat, trial, experiments[trial.experiment]) for trial in trials_of(packs)]
        return rows

    def _row(self, repeat: int, trial: Trial, experiment: Experiment) -> Row:
        phase = self.definition.phase(trial.phase)
        range_ = phase.ranges[trial.range]
        if range_ not in self.datasets:
            self.datasets[range_] = load(self.definition.data, range_)
        outcome = train(
            self.definition.architecture,
            experiment.assignment,
            self.datasets[range_],
            seed=seed_of("null", repeat, trial.experiment, range_, trial.seed),
            max_epochs=phase.fidelity.max_epochs,
            epoch_steps=self.definition.training.epoch_steps,
        )
        return {
            "architecture": self.definition.architecture,
            "date-range": range_.as_json(),
            **experiment.assignment,
            **outcome.metrics,
            "experiment": trial.experiment,
            "trial": str(trial),
            "phase": trial.phase,
            "status": Status(outcome.status),
        }


def verdict_of(definition: Definition, rows: list[Row]) -> Verdict | None:
    """The verdict on the winner; None if nothing beat the incumbent in choosing."""
    confirmed = confirmation(definition, rows)
    return next(iter(confirmed.verdicts.values()), None) if confirmed else None


def with_study(parsed: Spec, definition: Definition) -> Definition:
    """The same sweep, judged by the result of a study of resemblance. The study's settings are all the same, too."""
    assert parsed.data is not None
    confirm = definition.confirm
    assert confirm is not None
    assert confirm.judging is not None
    ranges = resemblance.ranges_of(definition, parsed.data.covers, resemblance.RANGES)
    sampled = define(resemblance.sample(parsed, resemblance.SETTINGS, ranges), "0001")
    study = resemblance.define(sampled, parsed, definition, seeds=1)
    result = learn([digests.digest(study, Null(study).sweep(STUDY))], definition, correction(confirm.ranges))
    assert result is not None
    print(f"    {resemblance_in_words(result)}: c = {result.correction:.2f}, without {result.constant:.2f}", flush=True)
    judging = confirm.judging.model_copy(update={"resemblance": result})
    learned = confirm.model_copy(update={"judging": judging})
    return definition.model_copy(
        update={"phases": tuple(learned if phase is confirm else phase for phase in definition.phases)}
    )


def plain_t_says_better(definition: Definition, rows: list[Row]) -> bool:
    """True if a paired t-test of the winner on the scores that chose it says so: many people do this instead."""
    ranked = standings(definition, rows)
    base = next(standing for standing in ranked if standing.is_incumbent)
    if ranked[0] is base:
        return False
    scores = [[standing.by_range[range_]["mse_valid"] for range_ in base.by_range] for standing in (base, ranked[0])]
    return bool(corrected_t_test(np.log(scores[0]) - np.log(scores[1]), 0.0, 0.0) <= ALPHA)


def null(target: str, repeats: int) -> bool:
    """Prints how often the winner of a null sweep is called real. True if that is rare enough."""
    parsed = null_spec(target)
    definition = define(parsed, "0000")
    print(f"null, {target}")
    learned = with_study(parsed, definition)
    sweeps = Null(definition)
    kinds: Counter[str] = Counter()
    after_study = 0
    plain = 0
    gains: list[float] = []
    began = time.monotonic()
    for repeat in range(repeats):
        rows = sweeps.sweep(repeat)
        verdict = verdict_of(definition, rows)
        kinds[str(verdict.kind) if verdict else KEPT] += 1
        judged = verdict_of(learned, rows)
        after_study += judged is not None and judged.kind is Kind.REAL
        plain += plain_t_says_better(definition, rows)
        if verdict and verdict.gain is not None:
            gains.append(verdict.gain)
    real = kinds[Kind.REAL]
    counts = ", ".join(f"{kind} {kinds[kind]}" for kind in [*map(str, Kind), KEPT] if kinds[kind])
    spread = f", gains of the winners on fresh ranges {min(gains):+.3f} to {max(gains):+.3f}" if gains else ""
    print(f"    {counts} ({time.monotonic() - began:.0f} s{spread})")
    print(f"    real: {_share(real, repeats)}; at most {MOST_FALSE_ALARMS} allowed")
    print(f"    real, judged by what the study found: {_share(after_study, repeats)}")
    print(f"    plain paired t of the winner on the ranges that chose it says better: {_share(plain, repeats)}")
    return max(real, after_study) <= MOST_FALSE_ALARMS


def _share(count: int, of: int) -> str:
    interval = stats.binomtest(count, of).proportion_ci(method="exact")
    return f"{count} of {of} (95 % Clopper-Pearson: {100 * interval.low:.0f} to {100 * interval.high:.0f} %)"


def whole_sweep(name: str, experiments: int | None) -> Verdict | None:
    """Runs one of our specs, from planning to the summary, as `hpt run` does on one lane; prints the answer."""
    parsed = spec.read(SPECS / f"{name}.json")
    parsed = spec.from_dict(
        parsed.model_dump(mode="json", by_alias=True, exclude_unset=True)
        | {"data": _flights(parsed), "search": {"experiments": experiments}}
    )
    definition = define(parsed, "0001")
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="hpt-benchmark-") as folder:
        store = open_store(folder)
        sweep = Sweep.create(store, definition)
        ledger.note_choosing(store, definition)
        with Lines(Console(quiet=True), definition) as view:
            merged = runner.run(sweep, view, lanes=1)
        summary = conclude(sweep, merged)
    print(f"{name}: {len(merged.rows)} trainings ({time.monotonic() - began:.0f} s)")
    print(f"    {summary.answer}")
    if summary.choosing_gain and summary.choosing_gain.unbiased is not None:
        gain = summary.choosing_gain
        print(f"    gain while choosing: {gain.apparent:+.3f} as it came out, {gain.unbiased:+.3f} free of selection")
    verdict = next(iter(summary.confirmed.verdicts.values())) if summary.confirmed else None
    print(f"    {verdict.reason if verdict else 'the incumbent is kept: there is nothing to judge'}")
    return verdict


def _flights(parsed: Spec) -> object:
    return parsed.data.model_dump(mode="json", by_alias=True) if parsed.data else "flights"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="5 repeats and 6 experiments: under two minutes")
    parser.add_argument("--null", type=int, metavar="N", help="nothing but so many null sweeps of each target")
    arguments = parser.parse_args()
    repeats, experiments = (5, 6) if arguments.quick else (arguments.null or 20, None)
    torch.set_num_threads(1)
    began = time.monotonic()
    definition = define(null_spec(TARGETS[0]), "0000")
    assert definition.confirm is not None
    print(f"null sweeps: {EXPERIMENTS} experiments and the incumbent, all the same model, 2 epochs")
    print("choosing on", ", ".join(map(str, definition.choosing[0].ranges)))
    print("judging on", ", ".join(map(str, definition.confirm.ranges)), flush=True)
    few_enough = [null(target, repeats) for target in TARGETS]
    if arguments.null:
        sys.exit(0 if all(few_enough) else 1)
    air_time = whole_sweep("quickstart", experiments)
    whole_sweep("arrival-delay", experiments)
    if not all(few_enough):
        print(f"FAILED: more than {MOST_FALSE_ALARMS} winners of null sweeps were called real")
    is_shown = air_time is not None and air_time.kind == Kind.REAL
    if not is_shown:
        print("FAILED: air time has a real gain for certain, and it was not called real")
    print(f"{time.monotonic() - began:.0f} s in all")
    sys.exit(0 if all(few_enough) and is_shown else 1)


if __name__ == "__main__":
    main()
