"""One contract over every strategy."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.search import STRATEGIES
from pipeline.space import Interval, Values, identity

finite = st.dictionaries(
    st.sampled_from("abcd"),
    st.one_of(
        st.lists(st.integers(0, 9), min_size=1, max_size=4, unique=True).map(lambda v: Values(values=tuple(v))),
        st.tuples(st.integers(0, 5), st.integers(1, 3)).map(lambda t: Interval(low=t[0], high=t[0] + t[1])),
    ),
    min_size=1,
)
every_strategy = pytest.mark.parametrize("strategy", STRATEGIES.values(), ids=STRATEGIES)


@every_strategy
@given(space=finite, seed=st.integers(0, 2**31), n=st.integers(0, 300), data=st.data())
def test_experiments_are_new_distinct_and_as_many_as_there_are(strategy, space, seed, n, data):
    size = math.prod(domain.size for domain in space.values())
    everything = STRATEGIES["grid"](space, [], 0, int(size))
    assert len(everything) == size
    taken = data.draw(st.lists(st.sampled_from(everything), unique_by=lambda one: identity(space, one), max_size=5))
    new = strategy(space, taken, seed, n)
    known = {identity(space, one) for one in taken}
    identities = [identity(space, one) for one in new]
    assert len(new) == min(n, size - len(taken))
    assert len(set(identities)) == len(identities)
    assert not known & set(identities)
    assert all(list(one) == list(space) and all(one[name] in space[name] for name in space) for one in new)


@every_strategy
@given(space=finite, seed=st.integers(0, 2**31))
def test_the_same_seed_gives_the_same_experiments(strategy, space, seed):
    assert strategy(space, [], seed, 5) == strategy(space, [], seed, 5)


def test_other_seeds_give_other_random_experiments():
    space = {"a": Interval(low=0.0, high=1.0)}
    drawn = {STRATEGIES["random"](space, [], seed, 1)[0]["a"] for seed in range(20)}
    assert len(drawn) == 20


def test_random_draws_from_a_grid_too_large_to_write_down():
    space = {f"h{n}": Interval(low=1, high=1000) for n in range(30)}
    assert len(STRATEGIES["random"](space, [], 0, 50)) == 50


def test_a_continuous_range_that_rounds_to_few_values_ends():
    space = {"a": Interval(low=1.0, high=1.000001)}
    drawn = STRATEGIES["random"](space, [], 0, 50)
    assert 1 <= len(drawn) <= 3


def test_random_search_is_as_it_was():
    """Golden: a change here changes every sweep that people would like to repeat."""
    space = {"lr": Interval(low=1e-4, high=1e-1, log=True), "width": Values(values=(32, 64, 128))}
    assert STRATEGIES["random"](space, [], 7, 3) == [
        {"lr": 0.00093648, "width": 32},
        {"lr": 0.00897023, "width": 32},
        {"lr": 0.00405178, "width": 64},
    ]
    finite = {"hops": Values(values=(1, 2, 3)), "size": Values(values=(32, 128, 256))}
    assert STRATEGIES["random"](finite, [], 7, 3) == [
        {"hops": 2, "size": 256},
        {"hops": 1, "size": 256},
        {"hops": 2, "size": 32},
    ]
