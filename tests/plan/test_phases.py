"""The phases of a spec, and their settings from round to round."""

import json
import random
from statistics import fmean
from typing import Any
from zlib import crc32

import pytest

from pipeline.analysis.ranking import standings
from pipeline.plan import phases
from pipeline.search import near
from pipeline.space import Assignment, identity_of
from pipeline.sweep import Definition, Trial
from pipeline.training import architectures
from tests.support.simulation import ADAPTIVE, AUTOMATIC, Simulation, bowl
from tests.support.sweeps import define

LEARNING_RATE = ["learning_rate", "decay_factor", "decay_patience", "early_stopping_patience"]


def automatic(**changes: object) -> Definition:
    return define(AUTOMATIC | {"budget": {"trials": 36}} | changes)


# -- the automatic mode


def test_the_automatic_mode_goes_from_the_learning_rate_to_everything_near_the_best():
    definition = automatic()
    assert [phase.name for phase in definition.phases] == ["learning-rate", "architecture", "near-best", "confirm"]
    first, second, third, confirm = definition.phases
    assert list(first.space) == LEARNING_RATE
    assert set(second.space) == set(definition.incumbent) - set(LEARNING_RATE)
    assert set(third.space) == set(definition.incumbent)
    assert [phase.follows for phase in definition.phases] == [None, "learning-rate", "architecture", None]
    assert [phase.near for phase in definition.phases] == [None, None, phases.NEAR, None]
    assert [phase.fidelity.name for phase in definition.phases] == ["short", "short", "short", "full"]
    assert confirm.judging is not None
    assert confirm.judging.fresh


@pytest.mark.parametrize("architecture", architectures.names())
def test_every_architecture_has_an_automatic_mode(architecture):
    definition = automatic(architecture=architecture)
    assert [phase.name for phase in definition.phases] == ["learning-rate", "architecture", "near-best", "confirm"]


def test_mode_full_chooses_on_whole_ranges_too():
    assert [phase.fidelity.name for phase in automatic(mode="full").phases] == ["full"] * 4
    assert len(automatic(mode="full", budget=None).phases[0].ranges) == 3
    assert len(automatic().phases[0].ranges) == 1


def test_each_phase_starts_from_the_best_of_the_one_before_and_has_the_incumbent():
    definition = automatic(budget={"trials": 60})
    sweep = Simulation(definition).to_the_end()
    before = None
    for phase in definition.choosing:
        tried = sweep.assignments(phase.name)
        assert len(tried) == phase.experiments
        assert tried[0] == definition.incumbent
        if before is not None:
            assert tried[1] == before
            fixed = [name for name in definition.incumbent if phase.space and name not in phase.space]
            assert all(assignment[name] == before[name] for assignment in tried[1:] for name in fixed)
        before = standings(definition, sweep.rows, phase)[0].assignment
    judged = sweep.assignments("confirm")
    assert judged == [definition.incumbent, before]


def test_near_best_searches_around_the_best():
    definition = automatic(budget={"trials": 60})
    sweep = Simulation(definition).to_the_end()
    phase = definition.phase("near-best")
    base = standings(definition, sweep.rows, definition.phase("architecture"))[0].assignment
    around = near.near(phase.space, base, phases.NEAR)
    tried = sweep.assignments("near-best")[2:]
    assert len(tried) > 3
    assert all(assignment[name] in domain for assignment in tried for name, domain in around.items())


def test_the_whole_automatic_mode_does_not_depend_on_the_order_of_rows():
    definition = automatic()
    first = Simulation(definition).to_the_end()
    other = Simulation(definition, luck=random.Random(1)).to_the_end()
    assert (other.rounds, other.known) == (first.rounds, first.known)


def fast_and_slow(assignment, trial):
    """e002 is the best by a hair; e001 comes within half a percent with half of the epochs, by a very slow clock."""
    error, epochs = {"e001": (0.1005, 5), "e002": (0.1, 10)}.get(trial.experiment, (0.2, 1))
    seconds = 1000.0 if trial.experiment == "e001" else 1.0
    return {"mse_valid": error, "mse_test": error, "epochs": epochs, "training_time": seconds}


def test_a_learning_rate_that_trains_clearly_faster_goes_first_whatever_the_clock_said():
    definition = define(AUTOMATIC | {"tune": "learning-rate"})
    sweep = Simulation(definition, fast_and_slow).to_the_end()
    assert [standing.experiment for standing in standings(definition, sweep.rows)][:2] == ["e001", "e002"]
    assert {trial.experiment for trial in sweep.planned() if trial.phase == "confirm"} == {"e000", "e001"}


def test_the_next_phase_starts_from_the_setting_that_trains_clearly_faster():
    definition = automatic()
    sweep = Simulation(definition, fast_and_slow)
    while not any(trial.phase == "architecture" for trial in sweep.planned()):
        sweep.step()
    assert sweep.assignments("architecture")[1] == sweep.known["e001"].assignment


@pytest.mark.parametrize(("error", "epochs"), [(0.102, 5), (0.1005, 9), (0.1, 10)])
def test_a_setting_more_than_a_percent_worse_or_hardly_faster_does_not_go_first(error, epochs):
    def measure(assignment, trial):
        row = fast_and_slow(assignment, trial)
        return row | ({"mse_valid": error, "epochs": epochs} if trial.experiment == "e001" else {})

    definition = define(AUTOMATIC | {"tune": "learning-rate"})
    sweep = Simulation(definition, measure).to_the_end()
    first = "e001" if error == 0.1 else "e002"
    assert standings(definition, sweep.rows)[0].experiment == first


def test_where_a_phase_found_nothing_the_next_one_starts_from_the_best_before_it():
    definition = automatic()

    def measure(assignment, trial):
        return {"status": "failed"} if trial.phase == "architecture" else bowl(assignment, trial)

    sweep = Simulation(definition, measure).to_the_end()
    best = standings(definition, sweep.rows, definition.phase("learning-rate"))[0].assignment
    assert sweep.assignments("near-best")[1] == best


def test_a_phase_that_lost_the_setting_that_it_started_from_does_not_decide():
    definition = automatic()
    sweep = Simulation(definition)
    while not any(trial.phase == "near-best" for trial in sweep.planned()):
        sweep.step()
    best = sweep.assignments("near-best")[1]
    sweep.rows = [
        row
        for row in sweep.rows
        if row["phase"] != "near-best"
        or row["experiment"] == "e000"
        or sweep.known[row["experiment"]].assignment != best
    ]
    # Only time that ended can do this: the incumbent has its row, what it should be compared with has none.
    assert standings(definition, sweep.rows)[0].assignment == best


def test_a_phase_keeps_its_start_when_a_retry_mends_one_before_it():
    definition = automatic(budget={"trials": 60})

    def broken(assignment, trial):
        failed = trial.phase == "learning-rate" and assignment["learning_rate"] > 0.002
        return {"status": "failed"} if failed else bowl(assignment, trial)

    sweep = Simulation(definition, broken)
    while not any(trial.phase == "architecture" for trial in sweep.planned()):
        sweep.step()
    start = sweep.assignments("architecture")[1]
    sweep.rows = [row for row in sweep.rows if row["status"] == "complete"]
    sweep.measure = bowl
    done = {row["trial"] for row in sweep.rows}
    for trial in sweep.planned():
        if str(trial) not in done:
            sweep.finish(trial)
    assert standings(definition, sweep.rows, definition.phase("learning-rate"))[0].assignment != start
    sweep.to_the_end()
    rates = {assignment["learning_rate"] for assignment in sweep.assignments("architecture")[1:]}
    assert rates == {start["learning_rate"]}


def test_a_phase_whose_follower_has_begun_plans_nothing_more():
    definition = automatic(budget={"trials": 60})
    sweep = Simulation(definition, lambda a, t: {"status": "failed"} if t.experiment == "e003" else bowl(a, t))
    sweep.to_the_end()
    before = list(sweep.rounds)
    sweep.rows = [row for row in sweep.rows if row["experiment"] != "e003"]
    for trial in sweep.planned():
        if trial.experiment == "e003":
            sweep.measure = lambda a, t: bowl(a, t) | {"mse_valid": 1e-6}
            sweep.finish(trial)
    sweep.to_the_end()
    assert {trial.phase for trials in sweep.rounds[len(before) :] for trial in trials} <= {"confirm"}


# -- what the spec says is respected


def test_fixed_parameters_stay_fixed_in_every_phase():
    fixed = {"hidden_size": 96, "learning_rate": 0.003}
    sweep = Simulation(automatic(parameters=fixed)).to_the_end()
    assert {experiment.assignment["hidden_size"] for experiment in sweep.known.values()} == {96}
    assert {experiment.assignment["learning_rate"] for experiment in sweep.known.values()} == {0.003}
    assert sweep.definition.incumbent["hidden_size"] == 96


def test_narrowed_parameters_are_searched_where_the_spec_says_only():
    narrow = {"learning_rate": {"low": 0.01, "high": 0.02}, "hidden_size": [32, 48], "batch_size": [256]}
    definition = automatic(parameters=narrow, budget={"trials": 60})
    sweep = Simulation(definition).to_the_end()
    for phase in definition.choosing:
        for assignment in sweep.assignments(phase.name)[2:]:
            assert "learning_rate" not in phase.space or 0.01 <= assignment["learning_rate"] <= 0.02
            assert "hidden_size" not in phase.space or assignment["hidden_size"] in (32, 48, 64)
            assert "batch_size" not in phase.space or assignment["batch_size"] in (256, 1024)
    assert 256 in {assignment["batch_size"] for assignment in sweep.assignments("architecture")}


def test_with_all_of_the_learning_rate_fixed_the_other_phases_remain():
    fixed = {"learning_rate": 0.003, "decay_factor": 0.5, "decay_patience": 2, "early_stopping_patience": 5}
    definition = automatic(parameters=fixed)
    assert [phase.name for phase in definition.choosing] == ["architecture", "near-best"]
    assert [phase.follows for phase in definition.choosing] == [None, "architecture"]
    assert Simulation(definition).to_the_end().rows


def test_the_learning_rate_alone():
    definition = define(AUTOMATIC | {"tune": "learning-rate"})
    (phase,) = definition.choosing
    assert (phase.name, phase.strategy, phase.fidelity.name, phase.experiments) == (
        "learning-rate",
        "sobol",
        "full",
        21,
    )
    assert list(phase.space) == LEARNING_RATE
    assert phase.faster_within == 0.01


def test_nothing_is_tuned():
    definition = define(AUTOMATIC | {"tune": "nothing"})
    sweep = Simulation(definition).to_the_end()
    assert [phase.name for phase in definition.phases] == ["train"]
    assert [str(trial) for trial in sweep.planned()] == [f"train-e000-d{at}-s0" for at in range(3)]


def test_phases_that_the_spec_names_run_in_its_order_and_each_its_own_way():
    phases = [
        {"name": "learning-rate", "search": {"strategy": "grid", "experiments": 3}, "mode": "short"},
        {"name": "architecture", "search": {"strategy": "random", "experiments": 4}},
        {"name": "near-best", "search": {"experiments": 6, "batch": 2}},
    ]
    definition = automatic(
        phases=phases,
        tune="parameters",
        budget=None,
        parameters={"learning_rate": [0.003, 0.01], **dict.fromkeys(LEARNING_RATE[1:2], 0.5)}
        | {"decay_patience": 2, "early_stopping_patience": 5},
    )
    assert [phase.strategy for phase in definition.choosing] == ["grid", "random", "tpe"]
    assert [phase.batch for phase in definition.choosing] == [None, None, 2]
    sweep = Simulation(definition).to_the_end()
    assert [len(sweep.assignments(phase.name)) for phase in definition.choosing] == [3, 4, 6]
    assert sweep.assignments("architecture")[1] == standings(definition, sweep.rows, definition.phases[0])[0].assignment


def test_the_requested_experiments_are_shared_among_the_phases():
    definition = automatic(budget=None, search={"experiments": 60})
    assert [phase.experiments for phase in definition.choosing[:3]] == [18, 27, 15]
    assert [phase.experiments for phase in automatic(budget=None).choosing[:3]] == [12, 18, 10]


def test_an_incumbent_outside_of_a_condition_is_one_of_the_settings():
    parameters = {"hidden_layers": [1, 2], "dropout": {"values": [0.1, 0.2], "when": {"hidden_layers": 2}}}
    definition = define(ADAPTIVE | {"parameters": parameters, "search": {"strategy": "grid"}})
    sweep = Simulation(definition, lambda a, t: {"mse_valid": 1.0}).to_the_end()
    assert [(assignment["hidden_layers"], assignment["dropout"]) for assignment in sweep.assignments("screen")] == [
        (1, 0.0),
        (2, 0.1),
        (2, 0.2),
    ]


def test_constraints_hold_in_every_phase_and_are_said_once_in_the_definition():
    definition = automatic(constraints=[["hidden_size", "<=", "embedding_size"]], budget={"trials": 60})
    sweep = Simulation(definition).to_the_end()
    drawn = [assignment for phase in definition.choosing for assignment in sweep.assignments(phase.name)]
    assert all(assignment["hidden_size"] <= assignment["embedding_size"] for assignment in drawn)
    assert json.loads(definition.model_dump_json(by_alias=True))["spec"]["constraints"]


# -- the best few with more seeds


def lucky(assignment: Assignment, trial: Trial) -> dict[str, Any]:
    """An error whose luck, a third up or down, depends on setting and seed."""
    luck = crc32(f"{sorted(assignment.items())}{trial.seed}".encode()) / 2**32
    row = bowl(assignment, trial)
    return row | {"mse_valid": row["mse_valid"] * (0.67 + 0.66 * luck)}


def test_in_short_mode_the_best_few_train_with_more_seeds_before_one_is_chosen():
    sweep = Simulation(automatic(budget=None), lucky).to_the_end()
    last = sweep.definition.choosing[-1]
    assert (last.name, last.seeds, last.space) == ("replicate", 3, {})
    before = standings(sweep.definition, sweep.rows, sweep.definition.phase("near-best"))
    replicated = sweep.assignments("replicate")
    assert replicated[0] == sweep.definition.incumbent
    assert set(map(identity_of, replicated[1:])) == {identity_of(standing.assignment) for standing in before[:5]}
    chosen = standings(sweep.definition, sweep.rows)[0]
    scores = [
        row["mse_valid"] for row in sweep.rows if row["phase"] == "replicate" and row["experiment"] == chosen.experiment
    ]
    assert len(scores) == 3
    assert chosen.score == pytest.approx(fmean(scores))


@pytest.mark.parametrize("changes", [{"mode": "full"}, {"search": {"seeds-per-range": 2}}, {"tune": "learning-rate"}])
def test_with_several_seeds_per_range_nothing_is_replicated(changes):
    definition = define({**AUTOMATIC, **changes})
    assert "replicate" not in [phase.name for phase in definition.phases]


def test_replicating_is_left_out_where_the_trials_are_too_few():
    few, many = (define(AUTOMATIC | {"budget": {"trials": trials}}) for trials in (40, 100))
    assert [len(definition.choosing) for definition in (few, many)] == [3, 4]
    for definition, trials in ((few, 40), (many, 100)):
        planned = sum(phase.experiments * len(phase.ranges) * phase.seeds for phase in definition.phases)
        assert planned <= trials


# -- the store: a planner that dies, and one that comes twice


def test_planning_twice_answers_the_same_and_a_planner_that_died_loses_nothing(new_sweep, tiny_spec, monkeypatch):
    from pipeline.plan.rounds import plan_packs
    from pipeline.sweep import Sweep, trials_of
    from tests.support.simulation import row

    spec_json = tiny_spec | {
        "parameters": {"learning_rate": {"low": 0.001, "high": 0.1, "log": True}},
        "search": {"strategy": "tpe", "experiments": 9, "batch": 3},
    }
    sweep = new_sweep(spec_json)
    expected = Simulation(sweep.definition, measure := lambda a, t: {"mse_valid": abs(a["learning_rate"] - 0.02) + 0.1})
    expected.to_the_end()
    original = Sweep.create_round

    def die(*_):
        raise KeyboardInterrupt

    rounds = []
    while True:
        monkeypatch.setattr(Sweep, "create_round", die)
        with pytest.raises(KeyboardInterrupt):
            plan_packs(sweep)
        monkeypatch.setattr(Sweep, "create_round", original)
        packs = plan_packs(sweep)
        if not packs:
            break
        assert plan_packs(sweep) == packs
        trials = list(trials_of(packs))
        rounds.append(trials)
        for trial in random.Random(len(rounds)).sample(trials, len(trials)):
            assignment = sweep.experiments()[trial.experiment].assignment
            sweep.create_row(trial, row(sweep.definition, trial, assignment, measure(assignment, trial)))
    assert rounds == expected.rounds
    assert sweep.experiments() == expected.known
