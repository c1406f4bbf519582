"""Ranks sweeps by the test scores of their best settings, and compares each with the best sweep and its references.

The verdicts come from `sweeps.py`. Test scores choose the sweep that comes first, and the verdicts take that into
account.
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
    """Its architecture, or the end of its id if several sweeps have that architecture."""
    score: float | None
    """The test metric of its best setting, the mean over the ranges of the ranking; None if one is missing."""
    pair: Pair | None
    """Its comparison with the base, the sweep with which the others are compared; None for the base itself."""
    references: References | None
    seconds: float
    """Seconds of training, all devices together."""
    is_judged_elsewhere: bool = False
    """True if score and pair disagree whether it is better than the base. The pair may have date ranges that not all
    sweeps share."""

    @property
    def is_base(self) -> bool:
        return self.pair is None

    @property
    def gain(self) -> float | None:
        """The gain over the base; None if the two cannot be compared."""
        if self.pair is None or self.pair.verdict is None or self.pair.verdict.gain is None:
            return None
        return self.pair.verdict.gain * (1 if self.pair.winner == self.pair.other else -1)

    @property
    def is_real(self) -> bool:
        """True if the difference to the base is real, in either direction."""
        return self.pair is not None and self.pair.verdict is not None and self.pair.verdict.kind == "real"

    @property
    def against(self) -> str:
        """`14.2 % worse, not shown`, `2.0 % better on other date ranges, real`; empty for the base."""
        if self.pair is None:
            return ""
        if self.pair.verdict is None or self.gain is None:
            return "not comparable" if self.state.best else "no result"
        if self.pair.winner is None:
            return "the same"
        remark = " on other date ranges" if self.is_judged_elsewhere else ""
        return f"{self.pair.scale.better(self.gain)}{remark}, {self.pair.verdict.kind}"

    @property
    def reference(self) -> str:
        """The name of the best reference; empty if there is none."""
        return self.references.best[0] if self.references and self.references.best else ""

    @property
    def against_reference(self) -> str:
        """`12.1 % better` than the best reference."""
        if not self.references or not self.references.best:
            return ""
        return Scale(goal=self.references.goal).better(-self.references.best[1])

    @property
    def problem(self) -> str:
        """The progress of a sweep that is not simply done; else empty."""
        return "" if self.state.words == "done" else self.state.words


@dataclass(frozen=True)
class Ranking:
    """Sweeps, best first; those that cannot be compared come last."""

    comparison: Comparison
    places: tuple[Place, ...]
    ranges: tuple[DateRange, ...]
    """The ranges of the scores: all sweeps with a score have them."""
    fresh: bool
    """True if these ranges played no part in choosing."""
    missing: Mapping[str, str]
    """Architecture -> the reason why it has no sweep."""

    @property
    def base(self) -> Place:
        """The sweep with which the others are compared."""
        return next(place for place in self.places if place.is_base)

    @cached_property
    def doubtful(self) -> list[Place]:
        """The sweeps whose difference to the base is not shown to be real."""
        return [place for place in self.places if place.gain is not None and not place.is_real]

    @property
    def by_architecture(self) -> bool:
        """True if each sweep is named by its architecture."""
        return all(place.name == place.state.sweep.definition.architecture for place in self.places)

    @property
    def ranges_in_words(self) -> str:
        """`6 fresh date ranges`."""
        count = len(self.ranges)
        return f"{count} {'fresh ' if self.fresh else ''}date range{'s' if count != 1 else ''}"

    @property
    def headline(self) -> str:
        """All pairs in one sentence. Two sweeps get the sentence of their pair."""
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
        clauses = [
            f"{first.name} is ahead of {len(self.places) - 1} others: "
            f"{metric} {first.score:.4g} on {self.ranges_in_words}"
        ]
        if first.is_judged_elsewhere:
            clauses.append(f"it is ahead of {base.name} on other date ranges, which not all sweeps share")
        others = [place for place in self.places if place.gain is not None]
        if not others:
            clauses.append("none of the others can be compared with it")
        elif not self.doubtful:
            clauses.append(f"{'each' if len(others) > 1 else 'the'} difference to {base.name} is real")
        elif len(self.doubtful) == len(others):
            clauses.append(f"no difference to {base.name} is shown to be real")
        else:
            clauses.append(f"the difference to {_and(place.name for place in self.doubtful)} is not shown to be real")
        if unfinished := [place.name for place in self.places if not place.state.done]:
            clauses.append(f"{_and(unfinished)} {'are' if len(unfinished) > 1 else 'is'} not finished")
        if base.references and base.references.words:
            clauses.append(f"{base.name}: {base.references.words}" if first is not base else base.references.words)
        return "; ".join(clauses) + "."


def rank(states: Iterable[State], missing: Mapping[str, str] | None = None) -> Ranking:
    """Ranks sweeps by the test scores of their best settings.

    The base is the sweep with the best score on the date ranges that all share. `missing` holds a reason for each
    architecture without a sweep. Raises UserError unless there are two different sweeps.
    """
    by_choice = best_first(states)
    scored = _Scored.of(by_choice)
    order = scored.best_first()
    # Each of n sweeps could have come first, and then been compared with n - 1 others.
    comparison = compare(order, questions=len(order) * (len(order) - 1))
    return _ranking(comparison, scored, missing or {})


def rank_as_compared(comparison: Comparison) -> Ranking:
    """Ranks the sweeps of a comparison, best first. The base is the sweep that was named first."""
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
    """Orders places by gain over the base, which uses all date ranges of a pair.

    If a place has a score but no gain, all keep their order, which is by score.
    """
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
    if {compared.date_range for compared in place.pair.ranges} == set(ranges):
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
    """By sweep id; without sweeps that cannot be compared with the first one that has scores."""
    ranges: Sequence[DateRange]
    fresh: bool

    @classmethod
    def of(cls, states: Sequence[State]) -> "_Scored":
        scores: dict[str, Mapping[DateRange, RangeScore]] = {}
        first: State | None = None
        common: list[DateRange] = []
        # The ranges that all comparable sweeps have in common.
        for state in states:
            by_range: Mapping[DateRange, RangeScore]
            by_range = scores_by_range(state, state.best.experiment) if state.best else {}
            if first is None and by_range:
                first, common = state, sorted(by_range)
                scores[state.sweep.id] = by_range
            elif first is not None and not why_incomparable(first.sweep.definition, state.sweep.definition):
                first_scores = {date_range: scores[first.sweep.id][date_range] for date_range in common}
                shared = comparable_ranges(first_scores, by_range)[0]
                if shared:
                    common = shared
                    scores[state.sweep.id] = by_range
        # Only those that are fresh for all, if they suffice: `fresh_or_all` takes two sweeps at a time.
        ranges, fresh = common, False
        if first is not None:
            for by_range in scores.values():
                narrowed, fresh = fresh_or_all(ranges, scores[first.sweep.id], by_range)
                if not fresh:
                    ranges = common
                    break
                ranges = narrowed
        return cls(states, scores, ranges, fresh)

    def mean(self, state: State) -> float | None:
        """The mean over the ranges; None if a score is missing, or if the sweep cannot be compared."""
        values = self._values(state)
        return fmean(values) if values else None

    def best_first(self) -> list[State]:
        """The sweeps ordered by mean score, or mean logarithm for gains by ratio; those without come last."""
        complete = [values for state in self.states if (values := self._values(state))]
        by_ratio = all(state.sweep.definition.objective.scale == "ratio" for state in self.states)
        by_ratio = by_ratio and all(value > 0 for values in complete for value in values)

        def mean_loss(state: State) -> float:
            values = self._values(state)
            if not values:
                return math.inf
            return state.sweep.definition.objective.sign * fmean(map(math.log, values) if by_ratio else values)

        return sorted(self.states, key=mean_loss)

    def _values(self, state: State) -> list[float]:
        """A score per range; empty if one is missing."""
        by_range = self.scores.get(state.sweep.id)
        values = [by_range[date_range].score for date_range in self.ranges] if by_range else []
        return [value for value in values if value is not None] if None not in values else []


def _and(names: Iterable[str]) -> str:
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last
