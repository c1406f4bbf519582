"""The answer of a sweep in a sentence, and its ranking, from rows of choosing alone."""

import math

import pytest

from pipeline.analysis import ranking
from pipeline.plan import rounds
from pipeline.report.conclude import conclude
from pipeline.spec.model import Objective
from pipeline.sweep import Sweep, Trial, trials_of
from pipeline.sweep.merge import merge
from tests.report.conftest import HOSTILE, row


def planned(sweep: Sweep) -> list[Trial]:
    return list(trials_of(rounds.plan_packs(sweep)))


@pytest.fixture
def finished(new_sweep, tiny_spec) -> Sweep:
    """e001 is twice as good as the incumbent e000 on both ranges; e002 failed on one."""
    sweep = new_sweep(tiny_spec | {"notes": HOSTILE.replace("\ud800", "")})
    values = {"e000": (0.2, 0.4), "e001": (0.1, 0.2), "e002": (0.05, 0.1)}
    for trial in planned(sweep):
        cells = {"status": "failed", "error": HOSTILE} if (trial.experiment, trial.range) == ("e002", 1) else {}
        sweep.create_row(trial, row(sweep, trial, *values[trial.experiment], **cells))
    return sweep


def summary_of(sweep: Sweep):
    rounds.plan_packs(sweep)
    return conclude(sweep, merge(sweep))


def test_the_answer_names_the_best_setting_by_how_much_and_at_what_cost(finished):
    assert summary_of(finished).answer == (
        "e001 is the best of choosing: its mse_test is 2 times smaller than your setting's, better on 2 of 2 date "
        "ranges that chose it; nothing judged it; cost 3 min of training."
    )


def test_an_experiment_that_did_not_finish_on_every_range_is_not_ranked(finished):
    summary = summary_of(finished)
    assert [standing.experiment for standing in summary.ranked] == ["e001", "e000"]
    assert [row["trial"] for row in summary.failures] == ["screen-e002-d1-s0"]


def test_gains_are_paired_and_geometric(finished):
    best = summary_of(finished).best
    assert best is not None
    assert best.gain == pytest.approx(2)
    assert [pair.gain for pair in summary_of(finished).comparisons] == [pytest.approx(math.log(2))] * 2


def test_more_can_be_better(new_sweep, tiny_spec):
    sweep = new_sweep(tiny_spec)
    objective = Objective(metric="auc", goal="maximize")
    sweep._definition = sweep.definition.model_copy(update={"objective": objective})
    for trial in planned(sweep):
        auc = {"e000": 0.5, "e001": 0.6, "e002": 0.4}[trial.experiment]
        sweep.create_row(trial, row(sweep, trial, 1, 1, auc_valid=auc, auc_test=auc))
    summary = summary_of(sweep)
    assert [standing.experiment for standing in summary.ranked] == ["e001", "e000", "e002"]
    assert "its auc_test is 10.0 points higher than your setting's" in summary.answer


def test_an_incumbent_that_nothing_beats_is_kept(new_sweep, tiny_spec):
    sweep = new_sweep(tiny_spec)
    for trial in planned(sweep):
        sweep.create_row(trial, row(sweep, trial, 0.1 + int(trial.experiment[1:]), 0.1))
    assert "keep your setting: nothing tried beats it by mse_valid" in summary_of(sweep).answer


@pytest.mark.parametrize("metrics", [{"mse_valid": float("nan")}, {"status": "failed"}, {"status": "diverged"}])
def test_a_sweep_without_any_result_says_so(new_sweep, tiny_spec, metrics):
    sweep = new_sweep(tiny_spec)
    for trial in planned(sweep):
        sweep.create_row(trial, row(sweep, trial, 1, 1, **metrics))
    assert "there is no best setting" in summary_of(sweep).answer


def test_a_page_is_rendered_before_anything_is_finished(new_sweep, tiny_spec):
    sweep = new_sweep(tiny_spec)
    planned(sweep)
    assert summary_of(sweep).answer.startswith("So far (0 of 6 trials)")


def test_ties_stand_in_the_order_of_their_names(new_sweep, tiny_spec):
    sweep = new_sweep(tiny_spec)
    trials = planned(sweep)
    rows = [row(sweep, trial, 1.0, 1.0) for trial in trials]
    assert [standing.experiment for standing in ranking.standings(sweep.definition, rows)] == ["e000", "e001", "e002"]
