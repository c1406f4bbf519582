"""One attempt at a trial: its files, and the row that ends it.

An attempt writes all files into a folder of its own. The row comes last and points into that folder. If another attempt
wrote the row first, this one has lost a race, and its files count for nothing.
"""

import json
import secrets
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pipeline import results
from pipeline.errors import UserError
from pipeline.results import Row, Status, metric_column, rows_fingerprint
from pipeline.space import identity_of
from pipeline.store.uploads import Uploads
from pipeline.sweep import Experiment, Sweep, Trial
from pipeline.sweep.trial import training_seed
from pipeline.training.builtin import Builtin
from pipeline.training.job import Job, TrainingResult
from pipeline.trials import reuse
from pipeline.trials.early_stopping import Rungs
from pipeline.trials.row import first_cells, now, one_line, raise_infrastructure_failure, status_of
from pipeline.trials.tensorboard import EventFile

_EVENTS_EVERY_S = 30.0

OnEvent = Callable[[dict[str, Any]], None]
"""Takes the events of a pack: `{"training": ["screen-e000-d0-s0", …]}` when another group of trials begins,
`{"epoch": 3, "of": 50, "trial": "screen-e000-d0-s0"}` after an epoch, `{"saving": "screen-e000-d0-s0"}` at the end of a
training, and `{"row": {…}}` at the end of a trial."""


@contextmanager
def begin(
    sweep: Sweep, pack: str, trial: Trial, number: int, experiment: Experiment, on_event: OnEvent
) -> Iterator["Attempt"]:
    """An attempt at a trial, as a context. `number` counts the rows of the trial from 1: above 1, this is a retry.

    Leaving the context uploads the final log and learning curve, and removes the local folder. Raises
    InfrastructureError if the store fails.
    """
    with ExitStack() as files:
        yield Attempt(sweep, pack, trial, number, experiment, on_event, files)


class Attempt:
    """An attempt at a trial, made by `begin`. A trainer runs its `job`; then `end` or `fail` writes its row."""

    def __init__(
        self,
        sweep: Sweep,
        pack: str,
        trial: Trial,
        number: int,
        experiment: Experiment,
        on_event: OnEvent,
        files: ExitStack,
    ) -> None:
        definition, phase = sweep.definition, sweep.definition.phase(trial.phase)
        self.sweep, self.trial, self.number = sweep, trial, number
        self.token = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}"
        self.row = first_cells(sweep, pack, trial, experiment, attempt=self.token)
        self.is_over = False
        self.measures_reference = phase.is_reference
        self._phase, self._on_event = phase, on_event

        # An experiment of an earlier phase is one that this phase starts from.
        self._is_new = experiment.phase == trial.phase
        # It and the incumbent need full results, with which all others are compared.
        is_incumbent = identity_of(experiment.assignment) == identity_of(definition.incumbent)
        may_stop = phase.early_stopping and not is_incumbent and self._is_new
        self._rungs = Rungs(sweep, trial) if may_stop else None

        self._log = _Log()
        self._epochs: list[Row] = []
        # TensorBoard shows the mean of a group. Phases are apart, since they differ in fidelity and date ranges.
        setting = {**experiment.assignment, "phase": trial.phase}
        self._events = EventFile(self.token, f"{trial.phase}-{trial.experiment}", setting)
        self._files = files
        folder = Path(files.enter_context(tempfile.TemporaryDirectory(prefix="hpt-")))
        self._uploads = files.enter_context(Uploads(sweep.store))
        self.job = self._job(experiment, folder)
        self.say(f"{trial} attempt {self.token} on {self.row['host']}: {json.dumps(self.job.hyperparameters)}")

    def finish_without_training(self, builtin: Builtin) -> bool:
        """Writes the row if earlier rows already determine it. True if they do."""
        return self._finish_as_copied(builtin) or self._finish_as_stopped()

    def _finish_as_copied(self, builtin: Builtin) -> bool:
        sweep, trial = self.sweep, self.trial
        # A phase that judges copies nothing. Of an experiment that is new in this phase, no earlier phase has a row.
        may_have_earlier_row = not self._is_new and not self._phase.judges
        copied = reuse.cells_of_earlier_phase(sweep, trial, self.row) if may_have_earlier_row else None
        if copied is not None and (fingerprint := rows_fingerprint(copied)):
            # If the data have changed since, the copy cannot be ranked with the rows of this phase.
            copied = copied if builtin.dataset(self.job).fingerprint == fingerprint else None
        if copied is None and sweep.definition.reuse and self._is_repeatable():
            circumstances = {"data_fingerprint": builtin.dataset(self.job).fingerprint, "device": builtin.device_name}
            copied = reuse.cells_of_earlier_sweep(sweep, self.row | circumstances)
        if copied is None:
            return False
        self.say(f"copied from {copied['reused_from']}, which trained exactly the same")
        curve = reuse.epochs_of(sweep.store, copied["reused_from"])
        self._uploads.put(sweep.epochs_key(trial, self.token), lambda: curve)
        self._finish(copied)
        return True

    def _finish_as_stopped(self) -> bool:
        stopped = self._stopped_elsewhere() if self._rungs else None
        if stopped is None:
            return False
        self.say(f"not trained: {stopped} was stopped early, so this setting is no longer ranked")
        saved = {"epochs": 0, "epochs_saved": self.job.max_epochs, "training_time": 0.0}
        self._finish({"status": Status.STOPPED, **saved})
        return True

    def end(self, measured: TrainingResult) -> None:
        """Uploads the files of a training and writes its row."""
        self._on_event({"saving": str(self.trial)})
        for name, path in measured.files.items():
            self.sweep.store.upload(self.sweep.attempt_key(self.trial, self.token, name), path)
        limit, model = self.sweep.definition.training.time_limit_minutes, measured.model
        is_late = limit and measured.status is Status.TIMED_OUT
        saved = self.job.max_epochs - measured.epochs
        self._end_curve(measured.status, measured.metrics)
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
        """Writes the row of a training that failed. Raises InfrastructureError if the store or device is at fault."""
        raise_infrastructure_failure(error)
        self._end_curve(status_of(error), {})
        if isinstance(error, UserError):
            self._finish({"status": Status.FAILED, "error": str(error)})
            return
        self.say("".join(traceback.format_exception(error)))
        self._finish({"status": status_of(error), "error": f"{type(error).__name__}: {error}"})

    def _finish(self, cells: Row) -> None:
        """Adds the cells to the row and writes it. If another attempt wrote this row first, that one counts."""
        error = one_line(cells.get("error") or "")
        self.say(f"ends as {cells['status']}" + (f": {error}" if error else ""))
        cells = cells | {"error": error or None, "finished": now()}
        self.row |= {name: value for name, value in cells.items() if value is not None}
        self._files.close()  # all files that the row points to must be written before it
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
        """Adds lines to log.txt."""
        self._log(text)
        self._uploads.put(self.sweep.log_key(self.trial, self.token), self._log.content)

    def _note(self, epoch: int, metrics: Mapping[str, float]) -> None:
        sweep, trial, epochs = self.sweep, self.trial, self._epochs
        if epochs and epochs[-1]["epoch"] == epoch:  # further metrics of the same epoch
            epochs[-1] |= metrics
        else:
            epochs.append({"epoch": epoch, **metrics})
        self._events.add(epoch, metrics)
        self._uploads.put(sweep.epochs_key(trial, self.token), self._epochs_csv)
        self._put_curve()
        self.say(f"epoch {epoch}: " + " ".join(f"{name}={value:.6g}" for name, value in metrics.items()))
        self._on_event({"epoch": epoch, "of": self.job.max_epochs, "trial": str(trial)})
        if self._rungs is not None:
            self._rungs.note(epoch, metrics)

    def _put_curve(self) -> None:
        key = self.sweep.event_key(self.trial, self._events.name)
        self._uploads.put(key, self._events.content, every=_EVENTS_EVERY_S)

    def _end_curve(self, status: Status, metrics: Mapping[str, float]) -> None:
        """Adds the end of the training to its learning curve, if it has a complete epoch."""
        if self._epochs:
            self._events.end(status, metrics)
            self._put_curve()

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
        """True if a row may replace the training of an equal trial. Never in a phase that judges."""
        # Nor with a team's own trainer, whose code may change unseen.
        return self.sweep.definition.own is None and self._phase.chooses

    def _job(self, experiment: Experiment, folder: Path) -> Job:
        definition, phase = self.sweep.definition, self._phase
        training, limit = definition.training, definition.training.time_limit_minutes
        return Job(
            trial=str(self.trial),
            architecture=definition.architecture,
            hyperparameters=experiment.assignment,
            data=definition.data,
            date_range=phase.ranges[self.trial.range],
            validation_share=training.validation_share,
            test_share=training.test_share,
            train_days=phase.fidelity.train_days,
            seed=training_seed(definition, self.trial),
            max_epochs=phase.fidelity.max_epochs,
            epoch_steps=training.epoch_steps,
            deadline=time.monotonic() + 60 * limit if limit else None,
            folder=folder,
            say=self.say,
            note=self._note,
            goes_on=self._goes_on,
            keeps_predictions=phase.judges or phase.is_reference,
        )


class _Log:
    """Lines of an attempt's log.txt, each with its time."""

    def __init__(self) -> None:
        self._lines: list[str] = []

    def __call__(self, text: str) -> None:
        self._lines += [f"{now()} {line}" for line in text.rstrip().splitlines()]

    def content(self) -> bytes:
        return "".join(f"{line}\n" for line in list(self._lines)).encode(errors="backslashreplace")
