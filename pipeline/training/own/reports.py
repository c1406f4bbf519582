"""Metrics that a team's own trainer reports, as JSON lines in a file or by output that fits a pattern.

No mistake in a report ends a training: mistakes are counted and noted. `trainer.py` decides on the status.
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
# Numbers as C and awk write them, which JSON does not have.
_NOT_FINITE = re.compile(rb"(?<=[:\s])([+-]?)(?:(nan)|(inf(?:inity)?))(?=\s*[,}])", re.IGNORECASE)


@dataclass
class Metrics:
    """The metrics of one training. Joins several reports of an epoch, and passes on each completed epoch.

    A value that cannot be read puts its metric in doubt until the next report of it: the older value does not count.
    """

    objective: tuple[str, str]
    """`("mse_valid", "mse_test")`. A report that holds the first of them completes its epoch."""
    on_epoch: Callable[[int, Mapping[str, float]], bool]
    """Gets the number and the metrics of each completed epoch; False asks the training to stop.

    The numbers are the trainer's; 2.88 is within epoch 3. If the trainer begins again with its first number, counting
    goes on: after five epochs, epoch 1 of a second stage is epoch 6.
    """
    model: str | list[str] | None = None
    """The model's file, folder or files, relative to the training's folder."""
    epochs: int = 0
    """Number of the last epoch."""
    reports: int = 0
    """Number of completed epochs; an epoch that is reported again counts again."""
    counts_from_0: bool = False
    """True if epoch 0 had the objective."""
    stop_asked: bool = False
    """True if `on_epoch` has asked the training to stop."""
    _last: dict[str, float] = field(default_factory=dict)
    """Last readable value of every metric."""
    _file_names: set[str] = field(default_factory=set)
    """Metrics that the metrics file has held."""
    _output_names: set[str] = field(default_factory=set)
    """Metrics that the output has held."""
    _file_doubts: dict[str, str] = field(default_factory=dict)
    """`{metric: reason why its last value is unknown}`, from mistakes in the metrics file."""
    _output_doubts: dict[str, str] = field(default_factory=dict)
    _epoch: int | None = None
    """The epoch that is being reported, as `on_epoch` gets it."""
    _epoch_metrics: dict[str, float] = field(default_factory=dict)
    _first: int | None = None
    """The trainer's number of its first epoch."""
    _first_names: set[str] = field(default_factory=set)
    """Metrics that the trainer reported in its first epoch."""
    _number: int = 0
    """The trainer's number of the last epoch."""
    _offset: int = 0
    """Added to the trainer's numbers, since it last began again with its first number."""
    _mistakes: dict[str, tuple[int, str]] = field(default_factory=dict)
    """`{mistake: (count, first example)}`."""

    @property
    def doubts(self) -> dict[str, str]:
        """Metrics whose last value is unknown, `{"mse_valid": 'it was last "0.3.1", which is no number'}`.

        Metrics file and output arrive in no fixed order, so that each metric has only one source: the file if that has
        held it, else the output. A doubt from the other source does not count.
        """
        only_in_output = self._output_names - self._file_names
        of_file = {name: reason for name, reason in self._file_doubts.items() if name not in only_in_output}
        of_output = {name: reason for name, reason in self._output_doubts.items() if name not in self._file_names}
        return of_output | of_file

    @property
    def last(self) -> dict[str, float]:
        """The last value of every metric that is not in doubt."""
        doubts = self.doubts
        return {name: value for name, value in self._last.items() if name not in doubts}

    def take_line(self, line: Line) -> None:
        """Takes a line of the metrics file, `{"epoch": 3, "mse_valid": 0.2}`. Values without an epoch are final."""
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
            reason = f"it was last reported with the epoch {epoch!r}, which is not a number of at least 0"
            self._file_doubts |= dict.fromkeys(report.keys() & {*self._last, *self.objective}, reason)
            return
        metrics = dict(self._numbers(report, self._file_doubts))
        self._file_names |= metrics.keys()
        if number is not None:
            self._take(number, metrics)
        else:
            self.flush()
            self._last |= metrics

    def take_groups(self, groups: Mapping[str, str]) -> None:
        """Takes the named groups of an output line that fits the pattern: `{"epoch": "3", "mse_valid": "0.2"}`.

        Metrics that the metrics file has held are ignored: the file is their only source (see `doubts`).
        """
        texts = {name: text for name, text in groups.items() if name != "epoch" and name not in self._file_names}
        metrics = dict(self._numbers(texts, self._output_doubts))
        self._output_names |= metrics.keys()
        epoch = groups.get("epoch")
        number = self._epoch_of(epoch)
        if number is not None:
            self._take(number, metrics)
        else:
            # A line may give the epoch, and the next lines its metrics.
            self._epoch_metrics |= metrics if self._epoch is not None and epoch is None else {}
            self._last |= metrics

    def doubt(self, names: set[str], reason: str) -> None:
        """Puts these metrics in doubt, because output that was not read may hold them."""
        self._output_doubts |= dict.fromkeys(names, reason)

    def _take_unreadable(self, line: bytes, mistake: str) -> None:
        text = line.decode(errors="backslashreplace")
        self.note(mistake, text)
        names = {name for name in {*self._last, *self.objective} if name.encode() in line}
        self._file_doubts |= dict.fromkeys(names, f"it was last reported in text that {mistake}: {text.strip()[:100]}")

    def _epoch_of(self, value: Any) -> float | None:
        number = numbers.epoch(value)
        if number is None and value is not None:
            self.note("has an epoch that is not a number of at least 0", repr(value))
        return number

    def flush(self) -> None:
        """Passes on the epoch that is being reported, if it has metrics that were not passed on yet."""
        if self._epoch is None or not self._epoch_metrics:
            return
        epoch, metrics = self._epoch, self._epoch_metrics
        self._epoch_metrics = {}
        self.reports += 1
        if self.reports > EPOCHS_AT_MOST:
            self.note(f"is one of more than {EPOCHS_AT_MOST} epochs", str(epoch))
        elif not self.on_epoch(epoch, metrics):
            self.stop_asked = True

    def notes(self) -> Iterator[str]:
        """Mistakes in the reports, a line for each kind."""
        for mistake, (count, first) in self._mistakes.items():
            yield f"metrics: {count} × a report {mistake}; the first: {first}"

    def _take(self, number: float, metrics: dict[str, float]) -> None:
        epoch = self._counted(number, metrics)
        if epoch != self._epoch:
            self.flush()
        self._epoch = epoch
        self.epochs = max(self.epochs, epoch)
        self._epoch_metrics |= metrics
        self._last |= metrics
        if self.objective[0] in metrics:
            self.counts_from_0 |= number == 0
            # An epoch may come in several lines. With the objective it is passed on at once, without waiting for more.
            # A fraction stands within an epoch, which is passed on only when the next one begins.
            if number.is_integer():
                self.flush()

    def _counted(self, number: float, metrics: Mapping[str, float]) -> int:
        """The number of an epoch for `on_epoch`. It goes on if the trainer begins again, as in a second stage."""
        whole = math.ceil(number - 1e-6)
        if self._first is None:
            self._first = whole
        # A report that holds none of the first epoch's metrics does not begin a stage. It is a late addition to an
        # earlier epoch, such as a test error of epoch 1 that is measured after training.
        is_late = bool(metrics) and not metrics.keys() & self._first_names
        if whole < self._number and whole <= max(self._first, 1) and not is_late:
            self._offset = self.epochs + 1 - whole
        if self._offset == 0 and whole == self._first:
            self._first_names |= metrics.keys()
        self._number = whole
        return self._offset + whole

    def _numbers(self, report: Mapping[str, Any], doubts: dict[str, str]) -> Iterator[tuple[str, float]]:
        for name, value in report.items():
            if not name or len(name) > _NAME_AT_MOST or not name.isprintable():
                self.note("has a name that no column can have", repr(name))
            elif name not in self.objective and name not in self._last and len(self._last) >= NAMES_AT_MOST:
                self.note(f"holds a metric beyond the first {NAMES_AT_MOST}", name)
            elif (number := numbers.number(value)) is None:
                text = json.dumps(value, ensure_ascii=False)
                if value is not None:
                    self.note("holds a value that is no number", f"{name}: {text}")
                doubts[name] = f"it was last {text[:100]}, which is no number"
            else:
                doubts.pop(name, None)
                yield name, number

    def note(self, mistake: str, example: str) -> None:
        """Counts a mistake, and keeps its first example."""
        count, first = self._mistakes.get(mistake, (0, example[:100]))
        self._mistakes[mistake] = count + 1, first


def _objects(line: bytes) -> Iterator[dict[str, Any] | bytes]:
    """Yields the JSON objects of a line in their order. A part that is no JSON object comes as bytes."""
    content = line.removeprefix(b"\xef\xbb\xbf").strip()
    if not content:
        return
    text = _NOT_FINITE.sub(lambda match: match[1] + (b"NaN" if match[2] else b"Infinity"), content)
    text = text.replace(b"+Infinity", b"Infinity").replace(b"+NaN", b"NaN").replace(b"-NaN", b"NaN")
    try:
        remaining = text.decode()
    except UnicodeDecodeError:
        yield content
        return
    # Several objects may stand on a line.
    while remaining:
        try:
            report, end = json.JSONDecoder().raw_decode(remaining)
        except (ValueError, RecursionError):
            yield remaining.encode()
            return
        yield report if isinstance(report, dict) else remaining[:end].encode()
        remaining = remaining[end:].lstrip(" \t\r,")


@dataclass
class Tail:
    """Reads a growing file, as `tail -f` does."""

    path: Path
    _at: int = 0
    _lines: Lines = field(default_factory=Lines)
    _last_bytes: bytes = b""
    """The last bytes that were read. If they have changed, the file was written anew and is read from its beginning."""

    def lines(self) -> Iterator[Line]:
        """The lines that were completed since the last call."""
        try:
            # Without O_NONBLOCK, opening a pipe in the file's place would wait for a writer.
            with open(os.open(self.path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
                if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                    return
                file.seek(self._at - len(self._last_bytes))
                if file.read(len(self._last_bytes)) != self._last_bytes:  # written anew
                    self._at, self._last_bytes, self._lines = 0, b"", Lines()
                file.seek(self._at)
                while data := file.read(_READ_AT_ONCE):
                    self._at += len(data)
                    self._last_bytes = (self._last_bytes + data)[-_REMEMBERED:]
                    yield from self._lines.add(data)
        except OSError:  # deleted, or a folder now: there may be a file again the next time
            return

    def last_line(self) -> Line | None:
        """The last line, if no newline ends it."""
        return self._lines.last_line()
