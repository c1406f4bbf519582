"""Cuts a program's output into lines, and each line into the texts that a terminal would show.

The result does not depend on the pieces in which the bytes arrive. `reports.py` and `pattern.py` read metrics
from the lines.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

LINE_AT_MOST = 1024 * 1024
"""Bytes of the longest line that is read. A longer one is only reported: in a part of it, a number could be cut."""

_MOVES = re.compile(r"\x1b\[[0-9;]*[ABDEFGHJf]|\x1b\[[12]K")
"""Terminal codes after which a line is overwritten, as after a carriage return."""
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[ -/]+[0-~]|[0-Z\\^-~])")
"""Terminal codes for colours, cursor and window title."""
_CONTROL = {code: f"\\x{code:02x}" for code in (*range(32), 127) if chr(code) != "\t"}


@dataclass(frozen=True)
class Line:
    """A line of output."""

    content: bytes
    """The line without its end. If the line is too long, only its beginning."""
    end: bytes
    r"""`\n`, `\r`, or nothing at the end of the stream."""
    length: int
    """Bytes of the whole line."""

    @property
    def is_too_long(self) -> bool:
        return self.length > LINE_AT_MOST


class Lines:
    """Cuts a stream of bytes into lines."""

    def __init__(self, ends: bytes = b"\n") -> None:
        r"""Each byte of `ends` ends a line: `\n` alone, or `\r\n` for output with progress bars."""
        self._ends = re.compile(b"([" + ends + b"])")
        self._line, self._length = bytearray(), 0

    def add(self, data: bytes) -> Iterator[Line]:
        """Takes the next bytes, cut anywhere, and yields the lines that they complete."""
        *pieces, beginning = self._ends.split(data)
        for text, end in zip(pieces[::2], pieces[1::2], strict=True):
            self._grow(text)
            yield self._pop(end)
        self._grow(beginning)

    def last_line(self) -> Line | None:
        """Takes the unfinished line at the end of the stream; None if there is none."""
        return self._pop(b"") if self._length else None

    def _grow(self, text: bytes) -> None:
        self._line += text[: LINE_AT_MOST - len(self._line)]
        self._length += len(text)

    def _pop(self, end: bytes) -> Line:
        line = Line(bytes(self._line), end, self._length)
        self._line, self._length = bytearray(), 0
        return line


def states(content: bytes) -> list[str]:
    r"""The texts that a terminal showed on a line one after another, without colours; blank ones are left out.

    `10 %\r20 %` gives `["10 %", "20 %"]`.
    """
    texts: list[str] = []
    for part in content.split(b"\r"):
        text = part.decode("utf-8", "backslashreplace")
        texts += [state for piece in (_MOVES.split(text) if "\x1b" in text else [text]) if (state := _plain(piece))]
    return texts


def last_state(content: bytes) -> str:
    """The last text that a terminal showed on a line, blank ones left out: a progress bar may wipe itself at the end.

    Empty if there is none.
    """
    for part in reversed(content.split(b"\r")):
        if texts := states(part):
            return texts[-1]
    return ""


def _plain(text: str) -> str:
    """A text without terminal codes, backspaces applied; other control characters are written like `\\x07`."""
    if "\x1b" in text:
        text = _ESCAPES.sub("", text)
    if "\b" in text:
        letters: list[str] = []
        for letter in text:
            if letter != "\b":
                letters.append(letter)
            elif letters:
                letters.pop()
        text = "".join(letters)
    return text.translate(_CONTROL).rstrip()
