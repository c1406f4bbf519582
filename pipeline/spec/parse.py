"""Reads a spec from JSON. Reports all mistakes at once, a line each, with their paths in the spec.

The types are in `model.py`. `check.py` finds names that the trainer does not have, `locations.py` the place of a
mistake, `cures.py` a correction, and `text.py` explains why a text is not JSON.
"""

import codecs
import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pydantic
from pydantic_core import ErrorDetails

from pipeline.errors import UserError
from pipeline.spec import check, cures, locations, text
from pipeline.spec.model import Budget, Spec

_SHOWN = 80
"""Characters of a wrong value that a message shows at most."""
_QUOTED = r"'([^']*)'"


def from_json(content: str, origin: str = "spec") -> Spec:
    """A spec from JSON text.

    Raises UserError with one line per mistake, all of them, each naming its path in the spec.
    """
    try:
        raw = text.parse(content)
    except ValueError as error:
        raise UserError(f"{origin}: {error}") from None
    if not isinstance(raw, dict):
        raise UserError(f'{origin}: a spec is a JSON object like {{"architecture": …}}, not a {type(raw).__name__}')
    return from_dict(raw, origin)


def from_dict(raw: Mapping[str, Any], origin: str = "spec") -> Spec:
    """A spec from parsed JSON. Raises UserError as `from_json` does."""
    spec, mistakes = _validated(raw)
    report = _Report()
    for steps, message in cures.malformed(raw):
        report.add(steps, message)

    # A misnamed key is one mistake: move its value to the right key, so that no check reports what follows from it.
    unknown = [mistake for mistake in mistakes if mistake["type"] == "extra_forbidden"]
    moves: dict[cures.Steps, cures.Steps | None] = {}
    for mistake in unknown:
        steps = locations.steps(mistake["loc"])
        hint, moves[steps] = cures.hint_for_key(mistake["loc"], raw)
        # If the object lacks exactly one key and has no other mistake, the unknown key probably stands for that one.
        beside = [other["loc"] for other in mistakes if other["loc"][:-1] == mistake["loc"][:-1]]
        missing = [other["loc"] for other in mistakes if other["type"] == "missing" and other["loc"] in beside]
        if moves[steps] is None and len(beside) == 2 and len(missing) == 1:
            hint, moves[steps] = f'did you mean "{missing[0][-1]}"?', locations.steps(missing[0])
        report.add(steps, f"unknown key; {hint}")
    if unknown:
        raw = cures.corrected(raw, moves)
        spec, mistakes = _validated(raw)
        report.hide(target for target in moves.values() if target)
        if any(steps[0] == "hyperparameters" for steps in moves):
            report.hide([("parameters",), ("incumbent",), ("phases",), ("command",)])

    for mistake in mistakes:
        report.add(locations.steps(mistake["loc"]), _in_words(mistake))
    report.add_checked(check.mistakes(raw))
    if spec is None or report.lines:
        raise UserError("\n".join(f"{origin}: {line}" for line in report.lines))
    return spec


def read(path: Path) -> Spec:
    """A spec from a file. Raises UserError as `from_json` does, also where there is no such file."""
    try:
        content = path.read_bytes()
        # Some editors and shells save text as UTF-16, or begin UTF-8 with a byte order mark.
        is_utf16 = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        decoded = content.decode("utf-16" if is_utf16 else "utf-8-sig")
    except FileNotFoundError:
        raise UserError(f"{path}: there is no such spec") from None
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: cannot be read: byte {error.start} is not UTF-8: save the file as UTF-8") from None
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from None
    return from_json(decoded, str(path))


def parse_budget(items: Iterable[str], origin: str) -> Budget:
    """The budget of items `KEY=N`. Raises UserError, a line per mistake, which begins with `origin`."""
    limits: dict[str, float] = {}
    for item in items:
        name, _, number = item.partition("=")
        if name in limits:
            raise UserError(f"{origin}: {name} is given twice")
        try:
            limits[name] = json.loads(number, parse_constant=text.reject_constant)
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


def _validated(raw: Mapping[str, Any]) -> tuple[Spec | None, list[ErrorDetails]]:
    """The spec, or None and pydantic's mistakes."""
    try:
        return Spec.model_validate(raw), []
    except pydantic.ValidationError as error:
        return None, error.errors(include_url=False)


class _Report:
    """Collects a line per mistake; a place in the spec gets one line at most, since its mistakes share their cause."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._places: list[str] = []

    def add(self, steps: cures.Steps, message: str) -> None:
        """Adds a mistake, unless this place, or one above it, already has a line."""
        path = ".".join(map(str, steps))
        if not any(path == place or path.startswith(f"{place}.") for place in self._places):
            self.hide([steps])
            line = f"{path or 'the spec'}: {message}"
            # A line break in a key or a text must not make two lines of one.
            self.lines.append("".join(letter if letter.isprintable() else json.dumps(letter)[1:-1] for letter in line))

    def add_checked(self, mistakes: Iterable[tuple[str, str]]) -> None:
        """Adds mistakes of `check.py`, except at places below which a type is already wrong."""
        before = list(self._places)
        for path, message in mistakes:
            if not any(place.startswith(f"{path}.") for place in before):
                self.add((path,), message)

    def hide(self, places: Iterable[cures.Steps]) -> None:
        """Suppresses further lines for these places; the empty path, the whole spec, hides nothing."""
        self._places += [".".join(map(str, steps)) for steps in places if steps]


def _in_words(mistake: ErrorDetails) -> str:
    location, kind, value = mistake["loc"], mistake["type"], mistake["input"]
    if locations.is_of_a_value(location):
        return f"{_shortened(value)} is no value: a number, text, true, false or null is wanted"
    if kind == "missing":
        return "is missing"
    if kind in ("too_short", "string_too_short"):
        return "is empty"
    if kind == "value_error":
        return str(mistake["ctx"]["error"])
    if kind == "literal_error":
        expected = mistake["ctx"]["expected"]
        hint = cures.hint_for_word(value, re.findall(_QUOTED, expected))
        if not hint and location == ("mode",):
            hint = cures.hint_for_word(value, ["minimize", "maximize"]) and "; did you mean `objective.goal`?"
        return f"{_shortened(value)} is not possible: {expected}{hint}"
    cure = cures.hint_for_type(kind, value, location)
    return f"{_shortened(value)}: {cure or mistake['msg'][0].lower() + mistake['msg'][1:]}"


def _shortened(value: Any) -> str:
    written = json.dumps(value, default=str, ensure_ascii=False)
    written = written if written.isprintable() else json.dumps(value, default=str)
    return written if len(written) <= _SHOWN else f"{written[: _SHOWN - 1]}…"
