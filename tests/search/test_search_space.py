import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.search import SearchSpace
from pipeline.space import Interval, Values


def values(*items, when=None):
    return Values(values=items, when=when or {})


def test_an_inactive_hyperparameter_keeps_its_other_value():
    space = SearchSpace(
        {"optimizer": values("sgd", "adam"), "momentum": values(0.5, 0.9, when={"optimizer": ["sgd"]})},
        otherwise={"momentum": 0.0},
    )
    assert space.settle({"optimizer": "sgd", "momentum": 0.5}) == {"optimizer": "sgd", "momentum": 0.5}
    assert space.settle({"optimizer": "adam", "momentum": 0.5}) == {"optimizer": "adam", "momentum": 0.0}
    assert space.settle({"optimizer": "adam"}) == {"optimizer": "adam", "momentum": 0.0}
    assert space.active({"optimizer": "adam", "momentum": 0.5}) == ("optimizer",)
    assert list(space.settings()) == [
        {"optimizer": "sgd", "momentum": 0.5},
        {"optimizer": "sgd", "momentum": 0.9},
        {"optimizer": "adam", "momentum": 0.0},
    ]


def test_a_child_of_an_inactive_hyperparameter_is_inactive():
    # `nesterov` stands first, and the value that momentum keeps would fit its condition.
    space = SearchSpace(
        {
            "nesterov": values(True, False, when={"momentum": [0.9]}),
            "momentum": values(0.5, 0.9, when={"optimizer": ["sgd"]}),
            "optimizer": values("sgd", "adam"),
        },
        otherwise={"momentum": 0.9, "nesterov": False},
    )
    assert space.order == ("optimizer", "momentum", "nesterov")
    assert space.settle({"nesterov": True, "momentum": 0.9, "optimizer": "adam"})["nesterov"] is False
    settings = list(space.settings())
    assert len(settings) == space.count(100) == 4
    assert all(list(setting) == ["nesterov", "momentum", "optimizer"] for setting in settings)


def test_settings_that_differ_only_in_inactive_hyperparameters_are_the_same_experiment():
    space = SearchSpace({"a": values(1, 2), "b": values(1, 2, when={"a": [1]})}, otherwise={"b": 1})
    assert space.identity({"a": 2, "b": 1, "other": 3}) == space.identity({"a": 2, "b": 2, "other": 4})
    assert space.identity({"a": 1, "b": 1}) != space.identity({"a": 1, "b": 2})
    assert space.identity({"a": 1, "b": 1}) != space.identity({"a": 1.0, "b": 1})


def test_a_condition_on_a_fixed_hyperparameter_looks_at_its_value():
    domains = {"momentum": Interval(low=0.0, high=1.0, when={"optimizer": ("sgd",)})}
    space = SearchSpace(domains, otherwise={"optimizer": "sgd", "momentum": 0.0})
    assert space.active({"momentum": 0.3}) == ("momentum",)
    assert space.active({"momentum": 0.3, "optimizer": "adam"}) == ("momentum",)


def test_zero_in_a_condition_means_the_real_number_zero_and_not_false():
    domains = {"a": values(0.0, 0.5), "b": values(1, 2, when={"a": [0]})}
    assert SearchSpace(domains, otherwise={"b": 1}).active({"a": 0.0, "b": 1}) == ("a", "b")
    with pytest.raises(ValueError, match="never holds"):
        SearchSpace(domains | {"a": values(True, False)}, otherwise={"b": 1})


def test_several_conditions_must_all_hold():
    when = {"a": [1, 2], "b": [True]}
    space = SearchSpace({"a": values(1, 2, 3), "b": values(True, False), "c": values(7, 8, when=when)}, (), {"c": 0})
    assert space.count(100) == 2 * 2 + 2 + 2


@pytest.mark.parametrize(("op", "count"), [("<", 3), ("<=", 6), (">", 3), (">=", 6), ("==", 3), ("!=", 6)])
def test_a_constraint_compares_two_hyperparameters(op, count):
    space = SearchSpace({"a": values(1, 2, 3), "b": Interval(low=1, high=3)}, (("a", op, "b"),))
    assert space.count(100) == count == sum(1 for _ in space.settings())


def test_a_constraint_compares_with_a_number_or_with_a_fixed_hyperparameter():
    domains = {"a": Interval(low=1, high=10)}
    assert SearchSpace(domains, (("a", "<=", 3.5),)).count(100) == 3
    fixed = SearchSpace(domains, (("b", "<", "a"), ("a", "!=", 10)), {"b": 7})
    assert [setting["a"] for setting in fixed.settings()] == [8, 9]
    assert not fixed.allows({"a": 7})


def test_a_constraint_on_an_inactive_hyperparameter_has_no_effect():
    domains = {"on": values(True, False), "a": values(1, 2, 3), "b": values(2, when={"on": [True]})}
    space = SearchSpace(domains, (("a", "<", "b"),), {"b": 0})
    pairs = [(setting["on"], setting["a"]) for setting in space.settings()]
    assert pairs == [(True, 1), (False, 1), (False, 2), (False, 3)]


@pytest.mark.parametrize(
    ("domains", "constraints", "otherwise", "sentence"),
    [
        ({"a": values(1, when={"b": [1]})}, (), {"a": 1}, 'a: its condition names "b", which is no hyperparameter'),
        ({"a": values(1, when={"a": [1]})}, (), {"a": 1}, "a: its condition depends on itself: a → a"),
        (
            {"a": values(1, when={"b": [1]}), "b": values(1, when={"a": [1]})},
            (),
            {"a": 1, "b": 1},
            "a: its condition depends on itself: a → b → a",
        ),
        ({"a": values(1, when={"b": ["x"]})}, (), {"a": 1, "b": "y"}, 'a: its condition never holds: b is never "x"'),
        ({"a": values(1, when={"b": [5]}), "b": Interval(low=1, high=4)}, (), {"a": 1}, "a: its condition never holds"),
        (
            {
                "a": values(1, 2),
                "b": values(1, 2, when={"a": [1]}),
                "c": values(1, 2, when={"b": [1], "a": [2]}),
            },
            (),
            {"b": 1, "c": 1},
            "c: its condition never holds: a is never 2 there",
        ),
        ({"a": values(1, 2), "b": values(1, 2, when={"a": [1]})}, (), {}, "b: has a condition, but no value"),
        ({"a": values(1, 2)}, (("a", "<", "c"),), {}, 'a < c: "c" is no hyperparameter here'),
        ({"a": values(1, 2)}, (("c", "<", 1),), {}, 'c < 1: "c" is no hyperparameter here'),
        ({"a": values(1, "x")}, (("a", "<", 2),), {}, "a < 2: a is not always a number"),
        ({"a": values(1, None)}, (("a", "<", 2),), {}, "a < 2: a is not always a number"),
        ({"a": values(1, 2)}, (("a", "<", "b"),), {"b": True}, "a < b: b is not always a number"),
        ({"a": values(1, 2)}, (("a", ">", 2),), {}, "a > 2: can never hold: 1 to 2 and 2"),
        ({"a": values(1, 2)}, (("a", "<", "a"),), {}, "a < a: can never hold"),
        ({"a": values(1, 2)}, (("b", ">=", "c"),), {"b": 1, "c": 2}, "b >= c: can never hold: 1 and 2"),
        ({"a": Interval(low=0.0, high=1.0)}, (("a", "==", 0.5),), {}, "never meets a value exactly"),
    ],
)
def test_impossible_conditions_and_constraints_are_errors_of_a_sentence(domains, constraints, otherwise, sentence):
    with pytest.raises(ValueError, match=r"^[^\n]*$") as error:
        SearchSpace(domains, constraints, otherwise)
    assert sentence in str(error.value)


def test_counting_gives_up_where_it_would_take_too_long():
    domains = {f"h{n}": Interval(low=1, high=10) for n in range(6)}
    constraints = (("h0", "<", "h1"),)
    assert SearchSpace(domains).count(1) == 10**6
    assert SearchSpace(domains, constraints).count(1000) is None
    assert SearchSpace({"a": Interval(low=0.0, high=1.0)}).count(1000) is None
    assert SearchSpace({"a": values(1, 2), "b": values(1, 2)}, (("a", "<", "b"), ("b", "<", "a"))).count(100) == 0


domains = st.lists(
    st.tuples(st.lists(st.integers(0, 4), min_size=1, max_size=4, unique=True), st.booleans(), st.integers(0, 4)),
    min_size=1,
    max_size=4,
)
operators = st.sampled_from(["<", "<=", ">", ">=", "==", "!="])


@st.composite
def spaces(draw):
    """Finite spaces in which about half of the hyperparameters have a condition on another one."""
    drawn = draw(domains)
    order = draw(st.permutations([f"h{n}" for n in range(len(drawn))]))
    domains_by_name = {}
    for at, (items, conditional, active_value) in enumerate(drawn):
        parent = draw(st.sampled_from(order[:at])) if at and conditional else None
        domains_by_name[order[at]] = values(*items, when={parent: (active_value,)} if parent else {})
    names = draw(st.permutations(order))
    constraints = draw(
        st.lists(
            st.tuples(st.sampled_from(order), operators, st.one_of(st.sampled_from(order), st.integers(0, 4))),
            max_size=2,
        )
    )
    try:
        in_order = {name: domains_by_name[name] for name in names}
        return SearchSpace(in_order, tuple(constraints), dict.fromkeys(order, 9))
    except ValueError:
        return SearchSpace({name: domains_by_name[name].model_copy(update={"when": {}}) for name in names})


@given(spaces())
def test_the_settings_are_all_allowed_combinations_once_they_are_settled(space):
    settled = [
        space.settle(dict(zip(space.domains, combination, strict=True)))
        for combination in itertools.product(*(domain.values for domain in space.domains.values()))
    ]
    allowed = {space.identity(setting) for setting in settled if space.allows(setting)}
    identities = [space.identity(setting) for setting in space.settings()]
    assert len(identities) == len(set(identities)) == space.count(10_000)
    assert set(identities) == allowed


@given(spaces())
def test_settling_twice_changes_nothing_more(space):
    for setting in space.settings():
        assert space.settle(setting) == setting
        assert space.settle({name: setting[name] for name in space.active(setting)}) == setting
