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
def test_what_is_better_never_stops_where_what_is_worse_goes_on(rule, others, own, less):
    if is_good_enough(rule, own, others):
        assert is_good_enough(rule, own - less, others)


@given(VALUES)
@pytest.mark.parametrize("rule", [HALVING, MEDIAN], ids=["halving", "median"])
def test_the_best_so_far_always_goes_on(rule, others):
    assert is_good_enough(rule, min(others, default=0.0), others)


@given(st.lists(st.floats(-1e6, 1e6), min_size=3, max_size=30, unique=True))
def test_of_those_that_came_one_in_the_reduction_would_go_on(values):
    on = [own for own in values if is_good_enough(HALVING, own, [other for other in values if other != own])]
    assert len(on) == len(values) // 3
    assert sorted(values)[: len(on)] == sorted(on)


def comes_to(rungs: Rungs, value: float, name: str = "mse_valid") -> bool:
    """Whether a training goes on that has the value after its second epoch."""
    rungs.note(2, {name: value})
    return rungs.goes_on(2)


# -- a real sweep


@pytest.fixture
def asked(tiny_spec: dict[str, Any]) -> dict[str, Any]:
    """Learning rates of which the first learns most and the others nothing, so that who is behind is known."""
    return tiny_spec | {
        "date-range": [["2024-01-01", "2024-03-01"]],
        "incumbent": {"batch_size": 64, "learning_rate": 1e-6},
        "parameters": {"learning_rate": [0.03, 1e-7, 1e-8, 1e-9, 0.1]},
        "training": {"max-epochs": 9, "epoch-steps": 1},
        "search": {"strategy": "grid", "early-stopping": {"min-epochs": 2, "reduction": 3}},
    }


def run(sweep: Sweep) -> dict[str, Any]:
    while packs := rounds.pending(sweep):
        pack.run_pack(sweep, "p", list(trials_of(packs)), pack.Workbench(), on_event=lambda _: None)
    return {str(one): sweep.row(one) for one in sweep.planned()}


def test_what_is_behind_is_stopped_at_a_rung_and_says_what_that_saved(new_sweep, asked):
    sweep = new_sweep(asked)
    rows = run(sweep)
    stopped = {name: row for name, row in rows.items() if row["status"] == "stopped"}
    assert set(stopped) >= {"screen-e003-d0-s0", "screen-e004-d0-s0"}
    for row in stopped.values():
        assert row["epochs"] in (2, 6)
        assert row["epochs_saved"] == 9 - row["epochs"]
        assert row["mse_valid"] > 0
    assert rows["screen-e001-d0-s0"]["status"] == "complete"


def test_the_incumbent_is_never_stopped(new_sweep, asked):
    assert run(new_sweep(asked))["screen-e000-d0-s0"]["status"] == "complete"


def test_what_was_stopped_is_never_ranked_and_the_summary_says_so(new_sweep, asked):
    sweep = new_sweep(asked)
    rows = run(sweep)
    stopped = {row["experiment"] for row in rows.values() if row["status"] == "stopped"}
    assert stopped
    assert not stopped & {one.experiment for one in standings(sweep.definition, list(rows.values()))}
    summary = summary_of(state_of(sweep))
    assert summary.costs.stopped is not None
    assert summary.costs.stopped.trials == len(stopped)


def test_a_setting_that_was_stopped_on_one_range_is_not_trained_on_the_others(new_sweep, asked):
    sweep = new_sweep(asked | {"date-range": [["2024-01-01", "2024-03-01"], ["2024-02-01", "2024-04-01"]]})
    rows = run(sweep)
    behind = {row["experiment"] for row in rows.values() if row["status"] == "stopped"}
    assert behind
    for experiment in behind:
        first, second = (rows[f"screen-{experiment}-d{at}-s0"] for at in (0, 1))
        if first["status"] == "stopped":
            assert (second["status"], second["epochs"], second["epochs_saved"]) == ("stopped", 0, 9)
    assert {rows[f"screen-e000-d{at}-s0"]["status"] for at in (0, 1)} == {"complete"}


def test_what_a_phase_starts_from_is_not_stopped_whoever_came_before_it(new_sweep, asked):
    phases = [
        {"name": "learning-rate", "parameters": {"learning_rate": [1e-7, 1e-6]}, "mode": "full"},
        {"name": "architecture", "date-range": [["2024-02-01", "2024-04-01"]]},
    ]
    kept = {key: value for key, value in asked.items() if key not in ("parameters", "search")}
    stopping = {"experiments": 4, "early-stopping": {"min-epochs": 2, "reduction": 3}}
    sweep = new_sweep(kept | {"phases": phases, "search": stopping, "incumbent": {"learning_rate": 0.01}})
    first = list(trials_of(rounds.pending(sweep)))
    pack.run_pack(sweep, "p", first, pack.Workbench(), on_event=lambda _: None)
    second = list(trials_of(rounds.pending(sweep)))
    starts = [one for one in second if sweep.experiments()[one.experiment].phase == "learning-rate"]
    for n in range(9):
        for epoch in (2, 6):
            sweep.create_rung(Trial("architecture", f"e9{n}", 0, 0), epoch, 1e-9)
    pack.run_pack(sweep, "p", second, pack.Workbench(), on_event=lambda _: None)
    assert {sweep.row(one)["status"] for one in starts} == {"complete"}
    assert {sweep.row(one)["status"] for one in second if one not in starts} == {"stopped"}


def test_stopped_is_final(new_sweep, asked):
    sweep = new_sweep(asked)
    rows = run(sweep)
    assert rounds.pending(sweep, retry=True) == []
    assert {name: sweep.row(Trial.parse(name)) for name in rows} == rows


def test_nothing_is_stopped_while_judging(new_sweep, asked):
    sweep = new_sweep(asked | {"confirm": {"ranges": 2}})
    rows = run(sweep)
    judged = [row for name, row in rows.items() if name.startswith("confirm")]
    assert judged
    assert {row["status"] for row in judged} == {"complete"}


def test_comparisons_are_among_trials_of_the_same_range_and_seed(new_sweep, asked):
    sweep = new_sweep(asked | {"date-range": [["2024-01-01", "2024-03-01"], ["2024-02-01", "2024-04-01"]]})
    for number, one in enumerate(Trial("screen", f"e00{n}", 0, 0) for n in range(1, 4)):
        sweep.create_rung(one, 2, float(number))
    behind = Rungs(sweep, Trial("screen", "e005", 0, 0))
    elsewhere = Rungs(sweep, Trial("screen", "e005", 1, 0))
    assert not comes_to(behind, 9.0)
    assert comes_to(elsewhere, 9.0)


def test_where_more_is_better_the_least_are_stopped(store):
    own = {"command": ["true", "{lr}"], "hyperparameters": {"lr": 0.1}, "parameters": {"lr": [0.1, 0.2, 0.3]}}
    search = {"early-stopping": {"min-epochs": 2, "reduction": 3}}
    objective = {"metric": "acc", "goal": "maximize"}
    asked = own | {"objective": objective, "search": search, "date-range": [["2024-01-01", "2024-03-01"]]}
    sweep = Sweep.create(store, define(asked))
    answers = [
        comes_to(Rungs(sweep, Trial("screen", f"e00{n}", 0, 0)), value, "acc_valid")
        for n, value in enumerate([0.5, 0.6, 0.1, 0.7], start=1)
    ]
    assert answers == [True, True, False, True]


def test_a_store_that_cannot_be_reached_stops_nobody(bucket, proxy, asked):
    sweep = Sweep.create(BucketStore(f"gs://{bucket}", deadline=1), define(asked))
    assert sweep.definition
    for n in range(1, 9):
        sweep.create_rung(Trial("screen", f"e00{n}", 0, 0), 2, float(n))
    proxy.always(faults.Status(503))
    assert comes_to(Rungs(sweep, Trial("screen", "e009", 0, 0)), 99.0)


def test_a_decision_costs_one_object_and_one_listing(bucket: str, proxy: faults.Proxy, asked):
    sweep = Sweep.create(open_store(f"gs://{bucket}"), define(asked))
    for n in range(1, 20):
        sweep.create_rung(Trial("screen", f"e{n:03d}", 0, 0), 2, float(n))
    assert sweep.definition.phases[0].early_stopping is not None
    before = len(proxy.requests)
    assert not comes_to(Rungs(sweep, Trial("screen", "e020", 0, 0)), 99.0)
    assert len(proxy.requests) - before == 2
