import math
from collections import defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.plan import packing, rounds
from pipeline.results import Row
from pipeline.sweep import Definition, Experiment, Pack, Trial, trials_of
from pipeline.training.own.code import Own
from tests.plan.test_rounds import finish
from tests.support.rows import row_of
from tests.support.sweeps import define

DATA = {"path": "x.csv", "date": "d", "categorical": ["c"], "target": "y"}


def rates(ranges: int = 1, **more: object) -> Definition:
    months = [[f"2024-0{month}-01", f"2024-0{month + 2}-01"] for month in range(1, 1 + ranges)]
    base = {
        "architecture": "bag-of-words",
        "data": DATA,
        "date-range": months,
        "parameters": {"dropout": [0.1, 0.2]},
    }
    return define(base | more)


def planned(assignments: list[dict], ranges: int = 1) -> list[packing.Planned]:
    experiments = [Experiment(f"e{at:03d}", "screen", assignment) for at, assignment in enumerate(assignments)]
    return [(experiment, Trial("screen", experiment.id, at, 0)) for experiment in experiments for at in range(ranges)]


def many(count: int, ranges: int = 1) -> list[packing.Planned]:
    return planned([{"learning_rate": 0.1 + n} for n in range(count)], ranges)


def took(definition: Definition, seconds: float) -> list[Row]:
    """Rows of earlier trials that took so long."""
    trial = Trial("screen", "e000", 0, 0)
    return [row_of(definition, trial, {"learning_rate": 0.1}, training_time=seconds, fidelity="full")]


def sizes(packs: list[list[packing.Planned]]) -> list[int]:
    return [len(pack) for pack in packs]


RATES = st.floats(0.001, 0.1)
SIZES = st.sampled_from([16, 32])


@given(
    st.lists(st.fixed_dictionaries({"learning_rate": RATES, "hidden_size": SIZES}), min_size=1, max_size=150),
    st.integers(1, 3),
    st.integers(1, 12),
    st.none() | st.floats(0.01, 10_000),
)
def test_every_trial_is_in_one_pack_of_one_range_and_no_pack_is_too_large(experiments, ranges, lanes, seconds):
    definition, trials = rates(ranges), planned(experiments, ranges)
    rows = [] if seconds is None else took(definition, seconds)
    packs = packing.cut(definition, trials, lanes, rows)
    assert sorted(str(trial) for pack in packs for _, trial in pack) == sorted(str(trial) for _, trial in trials)
    for pack in packs:
        assert len({(trial.phase, trial.range) for _, trial in pack}) == 1
        assert 1 <= len(pack) <= packing.MOST
        assert len(",".join(str(trial) for _, trial in pack)) <= packing.MOST_BYTES
        if seconds is not None:
            assert len(pack) * seconds <= packing.PACK_S or len(pack) == 1
    assert packing.cut(definition, trials, lanes, rows) == packs
    # A lane's share, or, where that takes hardly any time, what is worth a process.
    assert max(sizes(packs)) <= max(4, 1.5 * math.ceil(len(trials) / lanes))


@given(st.integers(1, 12), st.integers(1, 300), st.floats(0.1, 600))
def test_lanes_end_together(lanes, count, seconds):
    """Taken one after another by whichever lane is free, packs leave no lane waiting for long at the end."""
    definition = rates()
    ends = [0.0] * lanes
    for pack in packing.cut(definition, many(count), lanes, took(definition, seconds)):
        ends[ends.index(min(ends))] += len(pack) * seconds
    assert max(ends) - min(ends) <= max(20.0, 2 * seconds)


def test_packs_become_smaller_and_are_worth_a_process():
    cases = defaultdict(list)
    definition = rates()
    for count, lanes, seconds in ((63, 2, None), (200, 2, 1.0), (20, 2, 0.1), (8, 2, 1000.0), (4, 4, None)):
        rows = [] if seconds is None else took(definition, seconds)
        cases[count, lanes, seconds] = sizes(packing.cut(definition, many(count), lanes, rows))
    assert cases == {
        (63, 2, None): [16, 12, 9, 8, 8, 5, 3, 1, 1],
        (200, 2, 1.0): [50, 38, 28, 21, 16, 12, 10, 10, 10, 5],
        (20, 2, 0.1): [10, 10],
        (8, 2, 1000.0): [1] * 8,
        (4, 4, None): [1] * 4,
    }


def test_ranges_advance_together_and_the_first_experiments_run_first():
    packs = packing.cut(rates(3), many(12, ranges=3), lanes=2)
    assert [pack[0][1].range for pack in packs[:3]] == [0, 1, 2]
    assert {pack[0][0].id for pack in packs[:3]} == {"e000"}


def test_trials_that_can_be_trained_side_by_side_stand_together():
    shapes = [{"hidden_size": size, "learning_rate": rate} for rate in (0.1, 0.2) for size in (16, 32)]
    (pack,) = packing.cut(rates(), planned(shapes), lanes=1)
    assert [experiment.id for experiment, _ in pack] == ["e000", "e002", "e001", "e003"]


def test_settings_of_different_shapes_cannot_train_side_by_side():
    alike = {"learning_rate": 0.1, "dropout": 0.1, "weight_decay": 0.1, "gradient_clip": 0.1, "decay_patience": 1}
    other = {"learning_rate": 0.2, "dropout": 0.2, "weight_decay": 0.2, "gradient_clip": 0.2, "decay_patience": 2}
    shapes = [
        {"hidden_size": 32, "batch_size": 64},
        {"hidden_size": 32, "batch_size": 32},
        {"hidden_size": 16, "batch_size": 64},
    ]
    definition = rates()
    likenesses = [
        {packing.likeness(definition, *pair) for pair in planned([alike | shape, other | shape])} for shape in shapes
    ]
    assert [len(likes) for likes in likenesses] == [1, 1, 1]
    assert len(set().union(*likenesses)) == 3


def test_seeds_cannot_train_side_by_side():
    experiment = Experiment("e000", "screen", {"learning_rate": 0.1})
    trials = [(experiment, Trial("screen", "e000", 0, seed)) for seed in (0, 1)]
    assert len({packing.likeness(rates(), *pair) for pair in trials}) == 2
    assert sizes(packing.cut(rates(), trials, lanes=1)) == [2]


def test_an_own_trainer_gets_packs_too():
    definition = rates().model_copy(update={"own": Own(command=("true",), hyperparameters={})})
    trials = planned([{"rate": 0.1}, {"rate": 0.2}, {"rate": 0.3}])
    assert sizes(packing.cut(definition, trials, lanes=1)) == [3]


def test_times_of_other_fidelities_and_of_copied_rows_do_not_count():
    definition = rates()
    trial = Trial("screen", "e000", 0, 0)
    short = row_of(definition, trial, {"learning_rate": 0.1}, training_time=900.0, fidelity="short")
    copied = row_of(definition, trial, {"learning_rate": 0.1}, training_time=900.0, fidelity="full", reused_from="x")
    assert packing.cut(definition, many(30), 2, [short, copied]) == packing.cut(definition, many(30), 2)


def test_the_outer_deadline_is_well_above_the_limits_of_all_trials():
    assert packing.minutes(rates(training={"time-limit-minutes": 10}), 3) == 3 * 50
    assert packing.minutes(rates(), 2) == 2 * 7 * 24 * 60


def test_without_lanes_each_trial_is_a_pack(new_sweep, tiny_spec):
    packs = rounds.plan_packs(new_sweep(tiny_spec))
    assert [len(pack.trials) for pack in packs] == [1] * 6


def test_a_round_of_two_ranges_makes_two_packs(new_sweep, tiny_spec):
    packs = rounds.plan_packs(new_sweep(tiny_spec), lanes=1)
    assert [pack.id for pack in packs] == ["r0-p000", "r0-p001"]
    assert [trial.range for trial in trials_of(packs)] == [0, 0, 0, 1, 1, 1]


def test_the_remaining_trials_of_a_round_are_cut_again(new_sweep, tiny_spec):
    sweep = new_sweep(tiny_spec)
    packs = rounds.plan_packs(sweep, lanes=1)
    assert rounds.plan_packs(sweep, lanes=2) == packs  # nothing of it has run
    finish(sweep, [packs[0].trials[0]])
    remaining = rounds.plan_packs(sweep, lanes=2)
    assert rounds.plan_packs(sweep, lanes=2) == remaining
    assert {str(trial) for trial in trials_of(remaining)} == {str(trial) for trial in list(trials_of(packs))[1:]}
    assert len(remaining) > 2
    assert {pack.id for pack in remaining}.isdisjoint(pack.id for pack in packs)


@pytest.mark.parametrize("lanes", [1, 2, 5])
def test_the_cut_changes_no_trial_and_no_setting(store, tiny_spec, lanes):
    from pipeline.sweep import Sweep

    sweeps = [Sweep.create(store, define(tiny_spec, token)) for token in ("aaaa", "bbbb")]
    first, second = (
        list(trials_of(rounds.plan_packs(sweep, lanes=n))) for sweep, n in zip(sweeps, (None, lanes), strict=True)
    )
    assert sorted(map(str, first)) == sorted(map(str, second))
    assert sweeps[0].experiments() == sweeps[1].experiments()


def test_a_pack_comes_apart_into_its_trials():
    first, second = (Trial("screen", name, 0, 0) for name in ("e000", "e001"))
    pack = Pack("r0-p000", "both", "image", (first, second))
    assert pack.apart() == [Pack("r0-p000", str(trial), "image", (trial,)) for trial in (first, second)]
    assert pack.apart()[0].apart() == [pack.apart()[0]]
