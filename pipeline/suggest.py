"""The nearest valid name, for error messages."""

import difflib
from collections.abc import Iterable


def did_you_mean(name: str, valid: Iterable[str]) -> str:
    """`: did you mean "x"?`, or the valid names where none is near."""
    names = sorted(valid)
    near = difflib.get_close_matches(name.lower().replace("_", "-"), names, n=1, cutoff=0.6) or (
        difflib.get_close_matches(name.lower().replace("-", "_"), names, n=1, cutoff=0.6)
    )
    return f'did you mean "{near[0]}"?' if near else f"possible are {', '.join(names)}"
