"""Runs one pack: finds what has no row yet, trains it, alone or side by side, and sees that each trial gets its row."""

from collections import deque
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime

from pipeline.analysis import spending
from pipeline.errors import UserError
from pipeline.plan import packing
from pipeline.results import Row, Status
from pipeline.sweep import Experiment, Sweep, Trial, merge
from pipeline.training.builtin import Builtin
from pipeline.training.job import TrainingResult
from pipeline.training.own.trainer import OwnTrainer
from pipeline.trials.attempt import Attempt, OnEvent, failure, first_cells, now, one_line, raise_if_no_trial_failed


@dataclass
class Workbench:
    """What a long-lived lane keeps between packs: the experiments, and what its trainer has loaded."""

    builtin: Builtin = field(default_factory=Builtin)
    _experiments: dict[str, Experiment] = field(default_factory=dict)

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
    """Runs the trials that have no row yet (`retry`: no result); whether none of them failed.

    Trials that are alike train side by side where that is faster, the others one after another. Raises
    InfrastructureError if the store or the device fails; rows written before stand.
    """
    sweep.definition.check_format()
    for trial in trials:
        _check(sweep, trial)
    run = _Run(sweep, pack, workbench, retry, on_event, deque(trials))
    fine = True
    while run.waiting:
        fine = run.some() and fine
    return fine


def _last_row(sweep: Sweep, trial: Trial, retry: bool) -> tuple[Row | None, int]:
    """The row that stands, or the number of the one to be written."""
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
    """Trials side by side; fewer after a failure that may be one trial's alone."""

    def some(self) -> bool:
        """Trains as many of those that wait as should go together; whether none of them failed."""
        rows: list[Row] = []
        with ExitStack() as stack:
            attempts = self._begin(stack, rows)
            training = [attempt for attempt in attempts if not attempt.is_over]
            try:
                self._train(training)
            except Exception as error:
                self._after(error, training)
        rows += [attempt.row for attempt in attempts if attempt.is_over]
        return all(Status(row["status"]).is_result for row in rows)

    def _begin(self, stack: ExitStack, rows: list[Row]) -> list[Attempt]:
        """Begins attempts until there are as many to be trained as it pays to train side by side.

        The rows of those that have one already are added to `rows`.
        """
        definition, builtin = self.sweep.definition, self.workbench.builtin
        begun: list[Attempt] = []
        wanted, likeness = 1, None
        while self.waiting and wanted:
            trial = self.waiting[0]
            experiment = self.workbench.experiment(self.sweep, trial)
            own = packing.likeness(definition, experiment, trial)
            if likeness not in (None, own):
                break
            self.waiting.popleft()
            # Not before: while others trained, somebody else may have run it.
            row, number = _last_row(self.sweep, trial, self.retry)
            if row is not None:
                rows.append(row)
                self.on_event({"row": row})
                continue
            if _out_of_budget(self.sweep, trial):
                continue
            attempt = stack.enter_context(Attempt(self.sweep, self.pack, trial, number, experiment, self.on_event))
            begun.append(attempt)
            try:
                if attempt.is_spared(builtin):
                    continue
                if likeness is None and definition.own is None:
                    wanted = builtin.at_once(attempt.job, min(self.at_most, 1 + len(self.waiting)))
            except Exception as error:
                attempt.fail(error)
                continue
            likeness, wanted = own, wanted - 1
        return begun

    def _train(self, attempts: Sequence[Attempt]) -> None:
        definition, builtin = self.sweep.definition, self.workbench.builtin
        if definition.own is not None:
            own = OwnTrainer(definition.own, definition.objective.metric)
            for attempt in attempts:
                attempt.end(own(attempt.job))
        elif attempts:
            failures: list[tuple[Attempt, Exception]] = []

            def ended(at: int, measured: TrainingResult) -> None:
                try:
                    attempts[at].end(measured)
                except Exception as error:  # the others train on
                    failures.append((attempts[at], error))

            builtin.together([attempt.job for attempt in attempts], ended)
            for attempt, error in failures:
                attempt.fail(error)

    def _after(self, error: Exception, attempts: Sequence[Attempt]) -> None:
        """What an error ended is that trial's failure; of several, each is tried again with fewer beside it."""
        left = [attempt for attempt in attempts if not attempt.is_over]
        raise_if_no_trial_failed(error)
        if len(attempts) == 1 or not left:
            for attempt in left:
                attempt.fail(error)
            return
        is_memory = failure(error) is Status.OUT_OF_MEMORY
        self.at_most = len(attempts) // 2 if is_memory else 1
        if is_memory:
            self.workbench.builtin.allow(left[0].job, self.at_most)
        for attempt in left:
            attempt.say(f"begins again with fewer beside it: {type(error).__name__}: {one_line(str(error))}")
        self.waiting.extendleft(attempt.trial for attempt in reversed(left))


def give_up(sweep: Sweep, pack: str, trials: Sequence[Trial], why: str) -> list[Row]:
    """Writes the row of each trial that has none, saying that nobody could run it; returns these rows."""
    rows = []
    for trial in trials:
        _check(sweep, trial)
        if not sweep.results_of(trial):
            experiment = Workbench().experiment(sweep, trial)
            row = first_cells(sweep, pack, trial, experiment, attempt=None)
            row |= {"status": Status.FAILED.value, "error": one_line(why), "finished": now()}
            if sweep.create_row(trial, row):
                rows.append(row)
    return rows


def _out_of_budget(sweep: Sweep, trial: Trial) -> bool:
    """Whether the trial chooses, and the time or the money for that ended since its round was planned."""
    definition = sweep.definition
    if not definition.is_timed or not definition.phase(trial.phase).chooses:
        return False
    return spending.is_over(definition, merge.look(sweep).rows, datetime.now(UTC))


def _check(sweep: Sweep, trial: Trial) -> None:
    phases = {phase.name: phase for phase in sweep.definition.phases}
    if trial.phase not in phases or trial.range >= len(phases[trial.phase].ranges):
        raise UserError(f"{trial}: {sweep.id} has no such phase or date range")
