"""What a strategy may choose from: the domains, which of them are of use when, and what must not come together.

It knows which settings there are and which two are the same experiment. It chooses none: that is the strategies' work.
"""

import contextlib
import itertools
import json
import math
import operator
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from pipeline.space import Assignment, Constraint, Interval, Scalar, Space, Values, key, same

Identity = tuple[tuple[str, str], ...]

_COMPARE: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}


@dataclass(frozen=True)
class SearchSpace:
    """The domains with their conditions (`when`) and the constraints between them.

    A hyperparameter whose condition does not hold, or that hangs on one whose condition does not hold, is inactive: it
    keeps its value from `otherwise`. What has no domain is fixed, and counts everywhere with its value from
    `otherwise`. A constraint says nothing where one of its hyperparameters is inactive.

    Raises ValueError, one sentence, for conditions and constraints that cannot be.
    """

    domains: Space
    constraints: tuple[Constraint, ...] = ()
    otherwise: Assignment = field(default_factory=dict)

    # Worked out once from the others. `order` is the listed order, but parents stand before their children.
    order: tuple[str, ...] = field(init=False, repr=False, compare=False)
    _active_if: dict[str, tuple[tuple[str, tuple[Scalar, ...]], ...]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        needed = {name: self._needed(name, ()) for name in self.domains}
        order: list[str] = []
        while len(order) < len(self.domains):
            known = set(order)
            order.append(next(n for n in self.domains if n not in known and known >= needed[n].keys() & self.domains))
        object.__setattr__(self, "_active_if", {name: tuple(asked.items()) for name, asked in needed.items()})
        object.__setattr__(self, "order", tuple(order))
        for name, domain in self.domains.items():
            if domain.when and name not in self.otherwise:
                raise ValueError(f"{name}: has a condition, but no value for where that does not hold")
        for constraint in self.constraints:
            _check(constraint, [self._numbers(constraint, side) for side in (constraint[0], constraint[2])])

    def _needed(self, name: str, children: tuple[str, ...]) -> dict[str, tuple[Scalar, ...]]:
        """What must hold for `name` to be active: its own condition and, as far up as it goes, those of its parents."""
        if name in children:
            raise ValueError(f"{name}: its condition hangs on itself: {' → '.join((*children, name))}")
        needed: dict[str, tuple[Scalar, ...]] = {}
        for parent, asked in self.domains[name].when.items():
            if parent not in self.domains and parent not in self.otherwise:
                raise ValueError(f"{name}: its condition names {json.dumps(parent)}, which is no hyperparameter here")
            above = self._needed(parent, (*children, name)) if parent in self.domains else {}
            for one, values in [(parent, asked), *above.items()]:
                possible: Sequence[Scalar] = [v for v in values if self._may_be(one, v)]
                if one in needed:
                    possible = [v for v in possible if any(same(v, other) for other in needed[one])]
                if not possible:
                    raise ValueError(f"{name}: its condition never holds: {one} is never {_words(values)} there")
                needed[one] = tuple(possible)
        return needed

    def _may_be(self, name: str, value: Scalar) -> bool:
        if name in self.domains:
            return value in self.domains[name]
        return same(self.otherwise[name], value)

    def _numbers(self, constraint: Constraint, side: str | float) -> tuple[float, float, bool]:
        """The least and the greatest that a side of a constraint can be, and whether it can be anything between."""
        if not isinstance(side, str):
            return side, side, False
        text = written(constraint)
        if side not in self.domains and side not in self.otherwise:
            raise ValueError(f"{text}: {json.dumps(side)} is no hyperparameter here")
        domain = self.domains.get(side)
        if isinstance(domain, Interval):
            return domain.low, domain.high, not math.isfinite(domain.size)
        values = domain.values if isinstance(domain, Values) else (self.otherwise[side],)
        numbers = [v for v in values if isinstance(v, (int, float)) and not isinstance(v, bool)]
        if len(numbers) < len(values):
            raise ValueError(f"{text}: {side} is not always a number, so that it cannot be compared")
        return min(numbers), max(numbers), False

    def active(self, assignment: Assignment) -> tuple[str, ...]:
        """The names, of those with a domain, that are of use in this setting, in the listed order."""
        return tuple(name for name in self.domains if self.is_active(name, assignment))

    def is_active(self, name: str, assignment: Assignment) -> bool:
        for parent, asked in self._active_if[name]:
            values = assignment if parent in self.domains else self.otherwise
            if parent not in values or not any(same(values[parent], one) for one in asked):
                return False
        return True

    def settle(self, assignment: Assignment) -> Assignment:
        """The setting with every inactive hyperparameter at its value from `otherwise`; inactive ones may be missing.

        Two assignments that differ in nothing else are the same experiment.
        """
        active = set(self.active(assignment))
        own = {name: assignment[name] if name in active else self.otherwise[name] for name in self.domains}
        return {**own, **{name: value for name, value in assignment.items() if name not in own}}

    def allows(self, assignment: Assignment) -> bool:
        """Whether no constraint forbids the setting."""
        return all(self._holds(constraint, assignment) for constraint in self.constraints)

    def _holds(self, constraint: Constraint, assignment: Assignment) -> bool:
        numbers = []
        for side in (constraint[0], constraint[2]):
            value: Scalar = side
            if isinstance(side, str):
                if side in self.domains and not self.is_active(side, assignment):
                    return True
                value = assignment[side] if side in self.domains else self.otherwise[side]
            assert isinstance(value, (int, float))
            numbers.append(value)
        return _COMPARE[constraint[1]](*numbers)

    def identity(self, assignment: Assignment) -> Identity:
        """What makes two settings the same experiment, as far as this space searches."""
        settled = self.settle(assignment)
        return tuple(key(settled[name]) for name in self.domains)

    @property
    def is_plain(self) -> bool:
        """Whether any combination of values is a setting of its own."""
        return not self.constraints and not any(self._active_if.values())

    @property
    def is_endless(self) -> bool:
        """Whether there is no end of settings: a range of real numbers has no step."""
        return any(math.isinf(domain.size) for domain in self.domains.values())

    @property
    def combinations(self) -> float:
        """How many settings there are at most; infinite with a range of real numbers that has no step."""
        return math.prod(domain.size for domain in self.domains.values())

    def count(self, at_most: int) -> int | None:
        """How many different allowed settings there are; None if there is no end of them, or if finding out, because
        of conditions and constraints, takes more than `at_most` steps."""
        if self.is_endless:
            return None
        if self.is_plain:
            return int(self.combinations)
        settings = self._walk(at_most)
        try:
            return sum(1 for _ in settings)
        except _TooManyError:
            return None

    def settings(self, at_most: float = math.inf) -> Iterator[Assignment]:
        """All different allowed settings, in the listed order of the values, the last name running fastest.

        It ends after `at_most` steps, those to what turns out to be forbidden included. Raises ValueError if a range
        has no end of values.
        """
        for name, domain in self.domains.items():
            if math.isinf(domain.size):
                raise ValueError(f"{name}: a range of real numbers has no end of values: give it a step or list values")
        with contextlib.suppress(_TooManyError):
            yield from self._walk(at_most)

    def _walk(self, at_most: float) -> Iterator[Assignment]:
        # A constraint is looked at as soon as all its names have a value: that cuts off what is forbidden early.
        due: list[list[Constraint]] = [[] for _ in self.order]
        for constraint in self.constraints:
            names = [side for side in (constraint[0], constraint[2]) if side in self.domains]
            depths = [self.order.index(str(name)) for name in names]
            if depths:
                due[max(depths)].append(constraint)
        steps = itertools.count(1)

        def below(depth: int, chosen: Assignment) -> Iterator[Assignment]:
            if depth == len(self.order):
                yield {name: chosen[name] for name in self.domains}
                return
            name = self.order[depth]
            domain = self.domains[name]
            values: Iterator[Scalar] = iter([self.otherwise.get(name)])
            if self.is_active(name, chosen):
                values = (domain.nth(n) for n in range(int(domain.size)))
            for value in values:
                if next(steps) > at_most:
                    raise _TooManyError
                chosen[name] = value
                if all(self._holds(constraint, chosen) for constraint in due[depth]):
                    yield from below(depth + 1, chosen)
            del chosen[name]

        # Constraints between fixed values were checked when the space was made.
        return below(0, {})


class _TooManyError(Exception):
    """More steps than a count may take."""


def written(constraint: Constraint) -> str:
    """`a <= b`, as people write it."""
    words = " ".join(map(str, constraint))
    return words if words.isprintable() else json.dumps(words)


def _words(values: Sequence[Scalar]) -> str:
    return " or ".join(json.dumps(value) if isinstance(value, str) else str(value) for value in values)


def _check(constraint: Constraint, sides: Sequence[tuple[float, float, bool]]) -> None:
    """Raises ValueError if the constraint alone leaves nothing over, or nothing that a draw would ever meet."""
    (low, high, endless), (other_low, other_high, other_endless) = sides
    a, op, b = constraint
    possible = {
        "<": low < other_high,
        "<=": low <= other_high,
        ">": high > other_low,
        ">=": high >= other_low,
        "==": low <= other_high and high >= other_low,
        "!=": not low == high == other_low == other_high and a != b,
    }[op] and not (a == b and op in "<>")
    if not possible:
        raise ValueError(
            f"{written(constraint)}: can never hold: {_between(low, high)} and {_between(other_low, other_high)}"
        )
    if op == "==" and (endless or other_endless):
        raise ValueError(f"{written(constraint)}: a range of real numbers without a step never meets a value exactly")


def _between(low: float, high: float) -> str:
    return f"{low}" if low == high else f"{low} to {high}"
