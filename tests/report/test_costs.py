"""The page's costs: stopped trials, copied rows, budgets; and its phases."""

import re
from math import log10
from typing import Any

import pytest

from pipeline.plan import rounds
from pipeline.report.phases import phase_summaries
from pipeline.report.summary import Summary
from pipeline.sweep import Sweep, Trial, trials_of
from tests.report.conftest import concluded, row, spec_for


def finished(sweep: Sweep, row_of: Any) -> Summary:
    while trials := list(trials_of(rounds.plan_packs(sweep))):
        for trial in trials:
            sweep.create_row(trial, row_of(sweep, trial))
    return concluded(sweep)


def text(sweep: Sweep) -> str:
    """The page's words, without tags and line breaks."""
    page = sweep.store.read(sweep.key("report/index.html")).decode()
    return " ".join(re.sub(r"<[^>]*>", " ", page).split())


def stopped_late(sweep: Sweep, trial: Trial) -> dict:
    """The incumbent runs through; of the others, the odd ones are stopped after four of twenty epochs."""
    number = int(trial.experiment[1:])
    value = 1 + 0.1 * number
    if number % 2 == 0:
        return row(sweep, trial, value, value, epochs=20, training_time=100.0)
    return row(sweep, trial, value, value, status="stopped", epochs=4, training_time=20.0, epochs_saved=16)


def test_the_page_says_how_many_trials_were_stopped_when_and_what_that_saved(new_sweep, tiny_csv):
    sweep = new_sweep(spec_for(tiny_csv, search={"experiments": 6}))
    summary = finished(sweep, stopped_late)
    stopped = summary.costs.stopped
    assert stopped is not None
    assert (stopped.trials, stopped.epoch, stopped.saved) == (6, 4, pytest.approx(6 * 80.0))
    assert summary.costs.seconds == pytest.approx(6 * 100 + 6 * 20)
    page = text(sweep)
    assert "6 trials were stopped early, after a median of 4 epochs, because they were behind others" in page
    assert "that saved up to 8 min of training" in page
    assert "screen stopped 6 2 min 8 min" in page


def test_a_trial_that_was_stopped_in_its_first_epoch_counts_as_no_saving(new_sweep, tiny_csv):
    sweep = new_sweep(spec_for(tiny_csv, search={"experiments": 2}))
    summary = finished(sweep, lambda sweep, trial: row(sweep, trial, 1, 1, status="stopped", epochs=0, epochs_saved=20))
    assert summary.costs.stopped.saved == 0


def test_copied_rows_cost_nothing(new_sweep, tiny_csv):
    sweep = new_sweep(spec_for(tiny_csv, search={"experiments": 4}))

    def row_of(sweep: Sweep, trial: Trial) -> dict:
        copied = {"reused_from": "20240601-0210-bag-of-words-3f9c/screen-e001-d0-s0"} if trial.range else {}
        return row(sweep, trial, 1.0, 1.0, training_time=60.0) | copied

    summary = finished(sweep, row_of)
    assert summary.costs.seconds == 4 * 60
    assert (summary.costs.reused, summary.costs.reused_seconds) == (4, 4 * 60)
    assert summary.answer.endswith("cost 4 min of training.")
    assert "4 rows were copied from earlier phases or sweeps with exactly the same training: that saved 4 min." in text(
        sweep
    )


def test_the_budget_is_shown_as_spent_and_allowed_and_as_money(new_sweep, tiny_csv):
    budget = {"experiments": 4, "device-hours": 2.0, "price-per-device-hour": 3.0}
    sweep = new_sweep(spec_for(tiny_csv, search={"experiments": 10}, budget=budget))
    summary = finished(sweep, lambda sweep, trial: row(sweep, trial, 1.0, 1.0, training_time=450.0))
    lines = {line.name: (line.spent, line.allowed) for line in summary.costs.budget}
    assert lines["experiments"] == (4, 4)
    assert lines["device hours"] == (pytest.approx(1.0), 2.0)
    assert lines["money"] == (pytest.approx(3.0), None)
    assert "device hours 1 2" in text(sweep)
    assert summary.costs.left_undone
    assert f"The budget ended it: {summary.costs.left_undone}." in text(sweep)


def test_without_a_budget_there_is_no_word_of_one(rendered):
    assert rendered[1].costs.budget == ()
    assert rendered[1].costs.left_undone == ""


def automatic(csv: Any, **keys: Any) -> dict[str, Any]:
    bare = {key: value for key, value in spec_for(csv).items() if key != "parameters"}
    return bare | {"tune": "automatic", "mode": "full", "search": {"experiments": 30}} | keys


def by_phase(sweep: Sweep, trial: Trial) -> dict:
    """The learning rate matters, and a smaller batch is a little better; far rates take twice the epochs."""
    setting = sweep.experiments()[trial.experiment].assignment
    rate, batch = setting["learning_rate"], setting["batch_size"]
    assert isinstance(rate, float)
    assert isinstance(batch, int)
    far = abs(log10(rate) + 2)
    value = 0.1 + 0.1 * far**2 + 1e-5 * batch
    epochs = 20 if far > 0.5 else 8
    return row(sweep, trial, value, value, epochs=epochs, training_time=2.0 * epochs)


def test_a_sweep_of_several_phases_is_told_phase_by_phase(new_sweep, tiny_csv):
    sweep = new_sweep(automatic(tiny_csv))
    summary = finished(sweep, by_phase)
    phases = phase_summaries(summary)
    assert [part.phase.name for part in phases] == ["learning-rate", "architecture", "near-best"]
    for part in phases:
        assert part.best is not None
        assert part.best.gain >= 1
        assert set(part.chosen) == set(part.phase.space)
        assert part.experiments <= part.phase.experiments
    assert sum(part.seconds for part in phases) == pytest.approx(summary.costs.seconds)
    page = text(sweep)
    assert "Phase by phase" in page
    assert page.index("Phase by phase") < page.index("All trials")


def test_a_choice_for_speed_is_shown_beside_the_most_accurate_setting(new_sweep, tiny_csv):
    sweep = new_sweep(automatic(tiny_csv, tune="learning-rate", search={"experiments": 4}))

    def row_of(sweep: Sweep, trial: Trial) -> dict:
        number = int(trial.experiment[1:])
        value, epochs = {0: (1.0, 20), 1: (0.5, 20), 2: (0.502, 10)}.get(number, (2.0, 20))
        return row(sweep, trial, value, value, epochs=epochs, training_time=6.0 * epochs)

    summary = finished(sweep, row_of)
    (only,) = phase_summaries(summary)
    assert only.faster is not None
    assert (only.faster.chosen.experiment, only.faster.best.experiment) == ("e002", "e001")
    assert only.faster.behind == pytest.approx(0.004)
    page = text(sweep)
    assert "e002 is chosen although e001 is better by 0.4 %" in page
    assert "20 epochs instead of 40 ( 60 s instead of 2 min a training)" in page.replace("(60", "( 60")


def test_the_phases_of_a_running_sweep_show_its_progress(new_sweep, tiny_csv):
    sweep = new_sweep(automatic(tiny_csv))
    for trial in trials_of(rounds.plan_packs(sweep)):
        sweep.create_row(trial, by_phase(sweep, trial))
    phases = phase_summaries(concluded(sweep))
    assert phases[0].best is not None
    assert [part.best for part in phases[1:]] == [None, None]
    assert "near-best none yet" in text(sweep)


def test_one_phase_is_not_told_phase_by_phase(rendered):
    assert phase_summaries(rendered[1]) == []


def test_hyperparameters_are_compared_inside_the_phase_that_searched_them_first(new_sweep, tiny_csv):
    from pipeline.report import experiments

    sweep = new_sweep(automatic(tiny_csv, search={"experiments": 80}))
    summary = finished(sweep, by_phase)
    choosing = experiments.choosing_results(summary)
    searches = experiments.phase_searches(choosing, summary)
    assert [search.phase.name for search in searches] == ["learning-rate", "architecture"]
    assert "learning_rate" in searches[0].experiments.domains
    assert searches[0].importances[0].name == "learning_rate"
    assert not set(searches[0].experiments.domains) & set(searches[1].experiments.domains)
    assert sweep.store.exists(sweep.key("report/charts/importance-learning-rate.svg"))


def test_a_sweep_that_tunes_nothing_says_so(new_sweep, tiny_csv):
    bare = {key: value for key, value in spec_for(tiny_csv).items() if key != "parameters"}
    sweep = new_sweep(bare | {"tune": "nothing"})
    summary = finished(sweep, lambda sweep, trial: row(sweep, trial, 1.0, 2.0))
    assert summary.answer.startswith("one setting was trained and nothing tuned; its mse_test is 2, the mean over 2")
