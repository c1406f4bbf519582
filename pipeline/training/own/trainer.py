"""The trainer for a team's own code: a Python function or any program, each trial in a separate process.

A crash, a leak or a hang affects only its trial. This module watches a training and determines its status.
`process.py` runs the process, `reports.py` reads its reports, `placeholders.py` fills in its command.
"""

import json
import math
import os
import re
import signal
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import InfrastructureError
from pipeline.places import project_folder
from pipeline.results import Status
from pipeline.training.job import Job, TrainingResult
from pipeline.training.own import models, placeholders
from pipeline.training.own.code import Own
from pipeline.training.own.log import Output
from pipeline.training.own.pattern import PatternReader
from pipeline.training.own.process import Child, Exit
from pipeline.training.own.reports import Metrics, Tail

CALL = Path(__file__).with_name("call.py")
_COMMAND_AT_MOST = 2000

# Last words of a program that ran out of memory.
_SHORT_OF_MEMORY = re.compile(r"\bMemoryError\b|OutOfMemoryError|out of memory|bad_alloc|[Cc]annot allocate memory")
_ADVICE = (
    'return {{"{0}": …}} from the function, or report it for each epoch',
    'add a line {{"{0}": …}} to the file that HPT_METRICS names',
)


@dataclass(frozen=True)
class Pace:
    """Intervals and limits of watching a training, in seconds; `heedless_epochs` is a number of epochs."""

    look_every: float = 0.2
    end_grace: float = 10.0
    """Time between SIGTERM and SIGKILL."""
    stop_grace: float = 60.0
    """Time between the request to stop and SIGTERM: the training may be within an epoch, or about to save."""
    heedless_grace: float = 5.0
    """The same for a training that has reported `heedless_epochs` epochs since the request: it ignores it."""
    heedless_epochs: int = 3
    line: float = 2.0
    """Limit for the search of a metrics pattern in a line; after several slow lines the pattern is no longer used."""


@dataclass(frozen=True)
class OwnTrainer:
    """Runs a team's own function or program."""

    code: Own
    metric: str
    """Metric of the objective, `mse`: `mse_valid` and `mse_test` must then be reported."""
    pace: Pace = Pace()

    def __call__(self, job: Job) -> TrainingResult:
        """Trains one job. Raises UserError if its date range is too short, InfrastructureError if the device fails."""
        with tempfile.TemporaryDirectory(prefix="hpt-own-") as scratch:
            return _Supervisor(self, job, Path(scratch)).run()

    def argv(self, values: dict[str, str], job: Job) -> list[str]:
        """The program and its arguments, with `values` in place of the placeholders."""
        if self.code.command is not None:
            return placeholders.filled(self.code.command, values, job.hyperparameters)
        assert self.code.trainer is not None
        # -P: a team's folder that is called like a module of the standard library must not hide it from call.py.
        return [sys.executable, "-P", str(CALL), self.code.trainer]


def environment(values: dict[str, str], data: str | None = None) -> dict[str, str]:
    """Environment of a team's own code: that of this process, `HPT_<NAME>` for each value, and `HPT_DATA`."""
    variables = {name: value for name, value in os.environ.items() if name not in ("HPT_DATA", "PYTHONSAFEPATH")}
    # `python` is the one that the caller's PATH has; if it has none, the one that runs hpt.
    variables["PATH"] = os.pathsep.join([variables.get("PATH", os.defpath), str(Path(sys.executable).parent)])
    variables |= {f"HPT_{name.upper()}": value for name, value in values.items()}
    if data is not None:
        variables["HPT_DATA"] = data
    return variables | {"PYTHONUNBUFFERED": "1"}


class _Supervisor:
    """Watches one training: takes reports, passes on the request to stop, ends it at its deadline, sets the status."""

    def __init__(self, trainer: OwnTrainer, job: Job, scratch: Path) -> None:
        self._trainer, self._job, self._pace = trainer, job, trainer.pace
        self._values = placeholders.values(job, scratch)
        self._metrics = Metrics((f"{trainer.metric}_valid", f"{trainer.metric}_test"), job.report)
        self._metrics_file, self._stop_file = Tail(Path(self._values["metrics"])), Path(self._values["stop"])
        text = trainer.code.metrics_pattern
        self._pattern = (
            PatternReader(text, trainer.pace.line, self._metrics.take_groups, self._note_unread) if text else None
        )
        self._output = Output(job.say, self._pattern.add if self._pattern else None)
        self._end_reason: Status | None = None
        """Why the program was told to end: STOPPED or TIMED_OUT. None if it was not."""
        self._kill_at = math.inf
        """Time at which the program is killed."""

    def run(self) -> TrainingResult:
        # Start the program, and wait for its end.
        job, code = self._job, self._trainer.code
        Path(self._values["parameters"]).write_text(json.dumps(job.hyperparameters), encoding="utf-8")
        self._metrics_file.path.touch()
        data = job.data.model_dump_json(by_alias=True, exclude_unset=True) if job.data is not None else None
        argv = self._trainer.argv(self._values, job)
        job.say(f"runs {code.trainer or json.dumps(argv)[:_COMMAND_AT_MOST]}")
        started = time.monotonic()
        with Child(argv, environment(self._values, data), self._output.add, project_folder()) as child:
            self._wait(child)
            exit = child.exit()
        seconds = time.monotonic() - started
        # Take what the program wrote last.
        self._take_reports()
        self._output.close()
        if self._pattern is not None:
            self._pattern.close()
        if line := self._metrics_file.last_line():
            self._metrics.take_line(line)
        self._metrics.flush()
        # Note mistakes and leftovers.
        for note in self._metrics.notes():
            job.say(note)
        for command in exit.leftovers:
            job.say(f"the program left this process running, so it was ended: {command}")
        return self._result(exit, seconds)

    def _note_unread(self, reason: str, line: str, may_hold_metrics: bool) -> None:
        """Notes a line of output that was not searched for metrics. A reason is "stands in a line of more than …"."""
        assert self._pattern is not None
        self._metrics.note(reason, line)
        if may_hold_metrics:
            self._metrics.doubt(self._pattern.names, f"it may have been reported last in text that {reason}: {line}")
        if self._pattern.gave_up:
            self._job.say(f"metrics-pattern takes seconds for a line and is not used any more: {line}")

    def _take_reports(self) -> None:
        for line in self._metrics_file.lines():
            self._metrics.take_line(line)

    def _wait(self, child: Child) -> None:
        """Takes output and reports until the program ends. Passes on the request to stop; ends it at its deadline."""
        job, pace, looked_at = self._job, self._pace, 0.0
        stopped_at, reports_at_stop = math.inf, 0
        while child.pump(pace.look_every):
            now = time.monotonic()
            if now - looked_at < pace.look_every:
                continue
            looked_at = now
            self._take_reports()
            if self._metrics.stop_asked and not self._stop_file.exists():
                job.say("asked to stop")
                self._stop_file.touch()
                stopped_at, reports_at_stop = now, self._metrics.reports
            is_heedless = self._metrics.reports - reports_at_stop >= pace.heedless_epochs
            if job.deadline is not None and now > job.deadline:
                self._ask_to_end(child, now, Status.TIMED_OUT)
            elif now - stopped_at > (pace.heedless_grace if is_heedless else pace.stop_grace):
                self._ask_to_end(child, now, Status.STOPPED)
            if now > self._kill_at:
                child.kill()

    def _ask_to_end(self, child: Child, now: float, reason: Status) -> None:
        if self._end_reason is None:
            self._end_reason, self._kill_at = reason, now + self._pace.end_grace
            self._job.say("ends it: its time is over" if reason is Status.TIMED_OUT else "ends it: it does not stop")
            child.ask_to_end()

    def _result(self, exit: Exit, seconds: float) -> TrainingResult:
        job, (status, error) = self._job, self._status(exit)
        model = None
        if status is not Status.FAILED:
            model = models.keep_model(self._metrics.model, job.folder, job.say)
        # A metric with the name of a hyperparameter must not stand in the hyperparameter's column.
        reserved = job.hyperparameters
        reported = self._metrics.last
        metrics = {f"metric_{name}" if name in reserved else name: value for name, value in reported.items()}
        epochs = self._metrics.epochs
        return TrainingResult(
            status=status,
            error=error,
            metrics=metrics,
            # A trainer that counts from 0 has trained one epoch more than its last number. But if that number is
            # `max_epochs`, epoch 0 was a measurement before training.
            epochs=epochs + 1 if self._metrics.counts_from_0 and epochs < job.max_epochs else epochs,
            seconds=seconds,
            files={model.name: model.path} if model else {},
            model=model.name if model else None,
        )

    def _status(self, exit: Exit) -> tuple[Status, str | None]:
        """Status of the training, and the error if it failed. Raises InfrastructureError if the device failed."""
        last_words = self._output.last_words
        cause = f": {last_words}" if last_words else ""
        if self._end_reason == Status.TIMED_OUT:
            return Status.TIMED_OUT, None
        if self._stop_file.exists() and (exit.code == 0 or self._end_reason):
            return Status.STOPPED, None
        if exit.error is not None or exit.code is None:
            return Status.FAILED, f"could not be started: {exit.error}"
        if exit.code != 0 and "NVML" in last_words:
            raise InfrastructureError(f"the device failed: {last_words}")
        if exit.code in (-signal.SIGKILL, 128 + signal.SIGKILL):
            return Status.FAILED, f"killed (SIGKILL), which is often for lack of memory{cause}"
        if exit.code < 0:
            return Status.FAILED, f"killed by {_signal_name(-exit.code)}{cause}"
        if exit.code > 0:
            status = Status.OUT_OF_MEMORY if _SHORT_OF_MEMORY.search(last_words) else Status.FAILED
            return status, f"ended with exit status {exit.code}{cause}"
        return self._status_by_metrics()

    def _status_by_metrics(self) -> tuple[Status, str | None]:
        """Status of a program that ended without error: failed without the objective, diverged if it is not finite."""
        names = [f"{self._trainer.metric}_{part}" for part in ("valid", "test")]
        last = self._metrics.last
        values = [last.get(name) for name in names]
        if any(value is not None and not math.isfinite(value) for value in values):
            return Status.DIVERGED, None
        for name, value in zip(names, values, strict=True):
            if value is None:
                advice = self._advice(name)
                doubt = self._metrics.doubts.get(name)
                if doubt is not None:
                    return Status.FAILED, f"its {name}, by which settings are compared, is not known: {doubt}; {advice}"
                note = next(self._metrics.notes(), None)
                mistake = f" ({note})" if note else ""
                return Status.FAILED, f"it reported no {name}, by which settings are compared: {advice}{mistake}"
        return Status.COMPLETE, None

    def _advice(self, name: str) -> str:
        """Advice on reporting a metric that is missing."""
        if self._pattern is None:
            return _ADVICE[0 if self._trainer.code.trainer else 1].format(name)
        if name in self._pattern.names:
            return f"no line of its output fits (?P<{name}>…) of metrics-pattern: compare them with its log"
        names = ", ".join(sorted(self._pattern.names))
        return f'metrics-pattern finds {names}: name a group {name} in it, or another metric by "objective"'


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
