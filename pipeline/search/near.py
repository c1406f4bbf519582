"""The part of a space that lies around a setting."""

import math

from pipeline.space import Assignment, Domain, Scalar, Space, Values, is_equal


def near(space: Space, best: Assignment, share: float) -> Space:
    """The part of a space around the setting `best`.

    It holds a `share` of each range, and of each list of numbers the setting's value and its neighbours. Values without
    an order (text, true and false) stay fixed at the setting's. A range that does not contain the setting's value stays
    whole. A hyperparameter whose condition cannot hold in the new space is left out, and keeps the setting's value.
    """
    near_space = {name: _near(domain, best[name], share) for name, domain in space.items()}
    # Leaving out a hyperparameter may make others inactive.
    while inactive := {name for name in near_space if not _may_be_active(name, near_space, space, best)}:
        near_space = {name: domain for name, domain in near_space.items() if name not in inactive}
    return near_space


def _may_be_active(name: str, near_space: Space, space: Space, best: Assignment) -> bool:
    def is_possible(parent: str, value: Scalar) -> bool:
        if parent in space:
            return parent in near_space and value in near_space[parent]
        return is_equal(best.get(parent), value)

    return all(any(is_possible(parent, value) for value in values) for parent, values in near_space[name].when.items())


def _near(domain: Domain, value: object, share: float) -> Domain:
    if value not in domain:
        return domain
    # A list: the value's neighbours.
    if isinstance(domain, Values):
        numbers = [v for v in domain.values if isinstance(v, int | float) and not isinstance(v, bool)]
        if len(numbers) < len(domain.values):
            return domain.model_copy(update={"values": tuple(v for v in domain.values if v == value)})
        numbers.sort()
        at = numbers.index(value)  # type: ignore[arg-type]
        return domain.model_copy(update={"values": tuple(numbers[max(at - 1, 0) : at + 2])})
    # A range: a share of its width around the value, inside the range.
    assert isinstance(value, int | float)
    log = domain.log
    low, high, middle = ((math.log(n) if log else float(n)) for n in (domain.low, domain.high, value))
    width = share * (high - low)
    start = min(max(middle - width / 2, low), high - width)
    ends = [math.exp(end) if log else end for end in (start, start + width)]
    # Its ends become values of the range: integers, multiples of the step, or rounded numbers.
    if domain.integer:
        least, most = max(math.floor(ends[0]), domain.low), min(math.ceil(ends[1]), domain.high)
        step = int(domain.step or 1)
        least = domain.low + (least - domain.low) // step * step
        # At least two values, unless the whole range has one.
        most = max(most, min(least + step, domain.high))
        return domain.model_copy(update={"low": int(least), "high": int(most)})
    if domain.step is not None:
        steps = [math.floor((ends[0] - domain.low) / domain.step), math.ceil((ends[1] - domain.low) / domain.step)]
        edges = [min(max(domain.low + n * domain.step, domain.low), domain.high) for n in steps]
        return domain.model_copy(update={"low": float(f"{edges[0]:.12g}"), "high": float(f"{edges[1]:.12g}")})
    return domain.model_copy(update={"low": domain.rounded(ends[0]), "high": domain.rounded(ends[1])})
