import math
from collections import defaultdict

from hypothesis import given
from hypothesis import strategies as st

from pipeline.plan import packing, rounds
from pipeline.sweep import Definition, Experiment, Pack, Trial, trials_of
from pipeline.training.own.code import Own
from tests.support.sweeps import define

DATA = {"path": "x.csv", "date": "d", "categorical": ["c"], "target": "y"}


def rates(ranges: int = 1, **more: object) -> Definition:
    months = [[f"2024-0{month}-01", f"2024-0{month + 2}-01"] for month in range(1, 1 + ranges)]
    asked = {"architecture": "bag-of-words", "data": DATA, "date-range": months, "parameters": {"dropout": [0.1, 0.2]}}
    return define(asked | more)


def planned(experiments: list[dict], ranges: int = 1) -> list[packing.Planned]:
    known = [Experiment(f"e{at:03d}", "screen", assignment) for at, assignment in enumerate(experiments)]
    return [(one, Trial("screen", one.id, at, 0)) for one in known for at in range(ranges)]


RATES = st.floats(0.001, 0.1)
SIZES = st.sampled_from([16, 32])


@given(
    st.lists(st.fixed_dictionaries({"learning_rate": RATES, "hidden_size": SIZES}), min_size=1, max_size=80),
    st.integers(1, 3),
    st.integers(1, 12),
)
def test_every_trial_is_in_one_pack_with_others_that_are_like_it(experiments, ranges, lanes):
    trials = planned(experiments, ranges)
    packs = packing.cut(rates(ranges), trials, lanes)
    assert sorted(str(trial) for pack in packs for _, trial in pack) == sorted(str(trial) for _, trial in trials)
    for pack in packs:
        assert len({(trial.range, experiment.assignment["hidden_size"]) for experiment, trial in pack}) == 1
        assert 1 <= len(pack) <= packing.MOST
    firsts = [trials.index(pack[0]) for pack in packs]
    assert firsts == sorted(firsts)
    assert max(map(len, packs)) <= math.ceil(len(trials) / lanes)


def test_lanes_are_kept_busy_before_packs_grow():
    sizes = defaultdict(list)
    for count, lanes in ((4, 4), (4, 2), (16, 2), (32, 1), (48, 2), (100, 1)):
        packs = packing.cut(rates(), planned([{"learning_rate": 0.1 + n} for n in range(count)]), lanes)
        sizes[count, lanes] = [len(pack) for pack in packs]
    assert sizes == {
        (4, 4): [1] * 4,
        (4, 2): [2] * 2,
        (16, 2): [4] * 4,
        (32, 1): [16] * 2,
        (48, 2): [12] * 4,
        (100, 1): [25] * 4,
    }


def test_what_shapes_a_network_or_a_batch_keeps_trials_apart():
    alike = {"learning_rate": 0.1, "dropout": 0.1, "weight_decay": 0.1, "gradient_clip": 0.1, "decay_patience": 1}
    other = {"learning_rate": 0.2, "dropout": 0.2, "weight_decay": 0.2, "gradient_clip": 0.2, "decay_patience": 2}
    shapes = [
        {"hidden_size": 32, "batch_size": 64},
        {"hidden_size": 32, "batch_size": 32},
        {"hidden_size": 16, "batch_size": 64},
    ]
    trials = planned([one | shape for shape in shapes for one in (alike, other)])
    packs = packing.cut(rates(), trials, lanes=1)
    assert [[experiment.id for experiment, _ in pack] for pack in packs] == [
        ["e000", "e001"],
        ["e002", "e003"],
        ["e004", "e005"],
    ]


def test_seeds_and_ranges_keep_trials_apart():
    experiment = Experiment("e000", "screen", {"learning_rate": 0.1})
    trials = [(experiment, Trial("screen", "e000", at, seed)) for at in (0, 1) for seed in (0, 1)]
    assert len(packing.cut(rates(2), trials, lanes=1)) == 4


def test_a_trainer_of_ones_own_gets_its_trials_one_by_one():
    definition = rates().model_copy(update={"own": Own(command=("true",), hyperparameters={})})
    trials = planned([{"rate": 0.1}, {"rate": 0.2}, {"rate": 0.3}])
    assert [len(pack) for pack in packing.cut(definition, trials, lanes=1)] == [1, 1, 1]


def test_without_lanes_each_trial_is_a_pack(new_sweep, tiny_spec):
    packs = rounds.pending(new_sweep(tiny_spec))
    assert [len(pack.trials) for pack in packs] == [1] * 6


def test_a_label_says_how_many_go_together_and_what_they_share(new_sweep, tiny_spec):
    packs = rounds.pending(new_sweep(tiny_spec), lanes=1)
    assert [len(pack.trials) for pack in packs] == [3, 3]
    assert packs[0].label == "screen-e000-d0-s0 and 2 more like it"
    assert [pack.id for pack in packs] == ["r0-p000", "r0-p001"]
    assert [trial.range for trial in trials_of(packs)] == [0, 0, 0, 1, 1, 1]


def test_a_pack_comes_apart_into_its_trials():
    one, other = (Trial("screen", name, 0, 0) for name in ("e000", "e001"))
    pack = Pack("r0-p000", "both", "image", (one, other))
    assert pack.apart() == [Pack("r0-p000", str(trial), "image", (trial,)) for trial in (one, other)]
    assert pack.apart()[0].apart() == [pack.apart()[0]]
