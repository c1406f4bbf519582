"""Runs one pack: load, train, measure, save, and write each trial's row.

Everything that an attempt writes lies in a folder of its own; the row comes last and points into it. Whoever
finds the row taken has lost a race, and what it wrote counts for nothing.
"""

import json
import secrets
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pipeline import budget, merge, provenance, results, reuse
from pipeline.errors import InfrastructureError, UserError
from pipeline.plan import training_seed
from pipeline.results import Row, Status, metric_column
from pipeline.rungs import Rungs
from pipeline.space import identity_of
from pipeline.store.uploads import Uploads
from pipeline.sweep import Definition, Experiment, Sweep, Trial
from pipeline.training.builtin import Builtin
from pipeline.training.job import Job, Trainer
from pipeline.training.own.trainer import OwnTrainer

EVENTS_EVERY_S = 30.0
_ERROR_AT_MOST = 1000

OnEvent = Callable[[dict[str, Any]], None]


@dataclass
class Workbench:
    """What a long-lived lane keeps between packs: the experiments, and what its trainer has loaded."""

    builtin: Builtin = field(default_factory=Builtin)
    _experiments: dict[str, Experiment] = field(default_factory=dict)

    def trainer(self, definition: Definition) -> Trainer:
        if definition.own is not None:
            return OwnTrainer(definition.own, definition.objective.metric)
        return self.builtin

    def experiment(self, sweep: Sweep, trial: Trial) -> Experiment:
        if trial.experiment not in self._experiments:
            self._experiments = sweep.experiments()
        try:
            return self._experiments[trial.experiment]
        except KeyError:
            raise UserError(f"{trial}: no round of {sweep.id} asked for {trial.experiment}") from None


def run_pack(
    sweep: Sweep, pack: str, trials: Sequence[Trial], workbench: Workbench, *, retry: bool = False, on_event: OnEvent
) -> bool:
    """Runs the trials that have no row yet (`retry`: no result), one after another; whether none of them failed.

    Raises InfrastructureError if the store or the device fails; rows written before stand.
    """
    fine = True
    for trial in trials:
        _check(sweep, trial)
        files = sweep.results_of(trial)
        try:
            row = sweep.read_row(files[-1], str(trial)) if files else None
        except ValueError as error:
            if not retry:
                raise UserError(f"{files[-1].entry.key} {error}: `hpt retry` runs the trial again") from None
            row = None
        if row is None and _out_of_budget(sweep, trial):
            continue
        if row is None or (retry and not Status(row["status"]).is_result):
            row = _run(sweep, pack, trial, files[-1].number + 1 if files else 1, workbench, on_event)
        on_event({"row": row})
        fine = fine and Status(row["status"]).is_result
    return fine


def give_up(sweep: Sweep, pack: str, trials: Sequence[Trial], why: str) -> list[Row]:
    """Writes the row of each trial that has none, saying that nobody could run it; returns these rows."""
    rows = []
    for trial in trials:
        _check(sweep, trial)
        if not sweep.results_of(trial):
            experiment = Workbench().experiment(sweep, trial)
            now = _now()
            row = _row(sweep, pack, trial, experiment, attempt=None, started=now)
            row |= {"status": Status.FAILED.value, "error": _one_line(why), "finished": now}
            if sweep.create_row(trial, row):
                rows.append(row)
    return rows


def _out_of_budget(sweep: Sweep, trial: Trial) -> bool:
    """Whether the trial chooses, and the time or the money for that ended since its round was planned."""
    definition = sweep.definition
    if definition.budget is None or not definition.budget.is_timed or definition.phase(trial.phase).judging:
        return False
    return budget.is_over(definition, merge.look(sweep).rows, datetime.now(UTC))


def _check(sweep: Sweep, trial: Trial) -> None:
    phases = {phase.name: phase for phase in sweep.definition.phases}
    if trial.phase not in phases or trial.range >= len(phases[trial.phase].ranges):
        raise UserError(f"{trial}: {sweep.id} has no such phase or date range")


def _one_line(text: str) -> str:
    return " ".join(text.split())[:_ERROR_AT_MOST]


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


class _Log:
    """An attempt's log.txt: a line with its time for each thing worth knowing."""

    def __init__(self) -> None:
        self._lines: list[str] = []

    def __call__(self, text: str) -> None:
        self._lines += [f"{_now()} {line}" for line in text.rstrip().splitlines()]

    def content(self) -> bytes:
        return "".join(f"{line}\n" for line in list(self._lines)).encode(errors="backslashreplace")


def _row(
    sweep: Sweep, pack: str, trial: Trial, experiment: Experiment, *, attempt: str | None, started: str
) -> Row:  # fmt: skip
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
        "started": started,
    }
    return {name: value for name, value in row.items() if value is not None or name in experiment.assignment}


def _run(sweep: Sweep, pack: str, trial: Trial, number: int, workbench: Workbench, on_event: OnEvent) -> Row:
    experiment = workbench.experiment(sweep, trial)
    attempt = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}"
    row = _row(sweep, pack, trial, experiment, attempt=attempt, started=_now())
    log = _Log()
    with tempfile.TemporaryDirectory(prefix="hpt-") as scratch, Uploads(sweep.store) as uploads:

        def say(text: str) -> None:
            log(text)
            uploads.put(sweep.attempt_key(trial, attempt, "log.txt"), log.content)

        say(f"{trial} attempt {attempt} on {row['host']}: {json.dumps(experiment.assignment)}")
        try:
            measured = _train(sweep, trial, attempt, row, experiment, workbench, Path(scratch), uploads, say, on_event)
        except InfrastructureError:
            raise
        except UserError as error:
            measured = {"status": Status.FAILED, "error": str(error)}
        except Exception as error:
            _raise_if_the_device_failed(error)
            say(traceback.format_exc())
            measured = {"status": _failure(error), "error": f"{type(error).__name__}: {error}"}
        measured["error"] = _one_line(measured.get("error") or "") or None
        say(f"ends as {measured['status']}" + (f": {measured['error']}" if measured["error"] else ""))
        row |= {name: value for name, value in measured.items() if value is not None} | {"finished": _now()}
    if sweep.create_row(trial, row, number):
        if _is_repeatable(sweep, trial):
            reuse.remember(sweep, row)
        return row
    counted = sweep.row(trial)
    assert counted is not None
    return counted


def _train(
    sweep: Sweep,
    trial: Trial,
    attempt: str,
    row: Row,
    experiment: Experiment,
    workbench: Workbench,
    scratch: Path,
    uploads: Uploads,
    say: Callable[[str], None],
    on_event: OnEvent,
) -> Row:
    """The part of the row that the training makes."""
    from pipeline.training.events import EventFile

    definition = sweep.definition
    phase, limit = definition.phase(trial.phase), definition.training.time_limit_minutes
    is_new = experiment.phase == trial.phase
    # Without the full results of the incumbent, and of what the phase starts from, nothing can be compared.
    is_incumbent = identity_of(experiment.assignment) == identity_of(definition.incumbent)
    may_stop = phase.early_stopping and not is_incumbent and is_new
    rungs = Rungs(sweep, trial) if may_stop else None
    epochs: list[Row] = []

    def epochs_csv() -> bytes:
        rows = list(epochs)
        return results.write_csv(rows, list(dict.fromkeys(name for row in rows for name in row)))

    def report(epoch: int, metrics: Mapping[str, float]) -> bool:
        if epochs and epochs[-1]["epoch"] == epoch:  # told in several parts
            epochs[-1] |= metrics
        else:
            epochs.append({"epoch": epoch, **metrics})
        events.add(epoch, metrics)
        uploads.put(sweep.attempt_key(trial, attempt, "epochs.csv"), epochs_csv)
        uploads.put(sweep.key(f"tensorboard/{trial}/{events.path.name}"), events.content, every=EVENTS_EVERY_S)
        say(f"epoch {epoch}: " + " ".join(f"{name}={value:.6g}" for name, value in metrics.items()))
        on_event({"epoch": epoch, "of": job.max_epochs, "trial": str(trial)})
        if rungs is None or rungs.goes_on(epoch, metrics):
            return True
        say(f"stopped after epoch {epoch}: {definition.objective.metric}_valid is behind that of others")
        return False

    job = _job(sweep, trial, experiment, scratch / "files", say, report)
    job.folder.mkdir()
    # What this phase is the first to ask for has no row in another one: no need to ask the store.
    copied = None if is_new or phase.judging is not None else reuse.of_earlier_phase(sweep, trial, row)
    if copied is None and definition.reuse and _is_repeatable(sweep, trial):
        builtin = workbench.builtin
        where = {"data_fingerprint": builtin.dataset(job).fingerprint, "device": builtin.device_name}
        copied = reuse.find(sweep, row | where)
    if copied is not None:
        say(f"copied from {copied['reused_from']}, which trained exactly the same")
        curve = reuse.epochs_of(sweep.store, copied["reused_from"])
        uploads.put(sweep.attempt_key(trial, attempt, "epochs.csv"), lambda: curve)
        return copied
    if may_stop and (elsewhere := _stopped_elsewhere(sweep, trial)):
        say(f"not trained: {elsewhere} was stopped early, so that the setting is not ranked any more")
        return {"status": Status.STOPPED, "epochs": 0, "epochs_saved": job.max_epochs, "training_time": 0.0}
    with EventFile(scratch / "events", attempt) as events:
        measured = workbench.trainer(definition)(job)
    for name, path in measured.files.items():
        sweep.store.upload(sweep.attempt_key(trial, attempt, name), path)
    timed_out = f"took longer than {limit:g} minutes" if limit and measured.status is Status.TIMED_OUT else None
    return {
        "status": measured.status,
        "error": measured.error or timed_out,
        **{metric_column(name): value for name, value in measured.metrics.items()},
        "training_time": round(measured.seconds, 3),
        "model_url": measured.model and sweep.store.link(sweep.attempt_key(trial, attempt, measured.model)),
        "epochs": measured.epochs,
        "epochs_saved": job.max_epochs - measured.epochs if measured.status is Status.STOPPED else None,
        "device": measured.device,
        "data_fingerprint": measured.data_fingerprint,
    }


def _stopped_elsewhere(sweep: Sweep, trial: Trial) -> Trial | None:
    """The trial of the same experiment and phase that was stopped early, if there is one."""
    phase = sweep.definition.phase(trial.phase)
    seeds = range(phase.first_seed, phase.first_seed + phase.seeds)
    for other in (replace(trial, range=at, seed=seed) for at in range(len(phase.ranges)) for seed in seeds):
        row = sweep.row(other) if other != trial else None
        if row is not None and row["status"] == Status.STOPPED:
            return other
    return None


def _is_repeatable(sweep: Sweep, trial: Trial) -> bool:
    """Whether an earlier row may stand for the training: never where it judges."""
    # What a trainer of one's own is made of today, nobody knows.
    return sweep.definition.own is None and sweep.definition.phase(trial.phase).judging is None


def _job(
    sweep: Sweep,
    trial: Trial,
    experiment: Experiment,
    folder: Path,
    say: Callable[[str], None],
    report: Callable[[int, Mapping[str, float]], bool],
) -> Job:
    definition = sweep.definition
    phase, training = definition.phase(trial.phase), definition.training
    limit = training.time_limit_minutes
    return Job(
        trial=str(trial),
        architecture=definition.architecture,
        hyperparameters=experiment.assignment,
        data=definition.data,
        date_range=phase.ranges[trial.range],
        validation_share=training.validation_share,
        test_share=training.test_share,
        train_days=phase.fidelity.train_days,
        seed=training_seed(definition, trial),
        max_epochs=phase.fidelity.max_epochs,
        deadline=time.monotonic() + 60 * limit if limit else None,
        folder=folder,
        say=say,
        report=report,
    )


def _failure(error: Exception) -> Status:
    from pipeline.training.loop import OutOfMemory

    return Status.OUT_OF_MEMORY if isinstance(error, OutOfMemory | MemoryError) else Status.FAILED


def _raise_if_the_device_failed(error: Exception) -> None:
    """A device that is gone is no fault of the setting that was running: that trial should run elsewhere."""
    torch = sys.modules.get("torch")
    gone = getattr(torch, "AcceleratorError", None)
    if (gone and isinstance(error, gone)) or "NVML" in str(error):
        raise InfrastructureError(f"the device failed: {str(error).splitlines()[0]}") from error
