"""One try at a trial: what it writes while it trains, and the row that it ends in.

Everything that an attempt writes lies in a folder of its own; the row comes last and points into it. Whoever
finds the row taken has lost a race, and what it wrote counts for nothing.
"""

import json
import secrets
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from pipeline import provenance, results
from pipeline.errors import InfrastructureError, UserError
from pipeline.results import Row, Status, metric_column
from pipeline.space import identity_of
from pipeline.store.uploads import Uploads
from pipeline.sweep import Experiment, Sweep, Trial
from pipeline.sweep.trial import training_seed
from pipeline.training.builtin import Builtin
from pipeline.training.job import Job, TrainingResult
from pipeline.trials import reuse
from pipeline.trials.early_stopping import Rungs

EVENTS_EVERY_S = 30.0
_ERROR_AT_MOST = 1000

OnEvent = Callable[[dict[str, Any]], None]


class Attempt:
    """Entered, it has a `job` for a trainer; `end` or `fail` writes its row."""

    def __init__(self, sweep: Sweep, pack: str, trial: Trial, number: int, experiment: Experiment, on_event: OnEvent):
        self.sweep, self.trial, self.number, self._on_event = sweep, trial, number, on_event
        self.token = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}"
        self.row = first_cells(sweep, pack, trial, experiment, attempt=self.token)
        self.is_over = False
        definition = sweep.definition
        self._phase = definition.phase(trial.phase)
        self._is_new = experiment.phase == trial.phase
        # Without the full results of the incumbent, and of what the phase starts from, nothing can be compared.
        is_incumbent = identity_of(experiment.assignment) == identity_of(definition.incumbent)
        may_stop = self._phase.early_stopping and not is_incumbent and self._is_new
        self._rungs = Rungs(sweep, trial) if may_stop else None
        self._experiment = experiment
        self._log = _Log()
        self._epochs: list[Row] = []
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        from pipeline.trials.tensorboard import EventFile

        self._events = EventFile(self.token)
        self._scratch = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="hpt-")))
        self._uploads = self._stack.enter_context(Uploads(self.sweep.store))
        self.job = self._job()
        self.say(f"{self.trial} attempt {self.token} on {self.row['host']}: {json.dumps(self.job.hyperparameters)}")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    def is_spared(self, builtin: Builtin) -> bool:
        """Whether no training is needed, because an earlier row says what would come of it; then the row is written."""
        sweep, trial = self.sweep, self.trial
        # What this phase is the first to ask for has no row in another one: no need to ask the store.
        known = self._is_new or self._phase.judges
        copied = None if known else reuse.of_earlier_phase(sweep, trial, self.row)
        if copied is None and sweep.definition.reuse and self._is_repeatable():
            where = {"data_fingerprint": builtin.dataset(self.job).fingerprint, "device": builtin.device_name}
            copied = reuse.find(sweep, self.row | where)
        if copied is not None:
            self.say(f"copied from {copied['reused_from']}, which trained exactly the same")
            curve = reuse.epochs_of(sweep.store, copied["reused_from"])
            self._uploads.put(sweep.attempt_key(trial, self.token, "epochs.csv"), lambda: curve)
            self._finish(copied)
        elif self._rungs and (elsewhere := self._stopped_elsewhere()):
            self.say(f"not trained: {elsewhere} was stopped early, so that the setting is not ranked any more")
            saved = {"epochs": 0, "epochs_saved": self.job.max_epochs, "training_time": 0.0}
            self._finish({"status": Status.STOPPED, **saved})
        return self.is_over

    def end(self, measured: TrainingResult) -> None:
        """Keeps the files of a training and writes its row."""
        for name, path in measured.files.items():
            self.sweep.store.upload(self.sweep.attempt_key(self.trial, self.token, name), path)
        limit, model = self.sweep.definition.training.time_limit_minutes, measured.model
        is_late = limit and measured.status is Status.TIMED_OUT
        saved = self.job.max_epochs - measured.epochs
        self._finish(
            {
                "status": measured.status,
                "error": measured.error or (f"took longer than {limit:g} minutes" if is_late else None),
                **{metric_column(name): value for name, value in measured.metrics.items()},
                "training_time": round(measured.seconds, 3),
                "model_url": model and self.sweep.store.link(self.sweep.attempt_key(self.trial, self.token, model)),
                "epochs": measured.epochs,
                "epochs_saved": saved if measured.status is Status.STOPPED else None,
                "device": measured.device,
                "data_fingerprint": measured.data_fingerprint,
            }
        )

    def fail(self, error: Exception) -> None:
        """Writes the row of a training that an error ended. Raises InfrastructureError if it was no fault of it."""
        raise_if_no_trial_failed(error)
        if isinstance(error, UserError):
            self._finish({"status": Status.FAILED, "error": str(error)})
            return
        self.say("".join(traceback.format_exception(error)))
        self._finish({"status": failure(error), "error": f"{type(error).__name__}: {error}"})

    def _finish(self, measured: Row) -> None:
        measured["error"] = one_line(measured.get("error") or "") or None
        self.say(f"ends as {measured['status']}" + (f": {measured['error']}" if measured["error"] else ""))
        self.row |= {name: value for name, value in measured.items() if value is not None} | {"finished": now()}
        self._stack.close()  # everything that the row points to is written before it is
        if self.sweep.create_row(self.trial, self.row, self.number):
            if self._is_repeatable():
                reuse.remember(self.sweep, self.row)
        else:
            counted = self.sweep.row(self.trial)
            assert counted is not None
            self.row = counted
        self.is_over = True
        self._on_event({"row": self.row})

    def say(self, text: str) -> None:
        self._log(text)
        self._uploads.put(self.sweep.attempt_key(self.trial, self.token, "log.txt"), self._log.content)

    def _note(self, epoch: int, metrics: Mapping[str, float]) -> None:
        sweep, trial, epochs = self.sweep, self.trial, self._epochs
        if epochs and epochs[-1]["epoch"] == epoch:  # told in several parts
            epochs[-1] |= metrics
        else:
            epochs.append({"epoch": epoch, **metrics})
        self._events.add(epoch, metrics)
        self._uploads.put(sweep.attempt_key(trial, self.token, "epochs.csv"), self._epochs_csv)
        events = sweep.key(f"tensorboard/{trial}/{self._events.name}")
        self._uploads.put(events, self._events.content, every=EVENTS_EVERY_S)
        self.say(f"epoch {epoch}: " + " ".join(f"{name}={value:.6g}" for name, value in metrics.items()))
        self._on_event({"epoch": epoch, "of": self.job.max_epochs, "trial": str(trial)})
        if self._rungs is not None:
            self._rungs.note(epoch, metrics)

    def _goes_on(self, epoch: int) -> bool:
        if self._rungs is None or self._rungs.goes_on(epoch):
            return True
        self.say(
            f"stopped after epoch {epoch}: {self.sweep.definition.objective.metric}_valid is behind that of others"
        )
        return False

    def _epochs_csv(self) -> bytes:
        rows = list(self._epochs)
        return results.write_csv(rows, list(dict.fromkeys(name for row in rows for name in row)))

    def _stopped_elsewhere(self) -> Trial | None:
        """The trial of the same experiment and phase that was stopped early, if there is one."""
        phase, trial = self._phase, self.trial
        seeds = range(phase.first_seed, phase.first_seed + phase.seeds)
        for other in (replace(trial, range=at, seed=seed) for at in range(len(phase.ranges)) for seed in seeds):
            row = self.sweep.row(other) if other != trial else None
            if row is not None and row["status"] == Status.STOPPED:
                return other
        return None

    def _is_repeatable(self) -> bool:
        """Whether an earlier row may stand for the training: never where it judges."""
        # What a trainer of one's own is made of today, nobody knows.
        return self.sweep.definition.own is None and self._phase.chooses

    def _job(self) -> Job:
        definition, phase = self.sweep.definition, self._phase
        training, limit = definition.training, definition.training.time_limit_minutes
        return Job(
            trial=str(self.trial),
            architecture=definition.architecture,
            hyperparameters=self._experiment.assignment,
            data=definition.data,
            date_range=phase.ranges[self.trial.range],
            validation_share=training.validation_share,
            test_share=training.test_share,
            train_days=phase.fidelity.train_days,
            seed=training_seed(definition, self.trial),
            max_epochs=phase.fidelity.max_epochs,
            deadline=time.monotonic() + 60 * limit if limit else None,
            folder=self._scratch,
            say=self.say,
            note=self._note,
            goes_on=self._goes_on,
        )


class _Log:
    """An attempt's log.txt: a line with its time for each thing worth knowing."""

    def __init__(self) -> None:
        self._lines: list[str] = []

    def __call__(self, text: str) -> None:
        self._lines += [f"{now()} {line}" for line in text.rstrip().splitlines()]

    def content(self) -> bytes:
        return "".join(f"{line}\n" for line in list(self._lines)).encode(errors="backslashreplace")


def first_cells(
    sweep: Sweep, pack: str, trial: Trial, experiment: Experiment, *, attempt: str | None
) -> Row:  # fmt: skip
    """The part of a row that is known before anything is trained."""
    definition = sweep.definition
    phase = definition.phase(trial.phase)
    row: Row = {
        "architecture": definition.architecture,
        "date-range": phase.ranges[trial.range].as_json(),
        **experiment.assignment,
        "sweep": sweep.id,
        "experiment": trial.experiment,
        "trial": str(trial),
        "attempt": attempt,
        "pack": pack,
        "phase": trial.phase,
        "fidelity": phase.fidelity.name,
        "seed": training_seed(definition, trial),
        "git_commit": provenance.commit_here() if definition.own else provenance.git_commit(),
        "image": provenance.image() or definition.image,
        "host": provenance.host(),
        "started": now(),
    }
    return {name: value for name, value in row.items() if value is not None or name in experiment.assignment}


def one_line(text: str) -> str:
    return " ".join(text.split())[:_ERROR_AT_MOST]


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def failure(error: Exception) -> Status:
    """What a training is that ended in the error."""
    from pipeline.training.memory import OutOfMemory

    return Status.OUT_OF_MEMORY if isinstance(error, OutOfMemory | MemoryError) else Status.FAILED


def raise_if_no_trial_failed(error: Exception) -> None:
    """A store or a device that is gone is no fault of the setting that was running: that trial should run elsewhere."""
    if isinstance(error, InfrastructureError):
        raise error
    torch = sys.modules.get("torch")
    gone = getattr(torch, "AcceleratorError", None)
    if (gone and isinstance(error, gone)) or "NVML" in str(error):
        raise InfrastructureError(f"the device failed: {str(error).splitlines()[0]}") from error
