"""A spec from JSON, with errors a person can act on: a line per mistake, all of them, each naming its path in the spec.

What may be written at all is `model.py`'s; `check.py` finds names that the trainer does not have, `locations.py`
says where in the spec a mistake stands.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pydantic

from pipeline.errors import UserError, did_you_mean
from pipeline.spec import check, locations
from pipeline.spec.model import Budget, Spec


def from_json(text: str, origin: str = "spec") -> Spec:
    """A spec from JSON text.

    Raises UserError with one line per mistake, all of them, each naming its path in the spec.
    """
    try:
        raw = json.loads(text, object_pairs_hook=_without_duplicates, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        raise UserError(f"{origin}: not JSON: {error.msg} at line {error.lineno}, column {error.colno}") from None
    except (ValueError, RecursionError) as error:
        raise UserError(f"{origin}: not JSON: {error}") from None
    if not isinstance(raw, dict):
        raise UserError(f'{origin}: a spec is a JSON object like {{"architecture": …}}, not a {type(raw).__name__}')
    return from_dict(raw, origin)


def from_dict(raw: Mapping[str, Any], origin: str = "spec") -> Spec:
    """A spec from parsed JSON. Raises UserError as `from_json` does."""
    spec, lines = None, []
    try:
        spec = Spec.model_validate(raw)
    except pydantic.ValidationError as error:
        lines += [f"{path}: {message}" for path, message in _mistakes_of(error)]
    lines += [f"{path}: {message}" for path, message in check.mistakes(raw)]
    if spec is None or lines:
        raise UserError("\n".join(f"{origin}: {line}" for line in dict.fromkeys(lines)))
    return spec


def read(path: Path) -> Spec:
    """A spec from a file. Raises UserError as `from_json` does, also where there is no such file."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise UserError(f"{path}: there is no such spec") from None
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read: {error}") from None
    return from_json(text, str(path))


def parse_budget(items: Iterable[str], origin: str) -> Budget:
    """The budget of items `KEY=N`. Raises UserError, a line per mistake, which begins with `origin`."""
    limits: dict[str, float] = {}
    for item in items:
        name, _, number = item.partition("=")
        if name in limits:
            raise UserError(f"{origin}: {name} is given twice")
        try:
            limits[name] = json.loads(number, parse_constant=_no_constant)
        except (ValueError, RecursionError):
            raise UserError(
                f"{origin}: {json.dumps(item[:80])}: write KEY=NUMBER, like trials=200 or device-hours=1.5"
            ) from None
    budget = from_dict({"architecture": "bag-of-words", "tune": "nothing", "budget": limits}, origin).budget
    assert budget is not None
    return budget


def json_schema() -> str:
    """The JSON Schema of a spec, as shipped in `pipeline/spec.schema.json`."""
    return json.dumps(Spec.model_json_schema(by_alias=True), indent=2) + "\n"


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    twice = {name for name, _ in pairs if [other for other, _ in pairs].count(name) > 1}
    if twice:
        raise ValueError(f'"{sorted(twice)[0]}" stands twice in one object')
    return dict(pairs)


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is not a JSON number")


def _mistakes_of(error: pydantic.ValidationError) -> Iterator[tuple[str, str]]:
    """Path in the spec and message of each mistake."""
    for mistake in error.errors(include_url=False):
        location, kind = mistake["loc"], mistake["type"]
        path = locations.path(location)
        if kind == "extra_forbidden":
            yield path, f"unknown key; {did_you_mean(str(location[-1]), locations.keys(location[:-1]))}"
        elif kind == "missing":
            yield path, "is missing"
        elif kind in ("too_short", "string_too_short"):
            yield path, "is empty"
        elif kind == "value_error":
            yield path, str(mistake["ctx"]["error"])
        elif kind == "literal_error":
            given = json.dumps(mistake["input"], default=str)
            yield path, f"{given} is not possible: {mistake['ctx']['expected']}"
        else:
            message = mistake["msg"][0].lower() + mistake["msg"][1:]
            yield path, f"{json.dumps(mistake['input'], default=str)[:80]}: {message}"
