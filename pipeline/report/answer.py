"""A sweep's answer: which setting that is, which model, on what evidence, and the sentence that says so.

The one place that decides it: page, terminal, `list`, `fetch`, `export` and `compare` ask here, planners never do.
It ranks and judges nothing itself; that is the work of `analysis/`.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING

from pipeline.analysis.ranking import Standing
from pipeline.analysis.spending import device_seconds
from pipeline.analysis.verdict import Kind, Verdict
from pipeline.dates import DateRange
from pipeline.report.words import duration
from pipeline.results import Goal, Row, Status, range_of
from pipeline.sweep import Definition, Trial

if TYPE_CHECKING:
    from pipeline.analysis.confirmation import Confirmation

_CLAIMS = {
    Kind.REAL: ", and that is real",
    Kind.PROMISING: ", and promising",
    Kind.NOT_SHOWN: " so far, but that it is better than the incumbent is not shown",
    Kind.NOT_TESTABLE: ", but whether that is real could not be tested",
}
_CERTAINTIES = {
    Kind.REAL: "confirmed as real",
    Kind.PROMISING: "promising, but not confirmed as real",
    Kind.NOT_SHOWN: "not confirmed: that it is better than the incumbent is not shown",
    Kind.NOT_TESTABLE: "not confirmed: whether it is better than the incumbent could not be tested",
}


@dataclass(frozen=True)
class Judged:
    """The best setting and the incumbent on one date range, by the test metric."""

    date_range: DateRange
    best: float
    incumbent: float
    factor: float | None
    """How many times better the best is; None where a ratio makes no sense."""


# -- which setting, and which model


def best_setting(ranked: Sequence[Standing], verdicts: Mapping[str, Verdict] | None = None) -> Standing | None:
    """The setting that is a sweep's answer: the first that is confirmed as real, else the first of the ranking.

    `verdicts` are by experiment. None if nothing is ranked. So far only `export` passes verdicts; page, `list`, `fetch`
    and `compare` name the best of choosing, whatever was found when it was judged.
    """
    real = {name for name, verdict in (verdicts or {}).items() if verdict.kind is Kind.REAL}
    return next((standing for standing in ranked if standing.experiment in real), ranked[0] if ranked else None)


def newest_model(definition: Definition, rows: Iterable[Row]) -> Row | None:
    """The row whose model stands for a setting; `rows` are the setting's own. None if none of them saved a model.

    That of the newest date range (the latest end, then the latest start), of several the one of the phase that is
    latest in the definition, and of these the one of the lowest seed. Trainings that were not completed count only
    where no other saved a model.
    """
    saved = [row for row in rows if row.get("model_url")]
    complete = [row for row in saved if row["status"] == Status.COMPLETE]
    phases = {phase.name: at for at, phase in enumerate(definition.phases)}

    def newness(row: Row) -> tuple[object, ...]:
        date_range = range_of(row)
        return date_range.end, date_range.start, phases.get(row["phase"], -1), -Trial.parse(row["trial"]).seed

    return max(complete or saved, key=newness, default=None)


# -- the evidence


def judged_ranges(
    definition: Definition, ranked: Sequence[Standing], confirmed: "Confirmation | None"
) -> Sequence[Judged]:
    """The best setting against the incumbent: on the ranges that judged it, else on those that chose it."""
    best = best_setting(ranked)
    if best is None:
        return []
    pairs: list[tuple[DateRange, float | None, float | None]]
    if confirmed is not None and best.experiment in confirmed.compared:
        pairs = [(one.date_range, one.finalist, one.incumbent) for one in confirmed.compared[best.experiment]]
    else:
        incumbent = next((standing for standing in ranked if standing.is_incumbent), None)
        ours, theirs = _tests(definition, best), _tests(definition, incumbent) if incumbent else {}
        pairs = [(date_range, ours[date_range], theirs.get(date_range)) for date_range in sorted(ours)]
    goal = definition.objective.goal
    return [
        Judged(date_range, ours, theirs, _factor(ours, theirs, goal))
        for date_range, ours, theirs in pairs
        if isinstance(ours, int | float) and isinstance(theirs, int | float)
    ]


def _tests(definition: Definition, standing: Standing) -> dict[DateRange, float | None]:
    return {range_of(row): row.get(definition.objective.test) for row in standing.by_range.values()}


def _factor(ours: float, theirs: float, goal: Goal) -> float | None:
    if min(ours, theirs) <= 0:
        return None
    return theirs / ours if goal == "minimize" else ours / theirs


# -- the words


def certainty(best: Standing, verdict: Verdict | None, *, is_awaited: bool) -> str:
    """How sure it is that a setting is better, as `hpt export` says it: `confirmed as real`.

    `is_awaited` says that a verdict is still to come.
    """
    if best.is_incumbent:
        return "nothing tried is better than the incumbent"
    if verdict is not None:
        return _CERTAINTIES[verdict.kind]
    return "not confirmed yet" if is_awaited else "not confirmed"


def so_far(trials: int, planned: int) -> str:
    """What a sentence about a sweep begins with that is not finished."""
    return f"So far ({trials} of {planned} trials): "


def answer(
    definition: Definition,
    rows: Sequence[Row],
    ranked: Sequence[Standing],
    judged: Sequence[Judged],
    confirmed: "Confirmation | None",
) -> str:
    """One sentence: which setting, how much better, how sure, at what cost."""
    cost = f"cost {duration(device_seconds(rows))} of training."
    best = best_setting(ranked)
    if best is None:
        return f"no experiment finished on every date range, so there is no best setting; {cost}"
    if definition.phases[0].name == "train":
        return f"{_nothing_tuned(definition, best)}; {cost}"
    if best.is_incumbent:
        is_alone = len(ranked) == 1 and len({row["experiment"] for row in rows}) == 1
        kept = f"nothing tried beats the incumbent by {definition.objective.valid}: keep it"
        return f"{'nothing but the incumbent was tried' if is_alone else kept}; {cost}"
    verdict = confirmed.verdicts.get(best.experiment) if confirmed is not None else None
    claim = f"{best.experiment} is the best setting" + (_CLAIMS[verdict.kind] if verdict is not None else "")
    is_fresh = confirmed is not None and confirmed.design.fresh
    return f"{claim}{_evidence(definition, judged, verdict, is_fresh)}; {cost}"


def _nothing_tuned(definition: Definition, only: Standing) -> str:
    tests = [value for value in _tests(definition, only).values() if value is not None]
    words = "one setting was trained and nothing tuned"
    if not tests:
        return words
    return f"{words}; its {definition.objective.test} is {fmean(tests):.4g}, the mean over {len(tests)} date ranges"


def _evidence(definition: Definition, judged: Sequence[Judged], verdict: Verdict | None, is_fresh: bool) -> str:
    """How much better the best setting is, and on how many date ranges; where there are no ratios, what chose it."""
    objective = definition.objective
    factors = [one.factor for one in judged if one.factor is not None]
    if not factors or len(factors) < len(judged):
        is_untestable = verdict is not None and verdict.kind is Kind.NOT_TESTABLE
        why = f" ({verdict.reason.rstrip('.')})" if verdict is not None and is_untestable else ""
        return f"{why}, by {objective.valid}"
    size = _size(math.exp(fmean(map(math.log, factors))), objective.goal)
    wins = f"better on {sum(factor > 1 for factor in factors)} of {len(factors)}"
    if verdict is None:
        ranges = f"{len(factors)} date range{'s' if len(factors) > 1 else ''}"
        where = f"{wins}; not confirmed on ranges other than the {ranges} it was chosen on"
    else:
        p = f" (p = {verdict.p_adjusted:.2g})" if verdict.p_adjusted is not None else ""
        where = f"{wins} {'fresh ' if is_fresh else ''}date ranges{p}"
    return f": its {objective.test} is {size} the incumbent's, {where}"


def _size(factor: float, goal: Goal) -> str:
    """`2 times smaller than`, `3.1 % larger than`, `the same as`."""
    less, more = ("smaller", "larger") if goal == "minimize" else ("larger", "smaller")
    if factor >= 1.1:
        return f"{factor:.2g} times {less} than"
    if f"{factor:.3f}" == "1.000":
        return "the same as"
    if factor < 1:
        return f"{100 * (1 / factor - 1):.1f} % {more} than"
    return f"{100 * (1 - 1 / factor):.1f} % {less} than"
