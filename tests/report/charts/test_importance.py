"""The importance of hyperparameters on the page, and the spec that it proposes to run next."""

import json
from math import log10
from typing import Any

import pytest

from pipeline import spec as specs
from pipeline.plan import rounds
from pipeline.report import experiments
from pipeline.report.charts.importance import importance_tables
from pipeline.report.next_spec import next_spec
from pipeline.sweep import Sweep, Trial, trials_of
from tests.report.conftest import concluded, row, spec_for
from tests.support.sweeps import define


def test_the_table_says_what_mattered_and_which_value_was_best(rendered):
    summary = rendered[1]
    choosing = experiments.choosing_results(summary)
    (only,) = importance_tables(summary, choosing, experiments.phase_searches(choosing, summary))
    first = only.lines[0]
    assert first.name == "learning_rate"
    assert first.clear
    assert first.share is not None
    assert first.share > 0.5
    assert first.chosen == summary.best.assignment["learning_rate"]
    assert first.experiments < first.of == len(choosing.comparable)
    low, high = map(float, first.best.split("–"))
    assert low < 0.03 < high


def test_two_that_do_not_act_together_are_said_not_to(folder):
    page = (folder / "index.html").read_text()
    assert "each seems to act for itself" in page.lower()
    assert "What mattered most: learning_rate" in page


def measured(sweep: Sweep, trial: Trial, best: float) -> dict:
    rate = sweep.experiments()[trial.experiment].assignment["learning_rate"]
    value = 0.1 + (log10(float(rate)) - log10(best)) ** 2  # type: ignore[arg-type]
    return row(sweep, trial, value, value)


def finished(sweep: Sweep, best: float) -> Any:
    """The summary of a sweep whose error is least at the learning rate `best`, after all its rounds and phases."""
    while trials := list(trials_of(rounds.plan_packs(sweep))):
        for trial in trials:
            sweep.create_row(trial, measured(sweep, trial, best))
    return concluded(sweep)


def proposed(sweep: Sweep) -> dict[str, Any]:
    proposal: dict[str, Any] = json.loads(sweep.store.read(sweep.key("report/best.json")))
    return proposal


def test_the_next_spec_starts_from_the_best_and_searches_where_that_lies(new_sweep, tiny_csv):
    sweep = new_sweep(spec_for(tiny_csv, search={"experiments": 30}))
    summary = finished(sweep, 0.003)
    proposal = proposed(sweep)
    assert proposal["incumbent"] == summary.best.assignment
    assert proposal["search"] == {"experiments": 30, "seed": 1}
    assert 0.001 < proposal["parameters"]["learning_rate"]["high"] < 0.1
    assert proposal["parameters"]["batch_size"] == [32, 64]
    definition = define(proposal)
    assert definition.incumbent == summary.best.assignment
    assert set(definition.phases[0].space) == set(sweep.definition.phases[0].space)
    page = sweep.store.read(sweep.key("report/index.html")).decode()
    assert "The next spec" in page
    assert "experiments all lie from" in page


@pytest.mark.parametrize("best", [1e-4, 3.0])
def test_a_range_with_the_best_at_its_end_is_extended_as_far_as_the_architecture_allows(new_sweep, tiny_csv, best):
    sweep = new_sweep(spec_for(tiny_csv, search={"experiments": 40}))
    finished(sweep, best)
    domain = define(proposed(sweep)).phases[0].space["learning_rate"]
    low, high = domain.low, domain.high  # type: ignore[union-attr]
    assert low < 0.001 if best < 0.001 else high > 0.1


def test_a_smaller_space_gets_no_more_experiments_than_it_has(new_sweep, tiny_csv):
    parameters = {"learning_rate": [0.0001, 0.001, 0.01, 0.1], "batch_size": [16, 32, 64, 128, 256]}
    sweep = new_sweep(
        spec_for(tiny_csv, parameters=parameters, search={"experiments": 20}, incumbent={"batch_size": 32})
    )
    finished(sweep, 0.001)
    proposal = proposed(sweep)
    assert 0.1 not in proposal["parameters"]["learning_rate"]
    assert proposal["search"]["experiments"] == define(proposal).phases[0].experiments < 20


def test_of_few_experiments_the_page_says_that_they_are_too_few(new_sweep, tiny_csv):
    sweep = new_sweep(spec_for(tiny_csv, search={"experiments": 5}))
    finished(sweep, 0.003)
    page = sweep.store.read(sweep.key("report/index.html")).decode()
    assert "Only 5 experiments have a result to compare" in page
    assert "5 experiments are too few to say which hyperparameter made the" in page
    assert define(proposed(sweep)).phases[0].space == sweep.definition.phases[0].space


def test_phases_that_the_spec_names_get_their_own_domains_back(new_sweep, tiny_csv):
    phases = [{"name": "screen", "parameters": {"learning_rate": {"low": 0.001, "high": 0.1, "log": True}}}]
    sweep = new_sweep(spec_for(tiny_csv, parameters={"batch_size": 32}, phases=phases, search={"experiments": 30}))
    finished(sweep, 0.003)
    proposal = proposed(sweep)
    assert proposal["phases"][0]["parameters"]["learning_rate"]["high"] < 0.1
    assert proposal["parameters"] == {"batch_size": 32}
    define(proposal)


@pytest.mark.parametrize("tune", ["automatic", "learning-rate"])
def test_where_the_spec_names_no_ranges_the_next_one_names_those_that_change(new_sweep, tiny_csv, tune):
    bare = {key: value for key, value in spec_for(tiny_csv).items() if key != "parameters"}
    sweep = new_sweep(bare | {"tune": tune, "search": {"experiments": 80}})
    finished(sweep, 0.002)
    proposal = proposed(sweep)
    assert proposal["tune"] == tune
    assert "learning_rate" in proposal["parameters"]
    assert define(proposal).phases[0].name == "learning-rate"


def test_no_best_setting_no_next_spec(new_sweep, tiny_csv):
    sweep = new_sweep(spec_for(tiny_csv))
    for trial in trials_of(rounds.plan_packs(sweep)):
        sweep.create_row(trial, row(sweep, trial, 1, 1, status="failed", error="out"))
    summary = concluded(sweep)
    assert next_spec(summary, []) is None
    assert not sweep.store.exists(sweep.key("report/best.json"))


def test_hostile_values_reach_the_next_spec_as_they_are(rendered):
    sweep, summary = rendered
    proposal = specs.from_json(sweep.store.read(sweep.key("report/best.json")).decode())
    assert proposal.incumbent == summary.best.assignment


def test_the_next_spec_keeps_the_incumbent_where_the_best_setting_was_judged_to_be_worse(new_sweep, tiny_csv):
    ranges = [["2024-03-01", "2024-05-01"]]
    sweep = new_sweep(
        spec_for(tiny_csv, search={"experiments": 12}, **{"date-range": ranges, "confirm": {"ranges": 2}})
    )
    incumbent = sweep.definition.incumbent["learning_rate"]
    while trials := list(trials_of(rounds.plan_packs(sweep))):
        for trial in trials:
            choosing = measured(sweep, trial, 0.03)
            rate = sweep.experiments()[trial.experiment].assignment["learning_rate"]
            judged = 0.1 if rate == incumbent else 0.2
            test = judged if trial.phase == "confirm" else choosing["mse_test"]
            sweep.create_row(trial, choosing | {"mse_test": test})
    summary = concluded(sweep)
    assert summary.best.is_incumbent
    assert not summary.leader.is_incumbent
    assert proposed(sweep)["incumbent"] == sweep.definition.incumbent
    page = sweep.store.read(sweep.key("report/index.html")).decode()
    assert "It starts from the defaults: the setting that was chosen was judged, and is not better" in page


def test_the_next_spec_has_no_constraint_on_what_it_no_longer_searches(new_sweep, tiny_csv):
    parameters = {
        "learning_rate": {"low": 0.001, "high": 0.1, "log": True},
        "hidden_layers": [0, 1],
        "dropout": {"low": 0.0, "high": 0.5, "when": {"hidden_layers": 1}},
    }
    constraints = [["dropout", "<=", 0.4], ["learning_rate", "<", 0.09]]
    sweep = new_sweep(
        spec_for(tiny_csv, parameters=parameters, constraints=constraints, search={"experiments": 40, "seed": 3})
    )
    while trials := list(trials_of(rounds.plan_packs(sweep))):
        for trial in trials:
            setting = sweep.experiments()[trial.experiment].assignment
            value = 0.1 + (0.01 if setting["hidden_layers"] == 0 else 10.0) + float(setting["learning_rate"])  # type: ignore[arg-type]
            sweep.create_row(trial, row(sweep, trial, value, value))
    concluded(sweep)
    proposal = proposed(sweep)
    assert isinstance(proposal["parameters"]["dropout"], float)
    assert proposal["constraints"] == [["learning_rate", "<", 0.09]]
    define(proposal, "bbbb")
