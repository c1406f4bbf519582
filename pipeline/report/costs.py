"""The costs of a sweep as plain values: training time, savings by early stopping and reuse, spending by budget."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import median

from pipeline.analysis import spending
from pipeline.analysis.history import History
from pipeline.results import Row, Status, trainings
from pipeline.sweep import Definition

REUSED = "reused"


@dataclass(frozen=True)
class CostLine:
    """The trials of a phase with the same outcome."""

    phase: str
    status: str
    """The status of the rows; `reused` for rows copied from an earlier sweep."""
    trials: int
    seconds: float
    """Of training in this sweep."""
    saved: float
    """Seconds of training that were not needed; of trials stopped early, an upper bound."""


@dataclass(frozen=True)
class StoppedEarly:
    """Trials that were stopped because they were behind others."""

    trials: int
    epoch: float
    """Median of the epochs at which they were stopped."""
    saved: float
    """Seconds of training, an upper bound: some would have ended by patience."""


@dataclass(frozen=True)
class BudgetLine:
    """The spending under one limit of a budget."""

    name: str
    """`device hours`."""
    spent: float
    allowed: float | None
    """None for money without a limit, which is only counted."""


@dataclass(frozen=True)
class Costs:
    """Everything that the page shows of costs."""

    seconds: float
    """Of training, all devices together."""
    lines: tuple[CostLine, ...]
    """In the order in which the phases run."""
    stopped: StoppedEarly | None
    reused: int
    reused_seconds: float
    """Seconds of training that the reused rows saved."""
    budget: tuple[BudgetLine, ...]
    left_undone: str
    """The work that the budget did not allow, in words; empty if nothing was left undone."""


def costs(definition: Definition, rows: Sequence[Row], done: bool) -> Costs:
    """The costs of these rows. Of a sweep that is done, hours by the clock end with its last trial."""
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in trainings(rows):
        groups.setdefault((row["phase"], REUSED if row.get("reused_from") else row["status"]), []).append(row)
    order = [phase.name for phase in definition.phases]
    lines = [
        CostLine(
            phase=phase,
            status=status,
            trials=len(members),
            seconds=spending.device_seconds(members),
            saved=sum(_seconds(row) if status == REUSED else _seconds_saved(row) for row in members),
        )
        for (phase, status), members in groups.items()
    ]
    lines.sort(key=lambda line: (order.index(line.phase) if line.phase in order else len(order), line.status))
    reused = [line for line in lines if line.status == REUSED]
    budget_lines: tuple[BudgetLine, ...] = ()
    left_undone = ""
    if definition.budget is not None:
        history = History(definition, _end_of_last_trial(definition, rows) if done else datetime.now(UTC), rows=rows)
        budget_lines = _budget_lines(history)
        left_undone = spending.left_undone(history) if done else ""
    return Costs(
        seconds=spending.device_seconds(rows),
        lines=tuple(lines),
        stopped=_stopped_early(rows),
        reused=sum(line.trials for line in reused),
        reused_seconds=sum(line.saved for line in reused),
        budget=budget_lines,
        left_undone=left_undone,
    )


def _stopped_early(rows: Sequence[Row]) -> StoppedEarly | None:
    stopped = [row for row in rows if row["status"] == Status.STOPPED and not row.get("reused_from")]
    if not stopped:
        return None
    epoch = median(row.get("epochs") or 0 for row in stopped)
    return StoppedEarly(len(stopped), epoch, sum(map(_seconds_saved, stopped)))


def _seconds_saved(row: Row) -> float:
    """Upper bound of the training that an early stop saved, at the pace of the epochs before it."""
    epochs, saved = row.get("epochs") or 0, row.get("epochs_saved") or 0
    return saved * _seconds(row) / epochs if row["status"] == Status.STOPPED and epochs else 0.0


def _seconds(row: Row) -> float:
    return row.get("training_time") or 0.0


def _end_of_last_trial(definition: Definition, rows: Sequence[Row]) -> datetime:
    ends = [datetime.fromisoformat(row["finished"]) for row in rows if row.get("finished")]
    return max(ends, default=datetime.fromisoformat(definition.created))


def _budget_lines(history: History) -> tuple[BudgetLine, ...]:
    budget, spent = history.definition.budget, spending.spent(history)
    assert budget is not None
    limits = (
        ("experiments", spent.experiments, budget.experiments),
        ("trials", spent.trials, budget.trials),
        ("hours by the clock", spent.hours, budget.hours),
        ("device hours", spent.device_hours, budget.device_hours),
    )
    lines = [BudgetLine(name, used, allowed) for name, used, allowed in limits if allowed is not None]
    if spent.money is not None:
        lines.append(BudgetLine("money", spent.money, budget.money))
    return tuple(lines)
