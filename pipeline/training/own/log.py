"""Writes the output of a team's own program into a log of bounded size.

The first part goes into the log as it comes, the last part when the program ends. Bytes in between are only counted.
"""

from collections import deque
from collections.abc import Callable

from pipeline.training.own.lines import Line, Lines, last_state

FIRST = LAST = 128 * 1024
"""Bytes of the first and the last part of a program's output."""
LINE_AT_MOST = 4096
"""Bytes of a line of the log; longer lines are folded."""
_RECENT = 8192
"""Bytes at the end of the output in which the reason for an exit is looked for."""
_WORDS_AT_MOST = 400
"""Characters of that reason."""

_TRACEBACK = "Traceback (most recent call last):"


class Output:
    r"""The output of one program. `say` gets the text of the log, and `on_line` every line, ended by \n or \r."""

    def __init__(self, say: Callable[[str], None], on_line: Callable[[Line], None] | None = None) -> None:
        self._say, self._on_line = say, on_line
        self._lines = Lines(b"\r\n")
        self._room = FIRST
        """Bytes that still fit into the first part."""
        self._line = b""
        self._last: deque[bytes] = deque()
        self._kept = self._left_out = 0
        """Bytes in `_last`, and bytes that were dropped."""
        self._recent = b""

    def add(self, data: bytes) -> None:
        """Takes the next bytes of output, cut anywhere."""
        self._recent = (self._recent + data)[-_RECENT:]
        if self._on_line is not None:
            for line in self._lines.add(data):
                self._on_line(line)
        if self._room <= 0:
            self._keep(data)
            return
        self._room -= len(data)
        *lines, beginning = (self._line + data).split(b"\n")
        while len(beginning) > LINE_AT_MOST:
            lines.append(beginning[:LINE_AT_MOST])
            beginning = beginning[LINE_AT_MOST:]
        self._line = beginning
        # When the first part is full, the line so far goes into the log at once; its end belongs to the last part.
        self._say_lines([*lines, beginning] if self._room <= 0 else lines)

    def close(self) -> None:
        """Adds the last part of the output to the log, and the number of bytes left out before it."""
        if self._on_line is not None and (line := self._lines.last_line()):
            self._on_line(line)
        if self._room > 0:
            self._say_lines([self._line])
            return
        last = b"".join(self._last)
        if len(last) > LAST:
            self._left_out += len(last) - LAST
            last = last[-LAST:]
        if self._left_out:
            self._say(f"… {self._left_out:,} bytes of output are left out here …")
        lines = last.split(b"\n")
        self._say_lines([line[at : at + LINE_AT_MOST] for line in lines for at in range(0, len(line), LINE_AT_MOST)])

    @property
    def last_words(self) -> str:
        """The line of the output so far that says why the program ended."""
        return last_words(self._recent)

    def _say_lines(self, lines: list[bytes]) -> None:
        if text := "\n".join(filter(None, map(last_state, lines))):
            self._say(text)

    def _keep(self, data: bytes) -> None:
        """Adds data to the last part of the output; drops and counts older bytes that are too many for it."""
        self._last.append(data)
        self._kept += len(data)
        while self._kept - len(self._last[0]) >= LAST:
            dropped = len(self._last.popleft())
            self._kept -= dropped
            self._left_out += dropped


def last_words(output: bytes) -> str:
    """The line that says why a program ended: the error below a Python traceback, else the last line."""
    lines = [text for line in output.split(b"\n") if (text := last_state(line))]
    start = max((at for at, line in enumerate(lines) if line.startswith(_TRACEBACK)), default=None)
    if start is not None:
        raised = [at for at in range(start + 1, len(lines)) if not lines[at].startswith((" ", "\t"))]
        if raised:
            return " ".join(" ".join(lines[raised[0] :]).split())[:_WORDS_AT_MOST]
    return lines[-1].strip()[:_WORDS_AT_MOST] if lines else ""
