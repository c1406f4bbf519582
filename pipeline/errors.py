"""The errors that end a verb, by the exit code that they stand for.

Whoever raises one writes the whole line a person needs: what is wrong, where, and what to do.
"""

import difflib
from collections.abc import Iterable

FINE, SOME_FAILED, WRONG, INFRASTRUCTURE, INTERRUPTED = 0, 1, 2, 3, 130
"""Exit codes."""


class UserError(Exception):
    """The spec or the arguments are wrong; trying again changes nothing. Exit code 2.

    Several mistakes found together are several lines of one error.
    """


class OutOfReachError(UserError):
    """This machine does not reach what is named; another one may."""


class InfrastructureError(Exception):
    """A store, a device or Jenkins failed; the same call may succeed later. Exit code 3."""


def did_you_mean(name: str, valid: Iterable[str]) -> str:
    """`: did you mean "x"?`, or the valid names where none is near."""
    names = sorted(valid)
    near = difflib.get_close_matches(name.lower().replace("_", "-"), names, n=1, cutoff=0.6) or (
        difflib.get_close_matches(name.lower().replace("-", "_"), names, n=1, cutoff=0.6)
    )
    return f'did you mean "{near[0]}"?' if near else f"possible are {', '.join(names)}"
