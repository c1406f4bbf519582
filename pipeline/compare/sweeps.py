"""Several sweeps side by side: what changed between them, whose best setting wins, and whether that is real.

It ranks nothing itself and has no test of its own: `report/answer.py` names each sweep's best setting, and
`analysis/significance.py` judges the difference, on date ranges whose data both sweeps saw in the same state.
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
    """The best settings of two sweeps on one date range that they have in common."""

    date_range: DateRange
    base: float | None
    other: float | None
    fresh: bool
    gain: float | None
    """On the scale of the pair, positive where the other is better; None where there is no ratio."""


@dataclass(frozen=True)
class Pair:
    """The first sweep against one of the others."""

    base: str
    other: str
    ranges: tuple[RangeComparison, ...]
    """Those on which they are compared."""
    left_out: tuple[str, ...]
    """Why other common ranges do not count, a line each."""
    sentence: str
    winner: str | None = None
    """The sweep that is ahead on average; None where that cannot be said."""
    verdict: "Verdict | None" = None
    """On the winner, against the other one; None where they cannot be compared."""
    scale: Scale = BY_RATIO
    """What gains are measured on."""


@dataclass(frozen=True)
class Comparison:
    """What `hpt compare` says; the first sweep is what the others are compared with."""

    states: tuple[State, ...]
    changed: dict[str, tuple[str, ...]]
    """What differs, with a value per sweep."""
    pairs: tuple[Pair, ...]

    @property
    def sentence(self) -> str:
        """What all pairs come to."""
        return " ".join(pair.sentence for pair in self.pairs)


def best_first(states: Iterable[State]) -> list[State]:
    """In the order of what chose their best settings; without a best setting, last."""

    def place(state: State) -> float:
        return state.sweep.definition.objective.sign * state.best.score if state.best else math.inf

    return sorted(states, key=place)


def compare(states: Sequence[State], questions: int | None = None) -> Comparison:
    """Holds the others against the first; `questions` is how many could have been asked: left out, those of whoever
    named the first before seeing a score.

    Raises UserError unless there are at least two different sweeps.
    """
    ids = [state.sweep.id for state in states]
    if len(ids) < 2:
        raise UserError("compare takes at least two sweeps: hpt compare SWEEP SWEEP")
    if twice := sorted({id for id in ids if ids.count(id) > 1}):
        raise UserError(f"{twice[0]} stands there twice: name different sweeps")
    # Who is ahead is seen first and tested then, so each pair is two one-sided questions.
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
    """The first sweep against another; where they cannot be compared, the sentence says why."""
    if base.best is None or other.best is None:
        without = base if base.best is None else other
        return _not_comparable(base, other, f"{without.sweep.id} has no best setting ({without.words})")
    if why := why_incomparable(base.sweep.definition, other.sweep.definition):
        return _not_comparable(base, other, why)
    base_scores, other_scores = (
        scores_by_range(base, base.best.experiment),
        scores_by_range(other, other.best.experiment),
    )
    if not base_scores.keys() & other_scores.keys():
        where = f"{_in_words(base_scores)} in the one, {_in_words(other_scores)} in the other"
        return _not_comparable(base, other, f"their best settings have no date range in common ({where})")
    ranges, left_out = comparable_ranges(base_scores, other_scores)
    if not ranges:
        why = f"no common date range has the same data: {'; '.join(left_out)}"
        return _not_comparable(base, other, why, left_out=left_out)
    ranges, fresh = fresh_or_all(ranges, base_scores, other_scores)
    return _judged(_Match(base, other, base_scores, other_scores, ranges, fresh, left_out), family)


def _not_comparable(
    base: State,
    other: State,
    why: str,
    *,
    ranges: tuple[RangeComparison, ...] = (),
    left_out: tuple[str, ...] = (),
) -> Pair:
    first, second = base.sweep.id, other.sweep.id
    return Pair(first, second, ranges, left_out, f"{second} cannot be compared with {first}: {why}.")


def _judged(match: _Match, family: int) -> Pair:
    """The verdict on the sweep that is ahead; `family` is how many such questions are asked at once."""
    from pipeline.analysis.gains import paired_gains
    from pipeline.analysis.significance import judge

    base, other, design = match.base, match.other, _design(match)
    pairs = {one: paired_scores(match.base_scores[one], match.other_scores[one]) for one in match.ranges}
    base_seeds = {date_range: pair[0] for date_range, pair in pairs.items()}
    other_seeds = {date_range: pair[1] for date_range, pair in pairs.items()}
    gains = paired_gains(base_seeds, other_seeds, design).gains
    scale = design.scale.fitting(
        score for seeds in (base_seeds, other_seeds) for by in seeds.values() for score in by.values()
    )
    ranges = tuple(
        RangeComparison(
            date_range=one,
            base=match.base_scores[one].score,
            other=match.other_scores[one].score,
            fresh=match.fresh,
            gain=gains.get(one),
        )
        for one in match.ranges
    )
    if not gains:
        why = f"{_count(len(ranges))} in common, but no ratio of their metrics on any"
        return _not_comparable(base, other, why, ranges=ranges, left_out=match.left_out)

    # Whoever is ahead takes the place of the finalist, the other that of the incumbent.
    earlier = [1.0] * (family - 1) + (_earlier((base, other)) if match.fresh else [])
    if fmean(gains.values()) > 0:
        winner, loser = other.sweep.id, base.sweep.id
        verdict = judge(design, base_seeds, {winner: other_seeds}, earlier)[winner]
    else:
        winner, loser = base.sweep.id, other.sweep.id
        verdict = judge(design, other_seeds, {winner: base_seeds}, earlier)[winner]
    same = all(gain == 0 for gain in gains.values())
    metric = base.sweep.definition.objective.test
    design = replace(design, scale=scale)
    sentence = _sentence(winner, loser, verdict, design, metric, same=same) + _unfinished((base, other))
    return Pair(
        base=base.sweep.id,
        other=other.sweep.id,
        ranges=ranges,
        left_out=match.left_out,
        sentence=sentence,
        winner=None if same else winner,
        verdict=verdict,
        scale=scale,
    )


def _design(match: _Match) -> "Design":
    """As the first sweep judges, by the wider rope of the two; by difference if either of them does."""
    from pipeline.analysis.verdict import Design

    definition = match.base.sweep.definition
    both = [match.base.sweep.definition, match.other.sweep.definition]
    objective = next((one.objective for one in both if one.objective.scale == "difference"), definition.objective)
    return Design(
        ranges=tuple(match.ranges),
        rope=max(one.rope for one in both if one.objective.scale == objective.scale),
        scale=objective.gains,
        fresh=match.fresh,
        valid=definition.training.validation_share,
        test=definition.training.test_share,
    )


def _earlier(states: Sequence[State]) -> list[float]:
    """What was judged on these ranges before, once per architecture and data: the newest sweep knows of the older."""
    newest: dict[str, State] = {}
    for state in sorted(states, key=lambda state: state.sweep.id):
        newest[f"{state.sweep.definition.architecture} {state.sweep.definition.data!r}"] = state
    sweeps = [state.sweep for state in newest.values()]
    return [claim.p for sweep in sweeps for claim in ledger.earlier_claims(sweep.store, sweep.definition, {})]


def _sentence(winner: str, loser: str, verdict: "Verdict", design: "Design", metric: str, *, same: bool) -> str:
    from pipeline.analysis.verdict import FEWEST_RANGES, Kind

    where = _count(verdict.ranges, "fresh common date range" if design.fresh else "common date range")
    if same:
        return f"{loser} and {winner} are equally good: their best settings have the same {metric} on {where}."
    assert verdict.gain is not None
    better = "lower" if design.scale.goal == "minimize" else "higher"
    size = f"its best setting's {metric} is {design.scale.words(verdict.gain)} {better}"
    wins = f"ahead on {verdict.wins} of {where}"
    p = "" if verdict.p_adjusted is None else f", p = {verdict.p_adjusted:.2g}"
    why = f" ({verdict.why.removeprefix('but ')})" if verdict.why.startswith("but ") else ""
    match verdict.kind:
        case Kind.REAL:
            return f"{winner} beats {loser}, and that is real: {size}, {wins}{p}."
        case Kind.PROMISING:
            if not design.fresh:
                why = "; these ranges also chose a setting, so more than promising cannot be said"
            return f"{winner} is ahead of {loser}, and promising: {size}, {wins}{why}."
        case Kind.NOT_SHOWN:
            return f"{winner} is ahead of {loser}, but that it is better is not shown: {size}, {wins}{why}."
    why = f"a test takes at least {FEWEST_RANGES} ranges" if verdict.ranges < FEWEST_RANGES else verdict.why
    return f"{winner} is ahead of {loser}, but whether that is real cannot be tested: {size}, {wins}; {why}."


def _unfinished(states: Sequence[State]) -> str:
    return "".join(f" {state.sweep.id} is not finished ({state.words})." for state in states if not state.done)


def _count(number: int, what: str = "date range") -> str:
    return f"{number} {what}" + ("s" if number != 1 else "")


def _in_words(ranges: Iterable[DateRange]) -> str:
    return ", ".join(map(str, ranges)) or "none"


def as_json(comparison: Comparison) -> str:
    """Everything that the tables and the sentence say, as one JSON object."""
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
