"""Settings, outcomes, times and gains in a few words, for every place that shows them."""

import math
from typing import NamedTuple

from pipeline.analysis.ranking import Standing
from pipeline.results import Row, Status, is_reference, shown
from pipeline.scale import Scale
from pipeline.space import Assignment, Scalar, identity_of
from pipeline.sweep import Definition
from pipeline.sweep.definition import Resemblance

MOST_NAMED = 5
"""Values by which a setting is named; one with more is not read any more."""
LONGEST_NAMED = 40
"""Characters of a name or a value in these."""


class IncumbentWords(NamedTuple):
    """What people call the incumbent, in all forms that sentences need."""

    name: str
    them: str
    theirs: str
    whose: str
    are: str
    whose_own: str


_DEFAULTS = IncumbentWords("the defaults", "them", "theirs", "the defaults'", "are", "their")
_YOUR_SETTING = IncumbentWords("your setting", "it", "its", "your setting's", "is", "its")


def incumbent_in_words(definition: Definition) -> IncumbentWords:
    """`the defaults`, or `your setting` where the spec names values of its own."""
    return next(words for words in (_DEFAULTS, _YOUR_SETTING) if words.name == definition.incumbent_name)


def differences(definition: Definition, assignment: Assignment) -> Assignment:
    """The values of a setting that are not the incumbent's: what is searched first, then all others."""
    searched = dict.fromkeys(name for phase in definition.phases for name in phase.space)
    theirs = definition.incumbent
    return {
        name: assignment.get(name)
        for name in searched | theirs
        if identity_of({name: assignment.get(name)}) != identity_of({name: theirs.get(name)})
    }


def values_in_words(definition: Definition, assignment: Assignment) -> str:
    """`learning_rate=0.03 hidden_size=128`: what differs from the incumbent; the incumbent as people call it."""
    own = differences(definition, assignment)
    if not own:
        return incumbent_in_words(definition).name
    return " ".join(f"{name}={shown(value)}" for name, value in own.items())


def setting_name(definition: Definition, assignment: Assignment, most: int = MOST_NAMED) -> str:
    """`learning_rate 0.0283, batch_size 256`, to read: what differs from the incumbent, `most` of it, and rounded."""
    own = differences(definition, assignment)
    if not own:
        return incumbent_in_words(definition).name
    words = [f"{_short(name)} {_short(_rounded(value))}" for name, value in own.items()]
    more = len(words) - most
    return ", ".join(words) if more < 2 else f"{', '.join(words[:most])} and {more} more"


def _rounded(value: Scalar) -> Scalar:
    return float(f"{value:.3g}") if isinstance(value, float) else value


def _short(value: Scalar) -> str:
    text = shown(value)
    return text if len(text) <= LONGEST_NAMED else text[: LONGEST_NAMED - 1] + "…"


def better_heading(definition: Definition) -> str:
    """What stands above `times_better`."""
    return "times better" if definition.objective.scale == "ratio" else "better by"


def times_better(standing: Standing, scale: Scale) -> str:
    """How much better a setting is than the incumbent: `1.35` times, or by a difference, `+0.4 points`."""
    if standing.difference is not None:
        return scale.words(standing.difference, plus="+")
    return "" if standing.gain is None else f"{standing.gain:.3g}"


def outcome(row: Row, metric: str) -> str:
    """How a trial ended, in a few words."""
    if row["status"] != Status.COMPLETE:
        return f"{row['status']}" + (f": {row['error']}" if row.get("error") else "")
    how = f", copied from {row['reused_from']}" if row.get("reused_from") else ""
    epochs = "" if is_reference(row) else f", {row['epochs']} epochs"
    return f"{metric}_valid {row.get(f'{metric}_valid', math.nan):.4g}{epochs}{how}"


def resemblance_in_words(resemblance: Resemblance) -> str:
    """How alike date ranges are, from what that is known, and what follows."""
    sweeps = f"{len(resemblance.sources)} earlier sweep{'s' if len(resemblance.sources) > 1 else ''}"
    if resemblance.correction < resemblance.constant:
        follows = "so smaller gains are found than without knowing"
    elif resemblance.correction > resemblance.constant:
        follows = "so it takes larger gains than without knowing"
    else:
        follows = "which changes nothing in how the winner is judged"
    return (
        f"your date ranges resemble each other {resemblance.how_much}: {resemblance.correlation:.1g} (at most "
        f"{resemblance.correlation_at_most:.1g}), from {resemblance.trainings:,} trainings of {sweeps}, {follows}"
    )


def duration(seconds: float) -> str:
    """`42 s`, `12 min`, `3.4 h`."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
