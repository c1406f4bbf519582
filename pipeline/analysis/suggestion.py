"""Suggests domains for the next sweep: ranges to extend or to shrink, values to add or to drop, each with its reason.

It reads only the trials that chose, so it judges nothing. A domain changes only if luck hardly explains where the best
experiments lie: if no hyperparameter matters, all domains should stay as they are.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from pipeline.analysis.importance import Experiments, scale_of
from pipeline.space import Domain, Interval, Scalar, Space, Values, key

FEWEST = 8
"""With fewer experiments nothing is suggested."""
EDGE = 0.05
"""A value lies at an end of a range if it is this near to it, as a share of the range."""
ALPHA = 0.05
"""Probability that luck alone changes any domain, if no hyperparameter matters."""
_ROOM = 0.1
"""Share of the old range that stays on either side of the best experiments when a range shrinks."""
_WORTH_IT = 2 / 3
"""A range shrinks only if it becomes smaller than this share of the old one."""
_FEWEST_BEST = 3
"""The best quarter has at least so many experiments. One of the first three must lie at an end that is extended."""


@dataclass(frozen=True)
class Suggestion:
    """Domains for the next sweep, and the reasons for changes."""

    domains: Space
    """The domain of every hyperparameter that should be searched again, changed or not."""
    reasons: Mapping[str, str]
    """{hyperparameter that changed: reason, in a sentence}."""
    note: str
    """A sentence that says why nothing changed; empty if something did."""


def suggest(experiments: Experiments, limits: Mapping[str, Domain]) -> Suggestion:
    """Domains for the next sweep. `limits` are the possible values of hyperparameters, where they are known.

    A range is extended at an end if one of the best three experiments lies there, and the whole best quarter towards
    it. It shrinks if the best quarter lies in a part of it. A list of numbers gets a value beyond an end that most of
    the best quarter have, and any list loses values that no experiment of the better half has.

    Each change has to pass a permutation test: if as many experiments were drawn at random from those tried, they would
    hardly ever lie so close together. So it does not matter if a sampler tried some parts more often. The
    hyperparameters share the level (Bonferroni).
    """
    finite = len(experiments.finite)
    if finite < FEWEST:
        few = f"Only {finite} experiment{'s have' if finite != 1 else ' has'} a result to compare"
        return Suggestion(dict(experiments.domains), {}, f"{few}; from {FEWEST} on, other ranges are suggested.")
    domains: Space = dict(experiments.domains)
    reasons: dict[str, str] = {}
    for name, domain in experiments.domains.items():
        change = _change(experiments, name, domain, limits.get(name), ALPHA / len(experiments.domains))
        if change:
            domains[name], reasons[name] = change

    # A space of several settings must not shrink to a single one.
    if _settings(domains) < 2 <= _settings(experiments.domains):
        for name in [name for name in reasons if domains[name].size < 2]:
            domains[name] = experiments.domains[name]
            del reasons[name]

    for name, reason in _useless(domains).items():
        del domains[name]
        reasons[name] = reason
    chance = "Nowhere is it more than luck that the best experiments lie at an end of a range, or in one part of it."
    return Suggestion(domains, reasons, "" if reasons else chance)


def _settings(domains: Space) -> float:
    return math.prod(domain.size for domain in domains.values())


def _change(
    experiments: Experiments, name: str, domain: Domain, limit: Domain | None, alpha: float
) -> tuple[Domain, str] | None:
    """A new domain for a hyperparameter, and the reason; None if it stays as it is."""
    ranking = _Ranking.of(experiments, name)
    if ranking is None:
        return None
    if isinstance(domain, Interval):
        return _other_range(ranking, domain, limit, alpha)
    return _other_list(ranking, domain, limit, alpha)


@dataclass(frozen=True)
class _Ranking:
    """Values of one hyperparameter in the experiments in which it was active, ranked by score."""

    values: tuple[Scalar, ...]
    """The best experiment's first."""
    best: int
    """Number of values in the best quarter, including ties with its last."""
    half: int
    """Number of values in the better half, including ties with its last."""

    @classmethod
    def of(cls, experiments: Experiments, name: str) -> "_Ranking | None":
        """The ranking of a hyperparameter; None if there are too few experiments, or too many ties."""
        order = sorted(experiments.active(name), key=lambda at: experiments.values[at])
        finite = sum(math.isfinite(experiments.values[at]) for at in order)
        if finite < FEWEST:
            return None

        def with_ties(count: int) -> int:
            last = experiments.values[order[min(count, finite) - 1]]
            return sum(experiments.values[at] <= last for at in order)

        best, half = with_ties(max(_FEWEST_BEST, math.ceil(len(order) / 4))), with_ties(len(order) // 2)
        if best > len(order) // 2:
            return None
        return cls(tuple(experiments.assignments[at][name] for at in order), best, half)

    @property
    def words(self) -> str:
        """Name of the best quarter in a sentence."""
        return f"the best {self.best} of {len(self.values)} experiments"


def _other_range(ranking: _Ranking, domain: Interval, limit: Domain | None, alpha: float) -> tuple[Domain, str] | None:
    scale, back = scale_of(domain)
    start, width = scale(domain.low), scale(domain.high) - scale(domain.low)
    numbers = [value for value in ranking.values if isinstance(value, int | float) and not isinstance(value, bool)]
    if len(numbers) < len(ranking.values) or (domain.log and min(numbers) <= 0):
        return None
    # Positions of the experiments in the range, from 0 to 1.
    places = [(scale(number) - start) / width for number in numbers]
    best, best_numbers = places[: ranking.best], numbers[: ranking.best]
    low, high = domain.low, domain.high
    reasons = []

    # Shrink the range to the part in which the best lie.
    inside = sum(min(best) <= place <= max(best) for place in places)
    if _chance_within(ranking.best, inside, len(places)) <= alpha:
        shrunk = _shrunk(domain, back(start + (min(best) - _ROOM) * width), back(start + (max(best) + _ROOM) * width))
        if scale(shrunk[1]) - scale(shrunk[0]) <= _WORTH_IT * width:
            low, high = shrunk
            first, last = min(best_numbers), max(best_numbers)
            part = f"lie from {_number(first)} to {_number(last)}" if first < last else f"are {_number(first)}"
            reasons.append(f"{ranking.words} all {part}")

    # Extend it at an end at which the best lie.
    for upper in (True, False):
        at_end = max(best[:_FEWEST_BEST]) >= 1 - EDGE if upper else min(best[:_FEWEST_BEST]) <= EDGE
        side = sum(place >= min(best) if upper else place <= max(best) for place in places)
        if not at_end or _chance_on_a_side(ranking.best, side, len(places)) > alpha / 2:
            continue
        further = _further(domain, best_numbers, upper, limit)
        if further is None:
            continue
        low, high = (low, further) if upper else (further, high)
        words = "" if reasons else f"{ranking.words} all lie "
        reasons.append(f"{words}towards the {'upper' if upper else 'lower'} end, one of the best {_FEWEST_BEST} at it")

    changed = domain.model_copy(update={"low": low, "high": high})
    if not reasons or low >= high or changed == domain:
        return None
    so_far = f"{_number(domain.low)} to {_number(domain.high)}"
    return changed, f"{', '.join(reasons)}: now {_number(low)} to {_number(high)}, so far {so_far}."


def _shrunk(domain: Interval, low: float, high: float) -> tuple[float, float]:
    """A part of the range, its ends rounded outward to short numbers, or to the grid of an integer or a step."""
    step = domain.step or (1 if domain.integer else None)
    if step is None and not domain.log:
        step = 10.0 ** (math.floor(math.log10(high - low)) - 1)
        low, high = math.floor(low / step) * step, math.ceil(high / step) * step
    elif step is None:
        low, high = _two_digits(low, math.floor), _two_digits(high, math.ceil)
    else:
        # The grid begins at the old low end.
        low = domain.low + math.floor((low - domain.low) / step + 1e-9) * step
        high = domain.low + math.ceil((high - domain.low) / step - 1e-9) * step
    return _rounded_for(domain, max(low, domain.low)), _rounded_for(domain, min(high, domain.high))


def _further(domain: Interval, best: Sequence[float], upper: bool, limit: Domain | None) -> float | None:
    """A new end, a third of the range further out, within the limit; None if that is not beyond the old one."""
    scale, back = scale_of(domain)
    width = scale(domain.high) - scale(domain.low)
    old = domain.high if upper else domain.low
    new = back(scale(old) + (width if upper else -width) / 3)
    # The best may lie outside: an incumbent need not lie in the domain.
    new = max(new, *best) if upper else min(new, *best)
    if domain.integer or domain.step is not None:
        step = domain.step or 1
        steps = max(1, round(abs(new - old) / step))
        new = old + (steps if upper else -steps) * step
    else:
        new = _two_digits(new, round)
    # A domain above zero stays above zero, like that of a learning rate or a number of layers. One that starts at zero
    # never goes below it.
    floor = -math.inf if domain.low < 0 else 0 if domain.low == 0 else 1 if domain.integer else domain.low / 2
    if not domain.log or domain.integer:
        new = max(new, floor)
    new = _rounded_for(domain, _within(new, limit))
    further = new > old if upper else new < old
    return new if further and (limit is None or new in limit) else None


def _other_list(ranking: _Ranking, domain: Values, limit: Domain | None, alpha: float) -> tuple[Domain, str] | None:
    count = len(ranking.values)
    reasons = []
    half = {key(value) for value in ranking.values[: ranking.half]}
    dropped = []
    for value in domain.values:
        having = sum(key(other) == key(value) for other in ranking.values)
        if key(value) not in half and _chance_of_none(ranking.half, having, count) <= alpha / domain.size:
            dropped.append(value)
    values = [value for value in domain.values if value not in dropped]
    if dropped:
        words = ", ".join(map(_text, dropped))
        reasons.append(f"no experiment of the better half of {count} has {words}: dropped")
    added = _beyond(ranking, domain, limit, alpha)
    if added is not None:
        values.append(added[1])
        reasons.append(f"most of {ranking.words} have {_text(added[0])}, at the end: {_text(added[1])} added")
    if not reasons or not values:
        return None
    return domain.model_copy(update={"values": tuple(values)}), "; ".join(reasons) + "."


def _beyond(ranking: _Ranking, domain: Values, limit: Domain | None, alpha: float) -> tuple[float, float] | None:
    """The end of a list that most of the best have, and a number beyond it; None if there is no such end or number."""
    numbers = sorted(value for value in domain.values if isinstance(value, int | float) and not isinstance(value, bool))
    if len(numbers) < max(2, len(domain.values)):
        return None
    for end, before in ((numbers[-1], numbers[-2]), (numbers[0], numbers[1])):
        having = sum(key(value) == key(end) for value in ranking.values)
        best = sum(key(value) == key(end) for value in ranking.values[: ranking.best])
        # More than half, so that it can be true of one end only.
        if 2 * best <= ranking.best:
            continue
        if _chance_of_at_least(best, ranking.best, having, len(ranking.values)) > alpha / 2:
            continue
        geometric = min(end, before) > 0 and max(end, before) >= 2 * min(end, before) and _grows(numbers)
        new = end * (end / before) if geometric else end + (end - before)
        if numbers[0] >= 0:
            new = max(new, 1 if isinstance(end, int) and numbers[0] > 0 else end / 2 if numbers[0] > 0 else 0)
        whole = all(isinstance(number, int) for number in numbers)
        new = _within(round(new) if whole else _two_digits(new, round), limit)
        new = int(new) if whole else float(new)
        if new not in numbers and (new > end) == (end > before) and (limit is None or new in limit):
            return end, new
    return None


def _grows(numbers: Sequence[float]) -> bool:
    """True if the steps between numbers above zero get larger, as in 32, 64, 128, not as in 2, 4, 6."""
    above = [number for number in numbers if number > 0]
    return len(above) < 3 or above[-1] - above[-2] > above[1] - above[0]


def _useless(domains: Space) -> dict[str, str]:
    """{hyperparameter: reason} for those whose condition can no longer hold, or depends on such a hyperparameter."""
    useful = dict(domains)
    reasons: dict[str, str] = {}
    is_settled = False
    while not is_settled:
        is_settled = True
        for name, domain in list(useful.items()):
            for parent, values in domain.when.items():
                if parent in domains and not any(parent in useful and value in useful[parent] for value in values):
                    del useful[name]
                    is_settled = False
                    words = " or ".join(map(_text, values))
                    reasons[name] = f"only of use where {parent} is {words}, which is no longer searched: left out."
                    break
    return reasons


# -- probabilities under luck alone: `best` of `count` experiments are drawn at random


def _chance_within(best: int, inside: int, count: int) -> float:
    """Probability that they lie within any `inside` neighbours."""
    ways = _share(inside, best, count) + (count - inside) * best / inside * _share(inside, best, count)
    return min(1.0, ways)


def _chance_on_a_side(best: int, side: int, count: int) -> float:
    """Probability that they lie among the `side` outermost on one side."""
    return _share(side, best, count)


def _chance_of_none(best: int, having: int, count: int) -> float:
    """Probability that none of them has a value that `having` experiments have."""
    return _share(count - having, best, count)


def _chance_of_at_least(least: int, best: int, having: int, count: int) -> float:
    """Probability that at least `least` of them have a value that `having` experiments have."""
    all_ways = _ways(count, best)
    numbers = range(max(least, best - (count - having)), min(best, having) + 1)
    return math.fsum(math.exp(_ways(having, n) + _ways(count - having, best - n) - all_ways) for n in numbers)


def _share(of: int, best: int, count: int) -> float:
    """Probability that all of them are among `of` experiments."""
    return math.exp(_ways(of, best) - _ways(count, best)) if of >= best else 0.0


def _ways(count: int, drawn: int) -> float:
    """Logarithm of the binomial coefficient, which has a thousand digits for a large sweep."""
    return math.lgamma(count + 1) - math.lgamma(drawn + 1) - math.lgamma(count - drawn + 1)


# -- numbers


def _within(number: float, limit: Domain | None) -> float:
    if limit is None or number in limit:
        return number
    if isinstance(limit, Interval):
        return min(max(number, limit.low), limit.high)
    return number


def _rounded_for(domain: Interval, number: float) -> float:
    return round(number) if domain.integer else float(f"{number:.12g}")


def _two_digits(number: float, rounding: Callable[[float], int]) -> float:
    if number == 0:
        return 0.0
    unit = 10.0 ** (math.floor(math.log10(abs(number))) - 1)
    return float(f"{rounding(number / unit) * unit:.6g}")


def _number(number: float) -> str:
    return f"{number:.3g}" if isinstance(number, float) else str(number)


def _text(value: Scalar) -> str:
    text = _number(value) if isinstance(value, float) else str(value)
    return text if len(text) <= 40 else text[:39] + "…"
