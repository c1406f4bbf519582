"""Puts settings, outcomes, times and gains into short words, the same on the page and on the terminal."""

import math
from typing import NamedTuple

from pipeline.analysis.ranking import Standing
from pipeline.results import Row, Status, is_reference, printable
from pipeline.scale import Scale
from pipeline.space import Assignment, Scalar, identity_of
from pipeline.sweep import Definition
from pipeline.sweep.definition import Resemblance

MOST_VALUES = 5
"""Values in a setting's name, or one more; people do not read a longer list."""
LONGEST_VALUE = 40
"""Characters of a hyperparameter's name, and of its value, in a setting's name."""


class IncumbentWords(NamedTuple):
    """The incumbent's name for people, in the grammatical forms that sentences need."""

    name: str
    pronoun: str
    """`them`."""
    possessive_pronoun: str
    """`theirs`."""
    possessive: str
    """`the defaults'`."""
    verb: str
    """`are`."""
    determiner: str
    """`their`."""


_DEFAULTS = IncumbentWords("the defaults", "them", "theirs", "the defaults'", "are", "their")
_YOUR_SETTING = IncumbentWords("your setting", "it", "its", "your setting's", "is", "its")


def incumbent_in_words(definition: Definition) -> IncumbentWords:
    """`the defaults`, or `your setting` if the spec names an incumbent."""
    return next(words for words in (_DEFAULTS, _YOUR_SETTING) if words.name == definition.incumbent_name)


def differences(definition: Definition, assignment: Assignment) -> Assignment:
    """The values of a setting that differ from the incumbent's; searched hyperparameters come first."""
    searched = dict.fromkeys(name for phase in definition.phases for name in phase.space)
    incumbent = definition.incumbent
    return {
        name: assignment.get(name)
        for name in searched | incumbent
        if identity_of({name: assignment.get(name)}) != identity_of({name: incumbent.get(name)})
    }


def values_in_words(definition: Definition, assignment: Assignment) -> str:
    """`learning_rate=0.03 hidden_size=128`: the differences from the incumbent; `the defaults` if there are none."""
    values = differences(definition, assignment)
    if not values:
        return definition.incumbent_name
    return " ".join(f"{name}={printable(value)}" for name, value in values.items())


def setting_name(definition: Definition, assignment: Assignment, most: int = MOST_VALUES) -> str:
    """`learning_rate 0.0283, batch_size 256`: like `values_in_words`, but rounded and shortened.

    Of more than `most` + 1 values only the first `most` are shown: `dropout 0.1, filters 64 and 3 more`.
    """
    values = differences(definition, assignment)
    if not values:
        return definition.incumbent_name
    words = [f"{_short(name)} {_short(_rounded(value))}" for name, value in values.items()]
    excess = len(words) - most
    return ", ".join(words) if excess < 2 else f"{', '.join(words[:most])} and {excess} more"


def _rounded(value: Scalar) -> Scalar:
    return float(f"{value:.3g}") if isinstance(value, float) else value


def _short(value: Scalar) -> str:
    text = printable(value)
    return text if len(text) <= LONGEST_VALUE else text[: LONGEST_VALUE - 1] + "…"


def better_heading(definition: Definition) -> str:
    """The heading of a column that `times_better` fills."""
    return "times better" if definition.objective.scale == "ratio" else "better by"


def times_better(standing: Standing, scale: Scale) -> str:
    """A setting's gain over the incumbent: `1.35` (times better), or a difference: `+0.4 points`. Empty if unknown."""
    if standing.difference is not None:
        return scale.words(standing.difference, plus="+")
    return "" if standing.gain is None else f"{standing.gain:.3g}"


def outcome(row: Row, metric: str) -> str:
    """The outcome of a trial: `mse_valid 0.0312, 12 epochs`, `failed: out of memory`."""
    if row["status"] != Status.COMPLETE:
        return f"{row['status']}" + (f": {row['error']}" if row.get("error") else "")
    copied = f", copied from {row['reused_from']}" if row.get("reused_from") else ""
    epochs = "" if is_reference(row) else f", {row['epochs']} epochs"
    return f"{metric}_valid {row.get(f'{metric}_valid', math.nan):.4g}{epochs}{copied}"


def failure_in_words(error: str | None) -> str:
    """A trial's error message. A diverged trial has none: then the words say what became of its loss."""
    return error or "the loss became infinite or not a number"


def resemblance_in_words(resemblance: Resemblance) -> str:
    """The measured resemblance of date ranges, its sources, and its effect on the judging.

    `your date ranges resemble each other little: 0.1 (at most 0.2), from 96 trainings of 2 earlier sweeps, so …`.
    """
    sweeps = f"{len(resemblance.sources)} earlier sweep{'s' if len(resemblance.sources) > 1 else ''}"
    if resemblance.correction < resemblance.constant:
        effect = "so smaller gains can be judged real than without this knowledge"
    elif resemblance.correction > resemblance.constant:
        effect = "so a gain must be larger to be judged real than without this knowledge"
    else:
        effect = "which does not change how the winner is judged"
    return (
        f"your date ranges resemble each other {resemblance.how_much}: {resemblance.correlation:.1g} (at most "
        f"{resemblance.correlation_at_most:.1g}), from {resemblance.trainings:,} trainings of {sweeps}, {effect}"
    )


def duration(seconds: float) -> str:
    """`42 s`, `12 min`, `3.4 h`."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
