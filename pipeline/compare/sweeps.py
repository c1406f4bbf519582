"""Compares sweeps: lists their differences, and judges the first one's best setting against that of each other sweep.

`report/answer.py` names the best setting of a sweep. `analysis/significance.py` judges the difference, on date ranges
whose data were the same for both sweeps.
"""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import TYPE_CHECKING, Any

from pipeline.compare.differences import differences
from pipeline.compare.scores import (
    RangeScore,
    comparable_ranges,
    fresh_or_all,
    paired_scores,
    scores_by_range,
    why_incomparable,
)
from pipeline.dates import DateRange
from pipeline.errors import UserError
from pipeline.report.state import State
from pipeline.scale import BY_RATIO, Scale
from pipeline.sweep import ledger

if TYPE_CHECKING:
    from pipeline.analysis.verdict import Design, Verdict


@dataclass(frozen=True)
class RangeComparison:
    """The scores of the best settings of two sweeps on a common date range."""

    date_range: DateRange
    base: float | None
    other: float | None
    fresh: bool
    gain: float | None
    """The gain on the pair's scale, positive if the other is better; None if the metrics have no ratio."""


@dataclass(frozen=True)
class Pair:
    """The comparison of the first sweep, the base, with one other sweep."""

    base: str
    other: str
    ranges: tuple[RangeComparison, ...]
    """The ranges on which the two are compared."""
    left_out: tuple[str, ...]
    """The reasons why other common ranges do not count, a line each."""
    sentence: str
    winner: str | None = None
    """The id of the sweep that is ahead on average; None if they are equal or cannot be compared."""
    verdict: "Verdict | None" = None
    """The verdict on the sweep that is ahead; None if they cannot be compared."""
    scale: Scale = BY_RATIO
    """The scale of gains."""


@dataclass(frozen=True)
class Comparison:
    """The result of `hpt compare`. The first sweep is the base of all pairs."""

    states: tuple[State, ...]
    changed: dict[str, tuple[str, ...]]
    """The properties that differ, with a value per sweep."""
    pairs: tuple[Pair, ...]

    @property
    def sentence(self) -> str:
        """The sentences of all pairs."""
        return " ".join(pair.sentence for pair in self.pairs)


def best_first(states: Iterable[State]) -> list[State]:
    """Orders sweeps by the score that chose their best settings; sweeps without a best setting come last."""

    def loss(state: State) -> float:
        return state.sweep.definition.objective.sign * state.best.score if state.best else math.inf

    return sorted(states, key=loss)


def compare(states: Sequence[State], questions: int | None = None) -> Comparison:
    """Compares the other sweeps with the first.

    `questions` is the number of comparisons that the verdicts are corrected for. Leave it out only if the first sweep
    was named before any score was seen. Raises UserError unless there are at least two different sweeps.
    """
    ids = [state.sweep.id for state in states]
    if len(ids) < 2:
        raise UserError("compare takes at least two sweeps: hpt compare SWEEP SWEEP")
    if repeated := sorted({id for id in ids if ids.count(id) > 1}):
        raise UserError(f"{repeated[0]} is named twice: name different sweeps")
    # The scores decide which of two is tested against the other, so each pair is two one-sided questions.
    family = questions or 2 * (len(states) - 1)
    pairs = tuple(_pair(states[0], other, family) for other in states[1:])
    return Comparison(tuple(states), differences(states), pairs)


@dataclass(frozen=True)
class _Match:
    """The best settings of two sweeps, and the date ranges on which they can be compared."""

    base: State
    other: State
    base_scores: Mapping[DateRange, RangeScore]
    other_scores: Mapping[DateRange, RangeScore]
    ranges: Sequence[DateRange]
    fresh: bool
    left_out: tuple[str, ...]


def _pair(base: State, other: State, family: int) -> Pair:
    """Compares the first sweep with another. If they cannot be compared, the sentence gives the reason."""
    if base.best is None or other.best is None:
        without = base if base.best is None else other
        return _not_comparable(base, other, f"{without.sweep.id} has no best setting ({without.words})")
    if reason := why_incomparable(base.sweep.definition, other.sweep.definition):
        return _not_comparable(base, other, reason)
    base_scores = scores_by_range(base, base.best.experiment)
    other_scores = scores_by_range(other, other.best.experiment)
    if not base_scores.keys() & other_scores.keys():
        ranges_in_words = f"{_in_words(base_scores)} in the one, {_in_words(other_scores)} in the other"
        return _not_comparable(base, other, f"their best settings have no date range in common ({ranges_in_words})")
    ranges, left_out = comparable_ranges(base_scores, other_scores)
    if not ranges:
        reason = f"no common date range has the same data: {'; '.join(left_out)}"
        return _not_comparable(base, other, reason, left_out=left_out)
    ranges, fresh = fresh_or_all(ranges, base_scores, other_scores)
    return _judged(_Match(base, other, base_scores, other_scores, ranges, fresh, left_out), family)


def _not_comparable(
    base: State,
    other: State,
    reason: str,
    *,
    ranges: tuple[RangeComparison, ...] = (),
    left_out: tuple[str, ...] = (),
) -> Pair:
    first, second = base.sweep.id, other.sweep.id
    return Pair(first, second, ranges, left_out, f"{second} cannot be compared with {first}: {reason}.")


def _judged(match: _Match, family: int) -> Pair:
    """Judges the sweep that is ahead; `family` is the number of such questions asked at once."""
    from pipeline.analysis.gains import paired_gains
    from pipeline.analysis.significance import judge

    # Pair the scores by date range and seed.
    base, other, design = match.base, match.other, _design(match)
    pairs = {
        date_range: paired_scores(match.base_scores[date_range], match.other_scores[date_range])
        for date_range in match.ranges
    }
    base_seeds = {date_range: pair[0] for date_range, pair in pairs.items()}
    other_seeds = {date_range: pair[1] for date_range, pair in pairs.items()}
    gains = paired_gains(base_seeds, other_seeds, design).gains
    scale = design.scale.fitting(
        score for seeds in (base_seeds, other_seeds) for by_seed in seeds.values() for score in by_seed.values()
    )
    ranges = tuple(
        RangeComparison(
            date_range=date_range,
            base=match.base_scores[date_range].score,
            other=match.other_scores[date_range].score,
            fresh=match.fresh,
            gain=gains.get(date_range),
        )
        for date_range in match.ranges
    )
    if not gains:
        reason = f"{_count(len(ranges))} in common, but no ratio of their metrics on any"
        return _not_comparable(base, other, reason, ranges=ranges, left_out=match.left_out)

    # Judge the sweep that is ahead as a finalist, against the other as incumbent.
    # The p-values of 1 stand for the other questions of the family: the verdict is corrected for their number.
    earlier = [1.0] * (family - 1) + (_earlier((base, other)) if match.fresh else [])
    if fmean(gains.values()) > 0:
        winner, loser = other.sweep.id, base.sweep.id
        verdict = judge(design, base_seeds, {winner: other_seeds}, earlier)[winner]
    else:
        winner, loser = base.sweep.id, other.sweep.id
        verdict = judge(design, other_seeds, {winner: base_seeds}, earlier)[winner]
    equal = all(gain == 0 for gain in gains.values())
    metric = base.sweep.definition.objective.test
    design = replace(design, scale=scale)
    sentence = _sentence(winner, loser, verdict, design, metric, equal=equal) + _unfinished((base, other))
    return Pair(
        base=base.sweep.id,
        other=other.sweep.id,
        ranges=ranges,
        left_out=match.left_out,
        sentence=sentence,
        winner=None if equal else winner,
        verdict=verdict,
        scale=scale,
    )


def _design(match: _Match) -> "Design":
    """The design of the test: that of the base, with the wider rope of the two; by difference if either uses it."""
    from pipeline.analysis.verdict import Design

    definition = match.base.sweep.definition
    definitions = [match.base.sweep.definition, match.other.sweep.definition]
    by_difference = (each.objective for each in definitions if each.objective.scale == "difference")
    objective = next(by_difference, definition.objective)
    return Design(
        ranges=tuple(match.ranges),
        rope=max(each.rope for each in definitions if each.objective.scale == objective.scale),
        scale=objective.gains,
        fresh=match.fresh,
        valid=definition.training.validation_share,
        test=definition.training.test_share,
    )


def _earlier(states: Sequence[State]) -> list[float]:
    """P-values of earlier claims, read once per architecture and data: the newest sweep knows those of older ones."""
    newest: dict[str, State] = {}
    for state in sorted(states, key=lambda state: state.sweep.id):
        newest[f"{state.sweep.definition.architecture} {state.sweep.definition.data!r}"] = state
    sweeps = [state.sweep for state in newest.values()]
    return [claim.p for sweep in sweeps for claim in ledger.earlier_claims(sweep.store, sweep.definition, {})]


def _sentence(winner: str, loser: str, verdict: "Verdict", design: "Design", metric: str, *, equal: bool) -> str:
    from pipeline.analysis.verdict import FEWEST_RANGES, Kind

    on_ranges = _count(verdict.ranges, "fresh common date range" if design.fresh else "common date range")
    if equal:
        return f"{loser} and {winner} are equally good: their best settings have the same {metric} on {on_ranges}."
    assert verdict.gain is not None
    better = "lower" if design.scale.goal == "minimize" else "higher"
    size = f"its best setting's {metric} is {design.scale.words(verdict.gain)} {better}"
    wins = f"ahead on {verdict.wins} of {on_ranges}"
    p = "" if verdict.p_adjusted is None else f", p = {verdict.p_adjusted:.2g}"
    reason = f" ({verdict.problem.removeprefix('but ')})" if verdict.problem.startswith("but ") else ""
    match verdict.kind:
        case Kind.REAL:
            return f"{winner} beats {loser}, and that is real: {size}, {wins}{p}."
        case Kind.PROMISING:
            if not design.fresh:
                reason = "; these ranges also chose a setting, so more than promising cannot be said"
            return f"{winner} is ahead of {loser}, and promising: {size}, {wins}{reason}."
        case Kind.NOT_SHOWN:
            return f"{winner} is ahead of {loser}, but not shown to be better: {size}, {wins}{reason}."
    reason = f"a test takes at least {FEWEST_RANGES} ranges" if verdict.ranges < FEWEST_RANGES else verdict.problem
    return f"{winner} is ahead of {loser}, but whether that is real cannot be tested: {size}, {wins}; {reason}."


def _unfinished(states: Sequence[State]) -> str:
    return "".join(f" {state.sweep.id} is not finished ({state.words})." for state in states if not state.done)


def _count(number: int, noun: str = "date range") -> str:
    return f"{number} {noun}" + ("s" if number != 1 else "")


def _in_words(ranges: Iterable[DateRange]) -> str:
    return ", ".join(map(str, ranges)) or "none"


def as_json(comparison: Comparison) -> str:
    """The tables and the sentence of a comparison as one JSON object."""
    ids = [state.sweep.id for state in comparison.states]
    content = {
        "sentence": comparison.sentence,
        "sweeps": [_state_as_json(state) for state in comparison.states],
        "changed": {name: dict(zip(ids, values, strict=True)) for name, values in comparison.changed.items()},
        "pairs": [_pair_as_json(pair) for pair in comparison.pairs],
    }
    return json.dumps(content, indent=1)


def _state_as_json(state: State) -> dict[str, Any]:
    best = state.best
    return {
        "sweep": state.sweep.id,
        "done": state.done,
        "architecture": state.sweep.definition.architecture,
        "best": best and {"experiment": best.experiment, "setting": best.assignment, "score": best.score},
    }


def _pair_as_json(pair: Pair) -> dict[str, Any]:
    verdict = pair.verdict
    return {
        "base": pair.base,
        "other": pair.other,
        "winner": pair.winner,
        "verdict": verdict.kind if verdict else "not comparable",
        "gain": verdict.gain if verdict else None,
        "scale": pair.scale.name,
        "p": verdict.p_adjusted if verdict else None,
        "wins": verdict.wins if verdict else None,
        "ranges": [
            {
                "date-range": compared.date_range.as_json(),
                "base": compared.base,
                "other": compared.other,
                "gain": compared.gain,
                "fresh": compared.fresh,
            }
            for compared in pair.ranges
        ],
        "left_out": list(pair.left_out),
        "sentence": pair.sentence,
    }
