"""Early stopping: who goes on at a rung, and what a sweep makes of those who do not."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.analysis.ranking import standings
from pipeline.plan import rounds
from pipeline.report.conclude import summary_of
from pipeline.report.state import state_of
from pipeline.spec.model import EarlyStopping
from pipeline.store import open_store
from pipeline.store.bucket import BucketStore
from pipeline.sweep import Sweep, Trial, trials_of
from pipeline.trials import pack
from pipeline.trials.early_stopping import Rungs, is_good_enough, is_rung
from tests.support import faults
from tests.support.sweeps import define

HALVING = EarlyStopping.model_validate({"min-epochs": 2, "reduction": 3})
MEDIAN = EarlyStopping.model_validate({"rule": "median", "min-epochs": 2})
VALUES = st.lists(st.floats(-1e6, 1e6), max_size=30)


def test_rungs_of_halving_are_the_least_epochs_times_powers_of_the_reduction():
    assert [epoch for epoch in range(1, 60) if is_rung(HALVING, epoch)] == [2, 6, 18, 54]
    assert [epoch for epoch in range(1, 6) if is_rung(MEDIAN, epoch)] == [2, 3, 4, 5]


@given(VALUES, st.floats(-1e6, 1e6), st.floats(0, 1e6))
@pytest.mark.parametrize("rule", [HALVING, MEDIAN], ids=["halving", "median"])
def test_a_better_value_never_stops_where_a_worse_one_goes_on(rule, others, value, gain):
    if is_good_enough(rule, value, others):
        assert is_good_enough(rule, value - gain, others)


@given(VALUES)
@pytest.mark.parametrize("rule", [HALVING, MEDIAN], ids=["halving", "median"])
def test_the_best_so_far_always_goes_on(rule, others):
    assert is_good_enough(rule, min(others, default=0.0), others)


@given(st.lists(st.floats(-1e6, 1e6), min_size=3, max_size=30, unique=True))
def test_one_in_reduction_of_the_trainings_at_a_rung_goes_on(values):
    going_on = [
        value for value in values if is_good_enough(HALVING, value, [other for other in values if other != value])
    ]
    assert len(going_on) == len(values) // 3
    assert sorted(values)[: len(going_on)] == sorted(going_on)


def comes_to(rungs: Rungs, value: float, name: str = "mse_valid") -> bool:
    """True if a training with the value goes on after its second epoch."""
    rungs.note(2, {name: value})
    return rungs.goes_on(2)


# -- a real sweep


@pytest.fixture
def spec_json(tiny_spec: dict[str, Any]) -> dict[str, Any]:
    """Learning rates: the first learns most and the others nothing, so that they are behind."""
    return tiny_spec | {
        "date-range": [["2024-01-01", "2024-03-01"]],
        "incumbent": {"batch_size": 64, "learning_rate": 1e-6},
        "parameters": {"learning_rate": [0.03, 1e-7, 1e-8, 1e-9, 0.1]},
        "training": {"max-epochs": 9, "epoch-steps": 1},
        "search": {"strategy": "grid", "early-stopping": {"min-epochs": 2, "reduction": 3}},
    }


def run(sweep: Sweep) -> dict[str, Any]:
    while packs := rounds.plan_packs(sweep):
        pack.run_pack(sweep, "p", list(trials_of(packs)), pack.Workbench(), on_event=lambda _: None)
    return {str(trial): sweep.row(trial) for trial in sweep.planned()}


def test_a_training_that_is_behind_is_stopped_at_a_rung_and_its_row_says_what_that_saved(new_sweep, spec_json):
    sweep = new_sweep(spec_json)
    rows = run(sweep)
    stopped = {name: row for name, row in rows.items() if row["status"] == "stopped"}
    assert set(stopped) >= {"screen-e003-d0-s0", "screen-e004-d0-s0"}
    for row in stopped.values():
        assert row["epochs"] in (2, 6)
        assert row["epochs_saved"] == 9 - row["epochs"]
        assert row["mse_valid"] > 0
    assert rows["screen-e001-d0-s0"]["status"] == "complete"


def test_the_incumbent_is_never_stopped(new_sweep, spec_json):
    assert run(new_sweep(spec_json))["screen-e000-d0-s0"]["status"] == "complete"


def test_a_stopped_trial_is_never_ranked_and_the_summary_says_so(new_sweep, spec_json):
    sweep = new_sweep(spec_json)
    rows = run(sweep)
    stopped = {row["experiment"] for row in rows.values() if row["status"] == "stopped"}
    assert stopped
    assert not stopped & {standing.experiment for standing in standings(sweep.definition, list(rows.values()))}
    summary = summary_of(state_of(sweep))
    assert summary.costs.stopped is not None
    assert summary.costs.stopped.trials == len(stopped)


def test_a_setting_that_was_stopped_on_one_range_is_not_trained_on_the_others(new_sweep, spec_json):
    sweep = new_sweep(spec_json | {"date-range": [["2024-01-01", "2024-03-01"], ["2024-02-01", "2024-04-01"]]})
    rows = run(sweep)
    behind = {row["experiment"] for row in rows.values() if row["status"] == "stopped"}
    assert behind
    for experiment in behind:
        first, second = (rows[f"screen-{experiment}-d{at}-s0"] for at in (0, 1))
        if first["status"] == "stopped":
            assert (second["status"], second["epochs"], second["epochs_saved"]) == ("stopped", 0, 9)
    assert {rows[f"screen-e000-d{at}-s0"]["status"] for at in (0, 1)} == {"complete"}


def test_the_setting_that_a_phase_starts_from_is_never_stopped(new_sweep, spec_json):
    phases = [
        {"name": "learning-rate", "parameters": {"learning_rate": [1e-7, 1e-6]}, "mode": "full"},
        {"name": "architecture", "date-range": [["2024-02-01", "2024-04-01"]]},
    ]
    base = {key: value for key, value in spec_json.items() if key not in ("parameters", "search")}
    stopping = {"experiments": 4, "early-stopping": {"min-epochs": 2, "reduction": 3}}
    sweep = new_sweep(base | {"phases": phases, "search": stopping, "incumbent": {"learning_rate": 0.01}})
    first = list(trials_of(rounds.plan_packs(sweep)))
    pack.run_pack(sweep, "p", first, pack.Workbench(), on_event=lambda _: None)
    second = list(trials_of(rounds.plan_packs(sweep)))
    starts = [trial for trial in second if sweep.experiments()[trial.experiment].phase == "learning-rate"]
    for n in range(9):
        for epoch in (2, 6):
            sweep.create_rung(Trial("architecture", f"e9{n}", 0, 0), epoch, 1e-9)
    pack.run_pack(sweep, "p", second, pack.Workbench(), on_event=lambda _: None)
    assert {sweep.row(trial)["status"] for trial in starts} == {"complete"}
    assert {sweep.row(trial)["status"] for trial in second if trial not in starts} == {"stopped"}


def test_stopped_is_final(new_sweep, spec_json):
    sweep = new_sweep(spec_json)
    rows = run(sweep)
    assert rounds.plan_packs(sweep, retry=True) == []
    assert {name: sweep.row(Trial.parse(name)) for name in rows} == rows


def test_nothing_is_stopped_while_judging(new_sweep, spec_json):
    sweep = new_sweep(spec_json | {"confirm": {"ranges": 2}})
    rows = run(sweep)
    judged = [row for name, row in rows.items() if name.startswith("confirm")]
    assert judged
    assert {row["status"] for row in judged} == {"complete"}


def test_comparisons_are_among_trials_of_the_same_range_and_seed(new_sweep, spec_json):
    sweep = new_sweep(spec_json | {"date-range": [["2024-01-01", "2024-03-01"], ["2024-02-01", "2024-04-01"]]})
    for number, trial in enumerate(Trial("screen", f"e00{n}", 0, 0) for n in range(1, 4)):
        sweep.create_rung(trial, 2, float(number))
    behind = Rungs(sweep, Trial("screen", "e005", 0, 0))
    elsewhere = Rungs(sweep, Trial("screen", "e005", 1, 0))
    assert not comes_to(behind, 9.0)
    assert comes_to(elsewhere, 9.0)


def test_if_more_is_better_the_lowest_values_are_stopped(store):
    own_spec = {"command": ["true", "{lr}"], "hyperparameters": {"lr": 0.1}, "parameters": {"lr": [0.1, 0.2, 0.3]}}
    search = {"early-stopping": {"min-epochs": 2, "reduction": 3}}
    objective = {"metric": "acc", "goal": "maximize"}
    spec_json = own_spec | {"objective": objective, "search": search, "date-range": [["2024-01-01", "2024-03-01"]]}
    sweep = Sweep.create(store, define(spec_json))
    answers = [
        comes_to(Rungs(sweep, Trial("screen", f"e00{n}", 0, 0)), value, "acc_valid")
        for n, value in enumerate([0.5, 0.6, 0.1, 0.7], start=1)
    ]
    assert answers == [True, True, False, True]


def test_a_store_that_cannot_be_reached_stops_no_training(bucket, proxy, spec_json):
    sweep = Sweep.create(BucketStore(f"gs://{bucket}", deadline=1), define(spec_json))
    assert sweep.definition
    for n in range(1, 9):
        sweep.create_rung(Trial("screen", f"e00{n}", 0, 0), 2, float(n))
    proxy.always(faults.Status(503))
    assert comes_to(Rungs(sweep, Trial("screen", "e009", 0, 0)), 99.0)


def test_a_decision_costs_one_object_and_one_listing(bucket: str, proxy: faults.Proxy, spec_json):
    sweep = Sweep.create(open_store(f"gs://{bucket}"), define(spec_json))
    for n in range(1, 20):
        sweep.create_rung(Trial("screen", f"e{n:03d}", 0, 0), 2, float(n))
    assert sweep.definition.phases[0].early_stopping is not None
    before = len(proxy.requests)
    assert not comes_to(Rungs(sweep, Trial("screen", "e020", 0, 0)), 99.0)
    assert len(proxy.requests) - before == 2
