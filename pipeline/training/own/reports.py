"""Reports of a team's own trainer: JSON lines in a file, or lines of its output that fit a pattern.

No report can be wrong enough to end a training: what makes no sense is counted and noted. What follows from the metrics
is decided in `trainer.py`.
"""

import contextlib
import json
import os
import re
import signal
import stat
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

EPOCHS_AT_MOST = 10_000
NAMES_AT_MOST = 200
_NAME_AT_MOST = 100
_LINE_AT_MOST = 1024 * 1024
_READ_AT_ONCE = 1024 * 1024


@dataclass
class Metrics:
    """The metrics of one training: takes reports in whatever parts they come, and passes on whole epochs."""

    objective: str
    """Objective metric. A report that holds it completes its epoch."""
    on_epoch: Callable[[int, Mapping[str, float]], bool]
    """Gets each completed epoch, counted as the trainer counts; False asks the training to stop."""
    last: dict[str, float] = field(default_factory=dict)
    """The last value of every metric."""
    model: str | None = None
    """File of the model, relative to the training's folder."""
    epochs: int = 0
    """Number of the last epoch."""
    reports: int = 0
    """Completed epochs, as often as they were reported."""
    stop_asked: bool = False
    """Whether `on_epoch` has asked the training to stop."""
    _epoch: int | None = None
    """The epoch that is being reported, with what is known of it."""
    _metrics: dict[str, float] = field(default_factory=dict)
    _mistakes: dict[str, tuple[int, str]] = field(default_factory=dict)

    def take_line(self, line: bytes) -> None:
        """Takes a line of the metrics file: `{"epoch": 3, "mse_valid": 0.2}`, or without an epoch what is final."""
        if not line.strip():
            return
        try:
            report = json.loads(line)
        except (ValueError, RecursionError):
            report = None
        if not isinstance(report, dict):
            self._note("is no JSON object", line.decode(errors="backslashreplace"))
            return
        epoch = report.pop("epoch", None)
        if "model" in report:
            model = report.pop("model")
            if isinstance(model, str):
                self.model = model
            elif model is not None:
                self._note("names no file as its model", repr(model))
        if epoch is None:
            self.flush()
            self.last |= dict(self._numbers(report))
        elif (number := _epoch(epoch)) is not None:
            self._take(number, dict(self._numbers(report)))
        else:
            self._note("has an epoch that is no number from 0", repr(epoch))

    def take_groups(self, groups: Mapping[str, str | None]) -> None:
        """Takes the named groups of an output line that fits the pattern: `{"epoch": "3", "mse_valid": "0.2"}`."""
        metrics = dict(self._numbers({name: text for name, text in groups.items() if name != "epoch"}))
        epoch = groups.get("epoch")
        if epoch is None:
            # One line may tell the epoch, the next ones what was measured in it.
            self._metrics |= metrics if self._epoch is not None else {}
            self.last |= metrics
        elif (number := _epoch(epoch)) is not None:
            self._take(number, metrics)
        else:
            self._note("has an epoch that is no number from 0", epoch)

    def flush(self) -> None:
        """Completes the epoch that is being reported."""
        if self._epoch is None or not self._metrics:
            return
        epoch, metrics = self._epoch, self._metrics
        self._metrics = {}
        self.reports += 1
        if self.reports > EPOCHS_AT_MOST:
            self._note(f"is one of more than {EPOCHS_AT_MOST} epochs", str(epoch))
        elif not self.on_epoch(epoch, metrics):
            self.stop_asked = True

    def notes(self) -> Iterator[str]:
        """What made no sense, a line for each kind of mistake."""
        for mistake, (count, first) in self._mistakes.items():
            yield f"metrics: {count} × what was reported {mistake}; the first: {first}"

    def _take(self, epoch: int, metrics: dict[str, float]) -> None:
        if epoch != self._epoch:
            self.flush()
        self._epoch = epoch
        self.epochs = max(self.epochs, epoch)
        self._metrics |= metrics
        self.last |= metrics
        # An epoch may come in several lines; with its objective it is worth passing on at once.
        if self.objective in metrics:
            self.flush()

    def _numbers(self, report: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
        for name, value in report.items():
            if value is None:
                continue
            if not name or len(name) > _NAME_AT_MOST or not name.isprintable():
                self._note("has a name that no column can have", repr(name))
            elif name not in self.last and len(self.last) >= NAMES_AT_MOST:
                self._note(f"is one of more than {NAMES_AT_MOST} metrics", name)
            elif (number := _number(value)) is None:
                self._note("is no number", f"{name}: {json.dumps(value)}")
            else:
                yield name, number

    def _note(self, mistake: str, example: str) -> None:
        count, first = self._mistakes.get(mistake, (0, example[:100]))
        self._mistakes[mistake] = count + 1, first


@dataclass
class Tail:
    """Reads a growing file, as `tail -f` does."""

    path: Path
    _at: int = 0
    _line: bytes = b""

    def lines(self) -> Iterator[bytes]:
        """The lines that were completed since the last call."""
        try:
            # A pipe in the file's place would wait for somebody who writes.
            with open(os.open(self.path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
                if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                    return
                if file.seek(0, 2) < self._at:  # written anew
                    self._at, self._line = 0, b""
                file.seek(self._at)
                while data := file.read(_READ_AT_ONCE):
                    self._at += len(data)
                    *lines, self._line = (self._line + data).split(b"\n")
                    yield from lines
                    if len(self._line) > _LINE_AT_MOST:
                        yield self._line
                        self._line = b""
        except OSError:  # deleted, or a folder now: there may be a file again the next time
            return

    def rest(self) -> bytes:
        """The last line, if no newline ends it."""
        line, self._line = self._line, b""
        return line


@dataclass
class PatternSearch:
    """Looks for a metrics pattern in lines of output. Raises ValueError if the text is no such pattern."""

    text: str
    seconds: float
    """Of computing for a line; a pattern that takes longer is not used any more."""
    gave_up: bool = False

    def __post_init__(self) -> None:
        self._pattern = pattern(self.text)

    def groups(self, line: str) -> Mapping[str, str | None] | None:
        """The named groups, `{"epoch": "3", "mse_valid": "0.2"}`; None if the line does not fit."""
        if self.gave_up:
            return None
        try:
            with _at_most(self.seconds):
                match = self._pattern.search(line)
        except _TooLongError:
            self.gave_up = True
            return None
        return match.groupdict() if match else None


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


def _epoch(value: Any) -> int | None:
    number = _number(value)
    return int(number) if number is not None and number >= 0 and number == number // 1 and number < 1e9 else None


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        return float(value)
    except (ValueError, OverflowError):
        return None


def pattern(text: str) -> re.Pattern[str]:
    """The compiled metrics pattern. Raises ValueError, one line, if the text is none, or names no metric."""
    try:
        compiled = re.compile(text)
    except re.error as error:
        raise ValueError(f"is no regular expression: {error}") from None
    if not set(compiled.groupindex) - {"epoch"}:
        raise ValueError("names no metric: give it named groups, like (?P<epoch>\\d+) and (?P<mse_valid>\\S+)")
    return compiled
