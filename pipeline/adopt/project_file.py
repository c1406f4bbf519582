"""The text of `hpt.toml`: a new one, or an existing one with changed values, whose comments and order stay."""

import json
import re
import tomllib
from typing import Any

from pipeline.adopt.answers import Answers
from pipeline.adopt.origin import upgraded
from pipeline.spec.project import DEFAULT_STORE

_BOM = "\ufeff"
_TABLE = re.compile(r"(?m)^[ \t]*\[")


def written(answers: Answers, data: dict[str, Any] | None, requirement: str) -> str:
    """The text of a new hpt.toml."""
    lines = [
        "# What sweeps of this repository need not say themselves. Made by `hpt init`.",
        "# The version that machines install; after an upgrade `hpt init` shows what else changes.",
        f"hpt = {_quoted(requirement)}",
        "# Where results go: gs://bucket/prefix, or a directory. On Jenkins HPT_STORE and STORE come first.",
        f"store = {_quoted(answers.store or DEFAULT_STORE)}",
    ]
    if data is not None:
        lines += ["", "[data]", *(f"{_key(name)} = {_value(value)}" for name, value in data.items())]
    return "\n".join(lines) + "\n"


def content(text: str) -> dict[str, Any]:
    """The keys of an hpt.toml. Raises tomllib.TOMLDecodeError."""
    return tomllib.loads(text.removeprefix(_BOM))


def changed(text: str, answers: Answers, requirement: str) -> tuple[str, list[str]]:
    """An existing hpt.toml with the new version, and a store if it had none; and remarks on what a person must do."""
    keys = content(text)
    changes: dict[str, str] = {}
    if answers.store and "store" not in keys:
        changes["store"] = answers.store
    pinned = keys.get("hpt")
    if pinned is None or answers.requirement:
        changes["hpt"] = requirement
    else:
        changes["hpt"] = upgraded(pinned, requirement)
    remarks = []
    for key, value in changes.items():
        if keys.get(key) == value:
            continue
        keys = keys | {key: value}
        after = _with(text, key, value)
        if _has_keys(after, keys):
            text = after
        else:
            keys = content(text)
            remarks.append(f"hpt.toml: write {key} = {_quoted(value)} yourself: it is not clear where that belongs")
    return text, remarks


def _with(text: str, key: str, value: str) -> str:
    """The text with a new value for a key outside of tables. A key that is not there yet is put in front."""
    mark = _BOM if text.startswith(_BOM) else ""
    text = text.removeprefix(_BOM)
    table = _TABLE.search(text)
    form = rf"^[ \t]*{key}[ \t]*=[ \t]*(\"(?:[^\"\\\n]|\\.)*\"|'[^'\n]*')"
    existing = re.compile(form, re.MULTILINE).search(text, 0, table.start() if table else len(text))
    if existing:
        return mark + text[: existing.start(1)] + _quoted(value) + text[existing.end(1) :]
    end = "\r\n" if "\r\n" in text else "\n"
    return f"{mark}{key} = {_quoted(value)}{end}{text}"


def _has_keys(text: str, keys: dict[str, Any]) -> bool:
    try:
        return content(text) == keys
    except tomllib.TOMLDecodeError:
        return False


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else _quoted(name)


def _value(value: Any) -> str:
    """A TOML value: a string, or a list of strings."""
    return f"[{', '.join(map(_quoted, value))}]" if isinstance(value, list) else _quoted(str(value))


def _quoted(text: str) -> str:
    """A TOML string. JSON has the same escapes, except for DEL."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
