"""What the summary says, as plain values; how it looks is the templates' business."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from pipeline.ranking import Standing, standings
from pipeline.results import Row, Status
from pipeline.sweep import Definition

BEST = 10


@dataclass(frozen=True)
class Judged:
    """The best setting and the incumbent on one date range, by the test metric. Lower is better unless said."""

    date_range: tuple[str, str]
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
    ranked: Sequence[Standing]
    judged: Sequence[Judged]
    answer: str
    failures: Sequence[Row]
    skipped: Sequence[tuple[str, str]]
    counts: dict[str, int]
    device_seconds: float

    @property
    def best(self) -> Standing | None:
        return self.ranked[0] if self.ranked else None

    @property
    def searched(self) -> list[str]:
        return list(dict.fromkeys(name for phase in self.definition.phases for name in phase.space))

    @property
    def final(self) -> bool:
        return len(self.rows) >= self.planned


def summarize(
    definition: Definition, rows: Sequence[Row], planned: int, skipped: Sequence[tuple[str, str]] = ()
) -> Summary:
    """`planned` is the number of trials that all rounds so far asked for."""
    ranked = standings(definition, rows)
    judged = _judged(definition, ranked)
    return Summary(
        definition=definition,
        rows=rows,
        planned=planned,
        ranked=ranked,
        judged=judged,
        answer=_answer(definition, ranked, judged, rows, planned),
        failures=[row for row in rows if not Status(row["status"]).is_result or row["status"] == Status.DIVERGED],
        skipped=skipped,
        counts=dict(Counter(row["status"] for row in rows)),
        device_seconds=sum(row.get("training_time", 0.0) for row in rows),
    )


def setting(standing: Standing, names: Sequence[str]) -> dict[str, Any]:
    return {name: standing.assignment[name] for name in names}


def duration(seconds: float) -> str:
    """`42 s`, `12 min`, `3.4 h`."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def _judged(definition: Definition, ranked: Sequence[Standing]) -> list[Judged]:
    incumbent = next((standing for standing in ranked if standing.is_incumbent), None)
    if incumbent is None:
        return []
    metric = f"{definition.objective.metric}_test"
    judged = []
    for range_, row in sorted(ranked[0].by_range.items()):
        best, other = row.get(metric), incumbent.by_range.get(range_, {}).get(metric)
        if isinstance(best, int | float) and isinstance(other, int | float):
            better = (other, best) if definition.objective.goal == "minimize" else (best, other)
            factor = better[0] / better[1] if min(better) > 0 else None
            judged.append(Judged(range_, best, other, factor))
    return judged


def _answer(
    definition: Definition, ranked: Sequence[Standing], judged: Sequence[Judged], rows: Sequence[Row], planned: int
) -> str:
    """One sentence: which setting, how much better, how sure, at what cost."""
    cost = f"{duration(sum(row.get('training_time', 0.0) for row in rows))} of training"
    so_far = f"So far ({len(rows)} of {planned} trials): " if len(rows) < planned else ""
    if not ranked:
        return f"{so_far}no experiment finished on every date range, so there is no best setting; cost {cost}."
    metric, best = f"{definition.objective.metric}_test", ranked[0]
    if best.is_incumbent:
        return (
            f"{so_far}nothing tried beats the incumbent by {definition.objective.metric}_valid: keep it; cost {cost}."
        )
    if not judged or any(one.factor is None for one in judged):
        return f"{so_far}{best.experiment} is the best setting by {definition.objective.metric}_valid; cost {cost}."
    factors = [one.factor for one in judged if one.factor is not None]
    wins, middle = sum(factor > 1 for factor in factors), math.exp(fmean(map(math.log, factors)))
    less = "smaller" if definition.objective.goal == "minimize" else "larger"
    by = f"{middle:.2g} times {less} than" if middle >= 1.1 else f"{100 * (middle - 1):.1f} % better than"
    return (
        f"{so_far}{best.experiment} is the best setting: its {metric} is {by} the incumbent's, better on "
        f"{wins} of {len(factors)} date ranges; {_beyond_the_days(len(factors))}; cost {cost}."
    )


def _beyond_the_days(ranges: int) -> str:
    plural = "s" if ranges > 1 else ""
    return f"not yet confirmed on date ranges other than the {ranges} range{plural} it was chosen on"
