"""The search space of a strategy: domains, their conditions, and constraints between hyperparameters.

It lists and counts settings, and tells which two of them are the same experiment. Choosing is the strategies' work.
"""

import contextlib
import itertools
import json
import math
import operator
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from pipeline.space import Assignment, Constraint, Interval, Scalar, Space, Values, is_equal, key

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

    A hyperparameter is inactive if its condition, or that of a parent in its condition, does not hold. An inactive one
    has its value from `otherwise`; so has a hyperparameter without a domain, which is fixed. A constraint has no effect
    where one of its hyperparameters is inactive.

    Raises ValueError, one sentence, for conditions and constraints that are impossible.
    """

    domains: Space
    constraints: tuple[Constraint, ...] = ()
    otherwise: Assignment = field(default_factory=dict)

    # Computed once from the other fields. `order` is the listed order, with parents before their children.
    order: tuple[str, ...] = field(init=False, repr=False, compare=False)
    _active_if: dict[str, tuple[tuple[str, tuple[Scalar, ...]], ...]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        conditions = {name: self._conditions(name, ()) for name in self.domains}
        parents = {name: conditions[name].keys() & self.domains for name in self.domains}
        order: list[str] = []
        while len(order) < len(self.domains):
            placed = set(order)
            order.append(next(name for name in self.domains if name not in placed and parents[name] <= placed))
        active_if = {name: tuple(condition.items()) for name, condition in conditions.items()}
        object.__setattr__(self, "_active_if", active_if)
        object.__setattr__(self, "order", tuple(order))
        for name, domain in self.domains.items():
            if domain.when and name not in self.otherwise:
                raise ValueError(f"{name}: has a condition, but no value for where that does not hold")
        for constraint in self.constraints:
            _check(constraint, [self._range(constraint, side) for side in (constraint[0], constraint[2])])

    def _conditions(self, name: str, children: tuple[str, ...]) -> dict[str, tuple[Scalar, ...]]:
        """`{ancestor: values}` for which `name` is active, from its own condition and those of its ancestors."""
        if name in children:
            raise ValueError(f"{name}: its condition hangs on itself: {' → '.join((*children, name))}")
        conditions: dict[str, tuple[Scalar, ...]] = {}
        for parent, parent_values in self.domains[name].when.items():
            if parent not in self.domains and parent not in self.otherwise:
                raise ValueError(f"{name}: its condition names {json.dumps(parent)}, which is no hyperparameter here")
            above = self._conditions(parent, (*children, name)) if parent in self.domains else {}
            for ancestor, values in [(parent, parent_values), *above.items()]:
                possible: Sequence[Scalar] = [value for value in values if self._is_possible(ancestor, value)]
                if ancestor in conditions:
                    allowed = conditions[ancestor]
                    possible = [value for value in possible if any(is_equal(value, other) for other in allowed)]
                if not possible:
                    raise ValueError(f"{name}: its condition never holds: {ancestor} is never {_words(values)} there")
                conditions[ancestor] = tuple(possible)
        return conditions

    def _is_possible(self, name: str, value: Scalar) -> bool:
        if name in self.domains:
            return value in self.domains[name]
        return is_equal(self.otherwise[name], value)

    def _range(self, constraint: Constraint, side: str | float) -> tuple[float, float, bool]:
        """Least and greatest value of a side of a constraint, and True if it can be any real number between."""
        if not isinstance(side, str):
            return side, side, False
        text = constraint_text(constraint)
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
        """Names of the hyperparameters with a domain that are active in this setting, in the listed order."""
        return tuple(name for name in self.domains if self.is_active(name, assignment))

    def is_active(self, name: str, assignment: Assignment) -> bool:
        for parent, active_values in self._active_if[name]:
            values = assignment if parent in self.domains else self.otherwise
            if parent not in values or not any(is_equal(values[parent], value) for value in active_values):
                return False
        return True

    def settle(self, assignment: Assignment) -> Assignment:
        """The setting with its inactive hyperparameters, which may be missing, at their values from `otherwise`.

        Assignments that differ only in inactive hyperparameters become equal: they are the same experiment.
        """
        active = set(self.active(assignment))
        settled = {name: assignment[name] if name in active else self.otherwise[name] for name in self.domains}
        return {**settled, **{name: value for name, value in assignment.items() if name not in settled}}

    def allows(self, assignment: Assignment) -> bool:
        """True if no constraint forbids the setting."""
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
        """A hashable key that is equal for two settings if they are the same experiment to this space."""
        settled = self.settle(assignment)
        return tuple(key(settled[name]) for name in self.domains)

    @property
    def is_plain(self) -> bool:
        """True if every combination of values is a different allowed setting."""
        return not self.constraints and not any(self._active_if.values())

    @property
    def is_endless(self) -> bool:
        """True if there are infinitely many settings: a range of real numbers has no step."""
        return any(math.isinf(domain.size) for domain in self.domains.values())

    @property
    def combinations(self) -> float:
        """Upper bound of the number of settings; infinite with a range of real numbers without a step."""
        return math.prod(domain.size for domain in self.domains.values())

    def count(self, at_most: int) -> int | None:
        """Number of different allowed settings. None if it is infinite, or needs more than `at_most` steps of counting.

        Only spaces with conditions or constraints are counted step by step.
        """
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
        """Yields the different allowed settings in the listed order of the values; the last name varies fastest.

        Ends after `at_most` steps, including steps to forbidden settings. Raises ValueError if a range has infinitely
        many values.
        """
        for name, domain in self.domains.items():
            if math.isinf(domain.size):
                raise ValueError(
                    f"{name}: a range of real numbers has infinitely many values: give it a step or list values"
                )
        with contextlib.suppress(_TooManyError):
            yield from self._walk(at_most)

    def _walk(self, at_most: float) -> Iterator[Assignment]:
        # A constraint is checked as soon as all its names have a value, which cuts off forbidden settings early.
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
    """Counting needs more steps than allowed."""


def constraint_text(constraint: Constraint) -> str:
    """The constraint as people write it: `a <= b`."""
    words = " ".join(map(str, constraint))
    return words if words.isprintable() else json.dumps(words)


def _words(values: Sequence[Scalar]) -> str:
    return " or ".join(json.dumps(value) if isinstance(value, str) else str(value) for value in values)


def _check(constraint: Constraint, sides: Sequence[tuple[float, float, bool]]) -> None:
    """Raises ValueError if no setting fulfils the constraint, or if draws of real numbers never would."""
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
            f"{constraint_text(constraint)}: can never hold: "
            f"{_between(low, high)} and {_between(other_low, other_high)}"
        )
    if op == "==" and (endless or other_endless):
        raise ValueError(
            f"{constraint_text(constraint)}: a range of real numbers without a step never meets a value exactly"
        )


def _between(low: float, high: float) -> str:
    return f"{low}" if low == high else f"{low} to {high}"
