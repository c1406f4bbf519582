"""What the summary says, as plain values; how it looks is the templates' business."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING, Any

from pipeline.analysis.ranking import Standing, standings
from pipeline.analysis.selection import ChoosingGain, gain_of_choosing
from pipeline.analysis.spending import device_seconds
from pipeline.analysis.verdict import Kind
from pipeline.dates import DateRange
from pipeline.report.costs import Costs, costs
from pipeline.results import Row, Status, range_of
from pipeline.sweep import Definition, Trial

if TYPE_CHECKING:
    from pipeline.analysis.calibration import Calibration
    from pipeline.analysis.confirmation import Confirmation

BEST = 10


@dataclass(frozen=True)
class Judged:
    """The best setting and the incumbent on one date range, by the test metric. Lower is better unless said."""

    date_range: DateRange
    best: float
    incumbent: float
    factor: float | None
    """How many times better the best is; None where a ratio makes no sense."""


@dataclass(frozen=True)
class Summary:
    """All that the page shows."""

    definition: Definition
    rows: Sequence[Row]
    planned: int
    done: bool
    """Whether nothing more will come."""
    ranked: Sequence[Standing]
    judged: Sequence[Judged]
    """On the ranges that judged, if there was a confirmation, else on those that chose."""
    confirmed: "Confirmation | None"
    choosing_gain: ChoosingGain | None
    saved: int
    """Trials that a race made needless."""
    answer: str
    failures: Sequence[Row]
    skipped: Sequence[tuple[str, str]]
    counts: dict[str, int]
    costs: Costs
    calibration: "Calibration | None" = None
    """What a calibration found; None in every other sweep, and where it has nothing to say yet."""

    @property
    def best(self) -> Standing | None:
        return self.ranked[0] if self.ranked else None

    @property
    def model(self) -> Row | None:
        """The row whose model is the best setting's on its newest date range."""
        rows = [row for row in self.rows if self.best and row["experiment"] == self.best.experiment]
        rows = [row for row in rows if row.get("model_url")]
        return max(rows, key=lambda row: (row["date-range"], -Trial.parse(row["trial"]).seed), default=None)

    @property
    def wanted_more(self) -> str:
        """What the sweep would do with a larger budget; empty if it did all that was asked for."""
        return self.costs.wanted_more

    def distinct(self, column: str) -> list[str]:
        """What stands in a column, each value once, most frequent first."""
        return [str(value) for value, _ in Counter(row.get(column) for row in self.rows).most_common() if value]

    @property
    def searched(self) -> list[str]:
        return list(dict.fromkeys(name for phase in self.definition.phases for name in phase.space))


def summarize(
    definition: Definition,
    rows: Sequence[Row],
    planned: Sequence[Trial],
    done: bool,
    confirmed: "Confirmation | None" = None,
    skipped: Sequence[tuple[str, str]] = (),
) -> Summary:
    """`planned` are the trials that all rounds so far asked for; `done` says that no more will come."""
    ranked = standings(definition, rows)
    judged = _judged(definition, ranked, confirmed)
    paid = costs(definition, rows, done)
    return Summary(
        definition=definition,
        rows=rows,
        planned=len(planned),
        done=done,
        ranked=ranked,
        judged=judged,
        confirmed=confirmed,
        choosing_gain=gain_of_choosing(definition, ranked),
        saved=_saved(definition, planned, done),
        answer=_answer(definition, ranked, judged, confirmed, rows, "" if done else _so_far(rows, planned)),
        failures=[row for row in rows if not Status(row["status"]).is_result or row["status"] == Status.DIVERGED],
        skipped=skipped,
        counts=dict(Counter(row["status"] for row in rows)),
        costs=paid,
    )


def setting(standing: Standing, names: Sequence[str]) -> dict[str, Any]:
    return {name: standing.assignment[name] for name in names}


def duration(seconds: float) -> str:
    """`42 s`, `12 min`, `3.4 h`."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def percent_of(gain: float, goal: str) -> str:
    """A log ratio in words: `12.3 %` of the incumbent's metric."""
    return f"{100 * (-math.expm1(-gain) if goal == 'minimize' else math.expm1(gain)):.1f} %"


def _saved(definition: Definition, planned: Sequence[Trial], done: bool) -> int:
    """What running every experiment on every range would have taken more, in races that are over."""
    saved = 0
    begun = {trial.phase for trial in planned}
    for at, phase in enumerate(definition.phases):
        own = [trial for trial in planned if trial.phase == phase.name]
        over = done or any(later.name in begun for later in definition.phases[at + 1 :])
        if phase.race and own and over:
            saved += len({trial.experiment for trial in own}) * len(phase.ranges) * phase.seeds - len(own)
    return saved


def _so_far(rows: Sequence[Row], planned: Sequence[Trial]) -> str:
    return f"So far ({len(rows)} of {len(planned)} trials): " if len(rows) < len(planned) else ""


def _judged(definition: Definition, ranked: Sequence[Standing], confirmed: "Confirmation | None") -> list[Judged]:
    if not ranked:
        return []
    if confirmed is not None and ranked[0].experiment in confirmed.compared:
        pairs = [(one.date_range, one.finalist, one.incumbent) for one in confirmed.compared[ranked[0].experiment]]
    else:
        metric = definition.objective.test
        base = next((standing for standing in ranked if standing.is_incumbent), None)
        if base is None:
            return []
        theirs = _by_date_range(base)
        pairs = [
            (range_, row.get(metric), theirs.get(range_, {}).get(metric))
            for range_, row in sorted(_by_date_range(ranked[0]).items())
        ]
    judged = []
    for range_, best, other in pairs:
        if isinstance(best, int | float) and isinstance(other, int | float):
            better = (other, best) if definition.objective.goal == "minimize" else (best, other)
            judged.append(Judged(range_, best, other, better[0] / better[1] if min(better) > 0 else None))
    return judged


def _by_date_range(standing: Standing) -> dict[DateRange, Row]:
    return {range_of(row): row for row in standing.by_range.values()}


def _answer(
    definition: Definition,
    ranked: Sequence[Standing],
    judged: Sequence[Judged],
    confirmed: "Confirmation | None",
    rows: Sequence[Row],
    so_far: str,
) -> str:
    """One sentence: which setting, how much better, how sure, at what cost."""
    metric = definition.objective.metric
    cost = f"cost {duration(device_seconds(rows))} of training."
    if not ranked:
        return f"{so_far}no experiment finished on every date range, so there is no best setting; {cost}"
    best = ranked[0]
    if definition.phases[0].name == "train":
        tests = [row[f"{metric}_test"] for row in best.by_range.values() if row.get(f"{metric}_test") is not None]
        mean = f"; its {metric}_test is {fmean(tests):.4g}, the mean over {len(tests)} date ranges" if tests else ""
        return f"{so_far}one setting was trained and nothing tuned{mean}; {cost}"
    if best.is_incumbent and len(ranked) == 1 and len({row["experiment"] for row in rows}) == 1:
        return f"{so_far}nothing but the incumbent was tried; {cost}"
    if best.is_incumbent:
        return f"{so_far}nothing tried beats the incumbent by {metric}_valid: keep it; {cost}"
    verdict = confirmed.verdicts.get(best.experiment) if confirmed is not None else None
    head = f"{so_far}{best.experiment} is the best setting"
    if verdict is not None:
        head += {
            Kind.REAL: ", and that is real",
            Kind.PROMISING: ", and promising",
            Kind.NOT_SHOWN: " so far, but that it is better than the incumbent is not shown",
            Kind.NOT_TESTABLE: ", but whether that is real could not be tested",
        }[verdict.kind]
    if not judged or any(one.factor is None for one in judged):
        why = f" ({verdict.reason.rstrip('.')})" if verdict is not None and verdict.kind is Kind.NOT_TESTABLE else ""
        return f"{head}{why}, by {metric}_valid; {cost}"
    factors = [one.factor for one in judged if one.factor is not None]
    wins, middle = sum(factor > 1 for factor in factors), math.exp(fmean(map(math.log, factors)))
    fresh = "fresh " if verdict is not None and confirmed is not None and confirmed.design.fresh else ""
    size = _size(middle, definition.objective.goal)
    where = f"better on {wins} of {len(factors)} {fresh}date ranges"
    sure = f" (p = {verdict.p_adjusted:.2g})" if verdict is not None and verdict.p_adjusted is not None else ""
    if verdict is None:
        plural = "s" if len(factors) > 1 else ""
        sure = f"; not confirmed on ranges other than the {len(factors)} date range{plural} it was chosen on"
        where = f"better on {wins} of {len(factors)}"
    return f"{head}: its {metric}_test is {size} the incumbent's, {where}{sure}; {cost}"


def _size(factor: float, goal: str) -> str:
    less, more = ("smaller", "larger") if goal == "minimize" else ("larger", "smaller")
    if factor >= 1.1:
        return f"{factor:.2g} times {less} than"
    if f"{factor:.3f}" == "1.000":
        return "the same as"
    if factor < 1:
        return f"{100 * (1 / factor - 1):.1f} % {more} than"
    return f"{100 * (1 - 1 / factor):.1f} % {less} than"
