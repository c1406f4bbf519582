"""Reports of a team's own trainer: JSON lines in a file, or lines of its output that fit a pattern.

No report can be wrong enough to end a training: what makes no sense is counted and noted. What follows from the metrics
is decided in `trainer.py`.
"""

import json
import math
import os
import re
import stat
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.training.own import numbers
from pipeline.training.own.lines import LINE_AT_MOST, Line, Lines

EPOCHS_AT_MOST = 10_000
NAMES_AT_MOST = 200
_NAME_AT_MOST = 100
_READ_AT_ONCE = 1024 * 1024
_REMEMBERED = 256
# C, awk and others write these, which JSON does not have.
_NOT_FINITE = re.compile(rb"(?<=[:\s])([+-]?)(?:(nan)|(inf(?:inity)?))(?=\s*[,}])", re.IGNORECASE)


@dataclass
class Metrics:
    """The metrics of one training: takes reports in whatever parts they come, and passes on whole epochs.

    What cannot be read never leaves an older value in its place: the metric is in doubt until it is reported again.
    """

    objective: tuple[str, str]
    """Objective metrics, that which chooses first. A report that holds it completes its epoch."""
    on_epoch: Callable[[int, Mapping[str, float]], bool]
    """Gets each completed epoch; False asks the training to stop.

    The number is the trainer's; a fraction belongs to the epoch that it is a part of, and where the trainer begins
    again, the count goes on.
    """
    model: str | list[str] | None = None
    """The model's file, folder or files, relative to the training's folder."""
    epochs: int = 0
    """Number of the last epoch."""
    reports: int = 0
    """Completed epochs, as often as they were reported."""
    counts_from_0: bool = False
    """Whether epoch 0 had the objective."""
    stop_asked: bool = False
    """Whether `on_epoch` has asked the training to stop."""
    _last: dict[str, float] = field(default_factory=dict)
    _in_file: set[str] = field(default_factory=set)
    """Metrics that the metrics file tells."""
    _in_output: set[str] = field(default_factory=set)
    _doubts_of_file: dict[str, str] = field(default_factory=dict)
    _doubts_of_output: dict[str, str] = field(default_factory=dict)
    _epoch: int | None = None
    """The epoch that is being reported, with what is known of it."""
    _metrics: dict[str, float] = field(default_factory=dict)
    _first: int | None = None
    """The number that the trainer gave to its first epoch."""
    _first_names: set[str] = field(default_factory=set)
    _number: int = 0
    """The number that it gave last."""
    _before: int = 0
    """Epochs before it last began again."""
    _mistakes: dict[str, tuple[int, str]] = field(default_factory=dict)

    @property
    def doubts(self) -> dict[str, str]:
        """Why it is not known what a metric was last, `it was last "0.3.1", which is no number`.

        Which of file and output comes first is a matter of chance: of each, its own last word counts.
        """
        of_file = {
            name: why for name, why in self._doubts_of_file.items() if name not in self._in_output - self._in_file
        }
        of_output = {name: why for name, why in self._doubts_of_output.items() if name not in self._in_file}
        return of_output | of_file

    @property
    def last(self) -> dict[str, float]:
        """The last value of every metric that has one."""
        doubts = self.doubts
        return {name: value for name, value in self._last.items() if name not in doubts}

    def take_line(self, line: Line) -> None:
        """Takes a line of the metrics file: `{"epoch": 3, "mse_valid": 0.2}`, or without an epoch what is final."""
        if line.is_too_long:
            self._take_unreadable(line.content, f"is a line of more than {LINE_AT_MOST:,} bytes")
            return
        for report in _objects(line.content):
            if isinstance(report, bytes):
                self._take_unreadable(report, "is no JSON object")
            else:
                self._take_report(report)

    def _take_report(self, report: dict[str, Any]) -> None:
        epoch = report.pop("epoch", None)
        if "model" in report:
            model = report.pop("model")
            is_list = isinstance(model, list) and all(isinstance(file, str) for file in model)
            if isinstance(model, str) or (model and is_list):
                self.model = model
            elif model is not None:
                self.note("names no file as its model", repr(model))
        number = self._epoch_of(epoch)
        if epoch is not None and number is None:
            why = f"it was last told with the epoch {epoch!r}, which is no number from 0"
            self._doubts_of_file |= dict.fromkeys(report.keys() & {*self._last, *self.objective}, why)
            return
        metrics = dict(self._numbers(report, self._doubts_of_file))
        self._in_file |= metrics.keys()
        if number is not None:
            self._take(number, metrics)
        else:
            self.flush()
            self._last |= metrics

    def take_groups(self, groups: Mapping[str, str]) -> None:
        """Takes the named groups of an output line that fits the pattern: `{"epoch": "3", "mse_valid": "0.2"}`.

        What the metrics file tells, too, is taken from there: which comes first is a matter of chance.
        """
        told = {name: text for name, text in groups.items() if name != "epoch" and name not in self._in_file}
        metrics = dict(self._numbers(told, self._doubts_of_output))
        self._in_output |= metrics.keys()
        epoch = groups.get("epoch")
        number = self._epoch_of(epoch)
        if number is not None:
            self._take(number, metrics)
        else:
            # One line may tell the epoch, the next ones what was measured in it.
            self._metrics |= metrics if self._epoch is not None and epoch is None else {}
            self._last |= metrics

    def doubt(self, names: set[str], why: str) -> None:
        """Metrics that the output tells in a way that cannot be read."""
        self._doubts_of_output |= dict.fromkeys(names, why)

    def _take_unreadable(self, line: bytes, mistake: str) -> None:
        text = line.decode(errors="backslashreplace")
        self.note(mistake, text)
        told = {name for name in {*self._last, *self.objective} if name.encode() in line}
        self._doubts_of_file |= {name: f"it was last told in what {mistake}: {text.strip()[:100]}" for name in told}

    def _epoch_of(self, told: Any) -> float | None:
        number = numbers.epoch(told)
        if number is None and told is not None:
            self.note("has an epoch that is no number from 0", repr(told))
        return number

    def flush(self) -> None:
        """Completes the epoch that is being reported."""
        if self._epoch is None or not self._metrics:
            return
        epoch, metrics = self._epoch, self._metrics
        self._metrics = {}
        self.reports += 1
        if self.reports > EPOCHS_AT_MOST:
            self.note(f"is one of more than {EPOCHS_AT_MOST} epochs", str(epoch))
        elif not self.on_epoch(epoch, metrics):
            self.stop_asked = True

    def notes(self) -> Iterator[str]:
        """What made no sense, a line for each kind of mistake."""
        for mistake, (count, first) in self._mistakes.items():
            yield f"metrics: {count} × what was reported {mistake}; the first: {first}"

    def _take(self, told: float, metrics: dict[str, float]) -> None:
        epoch = self._counted(told, metrics)
        if epoch != self._epoch:
            self.flush()
        self._epoch = epoch
        self.epochs = max(self.epochs, epoch)
        self._metrics |= metrics
        self._last |= metrics
        if self.objective[0] in metrics:
            self.counts_from_0 |= told == 0
            # An epoch may come in several lines; with its objective it is worth passing on at once.
            if told.is_integer():
                self.flush()

    def _counted(self, told: float, metrics: Mapping[str, float]) -> int:
        """The number of an epoch, counted on where the trainer begins again, as in a second stage."""
        number = math.ceil(told - 1e-6)
        if self._first is None:
            self._first = number
        is_late = bool(metrics) and not metrics.keys() & self._first_names
        if number < self._number and number <= max(self._first, 1) and not is_late:
            self._before = self.epochs + 1 - number
        if self._before == 0 and number == self._first:
            self._first_names |= metrics.keys()
        self._number = number
        return self._before + number

    def _numbers(self, report: Mapping[str, Any], doubts: dict[str, str]) -> Iterator[tuple[str, float]]:
        for name, value in report.items():
            if not name or len(name) > _NAME_AT_MOST or not name.isprintable():
                self.note("has a name that no column can have", repr(name))
            elif name not in self.objective and name not in self._last and len(self._last) >= NAMES_AT_MOST:
                self.note(f"is one of more than {NAMES_AT_MOST} metrics", name)
            elif (number := numbers.number(value)) is None:
                text = json.dumps(value, ensure_ascii=False)
                if value is not None:
                    self.note("is no number", f"{name}: {text}")
                doubts[name] = f"it was last {text[:100]}, which is no number"
            else:
                doubts.pop(name, None)
                yield name, number

    def note(self, mistake: str, example: str) -> None:
        """Counts a report that makes no sense."""
        count, first = self._mistakes.get(mistake, (0, example[:100]))
        self._mistakes[mistake] = count + 1, first


def _objects(line: bytes) -> Iterator[dict[str, Any] | bytes]:
    """The JSON objects in a line, in their order; as it stands, what is none."""
    rest = line.removeprefix(b"\xef\xbb\xbf").strip()
    if not rest:
        return
    text = _NOT_FINITE.sub(lambda match: match[1] + (b"NaN" if match[2] else b"Infinity"), rest)
    text = text.replace(b"+Infinity", b"Infinity").replace(b"+NaN", b"NaN").replace(b"-NaN", b"NaN")
    try:
        left = text.decode()
    except UnicodeDecodeError:
        yield rest
        return
    # Whoever writes no line break between objects wrote them whole all the same.
    while left:
        try:
            report, end = json.JSONDecoder().raw_decode(left)
        except (ValueError, RecursionError):
            yield left.encode()
            return
        yield report if isinstance(report, dict) else left[:end].encode()
        left = left[end:].lstrip(" \t\r,")


@dataclass
class Tail:
    """Reads a growing file, as `tail -f` does."""

    path: Path
    _at: int = 0
    _lines: Lines = field(default_factory=Lines)
    _seen: bytes = b""
    """The last bytes that were read."""

    def lines(self) -> Iterator[Line]:
        """The lines that were completed since the last call."""
        try:
            # A pipe in the file's place would wait for somebody who writes.
            with open(os.open(self.path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
                if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                    return
                file.seek(self._at - len(self._seen))
                if file.read(len(self._seen)) != self._seen:  # written anew
                    self._at, self._seen, self._lines = 0, b"", Lines()
                file.seek(self._at)
                while data := file.read(_READ_AT_ONCE):
                    self._at += len(data)
                    self._seen = (self._seen + data)[-_REMEMBERED:]
                    yield from self._lines.add(data)
        except OSError:  # deleted, or a folder now: there may be a file again the next time
            return

    def rest(self) -> Line | None:
        """The last line, if no newline ends it."""
        return self._lines.rest()
