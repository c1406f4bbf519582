"""One contract over every strategy."""

import json
import math
import random
from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.search import ADAPTIVE, STRATEGIES, SearchSpace, Tried
from pipeline.space import Interval, Values
from pipeline.spec.model import Strategy

GOLDEN = Path(__file__).with_name("golden.json")

finite = st.dictionaries(
    st.sampled_from("abcd"),
    st.one_of(
        st.lists(st.integers(0, 9), min_size=1, max_size=4, unique=True).map(lambda v: Values(values=tuple(v))),
        st.tuples(st.integers(0, 5), st.integers(1, 3)).map(lambda t: Interval(low=t[0], high=t[0] + t[1])),
    ),
    min_size=1,
).map(SearchSpace)
every_strategy = pytest.mark.parametrize("strategy", STRATEGIES.values(), ids=STRATEGIES)
DRAWING = [name for name in STRATEGIES if name != "grid"]
drawing = pytest.mark.parametrize("strategy", [STRATEGIES[name] for name in DRAWING], ids=DRAWING)

SPACES = {
    "log": SearchSpace({"lr": Interval(low=1e-5, high=1e-1, log=True)}),
    "integer": SearchSpace({"layers": Interval(low=1, high=40)}),
    "log of integers": SearchSpace({"width": Interval(low=4, high=1024, log=True)}),
    "step": SearchSpace({"dropout": Interval(low=0.0, high=0.5, step=0.1), "kernel": Interval(low=3, high=9, step=2)}),
    "strings, truth values and none": SearchSpace(
        {"optimizer": Values(values=("sgd", "adam", None)), "bias": Values(values=(True, False, 1, 0, "1"))}
    ),
    "listed numbers": SearchSpace(
        {"width": Values(values=(512, 32, 128, 64)), "lr": Values(values=(0.1, 0.001, 0.01))}
    ),
    "a condition": SearchSpace(
        {
            "momentum": Interval(low=0.1, high=0.9, step=0.1, when={"optimizer": ("sgd",)}),
            "optimizer": Values(values=("sgd", "adam")),
            "beta": Values(values=(0.9, 0.99, 0.999), when={"optimizer": ("adam",)}),
        },
        otherwise={"momentum": 0.0, "beta": 0.5},
    ),
    "constraints": SearchSpace(
        {"a": Interval(low=1, high=12), "b": Interval(low=1, high=12), "c": Values(values=(2, 4, 8))},
        (("a", "<", "b"), ("b", "!=", "c"), ("a", ">=", 3)),
    ),
    "fixed": SearchSpace(
        {"a": Interval(low=1, high=20), "b": Values(values=(1, 2), when={"on": (True,)})},
        (("a", "<=", "most"),),
        {"on": True, "most": 15, "b": 0},
    ),
    "all together": SearchSpace(
        {
            "lr": Interval(low=1e-5, high=1e-1, log=True),
            "momentum": Interval(low=0.0, high=0.99, when={"optimizer": ("sgd",)}),
            "optimizer": Values(values=("sgd", "adam", None)),
            "width": Values(values=(32, 64, 128)),
            "units": Interval(low=8, high=512, log=True),
        },
        (("width", "<=", "units"), ("units", "<", "most")),
        {"most": 400, "momentum": 0.0, "dropout": 0.1},
    ),
}
every_space = pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)


def outcome(space, assignment):
    """A value to minimise: low if all values come first in the listed order."""
    loss = 0.0
    for at, (name, domain) in enumerate(space.domains.items()):
        value = assignment[name]
        if isinstance(domain, Values):
            place = next((n for n, other in enumerate(domain.values) if other is value or other == value), 0)
            loss += place / domain.size
        else:
            scale = math.log if domain.log else float
            loss += (
                0.2 + 0.1 * at - (scale(value) - scale(domain.low)) / (scale(domain.high) - scale(domain.low))
            ) ** 2
    return loss


def tried_of(space, assignments):
    return [Tried({**space.otherwise, **assignment}, outcome(space, assignment)) for assignment in assignments]


def assert_they_are_new(space, tried, new):
    identities = [space.identity(setting) for setting in new]
    assert len(set(identities)) == len(identities)
    assert not {space.identity(experiment.assignment) for experiment in tried} & set(identities)
    for setting in new:
        assert list(setting) == list(space.domains)
        assert space.settle(setting) == setting
        assert space.allows(setting)
        for name in space.active(setting):
            value = setting[name]
            assert value in space.domains[name]
            assert isinstance(value, (str, type(None), bool, int, float))
            assert type(value).__module__ == "builtins", "numpy's numbers are no JSON"


@every_strategy
@every_space
def test_every_round_is_new_allowed_and_full(strategy, space):
    if strategy is STRATEGIES["grid"] and math.isinf(space.combinations):
        pytest.skip("a grid needs a finite set of values")
    tried = []
    for number, n in enumerate((6, 6, 2, 2)):
        new = strategy(space, tried, number, n)
        count = space.count(10_000)
        assert len(new) == (n if count is None else min(n, count - len(tried)))
        assert_they_are_new(space, tried, new)
        tried += tried_of(space, new)


@every_strategy
@settings(max_examples=15)
@given(space=finite, seed=st.integers(0, 2**31), n=st.integers(0, 30), data=st.data())
def test_experiments_are_new_distinct_and_as_many_as_there_are(strategy, space, seed, n, data):
    settings = list(space.settings())
    tried_settings = data.draw(st.lists(st.sampled_from(settings), unique_by=space.identity, max_size=5))
    values = st.one_of(st.none(), st.floats(allow_nan=False))
    tried = [Tried(setting, data.draw(values)) for setting in tried_settings]
    new = strategy(space, tried, seed, n)
    assert len(new) == min(n, len(settings) - len(tried))
    assert_they_are_new(space, tried, new)


@every_strategy
def test_a_space_is_used_up_round_by_round_and_then_there_is_nothing_more(strategy):
    space = SPACES["a condition"]
    tried = []
    for number in range(20):
        new = strategy(space, tried, number, 5)
        if not new:
            break
        # A third diverges, a third has no result.
        tried += [Tried(setting, [1.0 * at, math.inf, None][at % 3]) for at, setting in enumerate(new)]
    assert len(tried) == 9 + 3
    tried_settings = [experiment.assignment for experiment in tried]
    assert set(map(space.identity, tried_settings)) == set(map(space.identity, space.settings()))
    assert strategy(space, tried, 99, 1) == []


@drawing
@pytest.mark.parametrize("high", [3, 10**6, 3.0])
def test_a_space_without_an_allowed_setting_has_no_experiments(strategy, high):
    domains = {name: Interval(low=type(high)(1), high=high) for name in "ab"}
    assert strategy(SearchSpace(domains, (("a", "<", "b"), ("b", "<", "a"))), [], 0, 4) == []


@every_strategy
@every_space
def test_the_same_history_and_seed_give_the_same_experiments(strategy, space):
    if strategy is STRATEGIES["grid"] and math.isinf(space.combinations):
        pytest.skip("a grid needs a finite set of values")
    tried = tried_of(space, STRATEGIES["random"](space, [], 1, 10))
    assert strategy(space, tried, 2, 2) == strategy(space, tried, 2, 2)


@drawing
def test_other_seeds_give_other_experiments(strategy):
    space = SearchSpace({"a": Interval(low=0.0, high=1.0)})
    drawn = {strategy(space, [], seed, 1)[0]["a"] for seed in range(20)}
    assert len(drawn) == 20


@drawing
def test_few_allowed_settings_among_very_many_are_found(strategy):
    domains = {name: Interval(low=1, high=2000) for name in "ab"}
    space = SearchSpace(domains, (("a", ">", "b"), ("a", "<=", 3)))
    new = strategy(space, [], 0, 5)
    assert sorted((setting["a"], setting["b"]) for setting in new) == [(2, 1), (3, 1), (3, 2)]


@drawing
def test_a_thousandth_of_a_range_is_found(strategy):
    space = SearchSpace({"a": Interval(low=0.0, high=1000.0), "b": Values(values=("x", "y"))}, (("a", "<", 1),))
    for seed in range(5):
        assert len(strategy(space, [], seed, 1)) == 1


@drawing
def test_an_experiment_outside_the_space_does_no_harm(strategy):
    space = SearchSpace({"a": Interval(low=0.0, high=1.0), "b": Values(values=("x", "y"))})
    tried = [Tried({"a": 5.0, "b": "x"}, 0.0), Tried({"a": 0.5, "b": "z"}, 0.0)]
    tried += tried_of(space, STRATEGIES["random"](space, [], 1, 12))
    assert_they_are_new(space, tried, strategy(space, tried, 0, 2))


def test_two_sobol_rounds_are_one_of_their_size():
    for space in SPACES.values():
        tried = []
        for _ in range(4):
            tried += tried_of(space, STRATEGIES["sobol"](space, tried, 5, 3))
        assert tried == tried_of(space, STRATEGIES["sobol"](space, [], 5, len(tried)))


def test_sobol_leaves_no_large_gap():
    space = SearchSpace({"a": Interval(low=0.0, high=1.0), "b": Values(values=(1, 2, 3, 4))})
    drawn = STRATEGIES["sobol"](space, [], 3, 64)
    for low in (at / 16 for at in range(16)):
        assert sum(low <= setting["a"] < low + 1 / 16 for setting in drawn) == 4
    assert all(sum(setting["b"] == b for setting in drawn) == 16 for b in (1, 2, 3, 4))


@pytest.mark.parametrize("name", sorted(ADAPTIVE))
def test_a_strategy_that_learns_goes_where_it_was_good(name):
    space = SearchSpace({"a": Interval(low=0.0, high=1.0), "b": Values(values=("x", "y", "z"))})
    last_values = {}
    for strategy in (name, "random"):
        tried = []
        for number in range(6):
            new = STRATEGIES[strategy](space, tried, number, 6)
            tried += [Tried(setting, (setting["a"] - 0.3) ** 2 + 0.3 * (setting["b"] != "y")) for setting in new]
        last_values[strategy] = sum(experiment.value for experiment in tried[-12:])
    assert last_values[name] < 0.5 * last_values["random"]


def test_a_choice_with_options_is_as_likely_as_one_without():
    """Otherwise `sgd` with ten momenta would be drawn ten times as often as `adam` with none."""
    space = SearchSpace(
        {
            "optimizer": Values(values=("sgd", "adam")),
            "momentum": Interval(low=1, high=10, when={"optimizer": ("sgd",)}),
        },
        otherwise={"momentum": 0},
    )
    first = [STRATEGIES["random"](space, [], seed, 1)[0]["optimizer"] for seed in range(200)]
    assert 70 < first.count("adam") < 130


def test_random_draws_from_a_grid_too_large_to_write_down():
    space = SearchSpace({f"h{n}": Interval(low=1, high=1000) for n in range(30)})
    assert len(STRATEGIES["random"](space, [], 0, 50)) == 50


@drawing
def test_a_continuous_range_that_rounds_to_few_values_ends(strategy):
    space = SearchSpace({"a": Interval(low=1.0, high=1.000001)})
    drawn = strategy(space, [], 0, 50)
    assert 1 <= len(drawn) <= 3


def test_random_search_is_as_it_was():
    """A change here changes every sweep that people would like to repeat."""
    space = SearchSpace({"lr": Interval(low=1e-4, high=1e-1, log=True), "width": Values(values=(32, 64, 128))})
    assert STRATEGIES["random"](space, [], 7, 3) == [
        {"lr": 0.00093648, "width": 32},
        {"lr": 0.00897023, "width": 32},
        {"lr": 0.00405178, "width": 64},
    ]
    finite = SearchSpace({"hops": Values(values=(1, 2, 3)), "size": Values(values=(32, 128, 256))})
    assert STRATEGIES["random"](finite, [], 7, 3) == [
        {"hops": 2, "size": 256},
        {"hops": 1, "size": 256},
        {"hops": 2, "size": 32},
    ]


def ten_tried(space):
    history = STRATEGIES["random"](space, [], 11, 12)
    random.Random(5).shuffle(history)
    return tried_of(space, history[:10])


def golden():
    """Settings that every strategy chooses today. `python -m tests.search.test_strategies` renews the file."""
    settings = {}
    for name, strategy in STRATEGIES.items():
        for title, space in SPACES.items():
            # On ranges of real numbers, rounding decides where a Gaussian process ends its search.
            if name in ("grid", "gp") and math.isinf(space.combinations):
                continue
            for seed, tried in ((1, []), (2, ten_tried(space))):
                settings[f"{name}, {title}, seed {seed}, after {len(tried)}"] = strategy(space, tried, seed, 3)
    return settings


def test_a_spec_can_name_every_strategy():
    assert set(get_args(Strategy)) == STRATEGIES.keys()


def test_every_strategy_chooses_what_it_chose_before():
    """Renewing the golden file needs a line in the changelog: sweeps cannot be repeated across the change."""
    expected = json.loads(GOLDEN.read_text())
    now = golden()
    assert now.keys() == expected.keys()
    for case, expected_settings in expected.items():
        assert len(now[case]) == len(expected_settings), case
        for setting, expected_setting in zip(now[case], expected_settings, strict=True):
            for name, value in expected_setting.items():
                close = pytest.approx(value, rel=1e-4) if isinstance(value, float) else value
                assert setting[name] == close, (case, now[case])
                assert type(setting[name]) is type(value)


@pytest.mark.parametrize("name", sorted(ADAPTIVE))
def test_what_a_strategy_learns_does_not_depend_on_last_digits(name):
    """So the golden file holds on other machines, whose sums and errors differ by far less than this."""
    noise = random.Random(3)
    for title, space in SPACES.items():
        if math.isinf(space.combinations):
            continue
        tried = ten_tried(space)
        noisy = [replace(each, value=each.value * (1 + noise.uniform(-1e-8, 1e-8))) for each in tried]
        assert STRATEGIES[name](space, noisy, 2, 3) == STRATEGIES[name](space, tried, 2, 3), title


if __name__ == "__main__":
    lines = ",\n".join(f"{json.dumps(case)}: {json.dumps(settings)}" for case, settings in golden().items())
    GOLDEN.write_text(f"{{\n{lines}\n}}\n")
