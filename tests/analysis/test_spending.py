"""Budgets of hours, device hours and money: a sweep keeps them, judges its winner, and names the work left undone."""

from datetime import datetime, timedelta
from typing import Any
from zlib import crc32

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.analysis import spending
from pipeline.analysis.history import History
from pipeline.space import Assignment
from pipeline.spec.model import Budget
from pipeline.sweep import Definition, Trial
from tests.support.rows import row_of
from tests.support.simulation import ADAPTIVE, AUTOMATIC, Timed, bowl
from tests.support.sweeps import define

JUDGED = ADAPTIVE | {"date-range": [["2024-06-01", "2024-08-01"]], "confirm": {"ranges": 3}}


def timed(spec_content: dict[str, Any], seconds: float = 600.0, lanes: int = 1, **limits: float) -> Timed:
    """A sweep run to its end, with trainings of about so many seconds."""

    def measure(assignment: Assignment, trial: Trial) -> dict[str, Any]:
        spread = 0.7 + 0.6 * (crc32(str(trial).encode()) % 100) / 100
        return bowl(assignment, trial) | {"training_time": round(seconds * spread, 3)}

    definition = define(spec_content | {"budget": {name.replace("_", "-"): n for name, n in limits.items()}})
    return Timed(definition, measure, lanes=lanes).to_the_end()


def judged(sweep: Timed) -> int:
    return sum(1 for row in sweep.rows if row["phase"] == "confirm")


def longest(sweep: Timed) -> float:
    return max(row["training_time"] for row in sweep.rows)


@pytest.mark.parametrize("strategy", ["random", "sobol", "tpe"])
@pytest.mark.parametrize("lanes", [1, 4])
def test_device_hours_end_choosing_in_time_to_judge(strategy: str, lanes: int) -> None:
    spec_content = JUDGED | {"search": {"strategy": strategy, "experiments": 200}}
    sweep = timed(spec_content, lanes=lanes, device_hours=8)
    assert sweep.device_seconds <= 8 * 3600 + lanes * longest(sweep)
    assert sweep.device_seconds > 0.6 * 8 * 3600
    assert judged(sweep) == 6


def test_the_clock_ends_a_sweep_whatever_the_number_of_lanes() -> None:
    few, many = (timed(JUDGED | {"search": {"experiments": 400}}, lanes=lanes, hours=5) for lanes in (1, 6))
    for sweep in (few, many):
        assert sweep.hours <= 5 + longest(sweep) / 3600
        assert judged(sweep) == 6
    assert len(many.rows) > 2 * len(few.rows)


def test_money_is_device_hours_at_a_price() -> None:
    spec_content = JUDGED | {"search": {"experiments": 200}}
    paid = timed(spec_content, money=20, price_per_device_hour=2.5)
    assert {str(trial) for trial in paid.planned()} == {
        str(trial) for trial in timed(spec_content, device_hours=8).planned()
    }
    spent = spending.spent(paid.history(paid.now))
    assert spent.money == pytest.approx(2.5 * paid.device_seconds / 3600)


def test_a_price_alone_only_counts() -> None:
    sweep = timed(JUDGED | {"search": {"experiments": 9}}, price_per_device_hour=2.5)
    assert len({row["experiment"] for row in sweep.rows}) == 9
    assert spending.left_undone(sweep.history(sweep.now)) == ""


@settings(max_examples=5)
@given(st.floats(2, 6), st.integers(1, 5), st.floats(300, 900), st.sampled_from(["device_hours", "hours"]))
def test_the_automatic_mode_stays_inside_any_budget(limit: float, lanes: int, seconds: float, key: str) -> None:
    sweep = timed(AUTOMATIC, seconds, lanes, **{key: limit})
    used = sweep.hours if key == "hours" else sweep.device_seconds / 3600
    # At most a trial per lane may still run when the time for choosing is up.
    assert used <= limit + (1 if key == "hours" else lanes) * longest(sweep) / 3600
    phases = list(dict.fromkeys(trial.phase for trial in sweep.planned()))
    assert phases == [phase.name for phase in sweep.definition.phases if phase.name in phases]


def test_room_that_judging_leaves_begins_no_earlier_phase() -> None:
    sweep = timed(AUTOMATIC, 300.0, 1, device_hours=5.0)
    phases = list(dict.fromkeys(trial.phase for trial in sweep.planned()))
    assert phases == [phase.name for phase in sweep.definition.phases if phase.name in phases]


def test_the_work_of_a_larger_budget_is_named() -> None:
    sweep = timed(JUDGED | {"search": {"experiments": 200}}, device_hours=8)
    tried = len({row["experiment"] for row in sweep.rows})
    text = spending.left_undone(sweep.history(sweep.now))
    assert text == f"with a larger budget it would run {200 - tried} more experiments in screen"


def test_a_space_that_is_used_up_needs_no_larger_budget() -> None:
    few = {"parameters": {"learning_rate": [0.001, 0.01, 0.1], "hidden_size": [16, 64]}, "search": {"strategy": "tpe"}}
    sweep = timed(JUDGED | few, device_hours=20)
    assert len({row["experiment"] for row in sweep.rows}) == 6
    assert spending.left_undone(sweep.history(sweep.now)) == ""


def test_without_a_number_of_experiments_none_is_named() -> None:
    sweep = timed(JUDGED, device_hours=8)
    assert spending.left_undone(sweep.history(sweep.now)) == (
        "with a larger budget it would run more experiments in screen"
    )


def test_the_first_trainings_run_however_small_the_budget_is() -> None:
    sweep = timed(JUDGED, hours=1e-7)
    assert [row["experiment"] for row in sweep.rows] == ["e000"]


def test_a_sweep_without_search_tries_as_many_experiments_as_its_budget() -> None:
    definition: Definition = define(JUDGED | {"budget": {"experiments": 60}})
    assert definition.phases[0].experiments == 60
    definition = define(JUDGED | {"budget": {"trials": 406}})
    assert (definition.phases[0].experiments, definition.phases[0].wanted) == (400, None)


def test_trials_that_were_not_begun_are_left_out_and_cost_nothing() -> None:
    sweep = timed(JUDGED | {"search": {"experiments": 200}}, lanes=8, hours=3)
    assert not {str(trial) for trial in sweep.left_out} & {row["trial"] for row in sweep.rows}


def kept_for_judging(short_epochs: int = 100, epoch_steps: int = 50, own_trainer: bool = False, **cells: Any) -> float:
    """Seconds that choosing leaves for judging on three months, after a training of a month that took ten seconds."""
    spec_content = AUTOMATIC | {
        "training": {"max-epochs": 100, "epoch-steps": epoch_steps},
        "short": {"max-epochs": short_epochs},
        "as-of": "2024-06-01",
        "budget": {"device-hours": 1},
    }
    if own_trainer:
        declared = {"default": 0.1, "domain": [0.1, 1.0], "phase": "learning-rate"}
        spec_content |= {"architecture": "own", "command": ["train", "{rate}"], "hyperparameters": {"rate": declared}}
    definition = define(spec_content)
    measured = {"training_time": 10.0, **cells}
    row = row_of(definition, Trial.parse("learning-rate-e000-d0-s0"), definition.incumbent, **measured)
    history = History(definition, datetime.fromisoformat(definition.created) + timedelta(seconds=10), rows=[row])
    # What took ten seconds is spent, and one more that is running when time is up still ends.
    return 3600.0 - 2 * 10.0 - spending.seconds_left(history)


BY_DAYS = kept_for_judging(epochs=20)
"""Seconds kept for judging if only days give an estimate: about three times as long a training."""


def test_judging_takes_more_steps_in_proportion_to_its_days() -> None:
    # A pass is 200 steps here, and 600 where it judges: an epoch each.
    assert kept_for_judging(epochs=20, steps=4000, passes=20) == pytest.approx(BY_DAYS)


def test_if_an_epoch_is_several_passes_more_days_are_first_fewer_passes() -> None:
    # A pass is one step here and about three where it judges: an epoch is about 50 of either.
    assert kept_for_judging(epochs=20, steps=1000, passes=1000) == pytest.approx(BY_DAYS / 3, rel=0.1)
    # In an epoch of one step, it is one pass of either.
    assert kept_for_judging(epoch_steps=1, epochs=20, steps=20, passes=20) == pytest.approx(BY_DAYS)


def test_a_training_that_patience_ended_needs_no_more_epochs() -> None:
    many = {"epochs": 20, "steps": 4000, "passes": 20}
    assert kept_for_judging(short_epochs=50, **many) == pytest.approx(BY_DAYS)
    assert kept_for_judging(short_epochs=20, **many) == pytest.approx(5 * BY_DAYS)
    assert kept_for_judging(short_epochs=50, status="stopped", **many) == pytest.approx(2 * BY_DAYS)


def test_without_steps_days_and_epochs_give_the_estimate() -> None:
    assert kept_for_judging(short_epochs=50) == pytest.approx(2 * BY_DAYS)
    # What a trainer of one's own calls a pass is its own affair.
    assert kept_for_judging(own_trainer=True, epochs=20, steps=10, passes=10) == pytest.approx(BY_DAYS)


def test_copied_rows_cost_nothing() -> None:
    rows = [{"training_time": 10.0}, {"training_time": 7.0, "reused_from": "a/b"}]
    assert spending.device_seconds(rows) == 10.0


@given(st.integers(20, 400), st.integers(8, 60))
def test_counts_are_kept_before_anything_starts(trials: int, experiments: int) -> None:
    limits = Budget(trials=trials, experiments=experiments)
    definition: Definition = define(AUTOMATIC | {"budget": limits.model_dump(by_alias=True, exclude_none=True)})
    planned = sum(phase.experiments * len(phase.ranges) * phase.seeds for phase in definition.phases)
    assert planned <= trials
    # Each of the three phases has the incumbent.
    searching = [phase for phase in definition.choosing if phase.space]
    assert sum(phase.experiments for phase in searching) <= experiments + 2


def test_time_is_counted_from_the_start_of_the_sweep() -> None:
    sweep = timed(JUDGED | {"search": {"experiments": 30}}, hours=100)
    late = sweep.started + timedelta(hours=101)
    assert spending.choosing_is_over(sweep.history(late))
    assert not spending.choosing_is_over(History(sweep.definition, late))
