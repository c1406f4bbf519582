"""Compares on one data set with one seed: runs our sweep, then the baselines on the date ranges of the sweep."""

import math
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.strangers import ours, processes
from benchmarks.strangers.data import DataSet
from benchmarks.strangers.processes import Task, in_a_fresh_process

BASELINES = ("constant", "ridge", "trees", "trees tuned", "optuna")
_TUNED = {
    "trees tuned": (processes.tune_trees, processes.judge_trees),
    "optuna": (processes.tune_network, processes.judge_network),
}


@dataclass
class Outcome:
    """Result of one data set and seed."""

    data: str
    seed: int
    errors: dict[str, float] = field(default_factory=dict)
    """Mean error over the ranges that judge: of `BASELINES`, `defaults`, `ours`, perhaps `best of choosing`."""
    seconds: dict[str, float] = field(default_factory=dict)
    """Wall time of choosing, of `ours`, `trees tuned` and `optuna`."""
    settings: dict[str, Any] = field(default_factory=dict)
    ranges: dict[str, list[str]] = field(default_factory=dict)
    keeps_defaults: bool = False
    """True if our answer is to keep the defaults."""
    failures: list[str] = field(default_factory=list)

    @property
    def is_complete(self) -> bool:
        """True if there is a finite error of `ours`, `defaults` and every baseline."""
        return all(math.isfinite(self.errors.get(name, math.nan)) for name in ("ours", "defaults", *BASELINES))


def compare(data_set: DataSet, architecture: str, seed: int, epochs: int) -> Outcome:
    """Runs our sweep and every baseline. A failure is noted in the outcome; if the sweep fails, no baseline runs.

    `epochs` limits each training of Optuna.
    """
    outcome = Outcome(data_set.name, seed)
    try:
        with tempfile.TemporaryDirectory(prefix="hpt-strangers-") as folder:
            sweep = ours.run(data_set, architecture, seed, Path(folder))
    except Exception as error:
        outcome.failures.append(f"ours: {in_words(error)}")
        return outcome
    outcome.errors |= {"defaults": sweep.defaults, "ours": sweep.error}
    outcome.seconds["ours"] = sweep.seconds
    outcome.settings["ours"] = sweep.setting
    outcome.ranges |= {"choosing": list(map(str, sweep.choosing)), "judging": list(map(str, sweep.judging))}
    outcome.keeps_defaults = sweep.is_incumbent
    if sweep.best_of_choosing is not None:
        outcome.errors["best of choosing"] = sweep.best_of_choosing
    if sweep.failed:
        outcome.failures.append(f"ours: {sweep.failed} trials failed")

    training = sweep.definition.training
    task = Task(
        data_set.data, sweep.choosing, sweep.judging, training.validation_share, training.test_share, seed, epochs
    )
    for name in BASELINES:
        try:
            if name in _TUNED:
                tune, judge = _TUNED[name]
                outcome.settings[name], outcome.seconds[name] = in_a_fresh_process(tune, task)
                outcome.errors[name], _ = in_a_fresh_process(judge, task, outcome.settings[name])
            else:
                outcome.errors[name], _ = in_a_fresh_process(processes.judge_untuned, task, name)
        except Exception as error:
            outcome.failures.append(f"{name}: {in_words(error)}")
    return outcome


def in_words(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0]
