"""What a key may be: the same for every store, so that what works in one works in the other.

Nothing here knows what a key means (that is `sweep/layout.py`) or touches a store.
"""

import re
import uuid

from pipeline.errors import UserError

# Files of a store's own (temporary files, its lock, its marker) begin so; they are never listed.
OWN = ".hpt-"

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_SURROGATE = re.compile(r"[\ud800-\udfff]")


def check_key(key: str) -> str:
    """The key itself. Raises UserError if it is none; a key can never lead out of its store."""
    reason = _wrong(key)
    if reason:
        raise UserError(f"{key!r} cannot be a name in a store: {reason}")
    return key


def check_prefix(prefix: str) -> str:
    """The prefix itself, which may be empty, end with a slash, or end anywhere in a key."""
    if prefix:
        check_key(prefix.removesuffix("/"))
    return prefix


def is_key(name: str) -> bool:
    """Whether a name found in a listing is one that a store could have written."""
    return _wrong(name) is None


def temporary_name() -> str:
    """A file name that nobody else uses and no listing shows."""
    return f"{OWN}{uuid.uuid4().hex}.tmp"


def _wrong(key: str) -> str | None:
    parts = key.split("/")
    if any(part in ("", ".", "..") for part in parts):
        return "no part between slashes may be empty, '.' or '..', and it does not begin with a slash"
    if any(part.startswith(OWN) for part in parts):
        return f"a part that begins with {OWN!r} belongs to the store itself"
    if _CONTROL.search(key):
        return "control characters (line breaks, NUL) are not allowed"
    if _SURROGATE.search(key):
        return "it is not valid Unicode"
    if len(key.encode()) > 1000 or any(len(part.encode()) > 255 for part in parts):
        return "it is too long (255 bytes a part, 1,000 in all)"
    return None
