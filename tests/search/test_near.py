"""`near` cuts a space down to the part around a setting."""

from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.search import near
from pipeline.space import Interval, Values


def intervals():
    """Intervals of reals and integers: logarithmic, with a step, or neither."""
    reals = st.tuples(st.floats(1e-4, 10), st.floats(1.5, 1e4), st.booleans()).map(
        lambda t: Interval(low=float(f"{t[0]:.6g}"), high=float(f"{t[0] * t[1]:.6g}"), log=t[2])
    )
    stepped_reals = st.tuples(st.integers(0, 9), st.integers(1, 40), st.sampled_from([0.1, 0.25, 1.0])).map(
        lambda t: Interval(low=float(t[0]), high=float(t[0] + t[1]), step=t[2])
    )
    integers = st.tuples(st.integers(1, 50), st.integers(1, 500), st.booleans()).map(
        lambda t: Interval(low=t[0], high=t[0] + t[1], log=t[2])
    )
    stepped_integers = st.tuples(st.integers(0, 50), st.integers(1, 100), st.integers(1, 40)).map(
        lambda t: Interval(low=t[0], high=t[0] + t[1], step=t[2])
    )
    return st.one_of(reals, stepped_reals, integers, stepped_integers)


@settings(max_examples=300)
@given(intervals(), st.floats(0, 1, exclude_max=True), st.floats(0, 1, exclude_max=True))
def test_a_range_becomes_a_part_of_itself_that_contains_the_setting(domain, unit, other):
    best = domain.at(unit)
    (part,) = near.near({"x": domain}, {"x": best}, 0.3).values()
    assert best in part
    assert part.at(other) in domain
    assert Interval.model_validate(part.model_dump()) == part


def test_a_list_of_numbers_keeps_the_neighbours_and_values_without_order_are_fixed():
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


def test_a_domain_that_does_not_contain_the_setting_stays_whole():
    space = {"rate": Interval(low=0.1, high=0.2), "size": Values(values=(1, 2))}
    assert near.near(space, {"rate": 0.5, "size": 3}, 0.3) == space


def test_hyperparameters_that_cannot_be_active_near_the_setting_are_left_out():
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
