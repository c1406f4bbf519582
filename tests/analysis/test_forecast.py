"""Forecasts of a sweep, including rounds that are not planned yet."""

from datetime import timedelta

import pytest

from pipeline.analysis.forecast import forecast
from tests.support.simulation import ADAPTIVE, AUTOMATIC, Simulation, Timed
from tests.support.sweeps import define


@pytest.mark.parametrize("spec_content", [ADAPTIVE | {"search": {"strategy": "tpe"}}, AUTOMATIC])
def test_later_rounds_are_counted_from_the_start_and_none_remains_at_the_end(
    spec_content: dict[str, object],
) -> None:
    simulation = Simulation(define(spec_content))
    first = simulation.plan()
    before = forecast(simulation.history(simulation.started))
    assert before.is_estimate
    assert before.seconds is None
    for trial in first:
        simulation.finish(trial)
    begun = forecast(simulation.history(simulation.started))
    simulation.to_the_end()
    trials = len(simulation.rows)
    assert 0.7 < before.trials / trials < 1.5
    assert begun.seconds is not None
    # What is judged has more data and may have more epochs.
    assert begun.seconds > 5.0 * (trials - len(first))
    end = forecast(simulation.history(simulation.started))
    assert (end.trials, end.seconds) == (trials, 0.0)


def test_no_more_trials_are_expected_than_time_allows() -> None:
    budget = {"device-hours": 0.2}
    simulation = Timed(define(ADAPTIVE | {"budget": budget}), lanes=2)
    for trial in simulation.plan(simulation.now):
        simulation.finish(trial)
    now = forecast(simulation.history(simulation.started + timedelta(minutes=1)))
    # Ten seconds each.
    assert now.is_estimate
    assert 60 <= now.trials <= 75
    assert now.seconds is not None
    assert now.seconds <= 720
