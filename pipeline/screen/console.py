"""Standard output and error that bear whatever they lead to: an old encoding, a pipe that closes, nothing at all.

Nothing that takes time is imported: this comes before everything else.
"""

import codecs
import contextlib
import errno
import io
import os
import sys
from typing import TextIO

from pipeline.errors import INFRASTRUCTURE, InfrastructureError

_ERRORS = "hpt"
_PLAIN = str.maketrans(
    {
        "…": "...",
        "–": "-",
        "—": "-",
        "−": "-",
        "→": "->",
        "×": "x",
        "·": ".",
        "≤": "<=",
        "≥": ">=",
        "±": "+-",
        "‘": "'",
        "’": "'",
        "“": '"',
        "”": '"',
        "\xa0": " ",
        "│": "|",
        **dict.fromkeys("─━╸╺╴╶═", "-"),
        **dict.fromkeys("┌┐└┘├┤┬┴┼╭╮╰╯┏┓┗┛", "+"),
        **dict(zip("▁▂▃▄▅▆▇█", "_.:-=+*#", strict=True)),
    }
)


class ReaderIsGoneError(BaseException):
    """Whoever read the standard output, as `head` does, has gone. No Exception: no library should look into it."""


class _Outlet(io.FileIO):
    """A file that says, or for the standard error does not care, that nobody reads it any more."""

    forgives = False

    def write(self, data: "bytes | bytearray | memoryview") -> int | None:  # type: ignore[override]
        try:
            return super().write(data)
        except OSError as error:
            if self.forgives:
                return len(data)
            if error.errno in (errno.EPIPE, errno.EIO):
                raise ReaderIsGoneError from None
            raise InfrastructureError(f"standard output: {error.strerror}") from None


def prepare() -> None:
    """Makes the standard output and error of this process so; leaves those alone that somebody put in their place."""
    codecs.register_error(_ERRORS, _in_plain_characters)
    sys.stdout = _prepared(sys.stdout, 1, forgives=False)
    sys.stderr = _prepared(sys.stderr, 2, forgives=True)


def _in_plain_characters(error: UnicodeError) -> tuple[str, int]:
    """Replaces what an encoding does not have by what looks like it, else by its number."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    missing = error.object[error.start : error.end]
    plain = "".join(character.encode("ascii", "backslashreplace").decode() for character in missing.translate(_PLAIN))
    return plain, error.end


def _prepared(stream: TextIO | None, number: int, *, forgives: bool) -> TextIO:
    if stream is None:  # closed by whoever started this
        return open(os.devnull, "w", encoding="utf-8")
    if type(stream) is not io.TextIOWrapper or stream.fileno() != number:
        return stream
    stream.flush()
    outlet = _Outlet(number, "wb", closefd=False)
    outlet.forgives = forgives
    return io.TextIOWrapper(
        io.BufferedWriter(outlet),  # type: ignore[type-var]
        encoding=stream.encoding,
        errors=_ERRORS,
        line_buffering=stream.line_buffering,
        write_through=forgives,
    )


def close(code: int) -> int:
    """Writes what is left; the exit code, which says so where that failed."""
    try:
        sys.stdout.flush()
    except (ReaderIsGoneError, ValueError):
        pass
    except InfrastructureError as error:
        print(f"hpt: {error}", file=sys.stderr)
        code = INFRASTRUCTURE
    # Of what could not be written, nothing is tried again when Python ends.
    buffer = getattr(sys.stdout, "buffer", None)
    if isinstance(outlet := getattr(buffer, "raw", None), _Outlet):
        outlet.forgives = True
        devnull = os.open(os.devnull, os.O_WRONLY)
        os.dup2(devnull, 1)
        os.close(devnull)
    return code


def tell(line: str) -> None:
    """Prints a line of what goes on, at once; nothing stops because nobody reads it."""
    with contextlib.suppress(ReaderIsGoneError):
        print(line, flush=True)
