"""Compares the answer with untuned models on the same days: a constant, a linear model, boosted trees.

The comparison is range by range. `training/` defines the references and fits them.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean, geometric_mean

from pipeline.analysis.ranking import Standing
from pipeline.analysis.same_data import of_same_data
from pipeline.dates import DateRange
from pipeline.results import Goal, Row, Status, is_same_data, range_of, sign
from pipeline.scale import ROPE, Scale
from pipeline.sweep import Definition

CONSTANT = "the constant"
_NAMES = {"constant": CONSTANT, "linear": "the linear model", "trees": "boosted trees"}
"""By the value of the column `experiment`, in the order of the table."""

Scores = dict[DateRange, float]
"""{date range: mean of the test metric over seeds}."""


@dataclass(frozen=True)
class ModelLine:
    """A line of the comparison: a model on the date ranges that the answer finished, too."""

    name: str
    """`boosted trees`, `the defaults`, `e003`."""
    score: float | None
    """Mean of the test metric; None without a common date range."""
    ratio: float | None
    """The model's metric divided by the answer's: geometric mean over ranges. None unless all values are positive."""
    ranges: int


@dataclass(frozen=True)
class References:
    """The references, the incumbent and the answer, on the ranges that judged, else on the ranges that chose."""

    goal: Goal
    references: tuple[ModelLine, ...]
    incumbent: ModelLine | None
    """None if it is the answer."""
    answer: ModelLine
    is_judged: bool
    """True if these are the ranges that judged."""
    failures: tuple[tuple[str, Row], ...]
    """Failed references, as (name, row)."""

    @property
    def lines(self) -> list[ModelLine]:
        """Every model, the answer last."""
        return [*self.references, *([self.incumbent] if self.incumbent else []), self.answer]

    @cached_property
    def best(self) -> tuple[str, float] | None:
        """The best reference and its gain over the answer, as a log ratio: above 0 if the reference is better.

        None if no reference is comparable.
        """
        direction = sign(self.goal)
        gains = [(-direction * math.log(line.ratio), line.name) for line in self.references if line.ratio is not None]
        return max(gains)[::-1] if gains else None

    @property
    def is_ahead(self) -> bool:
        """True if the answer is ahead: no reference is better than it by more than the rope."""
        return self.best is None or self.best[1] <= ROPE

    @property
    def words(self) -> str:
        """`12 % better than boosted trees`, `as good as boosted trees`, or `boosted trees are 12 % better: …`.

        Empty if no reference is comparable.
        """
        if self.best is None:
            return ""
        name, gain = self.best
        if not self.is_ahead:
            return f"{self.ahead_in_words}: this network is not worth training yet"
        return f"as good as {name}" if gain >= -ROPE else f"{self._percent(-gain)} better than {name}"

    @property
    def ahead_in_words(self) -> str:
        """`boosted trees are 12 % better`; empty if the answer is ahead."""
        if self.best is None or self.is_ahead:
            return ""
        name, gain = self.best
        return f"{name} {'are' if name.endswith('s') else 'is'} {self._percent(gain)} better"

    def _percent(self, gain: float) -> str:
        size = Scale(goal=self.goal).per_cent(gain)
        return f"{size:.0f} %" if size >= 10 else f"{size:.1f} %"


def references_of(definition: Definition, rows: Sequence[Row], setting: Standing | None) -> References | None:
    """The references compared with the answer's setting; None if there are no references, or no setting."""
    phases = {phase.name for phase in definition.phases if phase.is_reference}
    fitted = [row for row in rows if row["phase"] in phases]
    if not fitted or setting is None:
        return None

    # The answer's scores on the ranges that judged it, else on the ranges that chose it.
    judging = definition.confirm.name if definition.confirm else None
    rows = of_same_data(definition, rows)
    trained = [row for row in rows if row["phase"] == judging]
    ours, is_judged = _scores(definition, trained, setting.experiment), True
    if not ours:
        choosing = {row["phase"] for row in setting.by_range.values()}
        trained = [row for row in rows if row["phase"] in choosing]
        ours, is_judged = _scores(definition, trained, setting.experiment), False

    # The references, without those that were fitted on other data.
    fingerprints = {
        range_of(row): row.get("data_fingerprint") for row in trained if row["experiment"] == setting.experiment
    }
    fitted = [
        row for row in fitted if is_same_data(row.get("data_fingerprint"), fingerprints.get(range_of(row))) is not False
    ]
    names = [name for name in _NAMES if any(row["experiment"] == name for row in fitted)]

    # The incumbent, unless it is the answer.
    values = definition.incumbent
    incumbents = {row["experiment"] for row in trained if {name: row.get(name) for name in values} == values}
    incumbent = None
    if not setting.is_incumbent and incumbents:
        incumbent = _line(definition.incumbent_name, _scores(definition, trained, min(incumbents)), ours)
    return References(
        goal=definition.objective.goal,
        references=tuple(_line(_NAMES[name], _scores(definition, fitted, name), ours) for name in names),
        incumbent=incumbent,
        answer=_line(definition.incumbent_name if setting.is_incumbent else setting.experiment, ours, ours),
        is_judged=is_judged,
        failures=tuple(
            (_NAMES[row["experiment"]], row)
            for row in fitted
            if row["experiment"] in _NAMES and not Status(row["status"]).is_result
        ),
    )


def _scores(definition: Definition, rows: Sequence[Row], experiment: str) -> Scores:
    by_range: dict[DateRange, list[float]] = {}
    for row in rows:
        if row["experiment"] != experiment or row["status"] != Status.COMPLETE:
            continue
        value = row.get(definition.objective.test)
        if isinstance(value, int | float) and math.isfinite(value):
            by_range.setdefault(range_of(row), []).append(float(value))
    return {date_range: fmean(values) for date_range, values in by_range.items()}


def _line(name: str, scores: Scores, ours: Scores) -> ModelLine:
    """The line of a model with these scores. `ours` are the answer's scores."""
    common = sorted(scores.keys() & ours.keys())
    pairs = [(scores[date_range], ours[date_range]) for date_range in common]
    is_positive = bool(pairs) and all(min(pair) > 0 for pair in pairs)
    return ModelLine(
        name=name,
        score=fmean(score for score, _ in pairs) if pairs else None,
        ratio=geometric_mean([score / answer for score, answer in pairs]) if is_positive else None,
        ranges=len(pairs),
    )
