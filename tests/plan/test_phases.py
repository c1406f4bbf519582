"""The phases of a spec, and their settings from round to round."""

import json
import random
from statistics import fmean
from typing import Any
from zlib import crc32

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.analysis.ranking import standings
from pipeline.errors import UserError
from pipeline.plan import phases
from pipeline.search import near
from pipeline.space import Assignment, Interval, Values, identity_of
from pipeline.sweep import Definition, Trial
from pipeline.training import architectures
from tests.support.simulation import ADAPTIVE, AUTOMATIC, Simulation, bowl
from tests.support.sweeps import define

LEARNING_RATE = ["learning_rate", "decay_factor", "decay_patience", "early_stopping_patience"]


def searching(strategy: str, **changes: object) -> Definition:
    search = {"strategy": strategy, "experiments": 13, "batch": 4}
    return define(ADAPTIVE | {"search": search | changes.pop("search", {})} | changes)  # type: ignore[dict-item]


def automatic(**changes: object) -> Definition:
    return define(AUTOMATIC | {"budget": {"trials": 36}} | changes)


# -- strategies that learn: round by round


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


# -- near


def interval():
    reals = st.tuples(st.floats(1e-4, 10), st.floats(1.5, 1e4), st.booleans()).map(
        lambda t: Interval(low=float(f"{t[0]:.6g}"), high=float(f"{t[0] * t[1]:.6g}"), log=t[2])
    )
    steps = st.tuples(st.integers(0, 9), st.integers(1, 40), st.sampled_from([0.1, 0.25, 1.0])).map(
        lambda t: Interval(low=float(t[0]), high=float(t[0] + t[1]), step=t[2])
    )
    integers = st.tuples(st.integers(1, 50), st.integers(1, 500), st.booleans()).map(
        lambda t: Interval(low=t[0], high=t[0] + t[1], log=t[2])
    )
    stepped = st.tuples(st.integers(0, 50), st.integers(1, 100), st.integers(1, 40)).map(
        lambda t: Interval(low=t[0], high=t[0] + t[1], step=t[2])
    )
    return st.one_of(reals, steps, integers, stepped)


@settings(max_examples=300)
@given(interval(), st.floats(0, 1, exclude_max=True), st.floats(0, 1, exclude_max=True))
def test_near_a_setting_is_a_part_of_the_range_that_holds_it(domain, unit, other):
    best = domain.at(unit)
    (part,) = near.near({"x": domain}, {"x": best}, 0.3).values()
    assert best in part
    assert part.at(other) in domain
    assert Interval.model_validate(part.model_dump()) == part


def test_near_a_listed_value_are_its_neighbours_and_what_has_no_order_stays():
    space = {
        "size": Values(values=(512, 64, 128, 256)),
        "kind": Values(values=("a", "b")),
        "on": Values(values=(True, False)),
    }
    narrowed = near.near(space, {"size": 128, "kind": "b", "on": False}, 0.3)
    assert {name: domain.values for name, domain in narrowed.items()} == {
        "size": (64, 128, 256),
        "kind": ("b",),
        "on": (False,),
    }


def test_near_a_setting_from_outside_is_the_whole_range():
    space = {"rate": Interval(low=0.1, high=0.2), "size": Values(values=(1, 2))}
    assert near.near(space, {"rate": 0.5, "size": 3}, 0.3) == space


def test_near_the_best_hyperparameters_without_effect_are_left_out():
    when_sgd, never = {"optimizer": ("sgd",)}, {"layers": (5,)}
    space = {
        "optimizer": Values(values=("sgd", "adam")),
        "momentum": Interval(low=0.0, high=0.9, when=when_sgd),
        "nesterov": Values(values=(1, 2), when={"momentum": (0.0,)}),
        "layers": Values(values=(1, 2, 5)),
        "extra": Values(values=(1, 2), when=never),
    }
    best = {"optimizer": "adam", "momentum": 0.5, "nesterov": 1, "layers": 1, "extra": 1}
    assert list(near.near(space, best, 0.3)) == ["optimizer", "layers"]
    assert list(near.near(space, best | {"optimizer": "sgd", "layers": 2, "momentum": 0.0}, 0.3)) == list(space)


# -- the store: a planner that dies, and one that comes twice


def test_planning_twice_answers_the_same_and_a_planner_that_died_loses_nothing(new_sweep, tiny_spec, monkeypatch):
    from pipeline.plan.rounds import pending
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
            pending(sweep)
        monkeypatch.setattr(Sweep, "create_round", original)
        packs = pending(sweep)
        if not packs:
            break
        assert pending(sweep) == packs
        trials = list(trials_of(packs))
        rounds.append(trials)
        for trial in random.Random(len(rounds)).sample(trials, len(trials)):
            assignment = sweep.experiments()[trial.experiment].assignment
            sweep.create_row(trial, row(sweep.definition, trial, assignment, measure(assignment, trial)))
    assert rounds == expected.rounds
    assert sweep.experiments() == expected.known


# -- what cannot be


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"constraints": [["hiden_size", "<=", 64]]},
            'constraints: hiden_size <= 64: there is no hyperparameter "hiden_size"; did you mean "hidden_size"',
        ),
        ({"constraints": [["hidden_size", "<=", "embeding_size"]]}, 'there is no hyperparameter "embeding_size"'),
        ({"constraints": [["hidden_size", "<", 16]]}, "constraints: hidden_size < 16: can never hold"),
        ({"constraints": [["dropout", "<=", 0.3]]}, "constraints: dropout <= 0.3: neither side is searched"),
        (
            {
                "constraints": [["hidden_size", "<", "embedding_size"], ["hidden_size", ">", 60]],
                "parameters": {"hidden_size": [16, 64], "embedding_size": [8, 64]},
            },
            "constraints: nothing in `parameters` fulfils",
        ),
        ({"constraints": [["hidden_size", "~", 16]]}, r'constraints.0: \["hidden_size", "~", 16\] is no constraint'),
        ({"constraints": [["hidden_size", "<"]]}, "constraints.0: .* is no constraint"),
        ({"constraints": [["hidden_size", "<=", True]]}, "constraints.0: .* is no constraint"),
        ({"constraints": ["hidden_size <= 3"]}, "constraints.0: .* is no constraint"),
        (
            {"parameters": {"hidden_size": {"values": [16, 32], "when": {"optimiser": "sgd"}}}},
            'parameters.hidden_size: its condition names "optimiser", which is no hyperparameter',
        ),
        (
            {"parameters": {"hidden_size": {"values": [16, 32], "when": {"hidden_layers": 2}}}},
            "its condition never holds",
        ),
        ({"parameters": {"hidden_size": [32]}}, "one setting only"),
        ({"parameters": SIX, "search": {"experiments": 8}}, "there are only 7, the setting to beat included"),
        (
            {"parameters": SIX, "constraints": [["hidden_size", "<", 64]], "search": {"experiments": 6}},
            "there are only 5",
        ),
        (
            {
                "parameters": {
                    "hidden_layers": [1, 2],
                    "dropout": {"values": [0.1, 0.2], "when": {"hidden_layers": 2}},
                },
                "search": {"experiments": 4},
            },
            "there are only 3",
        ),
        ({"search": {"race": True, "strategy": "tpe"}}, "search.race"),
        ({"search": {"race": True}, "budget": {"hours": 1}}, "search.race"),
        ({"budget": {"trials": 1}}, "budget.trials: choosing takes 2 at least"),
        ({"budget": {"experiments": 1}}, "budget.experiments: choosing takes 2 at least"),
        ({"budget": {"trials": 12}, "confirm": {}}, "budget.trials: judging the winner alone takes 12 of 12"),
        ({"budget": {"money": 5}}, "budget: `money` needs `price-per-device-hour`"),
        ({"budget": {"trials": 0}}, "budget.trials"),
        ({"budget": {"hours": -1}}, "budget.hours"),
        ({"budget": {"hours": float("inf")}}, "budget.hours"),
        ({"budget": {"hours": True}}, "budget.hours"),
        ({"budget": {"trails": 3}}, 'budget.trails: unknown key; did you mean "trials"'),
        ({"tune": "learning_rate"}, "tune"),
        (
            {"tune": "learning-rate", "parameters": {"hidden_size": [16, 32]}},
            "parameters.hidden_size: .*searches learning_rate",
        ),
        (
            {"tune": "learning-rate", "parameters": dict(zip(LEARNING_RATE, [0.1, 0.5, 2, 5], strict=True))},
            "no hyperparameter of the learning rate is left",
        ),
        ({"search": {"early-stopping": {"min-epochs": 0}}}, "search.early-stopping.min-epochs"),
        ({"search": {"early-stopping": {"rule": "best"}}}, "search.early-stopping.rule"),
        ({"search": {"early-stopping": {"reduction": 1}}}, "search.early-stopping.reduction"),
        ({"search": {"batch": 0}}, "search.batch"),
        ({"search": {"strategy": "grid"}}, "a grid needs an end of values"),
        ({"reuse": "yes"}, "reuse"),
        ({"phases": []}, "phases"),
        ({"phases": [{"name": "architecture"}], "tune": "automatic"}, '"automatic" has phases of its own'),
        ({"phases": [{"name": "fine-tuning"}]}, "phases.0.name"),
    ],
)  # fmt: skip
def test_an_impossible_spec_gives_one_line(changes, message):
    with pytest.raises(UserError, match=message) as caught:
        define(ADAPTIVE | changes)
    assert "\n" not in str(caught.value)


def test_all_fixed_is_nothing_to_tune():
    everything = {
        name: hyperparameter.default for name, hyperparameter in architectures.hyperparameters("bag-of-words").items()
    }
    for tune in ("automatic", "learning-rate", "parameters"):
        with pytest.raises(UserError, match=r"parameters: .*to tune"):
            define(AUTOMATIC | {"tune": tune, "parameters": everything})
    with pytest.raises(UserError, match=r"parameters: .*to tune"):
        define(AUTOMATIC | {"tune": "parameters", "parameters": everything, "phases": [{"name": "architecture"}]})


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
