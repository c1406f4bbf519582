"""Hyperparameters and their domains.

A domain is the set of values that a spec allows for a hyperparameter: a finite list, or a range.
Nothing is chosen here: that is `search/`.
"""

import json
import math
from typing import Annotated, Any, Literal

import pydantic
from pydantic import (
    AllowInfNan,
    Field,
    SerializerFunctionWrapHandler,
    StrictBool,
    StrictFloat,
    StrictInt,
    StrictStr,
)

from pipeline.base import Frozen

# `bool` stands before the numbers: True is an int in Python but not in JSON.
Scalar = StrictBool | StrictInt | StrictFloat | StrictStr | None
Assignment = dict[str, Scalar]
_VALUES_IN_MESSAGE = 20


def key(value: Scalar) -> tuple[str, str]:
    """The identity of a value within an experiment: 1, 1.0 and True are three different values."""
    return type(value).__name__, repr(value)


Kind = Literal["null", "boolean", "number", "text"]


def kind(value: Scalar) -> Kind:
    """The JSON type of a value."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    return "text" if isinstance(value, str) else "number"


def is_equal(value: object, other: object) -> bool:
    """True if two values are equal to a person who writes JSON: 0 equals 0.0, but neither equals False."""
    return value == other and isinstance(value, bool) == isinstance(other, bool)


def _with_tuples(when: Any) -> Any:
    if not isinstance(when, dict):
        return when
    return {name: values if isinstance(values, (list, tuple)) else (values,) for name, values in when.items()}


def _when_as_written(when: dict[str, tuple[Scalar, ...]]) -> dict[str, Scalar | list[Scalar]]:
    return {name: values[0] if len(values) == 1 else list(values) for name, values in when.items()}


When = Annotated[
    dict[str, Annotated[tuple[Scalar, ...], Field(min_length=1)]],
    pydantic.BeforeValidator(
        _with_tuples, json_schema_input_type=dict[str, Scalar | Annotated[list[Scalar], Field(min_length=1)]]
    ),
    pydantic.PlainSerializer(_when_as_written),
]
"""A condition for using a hyperparameter: the values that other hyperparameters must have.

`{"optimizer": "sgd", "layers": [2, 3]}` holds where the optimizer is sgd and there are two or three layers.
"""


def _is_finite(number: float) -> bool:
    """True if a double can hold the number. An integer of JSON may have hundreds of digits."""
    try:
        return math.isfinite(number)
    except OverflowError:
        return False


def _shortened(number: float) -> str:
    text = str(number)
    return text if len(text) <= 40 else f"{text[:20]}… ({len(text)} digits)"


class Values(Frozen):
    """A finite set of values, in the order in which the spec lists them."""

    values: tuple[Scalar, ...] = Field(min_length=1)
    when: When = {}  # noqa: RUF012  (pydantic copies it)

    @pydantic.field_validator("values")
    @classmethod
    def _distinct_and_finite(cls, values: tuple[Scalar, ...]) -> tuple[Scalar, ...]:
        for value in values:
            if isinstance(value, int | float) and not _is_finite(value):
                raise ValueError(f"{_shortened(value)} is not a finite number")
        keys = [key(value) for value in values]
        if len(set(keys)) < len(keys):
            if len(keys) > _VALUES_IN_MESSAGE:
                repeated = next(value for value in values if keys.count(key(value)) > 1)
                raise ValueError(f"names {json.dumps(repeated)} twice")
            raise ValueError(f"{list(values)} names a value twice")
        return values

    @pydantic.model_serializer
    def _as_written(self) -> list[Scalar] | dict[str, Any]:
        if not self.when:
            return list(self.values)
        return {"values": list(self.values), "when": _when_as_written(self.when)}

    @property
    def size(self) -> int:
        return len(self.values)

    def at(self, unit: float) -> Scalar:
        """The value at `unit` in [0, 1), where each value has an equal share."""
        return self.values[min(int(unit * len(self.values)), len(self.values) - 1)]

    def nth(self, n: int) -> Scalar:
        return self.values[n]

    def grid(self) -> tuple[Scalar, ...]:
        return self.values

    def __contains__(self, value: object) -> bool:
        return any(is_equal(value, other) for other in self.values)


class Interval(Frozen):
    """A range of numbers, both ends included: `{"low": 1e-4, "high": 1e-1, "log": true}`.

    It holds integers when both ends (and the step, if there is one) are integers.
    """

    low: StrictInt | StrictFloat
    high: StrictInt | StrictFloat
    log: StrictBool = False
    step: StrictInt | StrictFloat | None = None
    when: When = {}  # noqa: RUF012  (pydantic copies it)

    @pydantic.model_serializer(mode="wrap")
    def _as_written(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        written: dict[str, Any] = handler(self)
        if not self.when:
            written.pop("when", None)
        return written

    @pydantic.model_validator(mode="after")
    def _possible(self) -> "Interval":
        for name in ("low", "high", "step"):
            number = getattr(self, name)
            if number is not None and not _is_finite(number):
                raise ValueError(f"{name} is {_shortened(number)}, not a finite number")
        if self.low >= self.high:
            raise ValueError(f"low ({self.low}) must be below high ({self.high})")
        if self.log and self.low <= 0:
            raise ValueError(f"a log range needs low above 0, not {self.low}")
        if self.step is not None and self.step <= 0:
            raise ValueError(f"step must be above 0, not {self.step}")
        if self.step is not None and self.log:
            raise ValueError("a range has a step or is log, not both: write the values as a list")
        if not _is_finite(self.high - self.low) or not _is_finite((self.high - self.low) / (self.step or 1)):
            raise ValueError("is too wide: its width, or the number of its steps, is beyond what a float can hold")
        return self

    @property
    def integer(self) -> bool:
        return all(isinstance(n, int) for n in (self.low, self.high, self.step) if n is not None)

    @property
    def size(self) -> float:
        """The number of values; infinite for a range of real numbers without a step."""
        if self.step is not None:
            # A hair of slack: (0.3 - 0.1) / 0.1 is 1.9999999999999998.
            return math.floor((self.high - self.low) / self.step + 1e-9) + 1
        return self.high - self.low + 1 if self.integer else math.inf

    def nth(self, n: int) -> Scalar:
        """The value number `n` from below, counted from 0, of a finite range."""
        if self.integer:
            return int(self.low) + n * int(self.step or 1)
        assert self.step is not None
        return float(f"{self.low + n * self.step:.12g}")

    def at(self, unit: float) -> Scalar:
        """The value at `unit` in [0, 1), evenly in the logarithm if the range is log."""
        if self.log:
            if not self.integer:
                exponent = math.log(self.low) + unit * (math.log(self.high) - math.log(self.low))
                return self.rounded(math.exp(exponent))
            # Without half a value of room at both ends, the end values would have half a share.
            low, high = math.log(self.low - 0.5), math.log(self.high + 0.5)
            return min(max(round(math.exp(low + unit * (high - low))), int(self.low)), int(self.high))
        if math.isfinite(self.size):
            return self.nth(min(int(unit * self.size), int(self.size) - 1))
        return self.rounded(self.low + unit * (self.high - self.low))

    def rounded(self, value: float) -> float:
        """The real number rounded to six digits, easy to read and to type, and kept within the range."""
        return min(max(float(f"{value:.6g}"), float(self.low)), float(self.high))

    def grid(self) -> tuple[Scalar, ...]:
        """The values in ascending order. Raises ValueError if the range is infinite."""
        if not math.isfinite(self.size):
            raise ValueError("a range of real numbers has infinitely many values: give it a step or list values")
        return tuple(self.nth(n) for n in range(int(self.size)))

    def __contains__(self, value: object) -> bool:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return False
        if self.integer and not isinstance(value, int):
            return False
        if not self.low <= value <= self.high:
            return False
        if self.step is None:
            return True
        steps = (value - self.low) / self.step
        return abs(steps - round(steps)) < 1e-9


def _as_values(value: Any) -> Any:
    return {"values": value} if isinstance(value, (list, tuple)) else value


def tag(value: Any) -> str:
    """The form in which a person wrote the domain: `list`, `range` or `fixed` (a single value, not searched)."""
    if isinstance(value, dict):
        return "list" if "values" in value else "range"
    if isinstance(value, Interval):
        return "range"
    return "list" if isinstance(value, (list, tuple, Values)) else "fixed"


_List = Annotated[
    Values, pydantic.BeforeValidator(_as_values, json_schema_input_type=list[Scalar] | Values), pydantic.Tag("list")
]
_Range = Annotated[Interval, pydantic.Tag("range")]
Domain = Annotated[_List | _Range, pydantic.Discriminator(tag)]
DomainOrFixed = Annotated[_List | _Range | Annotated[Scalar, pydantic.Tag("fixed")], pydantic.Discriminator(tag)]
Space = dict[str, Domain]

Constraint = tuple[
    StrictStr,
    Literal["<", "<=", ">", ">=", "==", "!="],
    StrictStr | StrictInt | Annotated[StrictFloat, AllowInfNan(False)],
]
"""`["a", "<=", "b"]` or `["a", "<=", 3]`: compares a hyperparameter with another one or with a number."""


def identity(space: Space, assignment: Assignment) -> tuple[tuple[str, str], ...]:
    """The identity of an experiment of `space`: its values of the hyperparameters that `space` searches."""
    return tuple(key(assignment[name]) for name in space)


def identity_of(assignment: Assignment) -> frozenset[tuple[str, tuple[str, str]]]:
    """The identity of an experiment with a full assignment."""
    return frozenset((name, key(value)) for name, value in assignment.items())


def as_reals(domain: DomainOrFixed) -> DomainOrFixed:
    """The domain of a real-valued hyperparameter, with integers as floats: 0 means 0.0.

    Otherwise 0 and 0.0 would be different experiments, and a range between integers would hold only integers.
    Raises ValueError if two values become equal.
    """
    if isinstance(domain, Values):
        return Values(values=tuple(_real(value) for value in domain.values), when=domain.when)
    if isinstance(domain, Interval):
        return domain.model_copy(update={"low": _real(domain.low), "high": _real(domain.high)})
    return _real(domain)


def _real(value: Scalar) -> Scalar:
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


class Hyperparameter(Frozen):
    """An architecture's declaration of a hyperparameter.

    Automatic modes search `domain`. A spec may name any value of `limits`, by default the domain: a dropout of 0.7,
    for example, while the domain ends at 0.5.
    """

    default: Scalar
    domain: Domain
    limits: Domain | None = None
    help: str
    phase: Literal["learning-rate", "architecture"] = "architecture"
    """The first phase in automatic mode that searches the hyperparameter."""
    shapes: bool = True
    """True if it shapes the network or its batches. Trials that differ in it cannot train side by side."""

    also: tuple[Kind, ...] = ()
    """JSON types that are allowed besides the limits, whatever the value: with `("null",)`, null is allowed."""

    def takes(self, value: Scalar) -> bool:
        """True if a spec may name this value."""
        return value in (self.limits or self.domain) or kind(value) in self.also

    @pydantic.model_validator(mode="after")
    def _default_is_possible(self) -> "Hyperparameter":
        limits = self.limits or self.domain
        if not self.takes(self.default):
            cure = f"{in_words(limits)}: name it there, too, or choose another default"
            raise ValueError(f"the default {json.dumps(self.default)} is not allowed by its own limits, {cure}")
        return self


def in_words(domain: Values | Interval) -> str:
    """A domain in words: `one of 1, 2, 3` or `from 1 to 64`."""
    if isinstance(domain, Values):
        texts = [json.dumps(value, ensure_ascii=False) for value in domain.values[:_VALUES_IN_MESSAGE]]
        count = f", … ({len(domain.values)} in all)" if len(domain.values) > _VALUES_IN_MESSAGE else ""
        return f"one of {', '.join(texts)}{count}"
    step = f" in steps of {domain.step}" if domain.step is not None else ""
    return f"{'an integer ' if domain.integer else ''}from {domain.low} to {domain.high}{step}"
