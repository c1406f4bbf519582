"""A sweep's answer: its setting, its model, its evidence.

The answer is decided only here: page, terminal, `list`, `fetch`, `export` and `compare` ask here, planners never do.
`analysis/` ranks and judges; `sentence.py` puts the answer into words.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from statistics import fmean

from pipeline.analysis.confirmation import Confirmation
from pipeline.analysis.gains import paired_gains
from pipeline.analysis.ranking import Standing, standings
from pipeline.analysis.verdict import Kind
from pipeline.dates import DateRange
from pipeline.results import Row, Status, range_of
from pipeline.scale import Scale
from pipeline.sweep import Definition, Trial


class Basis(Enum):
    """The reason why a setting is the answer."""

    JUDGED = "judged to be better than the incumbent"
    KEPT = "the incumbent, as no finalist was judged to be better"
    CHOSEN = "the best setting of the choosing phases; no date range has judged it"


@dataclass(frozen=True)
class Answer:
    """A sweep's answer."""

    setting: Standing
    basis: Basis
    rival: str | None = None
    """The best finalist, if the incumbent is the answer although finalists were judged."""
    awaits: bool = False
    """True if a verdict is still to come."""

    @property
    def is_judged(self) -> bool:
        """True if date ranges judged the answer, or the rival that did not beat the incumbent."""
        return self.basis is not Basis.CHOSEN


@dataclass(frozen=True)
class RangeComparison:
    """A setting and the incumbent on one date range, by the test metric."""

    date_range: DateRange
    setting: float
    incumbent: float
    gain: float | None
    """On the sweep's scale; None if that is a ratio and a metric is not positive."""


# -- the setting and its model


def decide(
    definition: Definition,
    rows: Sequence[Row],
    ranked: Sequence[Standing],
    confirmed: Confirmation | None,
    *,
    done: bool,
) -> Answer | None:
    """The answer: a finalist that was judged to be better than the incumbent, else the incumbent.

    A finalist is better if its verdict is real, or if its mean gain on the ranges that judged lies beyond the rope.
    Of several better finalists, one with a real verdict goes first. If nothing was judged, the answer is the best
    setting of the choosing phases. None if nothing is ranked.
    """
    if confirmed is not None:
        is_better = {name: _is_better(definition, rows, confirmed, name) for name in confirmed.compared}
        better = [name for name, wins in is_better.items() if wins]
        if len(better) > 1:
            better.sort(key=lambda name: confirmed.verdicts[name].kind is not Kind.REAL)
        rivals = [name for name, wins in is_better.items() if wins is False]
        name = better[0] if better else confirmed.incumbent if rivals else ""
        if setting := _standing(definition, rows, ranked, name):
            return Answer(setting, Basis.JUDGED) if better else Answer(setting, Basis.KEPT, rival=rivals[0])
    awaits = definition.confirm is not None and not done
    return Answer(ranked[0], Basis.CHOSEN, awaits=awaits) if ranked else None


def _is_better(definition: Definition, rows: Sequence[Row], confirmed: Confirmation, finalist: str) -> bool | None:
    """True if a finalist is better than the incumbent by more than the rope; None if nothing judged it.

    It is not better if it finished none of the ranges that the incumbent finished, or diverged on one of them.
    """
    compared = confirmed.compared[finalist]
    pairs = [
        (pair.finalist, pair.incumbent) for pair in compared if pair.finalist is not None and pair.incumbent is not None
    ]
    if not pairs:
        return False if any(pair.incumbent is not None for pair in compared) else None
    if diverged_on(definition, rows, confirmed, finalist):
        return False
    # A verdict is real only if the mean gain lies beyond the rope, so no test is needed here.
    design = confirmed.design
    gain = paired_gains(confirmed.base, confirmed.scores[finalist], design).mean
    if gain is not None:
        return gain > design.least_gain
    # Without ratios the rope is a share of the mean absolute value of the incumbent's metric.
    difference = definition.objective.sign * fmean(theirs - ours for ours, theirs in pairs)
    return difference > design.rope * fmean(abs(theirs) for _, theirs in pairs)


def diverged_on(definition: Definition, rows: Sequence[Row], confirmed: Confirmation, finalist: str) -> list[DateRange]:
    """The judging ranges on which a finalist diverged and the incumbent did not: there it is infinitely worse."""
    finished = {pair.date_range for pair in confirmed.compared[finalist] if pair.incumbent is not None}
    judging = definition.confirm and definition.confirm.name
    diverged = {
        range_of(row)
        for row in rows
        if (row["phase"], row["experiment"], row["status"]) == (judging, finalist, Status.DIVERGED)
    }
    return sorted(diverged & finished)


def _standing(
    definition: Definition, rows: Sequence[Row], ranked: Sequence[Standing], experiment: str
) -> Standing | None:
    """An experiment's standing in the choosing phases; if it has none, its standing in the phase that judges."""
    if ranking := next((standing for standing in ranked if standing.experiment == experiment), None):
        return ranking
    rows = [row for row in rows if row["experiment"] == experiment]
    return next(iter(standings(definition, rows, definition.confirm)), None) if definition.confirm else None


def newest_model(definition: Definition, rows: Iterable[Row]) -> Row | None:
    """The row whose model is saved for a setting, from the setting's `rows`. None if no training saved a model.

    It is the row of the newest date range (the latest end, then the latest start); among these, that of the
    latest phase of the definition, then of the lowest seed. Incomplete trainings count only if no complete one saved a
    model.
    """
    saved = [row for row in rows if row.get("model_url")]
    complete = [row for row in saved if row["status"] == Status.COMPLETE]
    phases = {phase.name: at for at, phase in enumerate(definition.phases)}

    def newness(row: Row) -> tuple[object, ...]:
        date_range = range_of(row)
        return date_range.end, date_range.start, phases.get(row["phase"], -1), -Trial.parse(row["trial"]).seed

    return max(complete or saved, key=newness, default=None)


# -- the evidence


def range_comparisons(
    definition: Definition, ranked: Sequence[Standing], answer: Answer | None, confirmed: Confirmation | None
) -> Sequence[RangeComparison]:
    """The answer, or its rival, compared with the incumbent: on the ranges that judged, else on those that chose."""
    if answer is None:
        return []
    name = answer.rival or answer.setting.experiment
    pairs: list[tuple[DateRange, float | None, float | None]]
    if confirmed is not None and name in confirmed.compared:
        pairs = [(pair.date_range, pair.finalist, pair.incumbent) for pair in confirmed.compared[name]]
    else:
        incumbent = next((standing for standing in ranked if standing.is_incumbent), None)
        ours, theirs = _tests(definition, answer.setting), _tests(definition, incumbent) if incumbent else {}
        pairs = [(date_range, ours[date_range], theirs.get(date_range)) for date_range in sorted(ours)]
    scale = definition.objective.gains
    return [
        RangeComparison(date_range, ours, theirs, scale.gain(theirs, ours))
        for date_range, ours, theirs in pairs
        if isinstance(ours, int | float) and isinstance(theirs, int | float)
    ]


def fitting_scale(definition: Definition, comparisons: Sequence[RangeComparison]) -> Scale:
    """The sweep's scale, in units that fit the metric on these ranges."""
    values = (value for comparison in comparisons for value in (comparison.setting, comparison.incumbent))
    return definition.objective.gains.fitting(values)


def _tests(definition: Definition, standing: Standing) -> dict[DateRange, float | None]:
    return {range_of(row): row.get(definition.objective.test) for row in standing.by_range.values()}
