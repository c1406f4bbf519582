"""Parses JSON, and explains in plain words why a text is not JSON: a comment, a comma too many, YAML.

Nothing here knows the keys of a spec; `model.py` does.
"""

import json
import re
from collections import Counter
from typing import Any

_DEEPEST = 40
"""Maximal nesting of lists and objects; a spec nests fewer than ten levels deep."""

_LITERALS = {
    **dict.fromkeys(("None", "nil", "undefined", "Null", "NULL"), "null"),
    **dict.fromkeys(("True", "TRUE", "yes", "on"), "true"),
    **dict.fromkeys(("False", "FALSE", "no", "off"), "false"),
}
"""{spelling in another language: spelling in JSON}."""


def parse(text: str) -> Any:
    """The value of a JSON text.

    Raises ValueError, with a message of one line, if the text is not JSON, if an object has a key twice, if lists and
    objects are nested too deep, or if a string has half of a surrogate pair.
    """
    try:
        value = json.loads(text, object_pairs_hook=_without_duplicates, parse_constant=reject_constant)
    except json.JSONDecodeError as error:
        at, cause = _cause(text, error.pos, error.msg)
        line, column = text.count("\n", 0, at) + 1, at - text.rfind("\n", 0, at)
        raise ValueError(f"not JSON: {cause} at line {line}, column {column}") from None
    except (ValueError, RecursionError) as error:
        raise ValueError(f"not JSON: {error}") from None
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise ValueError(
            f"{json.dumps(error.object[error.start])} is half of a surrogate pair, which is no character"
        ) from None
    except RecursionError:
        # `_is_deep` finds the reason.
        pass
    if _is_deep(value):
        raise ValueError(f"not a spec: lists and objects are nested more than {_DEEPEST} levels deep")
    return value


def reject_constant(name: str) -> float:
    """Rejects NaN and infinities, which are no JSON numbers. Raises ValueError."""
    raise ValueError(f"{name} is not a JSON number")


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(result := dict(pairs)) < len(pairs):
        twice = sorted(name for name, count in Counter(name for name, _ in pairs).items() if count > 1)
        raise ValueError(f"{json.dumps(twice[0])} stands twice in one object")
    return result


def _is_deep(value: Any) -> bool:
    level = [value]
    for _ in range(_DEEPEST):
        level = [
            below
            for above in level
            if isinstance(above, dict | list)
            for below in (above.values() if isinstance(above, dict) else above)
            if isinstance(below, dict | list)
        ]
    return bool(level)


def _cause(text: str, at: int, message: str) -> tuple[int, str]:
    """The offset at which a text stops being JSON, and the reason with a correction: `(17, "a comma is missing")`.

    `at` and `message` are those of the JSON parser.
    """
    if not text.strip():
        return 0, "the file is empty"
    if language := _other_language(text):
        return 0, f'this looks like {language}, and a spec is JSON, like {{"architecture": "cnn"}};'
    before, after = text[:at].rstrip(), text[at:].lstrip()
    place = len(text) - len(after)
    if before.endswith(",") and after[:1] in ("]", "}"):
        return len(before) - 1, f"a comma before {after[0]}: leave it out"
    if after.startswith(",") and after[1:].lstrip()[:1] in ("]", "}"):
        return place, f"a comma before {after[1:].lstrip()[0]}: leave it out"
    if after.startswith(("//", "/*", "#")):
        return place, "JSON has no comments: leave this one out (`notes` is for text)"
    if after[:1] in ("'", "“", "”", "„", "`"):
        return place, f'text needs straight double quotes, ", not {after[0]}'
    if (word := re.match(r"[A-Za-z]\w*", after)) and word[0] in _LITERALS:
        return place, f"JSON writes {word[0]} as {_LITERALS[word[0]]}"
    if key := re.match(r"([A-Za-z_][\w.-]*)\s*:", after):
        return place, f'keys need double quotes, "{key[1]}",'
    if re.match(r"[+-]?\.\d|\+\d", after) or (re.match(r"[\d._xX]", after) and before[-1:].isdigit()):
        return place, "JSON has no such number: write 0.5, 1000 or 1e-3"
    if re.match(r"\d", after) and re.search(r"\d,$", before) and "property name" in message:
        return place, "a number after a comma: decimals have a point, 0.5"
    if not after:
        return len(before), "the text ends too early: a } or ] or a quote is missing"
    if "',' delimiter" in message:
        return place, "a comma is missing"
    if message == "Extra data":
        return place, "there is more text after the end of the JSON"
    return at, message


def _other_language(text: str) -> str | None:
    """YAML or TOML, if the text looks like it; None if it begins like JSON."""
    lines = [line for line in text.strip().splitlines() if line.strip() and not line.lstrip().startswith("#")]
    if not lines or (lines[0].lstrip()[:1] in ("{", "[", '"') and not re.match(r"\[+[\w.-]+\]+\s*$", lines[0])):
        return None
    if re.match(r"\[+[\w.-]+\]+\s*$|[\w.-]+\s*=", lines[0]):
        return "TOML"
    if lines[0].strip() == "---" or re.match(r"(- )?[\w.-]+\s*:(\s|$)", lines[0]):
        return "YAML"
    return None
