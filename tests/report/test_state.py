"""The state of a sweep: its progress, and when it is done."""

import pytest

from pipeline.plan.rounds import plan_packs
from pipeline.report.state import state_of
from pipeline.sweep import Sweep, trials_of
from tests.support.rows import planned_row


@pytest.fixture
def finished(new_sweep, tiny_spec) -> Sweep:
    """Every trial has its row, and the last round is empty."""
    sweep = new_sweep(tiny_spec)
    for trial in trials_of(plan_packs(sweep)):
        sweep.create_row(trial, planned_row(sweep, trial, mse_valid=0.1, mse_test=0.1))
    assert plan_packs(sweep) == []
    return sweep


def test_a_sweep_is_done_when_its_last_round_is_empty_and_every_trial_has_its_row(finished):
    state = state_of(finished)
    assert (state.done, state.words) == (True, "done")


def test_a_sweep_whose_next_round_nobody_has_planned_is_not_done(new_sweep, tiny_spec):
    sweep = new_sweep(tiny_spec)
    for trial in trials_of(plan_packs(sweep)):
        sweep.create_row(trial, planned_row(sweep, trial, mse_valid=0.1, mse_test=0.1))
    state = state_of(sweep)
    assert (state.done, state.words) == (False, "6 of 6 trials")


def test_a_damaged_row_ends_its_trial_so_that_nobody_waits_for_it(finished):
    trial = finished.planned()[2]
    finished.store.write(finished.result_key(trial), b"damaged")
    state = state_of(finished)
    assert (state.done, state.words) == (True, "done with 5 of 6 trials")
    assert len(state.skipped) == 1


def test_a_trial_whose_row_was_deleted_runs_again_so_the_sweep_is_not_done(finished):
    trial = finished.planned()[2]
    finished.store.delete(finished.result_key(trial))
    state = state_of(finished)
    assert (state.done, state.words) == (False, "5 of 6 trials")
    assert [str(pending_trial) for pending_trial in trials_of(plan_packs(finished, retry=True))] == [str(trial)]


def test_foreign_files_end_no_trial(finished):
    trial = finished.planned()[2]
    finished.store.delete(finished.result_key(trial))
    finished.store.write(finished.key("trials/screen-e099-d0-s0/result.csv"), b"foreign")
    assert not state_of(finished).done
