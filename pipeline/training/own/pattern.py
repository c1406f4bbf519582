"""Finds metrics in a program's output by a regular expression, `metrics-pattern`.

A progress bar writes over itself many times; of what it shows for an epoch, the last that fits counts. Numbers are read
whole, also where the pattern spells them shorter than they are: of `1e-05`, `[0-9.]+` alone would leave 1.
"""

import contextlib
import re
import signal
import threading
from collections.abc import Callable, Iterator, Mapping

from pipeline.training.own.lines import LINE_AT_MOST, Line, states

_SLOW_LINES_AT_MOST = 3

_REAL = r"(?:\d+\.?\d*|\.\d+)"
_WHOLE = re.compile(rf"[+-]?{_REAL}(?:[eE][+-]?\d+)?")
_WITH_COMMAS = re.compile(r"[+-]?\d[\d.,]*\d")
_UNUSUAL = re.compile(
    rf"(?<![\w.)-])(?:[+-]?(?:nan|inf(?:inity)?)\b|[+-]?{_REAL}[eE][+-]?\d+(?![\w.])|[+-]{_REAL}(?![\w]))",
    re.IGNORECASE,
)
"""Numbers that a pattern for usual ones, like `[0-9.]+` or `\\d+\\.\\d+`, does not fit."""


class PatternReader:
    """Reads the metrics in a program's output."""

    def __init__(
        self,
        text: str,
        seconds: float,
        take: Callable[[Mapping[str, str]], None],
        unread: Callable[[str, str, bool], None],
    ) -> None:
        """`seconds` may be computed for a line. `take` gets the named groups, `{"epoch": "3", "mse_valid": "0.2"}`.

        `unread` gets why a line is not read, the line's beginning, and whether metrics were probably in it. Raises
        ValueError if the text is no pattern.
        """
        self._pattern, self._seconds, self._take, self._unread = pattern(text), seconds, take, unread
        self._bar: dict[str, str] = {}
        """What the line so far showed of an epoch; the next thing that it shows may write over it."""
        self._slow = 0

    @property
    def names(self) -> set[str]:
        """The metrics that it looks for."""
        return set(self._pattern.groupindex) - {"epoch"}

    @property
    def gave_up(self) -> bool:
        """Whether the pattern took too long too often, and is not used any more."""
        return self._slow >= _SLOW_LINES_AT_MOST

    def add(self, line: Line) -> None:
        """Takes the next line of output, or what a carriage return ends."""
        if line.is_too_long:
            start = line.content[:100].decode("utf-8", "backslashreplace")
            self._unread(f"stands in a line of more than {LINE_AT_MOST:,} bytes, which is not read", start, False)
        else:
            for state in states(line.content):
                self._read(state)
        if line.end != b"\r":
            self.close()

    def close(self) -> None:
        """Passes on what the last line showed."""
        if self._bar:
            self._take(self._bar)
            self._bar = {}

    def _read(self, text: str) -> None:
        if self.gave_up:
            return
        try:
            with _at_most(self._seconds):
                groups = _groups(self._pattern, text)
        except _TooLongError:
            self._slow += 1
            self._unread("stands in a line that metrics-pattern takes seconds for", text[:100], True)
            return
        if "epoch" in groups and groups["epoch"] != self._bar.get("epoch"):
            self.close()
        self._bar |= groups


def _groups(pattern: re.Pattern[str], text: str) -> dict[str, str]:
    """The named groups that fit, with whole numbers."""
    match = pattern.search(text)
    found = {name: match.span(name) for name in pattern.groupindex if match.span(name)[0] >= 0} if match else {}
    spans = _unusual(pattern, text, match, found) | {
        name: (span[0], _end(text, name, span, match.start(), found)) for name, span in found.items() if match
    }
    return {name: text[start:end] for name, (start, end) in spans.items()}


def _end(text: str, name: str, span: tuple[int, int], match_start: int, found: Mapping[str, tuple[int, int]]) -> int:
    """Where the number ends that a group has the beginning of."""
    start, end = span
    whole = _WHOLE.match(text, start)
    with_commas = _WITH_COMMAS.match(text, start)
    # A comma that the pattern itself has before the group parts values.
    parts_values = start > match_start and text[start - 1] == ","
    is_begun = text[start:end].lstrip("+-").isdigit() and text[end : end + 1] == ","
    if is_begun and name != "epoch" and not parts_values:
        whole = with_commas or whole
    if whole is None or whole.end() <= end or start == end:
        return end
    is_free = not any(other != name and at < whole.end() and to > end for other, (at, to) in found.items())
    return whole.end() if is_free else end


def _unusual(
    pattern: re.Pattern[str], text: str, match: re.Match[str] | None, found: Mapping[str, tuple[int, int]]
) -> dict[str, tuple[int, int]]:
    """Groups that fit once numbers like `nan`, `1e-05` and `-3` are spelled as usual ones, of the same length."""
    numbers = [number.span() for number in _UNUSUAL.finditer(text)]
    if not numbers:
        return {}
    usual = pattern.search(_UNUSUAL.sub(lambda number: _usual(number[0]), text))
    if usual is None or (match is not None and usual.start() != match.start()):
        return {}
    spans = {name: usual.span(name) for name in pattern.groupindex if name not in found and usual.span(name)[0] >= 0}
    covering = {name for name, (start, end) in spans.items() if any(start <= at and to <= end for at, to in numbers)}
    if match is None:
        return spans if covering else {}
    return {name: spans[name] for name in covering}


def _usual(number: str) -> str:
    return "0." + "0" * (len(number) - 2) if len(number) > 2 else "0" * len(number)


@contextlib.contextmanager
def _at_most(seconds: float) -> Iterator[None]:
    """Raises _TooLongError after so many seconds of computing.

    Some patterns take for ever on some lines, and no time limit would be kept meanwhile. Python's engine looks for
    signals while it searches; only the main thread, in which lanes train, can have one.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGVTALRM, _raise_too_long)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


class _TooLongError(Exception):
    pass


def _raise_too_long(*_: object) -> None:
    raise _TooLongError


def pattern(text: str) -> re.Pattern[str]:
    """The compiled metrics pattern. Raises ValueError, one line, if the text is none, or names no metric."""
    try:
        compiled = re.compile(text)
    except re.error as error:
        raise ValueError(f"is no regular expression: {error}") from None
    if not set(compiled.groupindex) - {"epoch"}:
        raise ValueError("names no metric: give it named groups, like (?P<epoch>\\d+) and (?P<mse_valid>\\S+)")
    return compiled
