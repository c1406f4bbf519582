"""Checks keys. The rules are the same for every store, so that a key works in all of them or in none.

`sweep/layout.py` gives keys their meaning.
"""

import re
import uuid

from pipeline.errors import UserError

# Begins the names of a store's internal files: temporary files, its lock, its marker. They are never listed.
INTERNAL = ".hpt-"

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_SURROGATE = re.compile(r"[\ud800-\udfff]")


def check_key(key: str) -> str:
    """The key itself. Raises UserError if it is not valid. A valid key never leads out of its store."""
    if problem := _problem(key):
        raise UserError(f"{key!r} cannot be a name in a store: {problem}")
    return key


def check_prefix(prefix: str) -> str:
    """The prefix itself. Raises UserError if no key can begin with it."""
    if prefix:
        check_key(prefix.removesuffix("/"))
    return prefix


def is_key(name: str) -> bool:
    """True if a name in a listing is a valid key."""
    return _problem(name) is None


def temporary_name() -> str:
    """A unique file name that no listing shows."""
    return f"{INTERNAL}{uuid.uuid4().hex}.tmp"


def _problem(key: str) -> str | None:
    parts = key.split("/")
    if any(part in ("", ".", "..") for part in parts):
        return "no part between slashes may be empty, '.' or '..', and it must not begin with a slash"
    if any(part.startswith(INTERNAL) for part in parts):
        return f"a part that begins with {INTERNAL!r} belongs to the store itself"
    if _CONTROL.search(key):
        return "control characters (line breaks, NUL) are not allowed"
    if _SURROGATE.search(key):
        return "it is not valid Unicode"
    if len(key.encode()) > 1000 or any(len(part.encode()) > 255 for part in parts):
        return "it is too long (255 bytes a part, 1,000 in all)"
    return None
