"""Runs one pack: trains the trials that have no row yet, alone or side by side, and writes a row for each."""

from collections import deque
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime

from pipeline.analysis import spending
from pipeline.analysis.history import History
from pipeline.errors import UserError
from pipeline.plan import packing
from pipeline.results import Row, Status, is_reference
from pipeline.sweep import Experiment, Sweep, Trial, merge
from pipeline.training import references
from pipeline.training.builtin import Builtin
from pipeline.training.job import TrainingResult
from pipeline.training.own.trainer import OwnTrainer
from pipeline.trials.attempt import Attempt, OnEvent, begin
from pipeline.trials.row import first_cells, now, one_line, raise_infrastructure_failure, status_of


@dataclass
class Workbench:
    """State that a long-lived lane keeps between packs: the experiments, and a trainer with its data."""

    builtin: Builtin = field(default_factory=Builtin)
    _experiments: dict[str, Experiment] = field(default_factory=dict)

    def experiment(self, sweep: Sweep, trial: Trial) -> Experiment:
        """The experiment of a trial. Raises UserError if no round of the sweep planned it."""
        if sweep.definition.phase(trial.phase).is_reference:
            return Experiment.of_reference(trial.experiment)
        if trial.experiment not in self._experiments:
            self._experiments = sweep.experiments()
        try:
            return self._experiments[trial.experiment]
        except KeyError:
            raise UserError(f"{trial}: no round of {sweep.id} asked for {trial.experiment}") from None


def run_pack(
    sweep: Sweep, pack: str, trials: Sequence[Trial], workbench: Workbench, *, retry: bool = False, on_event: OnEvent
) -> bool:
    """Runs the trials that have no row yet; with `retry` also those whose last row is a failure.

    Returns True if no trial of the pack has failed, now or earlier; references do not count. Trials that are alike
    train side by side where that is faster, the others one after another. Raises UserError if a trial is not of this
    sweep and, after all others have run, if a row is damaged. Raises InfrastructureError if the store or the device
    fails; rows that are written by then remain.
    """
    sweep.definition.check_format()
    for trial in trials:
        check(sweep, trial)
    run = _Run(sweep, pack, workbench, retry, on_event, deque(trials))
    fine = True
    while run.waiting:
        fine = run.train_next_group() and fine
    if run.damaged is not None:
        raise run.damaged
    return fine


def _last_row(sweep: Sweep, trial: Trial, retry: bool) -> tuple[Row | None, int]:
    """The row of a trial that need not run, else None; and the number of the next row to write."""
    files = sweep.results_of(trial)
    if not files:
        return None, 1
    number = files[-1].number + 1
    try:
        row = sweep.read_row(files[-1], str(trial))
    except ValueError as error:
        if not retry:
            raise UserError(f"{files[-1].entry.key} {error}: `hpt retry` runs the trial again") from None
        return None, number
    return (None if retry and not Status(row["status"]).is_result else row), number


@dataclass
class _Run:
    """A pack being run."""

    sweep: Sweep
    pack: str
    workbench: Workbench
    retry: bool
    on_event: OnEvent
    waiting: deque[Trial]
    at_most: int = packing.MOST
    """Trials side by side; fewer after a failure that a single trial may have caused."""
    damaged: UserError | None = None
    """The error of the last row that could not be read."""

    def train_next_group(self) -> bool:
        """Trains the next group of compatible trials. True if none failed."""
        with ExitStack() as stack:
            attempts, rows = self._begin_group(stack)
            training = [attempt for attempt in attempts if not attempt.is_over]
            try:
                if training:
                    self.on_event({"training": [str(attempt.trial) for attempt in training]})
                self._train(training)
            except Exception as error:
                self._handle_error(error, training)
        rows += [attempt.row for attempt in attempts if attempt.is_over]
        return all(Status(row["status"]).is_result or is_reference(row) for row in rows)

    def _begin_group(self, stack: ExitStack) -> tuple[list[Attempt], list[Row]]:
        """Begins attempts at waiting trials, as many as are worth training side by side.

        Returns the attempts, among them those that are over without training, and the rows that existed before.
        """
        definition, builtin = self.sweep.definition, self.workbench.builtin
        attempts: list[Attempt] = []
        rows: list[Row] = []
        group, size, training = None, 1, 0
        while self.waiting and training < size:
            # The next trial joins the group if it is like the others.
            trial = self.waiting[0]
            experiment = self.workbench.experiment(self.sweep, trial)
            likeness = packing.likeness(definition, experiment, trial)
            if group not in (None, likeness):
                break
            self.waiting.popleft()

            # Read the trial's row only now: another runner may have run it while other trials trained here.
            try:
                row, number = _last_row(self.sweep, trial, self.retry)
            except UserError as error:
                self.damaged = error
                continue
            if row is not None:
                rows.append(row)
                self.on_event({"row": row})
                continue
            if _out_of_budget(self.sweep, trial):
                continue

            # Sent before the attempt begins, so that the runner knows which trial a dying process was at.
            self.on_event({"training": [*(str(other.trial) for other in attempts if not other.is_over), str(trial)]})
            # The first attempt that needs training determines the size of the group.
            attempt = stack.enter_context(begin(self.sweep, self.pack, trial, number, experiment, self.on_event))
            attempts.append(attempt)
            try:
                if attempt.finish_without_training(builtin):
                    continue
                if group is None and likeness != trial:
                    size = builtin.best_group_size(attempt.job, min(self.at_most, 1 + len(self.waiting)))
            except Exception as error:
                attempt.fail(error)
                continue
            group, training = likeness, training + 1
        return attempts, rows

    def _train(self, attempts: Sequence[Attempt]) -> None:
        definition, builtin = self.sweep.definition, self.workbench.builtin
        if definition.own is not None:
            own_trainer = OwnTrainer(definition.own, definition.objective.metric)
            for attempt in attempts:
                attempt.end(own_trainer(attempt.job))
        elif attempts and attempts[0].measures_reference:
            for attempt in attempts:
                attempt.end(references.measure(attempt.trial.experiment, builtin.dataset(attempt.job), attempt.job))
        elif attempts:
            failures: list[tuple[Attempt, Exception]] = []

            def ended(at: int, measured: TrainingResult) -> None:
                try:
                    attempts[at].end(measured)
                except Exception as error:  # the others train on
                    failures.append((attempts[at], error))

            builtin.train_together([attempt.job for attempt in attempts], ended)
            for attempt, error in failures:
                attempt.fail(error)

    def _handle_error(self, error: Exception, attempts: Sequence[Attempt]) -> None:
        """Handles an error of a training: a single trial fails; a group is tried again in smaller groups."""
        unfinished = [attempt for attempt in attempts if not attempt.is_over]
        raise_infrastructure_failure(error)
        if len(attempts) == 1 or not unfinished:
            for attempt in unfinished:
                attempt.fail(error)
            return
        is_memory = status_of(error) is Status.OUT_OF_MEMORY
        self.at_most = len(attempts) // 2 if is_memory else 1
        if is_memory:
            self.workbench.builtin.limit_group_size(unfinished[0].job, self.at_most)
        for attempt in unfinished:
            attempt.say(f"begins again, with fewer trials beside it: {type(error).__name__}: {one_line(str(error))}")
        self.waiting.extendleft(attempt.trial for attempt in reversed(unfinished))


def give_up(sweep: Sweep, pack: str, trials: Sequence[Trial], error: str, status: Status = Status.FAILED) -> list[Row]:
    """Writes a row with this error for each trial that has none, so that it does not run again; returns these rows."""
    rows, workbench = [], Workbench()
    for trial in trials:
        check(sweep, trial)
        if not sweep.results_of(trial):
            row = first_cells(sweep, pack, trial, workbench.experiment(sweep, trial), attempt=None)
            row |= {"status": status.value, "error": one_line(error), "finished": now()}
            if sweep.create_row(trial, row):
                rows.append(row)
    return rows


def _out_of_budget(sweep: Sweep, trial: Trial) -> bool:
    """True if the trial chooses, and the time or money for choosing has run out since its round was planned."""
    definition = sweep.definition
    if not definition.is_timed or not definition.phase(trial.phase).chooses:
        return False
    return spending.choosing_is_over(History(definition, datetime.now(UTC), rows=merge.look(sweep).rows))


def check(sweep: Sweep, trial: Trial) -> None:
    """Raises UserError if the sweep has not the phase or the date range of the trial."""
    phases = {phase.name: phase for phase in sweep.definition.phases}
    if trial.phase not in phases or trial.range >= len(phases[trial.phase].ranges):
        raise UserError(f"{trial}: {sweep.id} has no such phase or date range")
