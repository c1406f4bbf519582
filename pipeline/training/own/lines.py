"""Cuts a program's output into lines, and lines into the texts that a terminal would show.

The result does not depend on how the bytes arrive. The meaning of a line is the work of `reports.py` and `pattern.py`.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

LINE_AT_MOST = 1024 * 1024
"""Maximal bytes of a line that is read. A longer line is reported, not read in part: a number could be cut in two."""

_MOVES = re.compile(r"\x1b\[[0-9;]*[ABDEFGHJf]|\x1b\[[12]K")
"""Terminal codes after which a line is overwritten, as after a carriage return."""
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[ -/]+[0-~]|[0-Z\\^-~])")
_CONTROL = {code: f"\\x{code:02x}" for code in (*range(32), 127) if chr(code) != "\t"}


@dataclass(frozen=True)
class Line:
    """A line without its end. Of a line that is too long, `content` is the beginning."""

    content: bytes
    end: bytes
    r"""`\n`, `\r`, or nothing at the end of the stream."""
    length: int
    """Bytes of the whole line."""

    @property
    def is_too_long(self) -> bool:
        return self.length > LINE_AT_MOST


class Lines:
    """Cuts a stream of bytes into lines, at each of the bytes `ends`."""

    def __init__(self, ends: bytes = b"\n") -> None:
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
        """The last line of the stream, if nothing ends it."""
        return self._pop(b"") if self._length else None

    def _grow(self, text: bytes) -> None:
        self._line += text[: LINE_AT_MOST - len(self._line)]
        self._length += len(text)

    def _pop(self, end: bytes) -> Line:
        line = Line(bytes(self._line), end, self._length)
        self._line, self._length = bytearray(), 0
        return line


def states(content: bytes) -> list[str]:
    """Texts that a terminal showed one after another on a line, without colours, control characters and blank texts."""
    texts: list[str] = []
    for part in content.split(b"\r"):
        text = part.decode("utf-8", "backslashreplace")
        texts += [state for piece in (_MOVES.split(text) if "\x1b" in text else [text]) if (state := _text(piece))]
    return texts


def last_state(content: bytes) -> str:
    """The last text on a line that is not blank: a progress bar overwrites itself, and may wipe itself at the end."""
    for part in reversed(content.split(b"\r")):
        if texts := states(part):
            return texts[-1]
    return ""


def _text(text: str) -> str:
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
