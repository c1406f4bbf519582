"""One data set, one seed: our sweep, and the others on the ranges that it chose and judged on."""

import math
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.strangers import apart, ours
from benchmarks.strangers.apart import Asked, in_a_fresh_process
from benchmarks.strangers.data import DataSet

OTHERS = ("constant", "ridge", "trees", "trees tuned", "optuna")
_TUNED = {
    "trees tuned": (apart.study_trees, apart.judge_trees),
    "optuna": (apart.study_network, apart.judge_network),
}


@dataclass
class Outcome:
    """One data set, one seed. Errors are those on the ranges that judge, their mean."""

    data: str
    seed: int
    errors: dict[str, float] = field(default_factory=dict)
    """By the names of `OTHERS`, and `defaults` and `ours`."""
    seconds: dict[str, float] = field(default_factory=dict)
    """Of choosing: `ours`, `trees tuned`, `optuna`."""
    settings: dict[str, Any] = field(default_factory=dict)
    ranges: dict[str, list[str]] = field(default_factory=dict)
    keeps_defaults: bool = False
    """Whether our answer is to change nothing."""
    failures: list[str] = field(default_factory=list)

    @property
    def is_whole(self) -> bool:
        """Whether everybody has an error to compare."""
        return all(math.isfinite(self.errors.get(name, math.nan)) for name in ("ours", "defaults", *OTHERS))


def compare(data_set: DataSet, architecture: str, seed: int, epochs: int) -> Outcome:
    """What fails is noted, and the rest goes on; without our ranges there is nothing to go on with.

    `epochs` are the most that a training of Optuna's gets.
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
    asked = Asked(
        data_set.data, sweep.choosing, sweep.judging, training.validation_share, training.test_share, seed, epochs
    )
    for name in OTHERS:
        try:
            if name in _TUNED:
                study, judge = _TUNED[name]
                outcome.settings[name], outcome.seconds[name] = in_a_fresh_process(study, asked)
                outcome.errors[name], _ = in_a_fresh_process(judge, asked, outcome.settings[name])
            else:
                outcome.errors[name], _ = in_a_fresh_process(apart.judge_untuned, asked, name)
        except Exception as error:
            outcome.failures.append(f"{name}: {in_words(error)}")
    return outcome


def in_words(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0]
