"""Finds metrics in a program's output by a regular expression, `metrics-pattern`.

A progress bar overwrites its text many times: for each epoch, the last text that matches the pattern counts. Numbers
are read to their end, even if the pattern matches only their beginning: `[0-9.]+` alone would read 1 of `1e-05`.
"""

import contextlib
import re
import signal
import threading
from collections.abc import Callable, Iterator, Mapping

from pipeline.training.own.lines import LINE_AT_MOST, Line, states

_SLOW_LINES_AT_MOST = 3
"""Slow lines after which the pattern is no longer used."""

_REAL = r"(?:\d+\.?\d*|\.\d+)"
_COMPLETE = re.compile(rf"[+-]?{_REAL}(?:[eE][+-]?\d+)?")
_WITH_COMMAS = re.compile(r"[+-]?\d[\d.,]*\d")
_UNUSUAL = re.compile(
    rf"(?<![\w.)-])(?:[+-]?(?:nan|inf(?:inity)?)\b|[+-]?{_REAL}[eE][+-]?\d+(?![\w.])|[+-]{_REAL}(?![\w]))",
    re.IGNORECASE,
)
"""Numbers that a pattern for plain numbers, like `[0-9.]+` or `\\d+\\.\\d+`, does not match."""


class PatternReader:
    """Reads metrics from a program's output, line by line: call `add` for each, and `close` at the end."""

    def __init__(
        self,
        text: str,
        seconds: float,
        on_groups: Callable[[Mapping[str, str]], None],
        on_unread: Callable[[str, str, bool], None],
    ) -> None:
        """`text` is the pattern; `seconds` limits the search of a line.

        `on_groups` gets the named groups of an epoch: `{"epoch": "3", "mse_valid": "0.2"}`. `on_unread` gets the reason
        why a line is not read (`stands in a line …`: the subject is the metric that is missed), the line's beginning,
        and True if metrics may be in it. Raises ValueError if the text is no pattern.
        """
        self._pattern, self._seconds, self._on_groups, self._on_unread = pattern(text), seconds, on_groups, on_unread
        self._groups: dict[str, str] = {}
        """Groups of the current line and epoch; the next text of a progress bar may overwrite them."""
        self._slow_lines = 0

    @property
    def names(self) -> set[str]:
        """Names of the metrics in the pattern."""
        return set(self._pattern.groupindex) - {"epoch"}

    @property
    def gave_up(self) -> bool:
        """True if the pattern was too slow on several lines, so that it is no longer used."""
        return self._slow_lines >= _SLOW_LINES_AT_MOST

    def add(self, line: Line) -> None:
        """Takes the next line of output, ended by a newline or a carriage return."""
        if line.is_too_long:
            start = line.content[:100].decode("utf-8", "backslashreplace")
            self._on_unread(f"stands in a line of more than {LINE_AT_MOST:,} bytes, which is not read", start, False)
        else:
            for state in states(line.content):
                self._read(state)
        if line.end != b"\r":
            self.close()

    def close(self) -> None:
        """Passes the groups that are still held to `on_groups`."""
        if self._groups:
            self._on_groups(self._groups)
            self._groups = {}

    def _read(self, text: str) -> None:
        if self.gave_up:
            return
        try:
            with _at_most(self._seconds):
                groups = _groups(self._pattern, text)
        except _TooLongError:
            self._slow_lines += 1
            self._on_unread("stands in a line that metrics-pattern takes seconds for", text[:100], True)
            return
        if "epoch" in groups and groups["epoch"] != self._groups.get("epoch"):
            self.close()
        self._groups |= groups


def _groups(pattern: re.Pattern[str], text: str) -> dict[str, str]:
    """The named groups that match, each number to its end: `{"epoch": "3", "mse_valid": "0.2"}`."""
    match = pattern.search(text)
    spans = {name: match.span(name) for name in pattern.groupindex if match.span(name)[0] >= 0} if match else {}
    complete_spans = _unusual_spans(pattern, text, match, spans) | {
        name: (span[0], _end(text, name, span, match.start(), spans)) for name, span in spans.items() if match
    }
    return {name: text[start:end] for name, (start, end) in complete_spans.items()}


def _end(text: str, name: str, span: tuple[int, int], match_start: int, spans: Mapping[str, tuple[int, int]]) -> int:
    """The end of a group, moved to the end of the number that begins where the group begins.

    `1e-05` for a group that matches `1`; `1,234.5` for one that matches `1`. It stays if another group would overlap.
    """
    start, end = span
    complete = _COMPLETE.match(text, start)
    with_commas = _WITH_COMMAS.match(text, start)
    # In `0.3,0.2`, the pattern itself matches the comma before the group: it separates values, not thousands.
    follows_comma = start > match_start and text[start - 1] == ","
    ends_at_comma = text[start:end].lstrip("+-").isdigit() and text[end : end + 1] == ","
    if ends_at_comma and name != "epoch" and not follows_comma:
        complete = with_commas or complete
    if complete is None or complete.end() <= end or start == end:
        return end
    overlaps = any(other != name and at < complete.end() and to > end for other, (at, to) in spans.items())
    return end if overlaps else complete.end()


def _unusual_spans(
    pattern: re.Pattern[str], text: str, match: re.Match[str] | None, spans: Mapping[str, tuple[int, int]]
) -> dict[str, tuple[int, int]]:
    """Spans of groups that match only once numbers like `nan`, `1e-05` and `-3` are replaced by plain ones.

    `spans` are those of the groups that match without that. A plain number has the length of the number that it
    replaces, so that spans stay valid in the text.
    """
    numbers = [number.span() for number in _UNUSUAL.finditer(text)]
    if not numbers:
        return {}
    plain = pattern.search(_UNUSUAL.sub(lambda number: _plain(number[0]), text))
    if plain is None or (match is not None and plain.start() != match.start()):
        return {}
    new = {name: plain.span(name) for name in pattern.groupindex if name not in spans and plain.span(name)[0] >= 0}
    with_numbers = {name for name, (start, end) in new.items() if any(start <= at and to <= end for at, to in numbers)}
    if match is None:
        return new if with_numbers else {}
    return {name: new[name] for name in with_numbers}


def _plain(number: str) -> str:
    return "0." + "0" * (len(number) - 2) if len(number) > 2 else "0" * len(number)


@contextlib.contextmanager
def _at_most(seconds: float) -> Iterator[None]:
    """Raises _TooLongError after this many seconds of CPU time, if this is the main thread.

    Some patterns take forever on some lines, and meanwhile no time limit of the training would be kept. Python handles
    signals during a search, but only in the main thread, in which lanes train.
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
    """The compiled metrics pattern. Raises ValueError, with one line, if the text is no pattern or names no metric."""
    try:
        compiled = re.compile(text)
    except re.error as error:
        raise ValueError(f"is no regular expression: {error}") from None
    if not set(compiled.groupindex) - {"epoch"}:
        raise ValueError("names no metric: give it named groups, like (?P<epoch>\\d+) and (?P<mse_valid>\\S+)")
    return compiled
