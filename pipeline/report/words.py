"""Settings, outcomes, times and gains in a few words, for every place that shows them."""

import math
from typing import NamedTuple

from pipeline.analysis.ranking import Standing
from pipeline.results import Row, Status, is_reference, shown
from pipeline.scale import Scale
from pipeline.sweep import Definition
from pipeline.sweep.definition import Resemblance


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


def settings_in_words(definition: Definition, standing: Standing) -> str:
    """`learning_rate=0.03 hidden_size=128`: only what the sweep searches; the incumbent as people call it."""
    if standing.is_incumbent:
        return incumbent_in_words(definition).name
    names = dict.fromkeys(name for phase in definition.phases for name in phase.space)
    return " ".join(f"{name}={shown(standing.assignment.get(name))}" for name in names)


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
