"""Strategies that learn from round to round."""

import random

import pytest

from pipeline.space import identity_of
from pipeline.sweep import Definition
from tests.support.simulation import ADAPTIVE, Simulation, bowl
from tests.support.sweeps import define


def searching(strategy: str, **changes: object) -> Definition:
    search = {"strategy": strategy, "experiments": 13, "batch": 4}
    return define(ADAPTIVE | {"search": search | changes.pop("search", {})} | changes)  # type: ignore[dict-item]


@pytest.mark.parametrize("strategy", ["tpe", "gp"])
def test_the_same_spec_gives_the_same_sweep_in_whatever_order_rows_arrive(strategy):
    definition = searching(strategy)
    first = Simulation(definition).to_the_end()
    assert [len(trials) for trials in first.rounds] == [4, 4, 4, 1]
    for seed in range(2):
        other = Simulation(definition, luck=random.Random(seed)).to_the_end()
        assert other.rounds == first.rounds
        assert other.known == first.known


def test_another_seed_gives_another_sweep():
    first, second = (Simulation(searching("tpe", search={"seed": seed})).to_the_end() for seed in (0, 1))
    assert first.known != second.known
    assert first.known["e000"] == second.known["e000"]


@pytest.mark.parametrize("strategy", ["tpe", "gp"])
def test_a_strategy_that_learns_does_better_than_its_first_rounds(strategy):
    sweep = Simulation(searching(strategy, search={"experiments": 29})).to_the_end()
    errors = [bowl(assignment, sweep.rounds[0][0])["mse_valid"] for assignment in sweep.assignments("screen")]
    assert min(errors[12:]) < min(errors[:12])


def test_no_experiment_runs_twice_in_a_phase():
    sweep = Simulation(searching("tpe", search={"experiments": 40})).to_the_end()
    assert len(set(sweep.planned())) == len(sweep.planned()) == 40
    assert len({identity_of(assignment) for assignment in sweep.assignments("screen")}) == 40


SIX = {"learning_rate": [0.01, 0.1], "hidden_size": [16, 32, 64]}


@pytest.mark.parametrize("strategy", ["tpe", "gp", "random", "sobol", "grid"])
def test_a_space_that_is_used_up_ends_the_sweep(strategy):
    definition = searching(strategy, parameters=SIX, search={"experiments": 7})
    (phase,) = definition.phases
    # More experiments than the space has settings.
    greedy = definition.model_copy(update={"phases": (phase.model_copy(update={"experiments": 30}),)})
    for each in (definition, greedy):
        sweep = Simulation(each).to_the_end()
        assert len(sweep.planned()) == 7
        assert len({identity_of(assignment) for assignment in sweep.assignments("screen")}) == 7


@pytest.mark.parametrize("strategy", ["tpe", "gp"])
def test_failures_and_divergence_do_not_stop_a_search(strategy):
    def measure(assignment, trial):
        kind = int(trial.experiment[1:]) % 4
        if kind == 1:
            return {"status": "failed", "error": "no luck"}
        return bowl(assignment, trial) | ({"status": "diverged", "mse_valid": float("nan")} if kind == 2 else {})

    sweep = Simulation(searching(strategy), measure).to_the_end()
    assert len(sweep.rows) == 13
    everything_fails = Simulation(searching(strategy), lambda *_: {"status": "failed"}).to_the_end()
    assert len(everything_fails.rows) == 13


def test_a_failure_that_a_retry_mends_counts_in_the_following_rounds():
    definition = searching("tpe", search={"experiments": 29})

    def broken(assignment, trial):
        return {"status": "failed"} if trial.experiment in ("e001", "e002") else bowl(assignment, trial)

    def planned(mended):
        sweep = Simulation(definition, broken)
        for _ in range(4):
            sweep.step()
        if mended:
            sweep.rows = [row for row in sweep.rows if row["status"] == "complete"]
            sweep.measure = bowl
            for trial in sweep.planned():
                if trial.experiment in ("e001", "e002"):
                    sweep.finish(trial)
        return sweep.to_the_end()

    assert planned(mended=True).rounds[:4] == planned(mended=False).rounds[:4]
    assert len(planned(mended=True).planned()) == 29
    assert planned(mended=True).known != planned(mended=False).known


def test_a_trial_that_was_stopped_early_counts_with_its_value():
    def measure(assignment, trial):
        row = bowl(assignment, trial)
        return row | ({"status": "stopped", "epochs": 2} if row["mse_valid"] > 1 else {})

    definition = searching("tpe", search={"experiments": 29})
    assert Simulation(definition, measure).to_the_end().known == Simulation(definition).to_the_end().known
