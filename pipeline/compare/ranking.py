"""Sweeps in the order of what judges: each against the best and against the references, and what it cost.

The verdicts are those of `sweeps.py`. A sweep that its test scores put
first was chosen by them, and is judged as such.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from statistics import fmean

from pipeline.analysis.spending import device_seconds
from pipeline.compare.scores import (
    RangeScore,
    comparable_ranges,
    fresh_or_all,
    scores_by_range,
    why_incomparable,
)
from pipeline.compare.sweeps import Comparison, Pair, best_first, compare
from pipeline.dates import DateRange
from pipeline.report.references import References, references_of
from pipeline.report.state import State
from pipeline.scale import Scale
from pipeline.sweep.layout import name_of_id


@dataclass(frozen=True)
class Place:
    """A sweep among those that it is compared with."""

    state: State
    name: str
    """What people call it: its architecture, or the end of its id where several have that."""
    score: float | None
    """Of its best setting: the mean of the test metric over the ranges of the ranking; None where it has none."""
    pair: Pair | None
    """What it is against the sweep that the others are held against; None for that one."""
    references: References | None
    seconds: float
    """Of training, all devices together."""
    is_judged_elsewhere: bool = False
    """Whether the score is worse than the base's where the pair says that it is better, or the other way round: the
    pair has date ranges that not all sweeps share."""

    @property
    def is_base(self) -> bool:
        return self.pair is None

    @property
    def gain(self) -> float | None:
        """Over the one that the others are held against; None where nothing can be compared."""
        if self.pair is None or self.pair.verdict is None or self.pair.verdict.gain is None:
            return None
        return self.pair.verdict.gain * (1 if self.pair.winner == self.pair.other else -1)

    @property
    def is_real(self) -> bool:
        """Whether the difference to that one is real, in either direction."""
        return self.pair is not None and self.pair.verdict is not None and self.pair.verdict.kind == "real"

    @property
    def against(self) -> str:
        """`14.2 % worse, not shown`, `2.0 % better on other date ranges, real`; empty for that one."""
        if self.pair is None:
            return ""
        if self.pair.verdict is None or self.gain is None:
            return "not comparable" if self.state.best else "no result"
        if self.pair.winner is None:
            return "the same"
        where = " on other date ranges" if self.is_judged_elsewhere else ""
        return f"{self.pair.scale.better(self.gain)}{where}, {self.pair.verdict.kind}"

    @property
    def reference(self) -> str:
        """The name of the best reference; empty where there is none."""
        return self.references.best[0] if self.references and self.references.best else ""

    @property
    def against_reference(self) -> str:
        """`12.1 % better` than the best reference."""
        if not self.references or not self.references.best:
            return ""
        return Scale(goal=self.references.goal).better(-self.references.best[1])

    @property
    def problem(self) -> str:
        """How far it is, where it is not simply done; empty where it is."""
        return "" if self.state.words == "done" else self.state.words


@dataclass(frozen=True)
class Ranking:
    """Sweeps, best first; those that cannot be compared come last."""

    comparison: Comparison
    places: tuple[Place, ...]
    ranges: tuple[DateRange, ...]
    """Those that the scores are of: all that have any share them."""
    fresh: bool
    """Whether they played no part in choosing."""
    missing: Mapping[str, str]
    """Why there is no sweep of some that were asked for."""

    @property
    def base(self) -> Place:
        """The one that the others are held against."""
        return next(place for place in self.places if place.is_base)

    @cached_property
    def doubtful(self) -> list[Place]:
        """Those of which it is not real that they differ from the base."""
        return [place for place in self.places if place.gain is not None and not place.is_real]

    @property
    def by_architecture(self) -> bool:
        """Whether that is what the sweeps are called by."""
        return all(place.name == place.state.sweep.definition.architecture for place in self.places)

    @property
    def where(self) -> str:
        """`6 fresh date ranges`."""
        count = len(self.ranges)
        return f"{count} {'fresh ' if self.fresh else ''}date range{'s' if count != 1 else ''}"

    @property
    def headline(self) -> str:
        """What all pairs come to, in a sentence; of two sweeps, that of their pair."""
        base, first = self.base, self.places[0]
        if len(self.comparison.pairs) == 1:
            sentence = self.comparison.pairs[0].sentence
            for place in self.places:
                sentence = sentence.replace(place.state.sweep.id, place.name)
            words = first.references.words if first.references else ""
            return f"{sentence} {first.name}: {words}." if words else sentence
        if base.score is None:
            return f"{base.name} has no result ({base.state.words}), so the others cannot be compared with it."
        metric = base.state.sweep.definition.objective.test
        says = [f"{first.name} is ahead of {len(self.places) - 1} others: {metric} {first.score:.4g} on {self.where}"]
        if first.is_judged_elsewhere:
            says.append(f"it is ahead of {base.name} on other date ranges, which not all sweeps share")
        others = [place for place in self.places if place.gain is not None]
        if not others:
            says.append("none of the others can be compared with it")
        elif not self.doubtful:
            says.append(f"{'each' if len(others) > 1 else 'the'} difference to {base.name} is real")
        elif len(self.doubtful) == len(others):
            says.append(f"no difference to {base.name} is shown to be real")
        else:
            says.append(f"the difference to {_and(place.name for place in self.doubtful)} is not shown to be real")
        if unfinished := [place.name for place in self.places if not place.state.done]:
            says.append(f"{_and(unfinished)} {'are' if len(unfinished) > 1 else 'is'} not finished")
        if base.references and base.references.words:
            says.append(f"{base.name}: {base.references.words}" if first is not base else base.references.words)
        return "; ".join(says) + "."


def rank(states: Iterable[State], missing: Mapping[str, str] | None = None) -> Ranking:
    """Ranks sweeps by the test scores of their best settings; the others are held against the one that has the best on
    the date ranges that all share.

    Raises UserError unless there are two different ones.
    """
    by_choice = best_first(states)
    scored = _Scored.of(by_choice)
    order = scored.best_first()
    # Of n sweeps each could have come first and been held against any other.
    comparison = compare(order, questions=len(order) * (len(order) - 1))
    return _ranking(comparison, scored, missing or {})


def rank_as_compared(comparison: Comparison) -> Ranking:
    """The sweeps of a comparison, the best first; they are held against the one that was named first."""
    return _ranking(comparison, _Scored.of(comparison.states), {})


def _ranking(comparison: Comparison, scored: "_Scored", missing: Mapping[str, str]) -> Ranking:
    pairs = {pair.other: pair for pair in comparison.pairs}
    places = tuple(
        Place(
            state=state,
            name=name,
            score=scored.mean(state),
            pair=pairs.get(state.sweep.id),
            references=references_of(state.sweep.definition, state.rows, state.best),
            seconds=device_seconds(state.rows),
        )
        for state, name in zip(scored.best_first(), _names(scored.best_first()), strict=True)
    )
    return Ranking(comparison, _best_first(places, scored.ranges), tuple(scored.ranges), scored.fresh, missing)


def _best_first(places: Sequence[Place], ranges: Sequence[DateRange]) -> tuple[Place, ...]:
    """In the order of the gain over the base, which rests on all date ranges of a pair; by score, as they come, where
    one with a score has no gain."""
    ranked = [place for place in places if place.score is not None]
    if any(place.gain is None and not place.is_base for place in ranked):
        return tuple(places)
    base = next((place.score for place in ranked if place.is_base), None)
    marked = [replace(place, is_judged_elsewhere=_is_judged_elsewhere(place, base, ranges)) for place in ranked]
    marked.sort(key=lambda place: -(place.gain or 0.0))
    return (*marked, *(place for place in places if place.score is None))


def _is_judged_elsewhere(place: Place, base: float | None, ranges: Sequence[DateRange]) -> bool:
    if place.score is None or base is None or place.pair is None or not place.gain:
        return False
    if {one.date_range for one in place.pair.ranges} == set(ranges):
        return False
    return (base - place.score) * place.state.sweep.definition.objective.sign * place.gain < 0


def _names(states: Sequence[State]) -> list[str]:
    ids = [state.sweep.id for state in states]
    for names in ([state.sweep.definition.architecture for state in states], [name_of_id(id) for id in ids]):
        if len(set(names)) == len(names):
            return names
    return ids


@dataclass(frozen=True)
class _Scored:
    """The test scores of several sweeps' best settings on the date ranges that all of them have."""

    states: Sequence[State]
    scores: Mapping[str, Mapping[DateRange, RangeScore]]
    """By sweep; without those that cannot be compared with the first that has any."""
    ranges: Sequence[DateRange]
    fresh: bool

    @classmethod
    def of(cls, states: Sequence[State]) -> "_Scored":
        scores: dict[str, Mapping[DateRange, RangeScore]] = {}
        first: State | None = None
        common: list[DateRange] = []
        for state in states:
            own: Mapping[DateRange, RangeScore]
            own = scores_by_range(state, state.best.experiment) if state.best else {}
            if first is None and own:
                first, common = state, sorted(own)
                scores[state.sweep.id] = own
            elif first is not None and not why_incomparable(first.sweep.definition, state.sweep.definition):
                shared = comparable_ranges({one: scores[first.sweep.id][one] for one in common}, own)[0]
                if shared:
                    common = shared
                    scores[state.sweep.id] = own
        ranges, fresh = common, False
        if first is not None:
            # As many as are fresh for all: `fresh_or_all` takes two at a time.
            for own in scores.values():
                narrowed, fresh = fresh_or_all(ranges, scores[first.sweep.id], own)
                if not fresh:
                    ranges = common
                    break
                ranges = narrowed
        return cls(states, scores, ranges, fresh)

    def mean(self, state: State) -> float | None:
        """The mean over the ranges; None without a score on one of them, and where it cannot be compared."""
        values = self._values(state)
        return fmean(values) if values else None

    def best_first(self) -> list[State]:
        """In the order of the mean gain over one of them; those without a score last, as they were."""
        whole = [values for state in self.states if (values := self._values(state))]
        by_ratio = all(state.sweep.definition.objective.scale == "ratio" for state in self.states)
        by_ratio = by_ratio and all(value > 0 for values in whole for value in values)

        def place(state: State) -> float:
            values = self._values(state)
            if not values:
                return math.inf
            return state.sweep.definition.objective.sign * fmean(map(math.log, values) if by_ratio else values)

        return sorted(self.states, key=place)

    def _values(self, state: State) -> list[float]:
        """A score per range; none if one is missing."""
        own = self.scores.get(state.sweep.id)
        values = [own[one].score for one in self.ranges] if own else []
        return [value for value in values if value is not None] if None not in values else []


def _and(names: Iterable[str]) -> str:
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last
