"""Hyperparameters of a team's own trainer, declared by a spec or by a JSON Schema."""

import json
import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import pydantic
from pydantic import Field

from pipeline.base import Frozen
from pipeline.errors import UserError
from pipeline.space import Domain, Hyperparameter, Interval, Kind, Scalar, Values, as_reals

# The widest limits: beyond any hyperparameter, and within a double or a 64-bit integer.
_REALS, _INTEGERS = 1e300, 10**18
_ABOVE_ZERO = 1e-12
"""Bound in place of an exclusive 0: the next double, 5e-324, would be no sensible end of a log scale."""


class Declaration(Frozen):
    """The declaration of one hyperparameter in a spec with an own trainer."""

    default: Scalar = Field(description="The value of the incumbent, and of every setting that does not name another.")
    domain: Domain | None = Field(
        None, description="What `tune` `automatic` and `learning-rate` search. Left out: not searched."
    )
    limits: Domain | None = Field(None, description="What is possible at all. Default: the domain, or any number.")
    help: str = ""
    phase: Literal["learning-rate", "architecture"] = Field(
        "architecture", description="Which phase of the automatic mode searches it first."
    )

    @pydantic.model_validator(mode="after")
    def _is_consistent(self) -> "Declaration":
        self.hyperparameter()
        return self

    def hyperparameter(self) -> Hyperparameter:
        """The declared hyperparameter. Raises ValueError if the parts of the declaration contradict one another."""
        default, domain, limits = self.default, self.domain, self.limits
        # Without domain and limits, values of other kinds are allowed, too: only the trainer knows which make sense.
        also: tuple[Kind, ...] = ()
        if domain is None:
            also = () if limits else ("null", "boolean", "text")
            domain = limits or Values(values=(False, True) if isinstance(default, bool) else (default,))
            limits = limits or self._any_number()
            if also and limits is None:
                also = (*also, "number")
        if any(_is_real(part) for part in (default, domain, limits)):
            default, domain = as_reals(default), as_reals(domain)  # type: ignore[assignment]
            limits = as_reals(limits) if limits is not None else None  # type: ignore[assignment]
        return Hyperparameter(
            default=default, domain=domain, limits=limits, help=self.help, phase=self.phase, also=also
        )

    def _any_number(self) -> Interval | None:
        """All integers or all reals, depending on the default; None if the default is no number."""
        if isinstance(self.default, bool) or not isinstance(self.default, int | float):
            return None
        limit = _INTEGERS if isinstance(self.default, int) else _REALS
        return Interval(low=-limit, high=limit)


def any_number_in_words(limits: Values | Interval | None) -> str | None:
    """`a number` or `an integer` for limits that a declaration leaves open; None for any other limits."""
    if isinstance(limits, Interval) and limits.low == -limits.high:
        return {_REALS: "a number", _INTEGERS: "an integer"}.get(limits.high)
    return None


def _as_default(value: Any) -> Any:
    if isinstance(value, list):
        raise ValueError('a default is one value; for a list write {"default": …, "domain": […]}')
    return value if isinstance(value, dict | Declaration) else {"default": value}


Declared = Annotated[Declaration, pydantic.BeforeValidator(_as_default, json_schema_input_type=Declaration | Scalar)]
"""A declaration, or only its default: `0.01` is short for `{"default": 0.01}`."""


def _is_real(domain: Domain | Scalar) -> bool:
    if isinstance(domain, Interval):
        return not domain.integer
    return any(isinstance(value, float) for value in (domain.values if isinstance(domain, Values) else (domain,)))


# -- JSON Schema


def from_json_schema(schema: Any, origin: str) -> dict[str, Hyperparameter]:
    """The hyperparameters that the JSON Schema of an object declares as its properties.

    Raises UserError, a line per mistake; each begins with `origin`.
    """
    properties = schema.get("properties") if isinstance(schema, dict) else None
    if not isinstance(properties, dict) or not properties:
        raise UserError(
            f'{origin}: a JSON Schema of an object with "properties" is wanted, one for each hyperparameter'
        )
    hyperparameters, lines = {}, []
    for name, property_ in properties.items():
        try:
            flat = _flat(property_, schema)
            declared = _declaration(flat).hyperparameter()
            hyperparameters[name] = declared.model_copy(update={"also": _also(flat)})
        except pydantic.ValidationError as error:
            lines.append(f"{origin}: {name}: {error.errors()[0]['msg'].removeprefix('Value error, ')}")
        except ValueError as error:
            lines.append(f"{origin}: {name}: {error}")
        except (TypeError, ArithmeticError):
            lines.append(f"{origin}: {name}: has a bound or a step that is no number, or a step that is not above 0")
    if lines:
        raise UserError("\n".join(lines))
    return hyperparameters


def _flat(schema: Any, root: Mapping[str, Any]) -> dict[str, Any]:
    """A property's schema with references into `root` resolved; `"nullable"` is true if the value may be null."""
    if not isinstance(schema, dict):
        raise ValueError("a JSON Schema is an object")
    for _ in range(10):
        parts = schema.get("anyOf") or schema.get("oneOf") or schema.get("allOf")
        if isinstance(schema.get("$ref"), str):
            target: Any = root
            for step in schema["$ref"].removeprefix("#/").split("/"):
                target = target.get(step, {}) if isinstance(target, dict) else {}
            schema = target | {key: value for key, value in schema.items() if key != "$ref"}
        elif isinstance(parts, list):
            possible = [part for part in parts if isinstance(part, dict) and part.get("type") != "null"]
            if len(possible) != 1:
                raise ValueError("one type is wanted, not a choice of several")
            siblings = {key: value for key, value in schema.items() if key not in ("anyOf", "oneOf", "allOf")}
            schema = {**possible[0], **siblings, "nullable": len(possible) < len(parts)}
        else:
            break
    kind = schema.get("type")
    if isinstance(kind, list):
        possible = [type_ for type_ in kind if type_ != "null"]
        schema = schema | {"type": possible[0] if len(possible) == 1 else None, "nullable": "null" in kind}
    return schema


def _declaration(schema: Mapping[str, Any]) -> Declaration:
    """The declaration in a flat schema. Raises ValueError if it lacks a usable default or type."""
    if "const" in schema:
        schema = {"default": schema["const"], **schema, "enum": [schema["const"]]}
    if "default" not in schema:
        raise ValueError("has no default: the incumbent needs a value for every hyperparameter")
    default, kind = schema["default"], schema.get("type")
    if kind is None and "enum" not in schema:
        raise ValueError('has no "type": number, integer, boolean or string')
    fields: dict[str, Any] = {
        "default": default,
        "help": str(schema.get("description", "")),
        "phase": schema.get("x-phase", "architecture"),
    }
    if isinstance(schema.get("enum"), list):
        nullable = [None] if schema.get("nullable") and None not in schema["enum"] else []
        return Declaration(**fields, domain=[*schema["enum"], *nullable])
    if kind in ("integer", "number"):
        if default is None:
            raise ValueError("may be null or a number: list the values that it may have (enum)")
        real = kind == "number"
        if isinstance(default, bool) or not isinstance(default, int | float) or not (real or default == int(default)):
            raise ValueError(f"has the default {json.dumps(default)}, which is no {kind}")
        return Declaration(**fields | {"default": float(default) if real else int(default)}, **_interval(schema, real))
    if kind in ("boolean", "string"):
        is_null = default is None and "nullable" in schema
        if not is_null and not isinstance(default, bool if kind == "boolean" else str):
            raise ValueError(f"has the default {json.dumps(default)}, which is no {kind}")
        return Declaration(**fields)
    raise ValueError(f"is a hyperparameter of type {json.dumps(kind)}; possible are number, integer, boolean, string")


def _also(schema: Mapping[str, Any]) -> tuple[Kind, ...]:
    """The kinds of values that a flat schema allows without listing the values."""
    if "enum" in schema or "const" in schema:
        return ()
    text: tuple[Kind, ...] = ("text",) if schema.get("type") == "string" else ()
    return (*text, "null") if schema.get("nullable") else text


def _interval(schema: Mapping[str, Any], real: bool) -> dict[str, Any]:
    """Domain and limits of a number. Without both ends, the domain is the default alone, and nothing is searched."""
    low, high, step = schema.get("minimum"), schema.get("maximum"), schema.get("multipleOf")
    if (above := schema.get("exclusiveMinimum")) is not None:
        low = (math.nextafter(above, math.inf) if above else _ABOVE_ZERO) if real else math.floor(above) + 1
    if (below := schema.get("exclusiveMaximum")) is not None:
        high = (math.nextafter(below, -math.inf) if below else -_ABOVE_ZERO) if real else math.ceil(below) - 1
    if not real:
        low, high = low if low is None else math.ceil(low), high if high is None else math.floor(high)
    if step is not None and not step > 0:
        raise ValueError(f"has the step {json.dumps(step)}: it must be above 0")
    if step is not None and low is not None:
        low = math.ceil(low / step - 1e-9) * step
    as_number = float if real else int
    widest = _REALS if real else _INTEGERS
    limits = {
        "low": as_number(-widest if low is None else low),
        "high": as_number(widest if high is None else high),
        "step": None if step is None or low is None else as_number(step),
    }
    if low is None or high is None:
        return {"limits": limits, "domain": [as_number(schema["default"])]}
    return {"domain": limits | {"log": bool(schema.get("x-log"))}}
