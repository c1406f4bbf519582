"""The part of a space that lies around a setting."""

import math

from pipeline.space import Assignment, Domain, Scalar, Space, Values, same


def near(space: Space, best: Assignment, share: float) -> Space:
    """The part of a space around a setting: so much of each range, the neighbours in a list of numbers.

    What has no order (words, truth values) keeps the setting's value. A range that the setting's value lies outside of
    stays whole. What is of no use there, whatever its own value, is left out and keeps the setting's.
    """
    found = {name: _near(domain, best[name], share) for name, domain in space.items()}
    while idle := [name for name, domain in found.items() if not _may_be_of_use(domain, found, space, best)]:
        found = {name: domain for name, domain in found.items() if name not in idle}
    return found


def _may_be_of_use(domain: Domain, found: Space, space: Space, best: Assignment) -> bool:
    def may_be(parent: str, value: Scalar) -> bool:
        if parent in space:
            return parent in found and value in found[parent]
        return same(best.get(parent), value)

    return all(any(may_be(parent, value) for value in asked) for parent, asked in domain.when.items())


def _near(domain: Domain, value: object, share: float) -> Domain:
    if value not in domain:
        return domain
    if isinstance(domain, Values):
        numbers = [v for v in domain.values if isinstance(v, int | float) and not isinstance(v, bool)]
        if len(numbers) < len(domain.values):
            return domain.model_copy(update={"values": tuple(v for v in domain.values if v == value)})
        numbers.sort()
        at = numbers.index(value)  # type: ignore[arg-type]
        return domain.model_copy(update={"values": tuple(numbers[max(at - 1, 0) : at + 2])})
    assert isinstance(value, int | float)
    log = domain.log
    low, high, middle = ((math.log(n) if log else float(n)) for n in (domain.low, domain.high, value))
    width = share * (high - low)
    start = min(max(middle - width / 2, low), high - width)
    ends = [math.exp(end) if log else end for end in (start, start + width)]
    if domain.integer:
        least, most = max(math.floor(ends[0]), domain.low), min(math.ceil(ends[1]), domain.high)
        step = int(domain.step or 1)
        least = domain.low + (least - domain.low) // step * step
        # A step at least, unless the whole range has none.
        most = max(most, min(least + step, domain.high))
        return domain.model_copy(update={"low": int(least), "high": int(most)})
    if domain.step is not None:
        steps = [math.floor((ends[0] - domain.low) / domain.step), math.ceil((ends[1] - domain.low) / domain.step)]
        edges = [min(max(domain.low + n * domain.step, domain.low), domain.high) for n in steps]
        return domain.model_copy(update={"low": float(f"{edges[0]:.12g}"), "high": float(f"{edges[1]:.12g}")})
    return domain.model_copy(update={"low": domain.rounded(ends[0]), "high": domain.rounded(ends[1])})
