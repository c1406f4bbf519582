"""Nightly sweeps in a store, written row by row without training."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from pipeline import spec
from pipeline.plan import resolve, rounds
from pipeline.report.state import State, state_of
from pipeline.results import Row
from pipeline.store import Store
from pipeline.sweep import Sweep, Trial, trials_of
from tests.support.rows import planned_row

FIRST = datetime(2024, 6, 1, 2, 10, tzinfo=UTC)
MONTHS = [[f"2013-{month:02d}-01", f"2013-{month + 1:02d}-01"] for month in range(1, 8)]
JUDGED = MONTHS[:6]
CHOSEN_BY = {"e000": 0.4, "e001": 0.1, "e002": 0.2}
"""mse_valid by experiment: e001 is the best, e000 the incumbent."""
Score = Callable[[str, int], float]
"""mse_test by experiment and the number of the date range in its phase."""


def wave(base: float, at: int, by: float = 0.02) -> float:
    """A score that differs a little between date ranges."""
    return base * (1 + by * ((at * 7) % 5 - 2) / 2)


def steady(best: float = 0.2, incumbent: float = 0.4) -> Score:
    return lambda experiment, at: wave(incumbent if experiment == "e000" else best, at, 0.05)


STEADY = steady()


def night(
    store: Store,
    asked: dict[str, Any],
    score: Score = STEADY,
    *,
    day: int = 0,
    token: str = "3f9c",
    data: str = "data-1",
    done: bool = True,
    **more: object,
) -> State:
    """A sweep of night number `day`. `more` are further or other cells of its rows."""
    definition = resolve.resolve(
        spec.from_dict({"references": False} | asked), now=FIRST + timedelta(days=day), token=token
    )
    sweep = Sweep.create(store, definition)
    while trials := list(trials_of(rounds.plan_packs(sweep))):
        for trial in trials if done else trials[:-1]:
            sweep.create_row(trial, row(sweep, trial, score, data) | more)
        if not done:
            break
    return state_of(sweep)


def row(sweep: Sweep, trial: Trial, score: Score, data: str) -> Row:
    phase = sweep.definition.phase(trial.phase)
    return planned_row(
        sweep,
        trial,
        mse_test=score(trial.experiment, trial.range),
        mse_valid=CHOSEN_BY[trial.experiment],
        training_time=30.0,
        fidelity=phase.fidelity.name,
        error=None,
        epochs=2,
        git_commit="abc123",
        data_fingerprint=f"{data} {phase.ranges[trial.range]}",
        started="2024-06-01T02:10:00+00:00",
        finished="2024-06-01T02:11:00+00:00",
    )


def judged_on(asked: dict[str, Any], ranges: Sequence[list[str]] = JUDGED) -> dict[str, Any]:
    """The spec with a confirmation on these fresh ranges."""
    return asked | {"confirm-range": list(ranges), "confirm": {}}
