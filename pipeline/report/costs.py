"""What a sweep cost, what stopping early and reusing saved, and how that compares with its budget. As plain values."""

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
    """The trials of a phase that ended in one way."""

    phase: str
    status: str
    """A row copied from an earlier sweep counts as `reused`, whatever it says itself."""
    trials: int
    seconds: float
    """Of training, here."""
    saved: float
    """Seconds of training that were not needed: at most so many for what was stopped early."""


@dataclass(frozen=True)
class StoppedEarly:
    """Trials that ended early because they were behind others."""

    trials: int
    epoch: float
    """The median of when."""
    saved: float
    """Seconds of training, at most: some would have ended by their own patience."""


@dataclass(frozen=True)
class BudgetLine:
    """One of a budget's limits."""

    name: str
    """`device hours`."""
    spent: float
    allowed: float | None
    """None for money that is only counted, not limited."""


@dataclass(frozen=True)
class Costs:
    """All that the page says of costs."""

    seconds: float
    """Of training, all devices together."""
    lines: tuple[CostLine, ...]
    """In the order in which the phases run."""
    stopped: StoppedEarly | None
    reused: int
    reused_seconds: float
    """What training the reused rows would have cost."""
    budget: tuple[BudgetLine, ...]
    wanted_more: str
    """What a larger budget would have been used for."""


def costs(definition: Definition, rows: Sequence[Row], done: bool) -> Costs:
    """What the rows cost; `done` says that no more will come: then the clock stopped when the last trial ended."""
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
            saved=sum(_seconds(row) if status == REUSED else _saved(row) for row in members),
        )
        for (phase, status), members in groups.items()
    ]
    lines.sort(key=lambda line: (order.index(line.phase) if line.phase in order else len(order), line.status))
    reused = [line for line in lines if line.status == REUSED]
    budget_lines: tuple[BudgetLine, ...] = ()
    left_undone = ""
    if definition.budget is not None:
        history = History(definition, _ended(definition, rows) if done else datetime.now(UTC), rows=rows)
        budget_lines = _budget_lines(history)
        left_undone = spending.left_undone(history) if done else ""
    return Costs(
        seconds=spending.device_seconds(rows),
        lines=tuple(lines),
        stopped=_stopped(rows),
        reused=sum(line.trials for line in reused),
        reused_seconds=sum(line.saved for line in reused),
        budget=budget_lines,
        wanted_more=left_undone,
    )


def _stopped(rows: Sequence[Row]) -> StoppedEarly | None:
    stopped = [row for row in rows if row["status"] == Status.STOPPED and not row.get("reused_from")]
    if not stopped:
        return None
    return StoppedEarly(len(stopped), median(row.get("epochs") or 0 for row in stopped), sum(map(_saved, stopped)))


def _saved(row: Row) -> float:
    """The epochs that the stop saved at most, at the pace of those before it."""
    epochs, saved = row.get("epochs") or 0, row.get("epochs_saved") or 0
    return saved * _seconds(row) / epochs if row["status"] == Status.STOPPED and epochs else 0.0


def _seconds(row: Row) -> float:
    return row.get("training_time") or 0.0


def _ended(definition: Definition, rows: Sequence[Row]) -> datetime:
    ended = [datetime.fromisoformat(row["finished"]) for row in rows if row.get("finished")]
    return max(ended, default=datetime.fromisoformat(definition.created))


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
