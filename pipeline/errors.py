"""The errors that end a verb, each with its exit code.

The message of an error is the whole line a person needs: what is wrong, where, and what to do.
"""

import difflib
from collections.abc import Iterable

FINE, SOME_FAILED, WRONG, INFRASTRUCTURE, INTERRUPTED = 0, 1, 2, 3, 130
"""Exit codes. SOME_FAILED: the verb did its work, but trials failed, or a check found something."""


class UserError(Exception):
    """The spec or the arguments are wrong; trying again changes nothing. Exit code 2.

    Several mistakes are several lines of one error.
    """


class OutOfReachError(UserError):
    """This machine does not reach the named data or code; another machine may."""


class InfrastructureError(Exception):
    """A store, a device or Jenkins failed; the same call may succeed later. Exit code 3."""


def did_you_mean(name: str, valid: Iterable[str]) -> str:
    """The hint `did you mean "x"?`, or a list of the valid names if none is similar."""
    names = sorted(valid)
    similar = difflib.get_close_matches(name.lower().replace("_", "-"), names, n=1, cutoff=0.6) or (
        difflib.get_close_matches(name.lower().replace("-", "_"), names, n=1, cutoff=0.6)
    )
    return f'did you mean "{similar[0]}"?' if similar else f"possible are {', '.join(names)}"
