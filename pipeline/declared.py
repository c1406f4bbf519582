"""Which hyperparameters a spec's trainer has, and what each may be.

A built-in architecture declares them in its file. A team's own trainer has them declared in the spec, or says them
itself: a function by the pydantic model of its first parameter, a program by the JSON Schema that `describe` prints.
Only asking the trainer runs anything, and that is done once, when a sweep is made.
"""

import functools
import json
import math
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import pydantic
from pydantic import Field

from pipeline.base import Frozen, Recorded
from pipeline.errors import UserError
from pipeline.results import RESERVED
from pipeline.space import Domain, Hyperparameter, Interval, Scalar, Values, as_reals
from pipeline.training import architectures

if TYPE_CHECKING:
    from pipeline.spec import Spec

LABEL = r"^[a-z0-9]+(-[a-z0-9]+)*$"
"""What an own trainer may be called: it becomes a part of a sweep's id."""
_LABEL_AT_MOST = 40
# An argument that names a program: not an option, a number, a setting or a placeholder.
_FILE = re.compile(r"[^-={}][^={}]*\.[A-Za-z]\w*")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_ANSWERS_WITHIN_S = 120.0
_CURE = 'declare them in the spec: "hyperparameters": {"learning_rate": {"default": 0.01}}'

# Wide enough for whatever a training may take, and still numbers that a double or a 64-bit integer holds.
_REALS, _INTEGERS = 1e300, 10**18
_ABOVE_ZERO = 1e-12


class Declaration(Frozen):
    """What a spec says of one hyperparameter of its own trainer."""

    default: Scalar = Field(description="The value of the incumbent, and of every setting that does not name another.")
    domain: Domain | None = Field(None, description="What the automatic modes search. Left out: only the default.")
    limits: Domain | None = Field(None, description="What is possible at all. Default: the domain, or any number.")
    help: str = ""
    phase: Literal["learning-rate", "architecture"] = Field(
        "architecture", description="Which phase of the automatic mode searches it first."
    )

    @pydantic.model_validator(mode="after")
    def _can_be(self) -> "Declaration":
        self.hyperparameter()
        return self

    def hyperparameter(self) -> Hyperparameter:
        """Raises ValueError if its parts contradict one another."""
        default, domain, limits = self.default, self.domain, self.limits
        if domain is None:
            domain = limits or Values(values=(False, True) if isinstance(default, bool) else (default,))
            limits = limits or self._any_of_its_kind()
        if any(_is_real(one) for one in (default, domain, limits)):
            default, domain = as_reals(default), as_reals(domain)  # type: ignore[assignment]
            limits = as_reals(limits) if limits is not None else None  # type: ignore[assignment]
        return Hyperparameter(default=default, domain=domain, limits=limits, help=self.help, phase=self.phase)

    def _any_of_its_kind(self) -> Interval | None:
        if isinstance(self.default, bool) or not isinstance(self.default, int | float):
            return None
        most = _INTEGERS if isinstance(self.default, int) else _REALS
        return Interval(low=-most, high=most)


def _as_default(value: Any) -> Any:
    if isinstance(value, list):
        raise ValueError('a default is one value; for a list write {"default": …, "domain": […]}')
    return value if isinstance(value, dict | Declaration) else {"default": value}


Declared = Annotated[Declaration, pydantic.BeforeValidator(_as_default, json_schema_input_type=Declaration | Scalar)]
"""`0.01` for short where there is no more to say than the default."""


def _is_real(one: Domain | Scalar) -> bool:
    if isinstance(one, Interval):
        return not one.integer
    return any(isinstance(value, float) for value in (one.values if isinstance(one, Values) else (one,)))


class Own(Recorded):
    """A team's own trainer, as a sweep remembers it."""

    trainer: str | None = None
    """`module:function`, or the name of an entry point."""
    command: tuple[str, ...] | None = None
    metrics_pattern: str | None = None
    hyperparameters: dict[str, Hyperparameter]


def own(asked: "Spec") -> Own | None:
    """The spec's own trainer; None if it trains a built-in architecture.

    Raises UserError if the trainer has to be asked for its hyperparameters and does not say them.
    """
    if not asked.trains_own_code:
        return None
    command = None if asked.command is None else tuple(asked.command)
    return Own(
        trainer=asked.trainer,
        command=command,
        metrics_pattern=asked.metrics_pattern,
        hyperparameters=hyperparameters(asked),
    )


def hyperparameters(asked: "Spec") -> dict[str, Hyperparameter]:
    """All hyperparameters of a spec's trainer, by name. Raises UserError as `own` does."""
    if not asked.trains_own_code:
        return architectures.hyperparameters(asked.architecture)
    if asked.hyperparameters is not None:
        return {name: declaration.hyperparameter() for name, declaration in asked.hyperparameters.items()}
    if asked.trainer is not None:
        return _said_by_function(asked.trainer, os.getcwd())
    if asked.describe is not None:
        return _said_by_program(tuple(asked.describe), os.getcwd())
    raise UserError(f"hyperparameters: the spec does not say which ones its command has: {_CURE}")


def wrong_names(names: Sequence[str], metric: str) -> Iterator[tuple[str, str]]:
    """Names that no hyperparameter can have, as path in the spec and message."""
    for name in names:
        if name in RESERVED:
            yield f"hyperparameters.{name}", "is the name of a results column, no hyperparameter can be called so"
        elif name in (f"{metric}_valid", f"{metric}_test"):
            yield f"hyperparameters.{name}", "is the name of the objective's column, no hyperparameter can be called so"
        elif not _NAME.fullmatch(name):
            yield f"hyperparameters.{name}", "a name has letters, digits, _ and -, and begins with a letter or _"


def label(trainer: str | None, command: Sequence[str] | None) -> str:
    """What a trainer is called where the spec does not say it: after its function, or its program's file."""
    if trainer is not None:
        text = trainer
    else:
        arguments = list(command or ())
        module = arguments[arguments.index("-m") + 1 :][:1] if "-m" in arguments else []
        files = [one for one in arguments[1:] if _FILE.fullmatch(one)]
        text = (module or [Path(one).stem for one in files or arguments] or [""])[0]
    words = [word for word in re.split(r"[^a-z0-9]+", text.lower()) if word]
    kept = [word for at, word in enumerate(words) if at == 0 or words[at - 1] != word]
    found = "-".join(kept)[:_LABEL_AT_MOST].strip("-") or "own"
    return f"own-{found}" if found in architectures.names() else found


# -- asking the trainer


@functools.cache
def _said_by_function(trainer: str, folder: str) -> dict[str, Hyperparameter]:
    from pipeline.training.own.trainer import CALL

    with tempfile.TemporaryDirectory(prefix="hpt-own-") as scratch:
        out = Path(scratch, "schema.json")
        _asked([sys.executable, "-P", str(CALL), "--describe", str(out), trainer], folder, f"trainer: {trainer}")
        return from_json_schema(json.loads(out.read_bytes()), f"trainer: {trainer}")


@functools.cache
def _said_by_program(describe: tuple[str, ...], folder: str) -> dict[str, Hyperparameter]:
    said = _asked(list(describe), folder, "describe")
    try:
        schema = json.loads(said)
    except ValueError as error:
        raise UserError(f"describe: what {json.dumps(describe)} prints is no JSON: {error}") from None
    return from_json_schema(schema, "describe")


def _asked(argv: list[str], folder: str, where: str) -> bytes:
    from pipeline.training.own.log import last_words
    from pipeline.training.own.trainer import environment

    try:
        done = subprocess.run(
            argv,
            cwd=folder,
            env=environment({}),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_ANSWERS_WITHIN_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        why = f"no answer within {_ANSWERS_WITHIN_S:g} seconds"
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
    else:
        if done.returncode == 0:
            return done.stdout
        why = last_words(done.stderr) or f"exit status {done.returncode}"
    raise UserError(f"{where} cannot be asked for its hyperparameters here: {why}. Mend that, or {_CURE}")


# -- JSON Schema


def from_json_schema(schema: Any, where: str) -> dict[str, Hyperparameter]:
    """The properties of an object's JSON Schema. Raises UserError, a line per mistake."""
    properties = schema.get("properties") if isinstance(schema, dict) else None
    if not isinstance(properties, dict) or not properties:
        raise UserError(f'{where}: a JSON Schema of an object with "properties" is wanted, a property a hyperparameter')
    found, lines = {}, []
    for name, said in properties.items():
        try:
            found[name] = _declaration(_flat(said, schema)).hyperparameter()
        except pydantic.ValidationError as error:
            lines.append(f"{where}: {name}: {error.errors()[0]['msg'].removeprefix('Value error, ')}")
        except ValueError as error:
            lines.append(f"{where}: {name}: {error}")
        except (TypeError, ArithmeticError):
            lines.append(f"{where}: {name}: has a bound or a step that is no number, or a step that is not above 0")
    if lines:
        raise UserError("\n".join(lines))
    return found


def _flat(said: Any, root: Mapping[str, Any]) -> dict[str, Any]:
    """A property's schema without references and without the alternative that it is null."""
    if not isinstance(said, dict):
        raise ValueError("a JSON Schema is an object")
    for _ in range(10):
        parts = said.get("anyOf") or said.get("oneOf") or said.get("allOf")
        if isinstance(said.get("$ref"), str):
            target: Any = root
            for step in said["$ref"].removeprefix("#/").split("/"):
                target = target.get(step, {}) if isinstance(target, dict) else {}
            said = target | {key: value for key, value in said.items() if key != "$ref"}
        elif isinstance(parts, list):
            possible = [part for part in parts if isinstance(part, dict) and part.get("type") != "null"]
            if len(possible) != 1:
                raise ValueError("one type is wanted, not a choice of several")
            rest = {key: value for key, value in said.items() if key not in ("anyOf", "oneOf", "allOf")}
            said = {**possible[0], **rest, "nullable": len(possible) < len(parts)}
        else:
            break
    kind = said.get("type")
    if isinstance(kind, list):
        possible = [one for one in kind if one != "null"]
        said = said | {"type": possible[0] if len(possible) == 1 else None, "nullable": "null" in kind}
    return said


def _declaration(said: Mapping[str, Any]) -> Declaration:
    if "const" in said:
        said = {"default": said["const"], **said, "enum": [said["const"]]}
    if "default" not in said:
        raise ValueError("has no default: the incumbent needs a value for every hyperparameter")
    default, kind = said["default"], said.get("type")
    if kind is None and "enum" not in said:
        raise ValueError('has no "type": number, integer, boolean or string')
    fields: dict[str, Any] = {
        "default": default,
        "help": str(said.get("description", "")),
        "phase": said.get("x-phase", "architecture"),
    }
    if isinstance(said.get("enum"), list):
        nullable = [None] if said.get("nullable") and None not in said["enum"] else []
        return Declaration(**fields, domain=[*said["enum"], *nullable])
    if kind in ("integer", "number"):
        if default is None:
            raise ValueError("may be null or a number: list the values that it may have (enum)")
        real = kind == "number"
        if isinstance(default, bool) or not isinstance(default, int | float) or not (real or default == int(default)):
            raise ValueError(f"has the default {json.dumps(default)}, which is no {kind}")
        return Declaration(**fields | {"default": float(default) if real else int(default)}, **_interval(said, real))
    if kind in ("boolean", "string"):
        if not isinstance(default, bool if kind == "boolean" else str) and not (default is None and "nullable" in said):
            raise ValueError(f"has the default {json.dumps(default)}, which is no {kind}")
        return Declaration(**fields)
    raise ValueError(f"is a hyperparameter of type {json.dumps(kind)}; possible are number, integer, boolean, string")


def _interval(said: Mapping[str, Any], real: bool) -> dict[str, Any]:
    """Domain and limits of a number. Without both ends there is nothing that could be searched by itself."""
    low, high, step = said.get("minimum"), said.get("maximum"), said.get("multipleOf")
    if (above := said.get("exclusiveMinimum")) is not None:
        low = (math.nextafter(above, math.inf) if above else _ABOVE_ZERO) if real else math.floor(above) + 1
    if (below := said.get("exclusiveMaximum")) is not None:
        high = (math.nextafter(below, -math.inf) if below else -_ABOVE_ZERO) if real else math.ceil(below) - 1
    if not real:
        low, high = low if low is None else math.ceil(low), high if high is None else math.floor(high)
    if step is not None and not step > 0:
        raise ValueError(f"has the step {json.dumps(step)}: it must be above 0")
    if step is not None and low is not None:
        low = math.ceil(low / step - 1e-9) * step
    as_number = float if real else int
    most = _REALS if real else _INTEGERS
    limits = {
        "low": as_number(-most if low is None else low),
        "high": as_number(most if high is None else high),
        "step": None if step is None or low is None else as_number(step),
    }
    if low is None or high is None:
        return {"limits": limits, "domain": [as_number(said["default"])]}
    return {"domain": limits | {"log": bool(said.get("x-log"))}}
