"""Trains with a team's own code: a Python function or any program, each trial in a process of its own.

A crash, a leak or a hang is so only that trial's. This module decides what came of a training; the process is
`process.py`'s, the reports `reports.py`'s, and what a trainer is told `placeholders.py`'s work.
"""

import json
import math
import os
import re
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.errors import InfrastructureError
from pipeline.results import Status
from pipeline.store.keys import is_key
from pipeline.training.job import Job, TrainingResult
from pipeline.training.own import placeholders
from pipeline.training.own.code import Own
from pipeline.training.own.log import Output
from pipeline.training.own.process import Child, Ended
from pipeline.training.own.reports import Metrics, Search, Tail

CALL = Path(__file__).with_name("call.py")
LOOK_EVERY_S = 0.2
END_GRACE_S = 10.0
"""Between SIGTERM and SIGKILL."""
STOP_GRACE_S = 60.0
"""For a training that was asked to stop, until it is told so by a signal."""
_HEEDLESS_S, _HEEDLESS_EPOCHS = 5.0, 3
_COMMAND_AT_MOST = 2000
_OUR_FILES = ("log.txt", "epochs.csv")

_SHORT_OF_MEMORY = re.compile(r"\bMemoryError\b|OutOfMemoryError|out of memory|bad_alloc|[Cc]annot allocate memory")
_HOW = (
    'return {{"{0}": …}} from the function, or report it of each epoch',
    'add a line {{"{0}": …}} to the file that HPT_METRICS names',
)


@dataclass(frozen=True)
class OwnTrainer:
    """A trainer that runs a team's own function or program."""

    own: Own
    metric: str
    """The objective's: `<metric>_valid` and `<metric>_test` must be reported."""

    def __call__(self, job: Job) -> TrainingResult:
        """Raises UserError if the date range is too short, InfrastructureError if the device fails."""
        with tempfile.TemporaryDirectory(prefix="hpt-own-") as scratch:
            return _Training(self, job, Path(scratch)).run()

    def argv(self, told: dict[str, str], job: Job) -> list[str]:
        if self.own.command is not None:
            return placeholders.filled(self.own.command, told, job.hyperparameters)
        assert self.own.trainer is not None
        # -P: a folder called like a module of the standard library breaks nothing before the function is looked for.
        return [sys.executable, "-P", str(CALL), self.own.trainer]


def environment(told: dict[str, str], data: str | None = None) -> dict[str, str]:
    """The environment of a team's own code: ours, and what it is told."""
    inherited = {name: value for name, value in os.environ.items() if name not in ("HPT_DATA", "PYTHONSAFEPATH")}
    # `python` is whatever the person who calls hpt means by it; where there is none, hpt's own.
    inherited["PATH"] = os.pathsep.join([inherited.get("PATH", os.defpath), str(Path(sys.executable).parent)])
    found = inherited | {f"HPT_{name.upper()}": value for name, value in told.items()}
    return found | ({"HPT_DATA": data} if data is not None else {}) | {"PYTHONUNBUFFERED": "1"}


@dataclass
class _Training:
    trainer: OwnTrainer
    job: Job
    scratch: Path
    ending: Status | None = field(default=None, init=False)
    """Why it was told to end."""
    _end_by: float = field(default=math.inf, init=False)

    def run(self) -> TrainingResult:
        job, own = self.job, self.trainer.own
        told = placeholders.values(job, self.scratch)
        self.metrics = Metrics(f"{self.trainer.metric}_valid", job.report)
        self.tail = Tail(Path(told["metrics"]))
        self.stop = Path(told["stop"])
        Path(told["parameters"]).write_text(json.dumps(job.hyperparameters), encoding="utf-8")
        self.tail.path.touch()
        output = Output(job.say, self._on_line(own.metrics_pattern) if own.metrics_pattern else None)
        data = job.data.model_dump_json(by_alias=True, exclude_unset=True) if job.data is not None else None
        argv = self.trainer.argv(told, job)
        job.say(f"runs {own.trainer or json.dumps(argv)[:_COMMAND_AT_MOST]}")
        started = time.monotonic()
        with Child(argv, environment(told, data), output.add) as child:
            self._see_through(child)
            ended = child.ended()
        seconds = time.monotonic() - started
        self._take_reports()
        output.close()
        self.metrics.take_line(self.tail.rest())
        self.metrics.flush()
        for note in self.metrics.notes():
            job.say(note)
        for command in ended.left:
            job.say(f"left behind, and ended: {command}")
        return self._measured(ended, output.last_words, seconds)

    def _on_line(self, text: str) -> Callable[[str], None]:
        search = Search(text)

        def on_line(line: str) -> None:
            if search.gave_up:
                return
            if groups := search.groups(line):
                self.metrics.take_groups(groups)
            elif search.gave_up:
                self.job.say(f"metrics-pattern takes seconds for a line and is not used any more: {line[:100]}")

        return on_line

    def _take_reports(self) -> None:
        for line in self.tail.lines():
            self.metrics.take_line(line)

    def _see_through(self, child: Child) -> None:
        """Until it has ended: takes in output and reports, hands on a stop, keeps the time limit."""
        job, looked = self.job, 0.0
        asked_at, reports_then = math.inf, 0
        while child.pump(LOOK_EVERY_S):
            now = time.monotonic()
            if now - looked < LOOK_EVERY_S:
                continue
            looked = now
            self._take_reports()
            if self.metrics.stop_asked and not self.stop.exists():
                job.say("asked to stop")
                self.stop.touch()
                asked_at, reports_then = now, self.metrics.reports
            # It may have been within an epoch, or about to save; after some more it does not look.
            patience = _HEEDLESS_S if self.metrics.reports - reports_then >= _HEEDLESS_EPOCHS else STOP_GRACE_S
            if job.deadline is not None and now > job.deadline:
                self._end(child, now, Status.TIMED_OUT)
            elif now - asked_at > patience:
                self._end(child, now, Status.STOPPED)
            if now > self._end_by:
                child.kill()

    def _end(self, child: Child, now: float, why: Status) -> None:
        if self.ending is None:
            self.ending, self._end_by = why, now + END_GRACE_S
            self.job.say("ends it: its time is over" if why is Status.TIMED_OUT else "ends it: it does not stop")
            child.ask_to_end()

    def _measured(self, ended: Ended, last_words: str, seconds: float) -> TrainingResult:
        status, error = self._judged(ended, last_words)
        model, files = self.metrics.model or self._only_file(), {}
        if model is not None and status is not Status.FAILED:
            path, name = self.job.folder / model, Path(model).name
            if path.is_file() and not is_key(name):
                self.job.say(f"the model is not kept: {name!r} cannot be a name in a store")
            elif path.is_file():
                name = f"model-{name}" if name in _OUR_FILES else name
                files[name] = path
            elif status is Status.COMPLETE:
                status, error = Status.FAILED, f'the model that it names, "{model}", is no file in HPT_FOLDER'
        # A hyperparameter's column is not for what is measured.
        taken = self.job.hyperparameters
        return TrainingResult(
            status=status,
            error=error,
            metrics={f"metric_{name}" if name in taken else name: value for name, value in self.metrics.last.items()},
            epochs=self.metrics.epochs,
            seconds=seconds,
            files=files,
            model=next(iter(files), None),
        )

    def _only_file(self) -> str | None:
        """The model of a program that names none."""
        found = [path for path in self.job.folder.rglob("*") if path.is_file()]
        return str(found[0].relative_to(self.job.folder)) if len(found) == 1 else None

    def _judged(self, ended: Ended, last_words: str) -> tuple[Status, str | None]:
        said = f": {last_words}" if last_words else ""
        if self.ending == Status.TIMED_OUT:
            return Status.TIMED_OUT, None
        if self.stop.exists() and (ended.code == 0 or self.ending):
            return Status.STOPPED, None
        if ended.error is not None or ended.code is None:
            return Status.FAILED, f"could not be started: {ended.error}"
        if ended.code != 0 and "NVML" in last_words:
            raise InfrastructureError(f"the device failed: {last_words}")
        if ended.code in (-signal.SIGKILL, 128 + signal.SIGKILL):
            return Status.FAILED, f"killed (SIGKILL), which is often for lack of memory{said}"
        if ended.code < 0:
            return Status.FAILED, f"killed by {_name(-ended.code)}{said}"
        if ended.code > 0:
            status = Status.OUT_OF_MEMORY if _SHORT_OF_MEMORY.search(last_words) else Status.FAILED
            return status, f"ended with exit status {ended.code}{said}"
        return self._judged_by_metrics()

    def _judged_by_metrics(self) -> tuple[Status, str | None]:
        wanted = [f"{self.trainer.metric}_{part}" for part in ("valid", "test")]
        found = [self.metrics.last.get(name) for name in wanted]
        if any(value is not None and not math.isfinite(value) for value in found):
            return Status.DIVERGED, None
        for name, value in zip(wanted, found, strict=True):
            if value is None:
                how = _HOW[0 if self.trainer.own.trainer else 1].format(name)
                return Status.FAILED, f"it reported no {name}, by which settings are compared: {how}"
        return Status.COMPLETE, None


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
