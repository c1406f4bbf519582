"""Several sweeps side by side: what changed between them, whose best setting wins, and whether that is real.

It ranks nothing itself and has no test of its own: `ranking.py` names each sweep's best setting, and
`analysis/significance.py` judges the difference, on date ranges whose data both sweeps saw in the same state.
"""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING, Any

from pipeline.compare.differences import differences
from pipeline.compare.scores import Measured, incomparable, measured, preferred, scores_in_common, usable
from pipeline.dates import DateRange
from pipeline.errors import UserError
from pipeline.report.state import State
from pipeline.sweep import ledger

if TYPE_CHECKING:
    from pipeline.analysis.verdict import Verdict


@dataclass(frozen=True)
class OnRange:
    """The best settings of two sweeps on one date range that they have in common."""

    date_range: DateRange
    base: float | None
    other: float | None
    fresh: bool
    gain: float | None
    """Log ratio, positive where the other is better; None where there is no ratio."""


@dataclass(frozen=True)
class Pair:
    """The first sweep against one of the others."""

    base: str
    other: str
    on: tuple[OnRange, ...]
    left_out: tuple[str, ...]
    """Why other common ranges do not count, a line each."""
    winner: str | None
    """The sweep that is ahead on average; None where that cannot be said."""
    verdict: "Verdict | None"
    """On the winner, against the other one."""
    sentence: str


@dataclass(frozen=True)
class Comparison:
    """What `hpt compare` says; the first sweep is what the others are compared with."""

    states: tuple[State, ...]
    changed: dict[str, tuple[str, ...]]
    """What differs, with a value per sweep."""
    pairs: tuple[Pair, ...]

    @property
    def sentence(self) -> str:
        return " ".join(pair.sentence for pair in self.pairs)


def best_first(states: Iterable[State]) -> list[State]:
    """In the order of what chose their best settings; without a best setting, last."""

    def place(state: State) -> float:
        return state.sweep.definition.objective.sign * state.best.score if state.best else math.inf

    return sorted(states, key=place)


def compare(states: Sequence[State]) -> Comparison:
    """Raises UserError unless there are at least two different sweeps."""
    ids = [state.sweep.id for state in states]
    if len(ids) < 2:
        raise UserError("compare takes at least two sweeps: hpt compare SWEEP SWEEP")
    if twice := sorted({id for id in ids if ids.count(id) > 1}):
        raise UserError(f"{twice[0]} stands there twice: name different sweeps")
    # Who is ahead is seen first and tested then, so each pair is two one-sided questions.
    family = 2 * (len(states) - 1)
    pairs = tuple(_pair(states[0], other, family) for other in states[1:])
    return Comparison(tuple(states), differences(states), pairs)


def _pair(base: State, other: State, family: int) -> Pair:
    ids = base.sweep.id, other.sweep.id

    def not_comparable(why: str, left_out: tuple[str, ...] = ()) -> Pair:
        return Pair(*ids, (), left_out, None, None, f"{ids[1]} cannot be compared with {ids[0]}: {why}.")

    if base.best is None or other.best is None:
        without = base if base.best is None else other
        return not_comparable(f"{without.sweep.id} has no best setting ({without.words})")
    if why := incomparable(base.sweep.definition, other.sweep.definition):
        return not_comparable(why)
    mine, theirs = measured(base, base.best.experiment), measured(other, other.best.experiment)
    if not mine.keys() & theirs.keys():
        return not_comparable(
            "their best settings have no date range in common "
            f"({_in_words(mine)} in the one, {_in_words(theirs)} in the other)"
        )
    ranges, left_out = usable(mine, theirs)
    if not ranges:
        return not_comparable(f"no common date range has the same data: {'; '.join(left_out)}", left_out)
    ranges, fresh = preferred(ranges, mine, theirs)
    return _judged(base, other, mine, theirs, ranges, fresh, left_out, family)


def _judged(
    base: State,
    other: State,
    mine: Mapping[DateRange, Measured],
    theirs: Mapping[DateRange, Measured],
    ranges: Sequence[DateRange],
    fresh: bool,
    left_out: tuple[str, ...],
    family: int,
) -> Pair:
    from pipeline.analysis.significance import judge, paired_gains
    from pipeline.analysis.verdict import ROPE, Design

    definitions = base.sweep.definition, other.sweep.definition
    design = Design(
        ranges=tuple(ranges),
        rope=max(d.confirm.judging.rope if d.confirm and d.confirm.judging else ROPE for d in definitions),
        goal=definitions[0].objective.goal,
        fresh=fresh,
        valid=definitions[0].training.validation_share,
        test=definitions[0].training.test_share,
    )
    common = {range_: scores_in_common(mine[range_], theirs[range_]) for range_ in ranges}
    a = {range_: pair[0] for range_, pair in common.items()}
    b = {range_: pair[1] for range_, pair in common.items()}
    gains = paired_gains(a, b, design).gains
    on = tuple(OnRange(one, mine[one].score, theirs[one].score, fresh, gains.get(one)) for one in ranges)
    ids = base.sweep.id, other.sweep.id
    if not gains:
        why = f"{_count(len(ranges))} in common, but no ratio of their metrics on any"
        return Pair(*ids, on, left_out, None, None, f"{ids[1]} cannot be compared with {ids[0]}: {why}.")
    ahead = fmean(gains.values()) > 0
    winner, loser = (ids[1], ids[0]) if ahead else ids
    earlier = [1.0] * (family - 1) + (_earlier((base, other)) if fresh else [])
    verdict = judge(design, *((a, {"": b}) if ahead else (b, {"": a})), earlier=earlier)[""]
    same = all(gain == 0 for gain in gains.values())
    sentence = _sentence(winner, loser, verdict, design.goal, definitions[0].objective.metric, fresh, same)
    return Pair(*ids, on, left_out, None if same else winner, verdict, sentence + _unfinished((base, other)))


def _earlier(states: Sequence[State]) -> list[float]:
    """What was judged on these ranges before, once per architecture and data: the newest sweep knows of the older."""
    newest: dict[str, State] = {}
    for state in sorted(states, key=lambda state: state.sweep.id):
        newest[f"{state.sweep.definition.architecture} {state.sweep.definition.data!r}"] = state
    return [p for one in newest.values() for p in ledger.earlier_p_values(one.sweep.store, one.sweep.definition)]


def _sentence(winner: str, loser: str, verdict: "Verdict", goal: str, metric: str, fresh: bool, same: bool) -> str:
    from pipeline.analysis.verdict import FEWEST_RANGES, Kind, percent

    where = _count(verdict.ranges, "fresh common date range" if fresh else "common date range")
    if same:
        return f"{loser} and {winner} are equally good: their best settings have the same {metric}_test on {where}."
    assert verdict.gain is not None
    better = "lower" if goal == "minimize" else "higher"
    size = f"its best setting's {metric}_test is {percent(verdict.gain, goal):.1f} % {better}"  # type: ignore[arg-type]
    wins = f"ahead on {verdict.wins} of {where}"
    p = "" if verdict.p_adjusted is None else f", p = {verdict.p_adjusted:.2g}"
    match verdict.kind:
        case Kind.REAL:
            return f"{winner} beats {loser}, and that is real: {size}, {wins}{p}."
        case Kind.PROMISING:
            why = "" if fresh else "; these ranges also chose a setting, so more than promising cannot be said"
            return f"{winner} is ahead of {loser}, and promising: {size}, {wins}{p}{why}."
        case Kind.NOT_SHOWN:
            return f"{winner} is ahead of {loser}, but that it is better is not shown: {size}, {wins}{p}."
    if verdict.ranges < FEWEST_RANGES:
        why = f"a test takes at least {FEWEST_RANGES} ranges"
    else:
        why = verdict.reason.removeprefix("not testable: ")
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
        "p": verdict.p_adjusted if verdict else None,
        "wins": verdict.wins if verdict else None,
        "ranges": [
            {
                "date-range": one.date_range.as_json(),
                "base": one.base,
                "other": one.other,
                "gain": one.gain,
                "fresh": one.fresh,
            }
            for one in pair.on
        ],
        "left_out": list(pair.left_out),
        "sentence": pair.sentence,
    }
