"""The errors that end a verb, by the exit code that they stand for.

Whoever raises one writes the whole line a person needs: what is wrong, where, and what to do.
"""


class UserError(Exception):
    """The spec or the arguments are wrong; trying again changes nothing. Exit code 2.

    Several mistakes found together are several lines of one error.
    """


class InfrastructureError(Exception):
    """A store, a device or Jenkins failed; the same call may succeed later. Exit code 3."""
