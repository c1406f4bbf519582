"""How many trials a running sweep will have come to, and how much training is left of it, rounds to come included.

What is not planned yet is estimated: by the definition, and by what trainings took until now. No plan follows it.
"""

import math
from dataclasses import dataclass
from statistics import median

from pipeline.analysis import spending
from pipeline.analysis.history import History
from pipeline.results import Row, Status
from pipeline.sweep import Phase

_MORE_EPOCHS = 2.0
"""What a limit ended seldom trains up to a much higher one: on `flights`, 16 of 100 epochs after 15 of 15."""


@dataclass(frozen=True)
class Forecast:
    """What a sweep will have come to, without references."""

    trials: int
    """In all."""
    is_estimate: bool
    """Whether some of these are not planned yet."""
    seconds: float | None
    """Of training that are left, all devices together; None before the first training has ended."""

    @property
    def total(self) -> str:
        """`31`, or `~31` where some of these are not planned yet."""
        return f"~{self.trials}" if self.is_estimate else str(self.trials)


def forecast(history: History) -> Forecast:
    """What is to come of a sweep, by what is planned and finished of it."""
    expected = _expected(history)
    planned = sum(not trial.is_reference for trial in history.planned)
    seconds = [_seconds(history, phase, trials) for phase, trials in expected]
    left = None if None in seconds else math.fsum(filter(None, seconds))
    total = sum(trials for _, trials in expected)
    if left is not None and history.definition.is_timed and total > planned:
        return _within_budget(history, total, planned, left)
    return Forecast(total, total > planned, left)


def _expected(history: History) -> list[tuple[Phase, int]]:
    """How many trials each phase will have: one that is past, what it has; one that is not, all it may have."""
    expected = []
    for phase in history.definition.of_settings:
        planned = sum(trial.phase == phase.name for trial in history.planned)
        # What learns nothing from its rounds has planned all of it at once.
        is_whole = planned and phase.batch is None and not phase.race
        if not is_whole and not history.is_past(phase):
            planned = max(planned, phase.trials_at_most)
        expected.append((phase, planned))
    return expected


def _seconds(history: History, phase: Phase, trials: int) -> float | None:
    """Seconds of training that are left of a phase; None while nobody can say what one takes."""
    rows = history.rows_of(phase)
    if len(rows) >= trials:
        return 0.0
    here = [row["training_time"] for row in rows if _is_typical(row)]
    times = here or [
        row["training_time"] * spending.more_steps(history.definition, row, phase, _MORE_EPOCHS)
        for row in history.rows
        if _is_typical(row)
    ]
    return (trials - len(rows)) * median(times) if times else None


def _is_typical(row: Row) -> bool:
    return Status(row["status"]).is_result and spending.was_trained(row)


def _within_budget(history: History, total: int, planned: int, left: float) -> Forecast:
    """Of trials that nobody planned yet, those that time or money leave room for."""
    allowed = max(0.0, spending.seconds_of_budget_left(history))
    share = min(1.0, allowed / left) if left else 1.0
    done = len(history.rows)
    return Forecast(max(planned, done + round((total - done) * share)), True, min(left, allowed))
