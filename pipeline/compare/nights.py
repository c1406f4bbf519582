"""The sweeps of a store night by night: the best of each night, drift of the data, an alarm if tonight is worse.

It writes nothing. Nights of one architecture, data and objective form a series. The statistical test behind the alarm
is in `analysis/regression.py`.
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
from pipeline.data.source import DataSource, FlightsSource, with_portable_path
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
"""Number of newest nights to show."""
THRESHOLD = 0.02
"""The largest loss that is no regression: a share if the metric is judged by ratio, else in the metric's units."""
_NOTABLE_SHARE = 0.01
"""The largest change on unchanged data that is not reported, if the metric is judged by ratio; else it is the rope."""
_EARLIER_AT_LEAST = 3
"""The fewest earlier date ranges with which the newest one is compared."""
WEEK = timedelta(days=7)


class Night:
    """One sweep of a series. Its rows are read on first use."""

    def __init__(self, sweep: Sweep) -> None:
        self.sweep = sweep
        self.id = sweep.id
        self.definition: Definition = sweep.definition
        self.created = datetime.fromisoformat(sweep.definition.created)

    @cached_property
    def state(self) -> State:
        """The progress of the sweep, and its rows."""
        return state_of(self.sweep)

    @cached_property
    def best(self) -> dict[DateRange, RangeScore]:
        """The best setting's test metric on all ranges of its sweep, those of choosing and those of confirmation."""
        best = self.state.best
        return scores_by_range(self.state, best.experiment) if best else {}

    @cached_property
    def incumbent(self) -> dict[DateRange, RangeScore]:
        """The incumbent's test metric on all ranges."""
        incumbent = identity_of(self.definition.incumbent)
        for row in self.state.rows:
            if identity_of({name: row.get(name) for name in self.definition.incumbent}) == incumbent:
                return scores_by_range(self.state, row["experiment"])
        return {}

    def gains(self, fresh: bool, scale: Scale) -> dict[DateRange, float]:
        """Gains of the best setting over the incumbent of the same night, on ranges that both finished.

        Only fresh ranges if `fresh`, else only ranges on which the best setting was chosen.
        """
        gains = _gains(self.incumbent, self.best, scale)
        return {range_: gain for range_, gain in gains.items() if self.best[range_].fresh == fresh}

    @cached_property
    def scale(self) -> Scale:
        """The scale of gains, in units that fit the scores of this night."""
        scores = (*self.best.values(), *self.incumbent.values())
        return self.definition.objective.gains.fitting(range_score.score for range_score in scores)


@dataclass(frozen=True)
class Series:
    """The nights of one architecture, data and objective, oldest first."""

    name: str
    nights: tuple[Night, ...]

    @property
    def tonight(self) -> Night | None:
        """The newest sweep that is done; None if none is."""
        return next((night for night in reversed(self.nights) if night.state.done), None)

    @property
    def before(self) -> list[Night]:
        """The nights with which tonight's is compared: those of the week before it, or else the last one, however old.

        Only done sweeps with a best setting.
        """
        tonight = self.tonight
        if tonight is None:
            return []
        earlier = [night for night in self.nights if night.state.done and night.id < tonight.id and night.best]
        return [night for night in earlier if tonight.created - night.created <= WEEK] or earlier[-1:]


@dataclass(frozen=True)
class Alarm:
    """The result of the check for a regression. With `--fail-on-regression`, one that fires makes the command fail."""

    fires: bool
    line: str


def series(store: Store, architecture: str | None = None, data: DataSource | None = None) -> list[Series]:
    """The sweeps of a store as series, without studies.

    Raises UserError if there is none of this architecture and these data.
    """
    nights: dict[str, list[Night]] = {}
    data_here = with_portable_path(data)
    for id in all_sweeps(store):
        # The id contains the architecture, so other sweeps need not be read.
        if architecture is not None and f"-{architecture}-" not in id:
            continue
        try:
            night = Night(Sweep(store, id))
        except UserError:  # skip damaged sweeps; `hpt list` reports them
            continue
        definition = night.definition
        is_of_data = data is None or data_here == with_portable_path(definition.data)
        belongs = architecture in (None, definition.architecture) and is_of_data
        # A study answers another question; its best setting is no night's result.
        if belongs and not definition.is_study:
            nights.setdefault(_name(definition), []).append(night)
    if not nights:
        of = f" of {architecture}" if architecture else ""
        raise UserError(
            f"{store.root} holds no nights{of}{' on these data' if data else ''}: `hpt list` shows all sweeps"
        )
    return [Series(name, tuple(members)) for name, members in sorted(nights.items())]


def _name(definition: Definition) -> str:
    """The name of a series: all that its nights have in common."""
    data, objective = with_portable_path(definition.data), definition.objective
    if data is None:  # an own trainer that reads its own data
        return f"{definition.architecture}, {objective.goal} {objective.metric}"
    source = data.source if isinstance(data, FlightsSource) else data.path
    transform = None if isinstance(data, FlightsSource) else data.target_transform
    target = ", ".join(data.target) + (f" ({transform})" if transform else "")
    return f"{definition.architecture} on {source}: {target}, {objective.goal} {objective.metric}"


# -- regressions


def alarm(series: Series, threshold: float = THRESHOLD) -> Alarm:
    """Compares tonight's best with the week before. Fires if it is clearly worse, by more than `threshold`.

    A threshold of 0.02 is 2 %, or 0.02 in the metric's units if the metric is judged by difference.
    """
    tonight, before = series.tonight, series.before
    if tonight is None:
        return Alarm(False, f"{series.name}: no sweep is done yet")
    if not before:
        return Alarm(False, f"{series.name}: {tonight.id} is the first: there is nothing to compare it with")
    if not tonight.best:
        return Alarm(True, f"regression: {tonight.id} has no best setting, and {before[-1].id} had one")
    return _by_common_ranges(tonight, before, threshold) or _by_incumbent(tonight, before, threshold)


def _by_common_ranges(tonight: Night, before: Sequence[Night], threshold: float) -> Alarm | None:
    """Compares on date ranges whose data are the same; None if too few of tonight's ranges were seen before."""
    from pipeline.analysis.regression import on_common_ranges

    losses: dict[DateRange, list[float]] = {}
    for night in before:
        # A gain of the earlier night over tonight is a loss of tonight.
        for range_, loss in _gains(tonight.best, night.best, tonight.scale).items():
            losses.setdefault(range_, []).append(loss)
    # The median over nights, so that one lucky or broken night of the week changes little.
    usual = {range_: median(nightly) for range_, nightly in losses.items()}
    if not usual or _overlap(tonight, usual):
        return None
    worsening = on_common_ranges(usual, _as_loss(threshold, tonight))
    return _alarm(worsening, tonight, before, threshold, "on the same data") if worsening.testable else None


def _by_incumbent(tonight: Night, before: Sequence[Night], threshold: float) -> Alarm:
    """Compares gains over the incumbent, for nights whose data differ."""
    from pipeline.analysis.regression import against_incumbent

    alike = [night for night in before if _have_same_incumbent(night, tonight)]
    if not alike:
        return _cannot_judge(
            tonight, before, "too few date ranges have the same data, and the setting to beat has changed"
        )
    level = _as_loss(threshold, tonight)
    # A gain on ranges that chose is larger than on fresh ones, so the two are never mixed.
    for fresh in (True, False):
        gains: dict[DateRange, list[float]] = {}
        for night in alike:
            for range_, gain in night.gains(fresh, tonight.scale).items():
                gains.setdefault(range_, []).append(gain)
        usual = {range_: median(nightly) for range_, nightly in gains.items()}
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
    reason = "a test needs three date ranges whose test days lie apart, both tonight and before"
    return _cannot_judge(tonight, before, reason)


def _have_same_incumbent(first: Night, second: Night) -> bool:
    return identity_of(first.definition.incumbent) == identity_of(second.definition.incumbent)


def _cannot_judge(tonight: Night, before: Sequence[Night], reason: str) -> Alarm:
    return Alarm(False, f"{tonight.id} cannot be judged against the {_nights(before)} before: {reason}")


def _alarm(worsening: "Worsening", tonight: Night, before: Sequence[Night], threshold: float, basis: str) -> Alarm:
    words = (
        f"{tonight.scale.better(-worsening.loss)} than the median of the {_nights(before)} before {basis}, worse on "
        f"{worsening.worse_on} of {worsening.ranges} date ranges, p = {worsening.p:.2g} for more than "
        f"{tonight.scale.rope(threshold)}"
    )
    if worsening.clear:
        return Alarm(True, f"regression: the best of {tonight.id} is {words}")
    if abs(worsening.loss) < 1e-9:
        words = f"as good as the median of the {_nights(before)} before {basis}"
    return Alarm(False, f"no clear regression: the best of {tonight.id} is {words}")


def _overlap(night: Night, ranges: Iterable[DateRange]) -> bool:
    """True if the test days of two ranges overlap."""
    from pipeline.analysis.significance import overlapping_tests
    from pipeline.analysis.verdict import Design

    training = night.definition.training
    design = Design(tuple(ranges), valid=training.validation_share, test=training.test_share)
    return bool(overlapping_tests(design))


def _gains(
    base: Mapping[DateRange, RangeScore], other: Mapping[DateRange, RangeScore], scale: Scale
) -> dict[DateRange, float]:
    """Gains of `other` over `base` on ranges that both finished with the same data and fidelity.

    A range must be fresh for both settings, or for neither: a setting looks better where it was chosen.
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
    """The threshold as a loss on the night's scale."""
    if night.scale.name == "difference":
        return threshold
    return math.log1p(threshold) if night.scale.goal == "minimize" else -math.log1p(-threshold)


def _nights(nights: Sequence[Night]) -> str:
    return f"{len(nights)} nights" if len(nights) > 1 else "night"


# -- drift of the data


def drift(series: Series, last: int = LAST) -> list[str]:
    """Changes of the incumbent's metric from night to night, and whether it drifts over the date ranges: a line each.

    The incumbent shows drift because it is the same setting every night. Nights with another one than the newest night
    are left out.
    """
    nights = [night for night in series.nights[-last:] if night.incumbent]
    if not nights:
        return []
    nights = [night for night in nights if _have_same_incumbent(night, nights[-1])]
    lines, alike = [], [nights[0]]
    for before, after in pairwise(nights):
        on_same_data, on_other_data = _changes(before.incumbent, after.incumbent, after.scale)
        between = f"between {before.id} and {after.id}"
        if on_other_data:
            lines.append(f"{between} the data changed: {_in_words(on_other_data, after)}")
        largest_ignored = _NOTABLE_SHARE if after.scale.name == "ratio" else after.definition.rope
        if any(abs(change) > largest_ignored for change in on_same_data.values()):
            lines.append(
                f"{between} spec, code, image or device changed, not the data: {_in_words(on_same_data, after)}"
            )
            # Scores of a changed training cannot be compared with earlier ones.
            alike = []
        alike.append(after)
    # If several nights measured a range, the last one counts.
    scores = {range_: score for night in alike for range_, score in night.incumbent.items() if score.score is not None}
    return [*lines, *_over_ranges(scores, nights[-1].definition)]


def _changes(
    before: Mapping[DateRange, RangeScore], after: Mapping[DateRange, RangeScore], scale: Scale
) -> tuple[dict[DateRange, float], dict[DateRange, float]]:
    """The changes of the metric on ranges with the same data, and on ranges with other data.

    A change is a share of the metric if it is judged by ratio, else a difference.
    """
    on_same_data: dict[DateRange, float] = {}
    on_other_data: dict[DateRange, float] = {}
    for range_ in sorted(before.keys() & after.keys()):
        old, new = before[range_], after[range_]
        if old.score is None or new.score is None or (scale.name == "ratio" and old.score == 0):
            continue
        if old.fidelity == new.fidelity:
            # None if an older version made one of the fingerprints: they cannot be compared.
            is_same = old.fingerprint == new.fingerprint or is_same_data(old.fingerprint, new.fingerprint)
            if is_same is not None:
                difference = new.score - old.score
                change = difference if scale.name == "difference" else difference / old.score
                (on_same_data if is_same else on_other_data)[range_] = change
    return on_same_data, on_other_data


def _in_words(changes: Mapping[DateRange, float], night: Night) -> str:
    by_ratio, metric = night.scale.name == "ratio", night.definition.objective.test
    low, high = (
        f"{change:+.1%}" if by_ratio else night.scale.words(change, plus="+")
        for change in (min(changes.values()), max(changes.values()))
    )
    ranges = f"{len(changes)} date ranges" if len(changes) > 1 else str(next(iter(changes)))
    possessive, to = incumbent_in_words(night.definition).possessive, f" to {high}" if high != low else ""
    return f"{possessive} {metric} by {low}{to} on {ranges}"


def _over_ranges(scores: Mapping[DateRange, RangeScore], definition: Definition) -> Iterator[str]:
    """Compares the incumbent on the newest range with all other ranges: drift if it is worse there than on each."""
    metric, goal, possessive = (
        definition.objective.test,
        definition.objective.goal,
        incumbent_in_words(definition).possessive,
    )
    if len(scores) <= _EARLIER_AT_LEAST:
        return
    range_ = max(scores, key=lambda date_range: (date_range.end, date_range.start))
    now = scores[range_].score
    fidelity = scores[range_].fidelity
    others = [score.score for other, score in scores.items() if other != range_ and score.fidelity == fidelity]
    usual = [score for score in others if score is not None]
    if now is None or len(usual) < _EARLIER_AT_LEAST or not any(usual):
        return
    low, high, middle = min(usual), max(usual), median(usual)
    worse = now > high if goal == "minimize" else now < low
    verdict = "drift" if worse else "no drift to be seen"
    yield (
        f"{verdict}: on its newest date range, {range_}, {possessive} {metric} is {now:.4g}; "
        f"on the {len(usual)} before it was {low:.4g} to {high:.4g}, with the median {middle:.4g}"
    )
