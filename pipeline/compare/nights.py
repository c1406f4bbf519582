"""The sweeps of a store night by night: each night's best, drift of the data, and an alarm when tonight is worse.

It only looks. Nights of one architecture, data and objective make a series; the test behind the alarm is
`analysis/regression.py`'s.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING

from pipeline.compare.scores import RangeScore, scores_by_range
from pipeline.data.source import DataSource, FlightsSource, as_in_every_checkout
from pipeline.dates import DateRange
from pipeline.errors import UserError
from pipeline.report.state import State, state_of
from pipeline.report.words import incumbent_in_words
from pipeline.results import is_same_data
from pipeline.scale import Scale
from pipeline.space import identity_of
from pipeline.store import Store
from pipeline.sweep import Definition, Sweep, all_sweeps

if TYPE_CHECKING:
    from pipeline.analysis.regression import Worsening

LAST = 14
"""Nights that are shown."""
THRESHOLD = 0.02
"""How much worse is still no regression: a share of a metric that is judged by ratio, else in its own units."""
# A smaller change of the incumbent's metric is not worth a line.
_WORTH_SAYING = 0.01
# Ranges before the newest that it takes to say what is usual.
_USUAL = 3
WEEK = timedelta(days=7)


class Night:
    """One sweep of a series; its rows are read when they are asked for."""

    def __init__(self, sweep: Sweep) -> None:
        self.sweep = sweep
        self.id = sweep.id
        self.definition: Definition = sweep.definition
        self.created = datetime.fromisoformat(sweep.definition.created)

    @cached_property
    def state(self) -> State:
        """How far the sweep is, and its rows."""
        return state_of(self.sweep)

    @cached_property
    def best(self) -> dict[DateRange, RangeScore]:
        """The best setting's test metric on every range, those that judged and those that chose."""
        best = self.state.best
        return scores_by_range(self.state, best.experiment) if best else {}

    @cached_property
    def incumbent(self) -> dict[DateRange, RangeScore]:
        """The incumbent's test metric likewise."""
        incumbent = identity_of(self.definition.incumbent)
        for row in self.state.rows:
            if identity_of({name: row.get(name) for name in self.definition.incumbent}) == incumbent:
                return scores_by_range(self.state, row["experiment"])
        return {}

    def gains(self, fresh: bool, scale: Scale) -> dict[DateRange, float]:
        """Of the best setting over the incumbent of the same night, on ranges that both finished."""
        gains = _gains(self.incumbent, self.best, scale)
        return {range_: gain for range_, gain in gains.items() if self.best[range_].fresh == fresh}

    @cached_property
    def scale(self) -> Scale:
        """What gains are measured on, in the units that the metric has here."""
        both = (*self.best.values(), *self.incumbent.values())
        return self.definition.objective.gains.fitting(one.score for one in both)


@dataclass(frozen=True)
class Series:
    """The nights of one architecture, data and objective, oldest first."""

    name: str
    nights: tuple[Night, ...]

    @property
    def tonight(self) -> Night | None:
        """The newest sweep that is done."""
        return next((night for night in reversed(self.nights) if night.state.done), None)

    @property
    def before(self) -> list[Night]:
        """The done sweeps of the week before tonight's; if there are none, the one before it, however old."""
        tonight = self.tonight
        if tonight is None:
            return []
        earlier = [night for night in self.nights if night.state.done and night.id < tonight.id and night.best]
        return [night for night in earlier if tonight.created - night.created <= WEEK] or earlier[-1:]


@dataclass(frozen=True)
class Alarm:
    """What `--fail-on-regression` goes by."""

    fires: bool
    line: str


def series(store: Store, architecture: str | None = None, data: DataSource | None = None) -> list[Series]:
    """The sweeps of a store. Raises UserError if there is none of this architecture and these data."""
    nights: dict[str, list[Night]] = {}
    wanted = as_in_every_checkout(data)
    for id in all_sweeps(store):
        # The id names the architecture, which spares reading the others.
        if architecture is not None and f"-{architecture}-" not in id:
            continue
        try:
            night = Night(Sweep(store, id))
        except UserError:  # a damaged one stops nobody; `hpt list` says so
            continue
        definition = night.definition
        is_of_data = data is None or wanted == as_in_every_checkout(definition.data)
        belongs = architecture in (None, definition.architecture) and is_of_data
        # A study asks another question; its best setting is no night's result.
        if belongs and not definition.is_study:
            nights.setdefault(_name(definition), []).append(night)
    if not nights:
        of = f" of {architecture}" if architecture else ""
        raise UserError(
            f"{store.root} holds no nights{of}{' on these data' if data else ''}: `hpt list` shows all sweeps"
        )
    return [Series(name, tuple(members)) for name, members in sorted(nights.items())]


def _name(definition: Definition) -> str:
    """What must be the same for nights to be a series, in words."""
    data, objective = as_in_every_checkout(definition.data), definition.objective
    if data is None:  # a trainer of one's own knows by itself where they are
        return f"{definition.architecture}, {objective.goal} {objective.metric}"
    source = data.source if isinstance(data, FlightsSource) else data.path
    transform = None if isinstance(data, FlightsSource) else data.target_transform
    target = ", ".join(data.target) + (f" ({transform})" if transform else "")
    return f"{definition.architecture} on {source}: {target}, {objective.goal} {objective.metric}"


# -- is tonight worse


def alarm(series: Series, threshold: float = THRESHOLD) -> Alarm:
    """Whether tonight's best is clearly worse than the week before, by more than `threshold` (0.02 is 2 %; where the
    metric is judged by difference, 0.02 of it)."""
    tonight, before = series.tonight, series.before
    if tonight is None:
        return Alarm(False, f"{series.name}: no sweep is done yet")
    if not before:
        return Alarm(False, f"{series.name}: {tonight.id} is the first: there is nothing to compare it with")
    if not tonight.best:
        return Alarm(True, f"regression: {tonight.id} has no best setting, and {before[-1].id} had one")
    return _by_common_ranges(tonight, before, threshold) or _by_incumbent(tonight, before, threshold)


def _by_common_ranges(tonight: Night, before: Sequence[Night], threshold: float) -> Alarm | None:
    """None where fewer than three ranges of tonight were seen before with the same data."""
    from pipeline.analysis.regression import on_common_ranges

    losses: dict[DateRange, list[float]] = {}
    for night in before:
        for range_, loss in _gains(tonight.best, night.best, tonight.scale).items():
            losses.setdefault(range_, []).append(loss)
    # The median night: one lucky or broken night of the week moves nothing.
    usual = {range_: median(several) for range_, several in losses.items()}
    if not usual or _overlap(tonight, usual):
        return None
    worsening = on_common_ranges(usual, _as_loss(threshold, tonight))
    return _alarm(worsening, tonight, before, threshold, "on the same data") if worsening.testable else None


def _by_incumbent(tonight: Night, before: Sequence[Night], threshold: float) -> Alarm:
    from pipeline.analysis.regression import against_incumbent

    alike = [night for night in before if _have_same_incumbent(night, tonight)]
    if not alike:
        return _cannot_judge(
            tonight, before, "too few date ranges have the same data, and the setting to beat is another one"
        )
    level = _as_loss(threshold, tonight)
    # A gain where the best was chosen is larger than where it was judged: only like is compared with like.
    for fresh in (True, False):
        gains: dict[DateRange, list[float]] = {}
        for night in alike:
            for range_, gain in night.gains(fresh, tonight.scale).items():
                gains.setdefault(range_, []).append(gain)
        usual = {range_: median(several) for range_, several in gains.items()}
        new = tonight.gains(fresh, tonight.scale)
        if usual and new and not _overlap(tonight, usual) and not _overlap(tonight, new):
            worsening = against_incumbent(usual, new, level)
            if worsening.testable:
                return _alarm(
                    worsening,
                    tonight,
                    alike,
                    threshold,
                    f"relative to {tonight.definition.incumbent_name}, as the data differ",
                )
    return _cannot_judge(tonight, before, "that takes three date ranges whose test days lie apart, on either side")


def _have_same_incumbent(first: Night, second: Night) -> bool:
    return identity_of(first.definition.incumbent) == identity_of(second.definition.incumbent)


def _cannot_judge(tonight: Night, before: Sequence[Night], why: str) -> Alarm:
    return Alarm(False, f"{tonight.id} cannot be judged against the {_nights(before)} before: {why}")


def _alarm(worsening: "Worsening", tonight: Night, before: Sequence[Night], threshold: float, how: str) -> Alarm:
    what = (
        f"{tonight.scale.better(-worsening.loss)} than the median of the {_nights(before)} before {how}, worse on "
        f"{worsening.worse_on} of {worsening.ranges} date ranges, p = {worsening.p:.2g} for more than "
        f"{tonight.scale.rope(threshold)}"
    )
    if worsening.clear:
        return Alarm(True, f"regression: the best of {tonight.id} is {what}")
    if abs(worsening.loss) < 1e-9:
        what = f"as good as the median of the {_nights(before)} before {how}"
    return Alarm(False, f"no clear regression: the best of {tonight.id} is {what}")


def _overlap(night: Night, ranges: Iterable[DateRange]) -> bool:
    from pipeline.analysis.significance import overlapping_tests
    from pipeline.analysis.verdict import Design

    training = night.definition.training
    design = Design(tuple(ranges), valid=training.validation_share, test=training.test_share)
    return bool(overlapping_tests(design))


def _gains(
    base: Mapping[DateRange, RangeScore], other: Mapping[DateRange, RangeScore], scale: Scale
) -> dict[DateRange, float]:
    """Positive where `other` is better; on ranges that both finished, with the same data and fidelity.

    Both must have chosen on the range, or neither: a setting looks better than it is where it was chosen.
    """
    gains = {}
    for range_ in sorted(base.keys() & other.keys()):
        first, second = base[range_], other[range_]
        if (first.fidelity, first.fresh) != (second.fidelity, second.fresh):
            continue
        if first.score is None or second.score is None:
            continue
        gain = scale.gain(first.score, second.score)
        if gain is not None and is_same_data(first.fingerprint, second.fingerprint):
            gains[range_] = gain
    return gains


def _as_loss(threshold: float, night: Night) -> float:
    """How much worse is still no regression, as a loss on the night's scale."""
    if night.scale.name == "difference":
        return threshold
    return math.log1p(threshold) if night.scale.goal == "minimize" else -math.log1p(-threshold)


def _nights(nights: Sequence[Night]) -> str:
    return f"{len(nights)} nights" if len(nights) > 1 else "night"


# -- do the data drift


def drift(series: Series, last: int = LAST) -> list[str]:
    """What the incumbent, the same setting every night, says about the data; a line each."""
    nights = [night for night in series.nights[-last:] if night.incumbent]
    if not nights:
        return []
    nights = [night for night in nights if _have_same_incumbent(night, nights[-1])]
    lines, alike = [], [nights[0]]
    for before, after in pairwise(nights):
        same, other = _changes(before.incumbent, after.incumbent, after.scale)
        where = f"between {before.id} and {after.id}"
        if other:
            lines.append(f"{where} the data changed: {_in_words(other, after)}")
        worth_saying = _WORTH_SAYING if after.scale.name == "ratio" else after.definition.rope
        if any(abs(change) > worth_saying for change in same.values()):
            lines.append(f"{where} spec, code, image or device changed, not the data: {_in_words(same, after)}")
            # What a changed training measures says nothing about the months before.
            alike = []
        alike.append(after)
    newest = {range_: score for night in alike for range_, score in night.incumbent.items() if score.score is not None}
    return [*lines, *_over_ranges(newest, nights[-1].definition)]


def _changes(
    before: Mapping[DateRange, RangeScore], after: Mapping[DateRange, RangeScore], scale: Scale
) -> tuple[dict[DateRange, float], dict[DateRange, float]]:
    """By how much the metric changed where the data are the same, and where they are not: as a share of it, or by
    difference."""
    same: dict[DateRange, float] = {}
    other: dict[DateRange, float] = {}
    for range_ in sorted(before.keys() & after.keys()):
        old, new = before[range_], after[range_]
        if old.score is None or new.score is None or (scale.name == "ratio" and old.score == 0):
            continue
        if old.fidelity == new.fidelity:
            # Of what an older version recorded nobody can say, so it counts as neither.
            is_same = old.fingerprint == new.fingerprint or is_same_data(old.fingerprint, new.fingerprint)
            if is_same is not None:
                change = new.score - old.score
                (same if is_same else other)[range_] = change if scale.name == "difference" else change / old.score
    return same, other


def _in_words(changes: Mapping[DateRange, float], night: Night) -> str:
    by_ratio, metric = night.scale.name == "ratio", night.definition.objective.test
    low, high = (
        f"{change:+.1%}" if by_ratio else night.scale.words(change, plus="+")
        for change in (min(changes.values()), max(changes.values()))
    )
    where = f"{len(changes)} date ranges" if len(changes) > 1 else str(next(iter(changes)))
    whose, to = incumbent_in_words(night.definition).whose, f" to {high}" if high != low else ""
    return f"{whose} {metric} by {low}{to} on {where}"


def _over_ranges(newest: Mapping[DateRange, RangeScore], definition: Definition) -> Iterator[str]:
    """The newest range against those before it: is the same setting worse than it ever was?"""
    metric, goal, whose = definition.objective.test, definition.objective.goal, incumbent_in_words(definition).whose
    if len(newest) <= _USUAL:
        return
    range_ = max(newest, key=lambda date_range: (date_range.end, date_range.start))
    now = newest[range_].score
    fidelity = newest[range_].fidelity
    others = [other.score for where, other in newest.items() if where != range_ and other.fidelity == fidelity]
    usual = [score for score in others if score is not None]
    if now is None or len(usual) < _USUAL or not any(usual):
        return
    low, high, middle = min(usual), max(usual), median(usual)
    worse = now > high if goal == "minimize" else now < low
    verdict = "drift" if worse else "no drift to be seen"
    yield (
        f"{verdict}: on its newest date range, {range_}, {whose} {metric} is {now:.4g}; "
        f"on the {len(usual)} before it was {low:.4g} to {high:.4g}, in the middle {middle:.4g}"
    )
