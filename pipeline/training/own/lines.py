"""Cuts a program's output into lines, and lines into what they showed: the same, however the bytes come.

What a line means is for `reports.py` and `pattern.py` to say.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

LINE_AT_MOST = 1024 * 1024
"""Bytes of a line that is read. What is longer is said, not read in part: a number could be cut in two."""

_MOVES = re.compile(r"\x1b\[[0-9;]*[ABDEFGHJf]|\x1b\[[12]K")
"""Terminal codes after which a line is written over, as after a carriage return."""
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[ -/]+[0-~]|[0-Z\\^-~])")
_CONTROL = {code: f"\\x{code:02x}" for code in (*range(32), 127) if chr(code) != "\t"}


@dataclass(frozen=True)
class Line:
    """A line without its end; of one that is too long, the beginning."""

    content: bytes
    end: bytes
    r"""`\n`, `\r`, or nothing at the end of the stream."""
    length: int
    """In bytes."""

    @property
    def is_too_long(self) -> bool:
        return self.length > LINE_AT_MOST


class Lines:
    """Cuts a stream at each of the bytes `ends`."""

    def __init__(self, ends: bytes = b"\n") -> None:
        self._ends = re.compile(b"([" + ends + b"])")
        self._line, self._length = bytearray(), 0

    def add(self, data: bytes) -> Iterator[Line]:
        """Takes the next bytes, cut anywhere; the lines that they complete."""
        *pieces, rest = self._ends.split(data)
        for text, end in zip(pieces[::2], pieces[1::2], strict=True):
            self._grow(text)
            yield self._taken(end)
        self._grow(rest)

    def rest(self) -> Line | None:
        """The last line, if nothing ends it."""
        return self._taken(b"") if self._length else None

    def _grow(self, text: bytes) -> None:
        self._line += text[: LINE_AT_MOST - len(self._line)]
        self._length += len(text)

    def _taken(self, end: bytes) -> Line:
        line = Line(bytes(self._line), end, self._length)
        self._line, self._length = bytearray(), 0
        return line


def states(content: bytes) -> list[str]:
    """What a line showed, one thing after another, as text without colours and control characters; nothing blank."""
    shown = []
    for part in content.split(b"\r"):
        text = part.decode("utf-8", "backslashreplace")
        shown += [state for piece in (_MOVES.split(text) if "\x1b" in text else [text]) if (state := _text(piece))]
    return shown


def last_state(content: bytes) -> str:
    """The last thing that a line showed: a progress bar may write over itself, and wipe itself in the end."""
    for part in reversed(content.split(b"\r")):
        if shown := states(part):
            return shown[-1]
    return ""


def _text(text: str) -> str:
    if "\x1b" in text:
        text = _ESCAPES.sub("", text)
    if "\b" in text:
        kept: list[str] = []
        for letter in text:
            if letter != "\b":
                kept.append(letter)
            elif kept:
                kept.pop()
        text = "".join(kept)
    return text.translate(_CONTROL).rstrip()
