"""Makes standard output and error robust against old encodings, closed pipes and closed files.

It runs before everything else, so it imports nothing slow.
"""

import codecs
import contextlib
import errno
import io
import os
import sys
from typing import TextIO

from pipeline.errors import INFRASTRUCTURE, InfrastructureError

_ERROR_HANDLER = "hpt"
"""Name under which the codecs find `_in_plain_characters`."""
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
    """The reader of standard output, such as `head`, has closed it. A BaseException, so that no library catches it."""


class _Outlet(io.FileIO):
    """A file that raises ReaderIsGoneError if its reader is gone, and InfrastructureError if it cannot be written.

    With `forgives`, as standard error has it, it drops the text instead.
    """

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
    """Replaces standard output and error of this process; one that somebody has replaced before stays as it is."""
    codecs.register_error(_ERROR_HANDLER, _in_plain_characters)
    sys.stdout = _prepared(sys.stdout, 1, forgives=False)
    sys.stderr = _prepared(sys.stderr, 2, forgives=True)


def _in_plain_characters(error: UnicodeError) -> tuple[str, int]:
    """Replaces characters that an encoding lacks by similar ASCII characters, else by their number."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    missing = error.object[error.start : error.end]
    plain = "".join(character.encode("ascii", "backslashreplace").decode() for character in missing.translate(_PLAIN))
    return plain, error.end


def _prepared(stream: TextIO | None, number: int, *, forgives: bool) -> TextIO:
    if stream is None:  # closed by the parent process
        return open(os.devnull, "w", encoding="utf-8")
    if type(stream) is not io.TextIOWrapper or stream.fileno() != number:
        return stream
    stream.flush()
    outlet = _Outlet(number, "wb", closefd=False)
    outlet.forgives = forgives
    return io.TextIOWrapper(
        io.BufferedWriter(outlet),  # type: ignore[type-var]
        encoding=stream.encoding,
        errors=_ERROR_HANDLER,
        line_buffering=stream.line_buffering,
        write_through=forgives,
    )


def close(code: int) -> int:
    """Flushes standard output. Returns the exit code: 3 if that failed, else `code`."""
    try:
        sys.stdout.flush()
    except (ReaderIsGoneError, ValueError):
        pass
    except InfrastructureError as error:
        print(f"hpt: {error}", file=sys.stderr)
        code = INFRASTRUCTURE
    # At its end Python flushes once more; what is still in the buffer then goes nowhere, without an error.
    buffer = getattr(sys.stdout, "buffer", None)
    if isinstance(outlet := getattr(buffer, "raw", None), _Outlet):
        outlet.forgives = True
        devnull = os.open(os.devnull, os.O_WRONLY)
        os.dup2(devnull, 1)
        os.close(devnull)
    return code


def tell(line: str) -> None:
    """Prints a progress line at once; a closed pipe does not stop the work."""
    with contextlib.suppress(ReaderIsGoneError):
        print(line, flush=True)
