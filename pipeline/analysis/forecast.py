"""Forecasts the number of trials of a running sweep and the training time that remains, later rounds included.

Trials that are not planned yet are estimated from the definition, and their time from earlier trainings. The forecast
is only shown; nothing is planned by it.
"""

import math
from dataclasses import dataclass
from statistics import median

from pipeline.analysis import spending
from pipeline.analysis.history import History
from pipeline.results import Row, Status
from pipeline.sweep import Phase

_MORE_EPOCHS = 2.0
"""A training that its epoch limit ended runs at most so many times its epochs under a higher limit, by estimate. On
`flights`, trainings that used up a limit of 15 epochs ran 16 epochs under a limit of 100."""


@dataclass(frozen=True)
class Forecast:
    """Expected size of a sweep, without references."""

    trials: int
    """Trials in all, finished ones included."""
    is_estimate: bool
    """True if some of these are not planned yet."""
    seconds: float | None
    """Seconds of training that remain, all devices together; None before the first training has ended."""

    @property
    def total(self) -> str:
        """`31`, or `~31` if it is an estimate."""
        return f"~{self.trials}" if self.is_estimate else str(self.trials)


def forecast(history: History) -> Forecast:
    """Expected trials and remaining seconds of a sweep, from its planned and its finished trials."""
    expected = _expected(history)
    planned = sum(not trial.is_reference for trial in history.planned)
    seconds = [_seconds(history, phase, trials) for phase, trials in expected]
    remaining = None if None in seconds else math.fsum(filter(None, seconds))
    total = sum(trials for _, trials in expected)
    if remaining is not None and history.definition.is_timed and total > planned:
        return _within_budget(history, total, planned, remaining)
    return Forecast(total, total > planned, remaining)


def _expected(history: History) -> list[tuple[Phase, int]]:
    """Expected trials of each phase.

    Those that are planned, if the phase is past or has planned all at once; else as many as it may have at most.
    """
    expected = []
    for phase in history.definition.of_settings:
        planned = sum(trial.phase == phase.name for trial in history.planned)
        # A phase without rounds and races plans all of its trials at once.
        is_whole = planned and phase.batch is None and not phase.race
        if not is_whole and not history.is_past(phase):
            planned = max(planned, phase.trials_at_most)
        expected.append((phase, planned))
    return expected


def _seconds(history: History, phase: Phase, trials: int) -> float | None:
    """Seconds of training that remain of a phase; None before any training shows how long one takes."""
    rows = history.rows_of(phase)
    if len(rows) >= trials:
        return 0.0
    # Times of this phase; before it has any, those of other phases, scaled to its data and epochs.
    times = [row["training_time"] for row in rows if _is_typical(row)] or [
        row["training_time"] * spending.step_ratio(history.definition, row, phase, _MORE_EPOCHS)
        for row in history.rows
        if _is_typical(row)
    ]
    return (trials - len(rows)) * median(times) if times else None


def _is_typical(row: Row) -> bool:
    return Status(row["status"]).is_result and spending.was_trained(row)


def _within_budget(history: History, total: int, planned: int, remaining: float) -> Forecast:
    """The forecast, cut to the trials that time and money leave room for."""
    allowed = max(0.0, spending.seconds_of_budget_left(history))
    share = min(1.0, allowed / remaining) if remaining else 1.0
    done = len(history.rows)
    return Forecast(max(planned, done + round((total - done) * share)), True, min(remaining, allowed))
