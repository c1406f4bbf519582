"""What a sweep cost, what stopping early and reusing saved, and how that compares with its budget. As plain values."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import median

from pipeline.analysis import spending
from pipeline.analysis.history import History
from pipeline.results import Row, Status
from pipeline.sweep import Definition

REUSED = "reused"


@dataclass(frozen=True)
class Line:
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
class Stopped:
    """Trials that ended early because they were behind others."""

    trials: int
    epoch: float
    """The median of when."""
    saved: float
    """Seconds of training, at most: some would have ended by their own patience."""


@dataclass(frozen=True)
class Against:
    """One of a budget's limits."""

    words: str
    spent: float
    allowed: float | None
    """None for money that is only counted."""


@dataclass(frozen=True)
class Costs:
    seconds: float
    """Of training, all devices together."""
    lines: tuple[Line, ...]
    """In the order in which the phases run."""
    stopped: Stopped | None
    reused: int
    reused_seconds: float
    """What training the reused rows would have cost."""
    budget: tuple[Against, ...]
    wanted_more: str
    """What a larger budget would have been used for."""


def costs(definition: Definition, rows: Sequence[Row], done: bool) -> Costs:
    """`done` says that no more will come: then the clock stopped when the last trial ended."""
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        groups.setdefault((row["phase"], REUSED if row.get("reused_from") else row["status"]), []).append(row)
    order = [phase.name for phase in definition.phases]
    lines = [
        Line(
            phase=phase,
            status=status,
            trials=len(some),
            seconds=spending.device_seconds(some),
            saved=sum(_seconds(row) if status == REUSED else _saved(row) for row in some),
        )
        for (phase, status), some in groups.items()
    ]
    lines.sort(key=lambda line: (order.index(line.phase) if line.phase in order else len(order), line.status))
    reused = [line for line in lines if line.status == REUSED]
    against: tuple[Against, ...] = ()
    undone = ""
    if definition.budget is not None:
        history = History(definition, _ended(definition, rows) if done else datetime.now(UTC), rows=rows)
        against = _against(history)
        undone = spending.left_undone(history) if done else ""
    return Costs(
        seconds=spending.device_seconds(rows),
        lines=tuple(lines),
        stopped=_stopped(rows),
        reused=sum(line.trials for line in reused),
        reused_seconds=sum(line.saved for line in reused),
        budget=against,
        wanted_more=undone,
    )


def _stopped(rows: Sequence[Row]) -> Stopped | None:
    own = [row for row in rows if row["status"] == Status.STOPPED and not row.get("reused_from")]
    if not own:
        return None
    return Stopped(len(own), median(row.get("epochs") or 0 for row in own), sum(map(_saved, own)))


def _saved(row: Row) -> float:
    """The epochs that the stop saved at most, at the pace of those before it."""
    epochs, saved = row.get("epochs") or 0, row.get("epochs_saved") or 0
    return saved * _seconds(row) / epochs if row["status"] == Status.STOPPED and epochs else 0.0


def _seconds(row: Row) -> float:
    return row.get("training_time") or 0.0


def _ended(definition: Definition, rows: Sequence[Row]) -> datetime:
    ended = [datetime.fromisoformat(row["finished"]) for row in rows if row.get("finished")]
    return max(ended, default=datetime.fromisoformat(definition.created))


def _against(history: History) -> tuple[Against, ...]:
    asked, spent = history.definition.budget, spending.spent(history)
    assert asked is not None
    limits = (
        ("experiments", spent.experiments, asked.experiments),
        ("trials", spent.trials, asked.trials),
        ("hours by the clock", spent.hours, asked.hours),
        ("device hours", spent.device_hours, asked.device_hours),
    )
    found = [Against(words, used, allowed) for words, used, allowed in limits if allowed is not None]
    if spent.money is not None:
        found.append(Against("money", spent.money, asked.money))
    return tuple(found)
