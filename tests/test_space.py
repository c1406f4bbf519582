import json
import math

import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.space import Domain, DomainOrFixed, Interval, Values, as_reals, identity

domain = pydantic.TypeAdapter(Domain)
either = pydantic.TypeAdapter(DomainOrFixed)


def test_a_list_is_a_finite_set_and_an_object_is_a_range_and_one_value_is_fixed():
    assert either.validate_python([1, 2]) == Values(values=(1, 2))
    assert either.validate_python({"low": 1, "high": 3}) == Interval(low=1, high=3)
    assert either.validate_python(0.5) == 0.5
    assert either.validate_python("sgd") == "sgd"


@pytest.mark.parametrize(
    "wrong",
    [
        [],
        [1, 1],
        [math.inf],
        {"low": 2, "high": 1},
        {"low": 1, "high": 1},
        {"low": 0, "high": 1, "log": True},
        {"low": -1, "high": 1, "log": True},
        {"low": 1, "high": 9, "step": 0},
        {"low": 1, "high": 9, "step": 2, "log": True},
        {"low": math.nan, "high": 1},
        {"low": "1", "high": 2},
        {"low": True, "high": 2},
        {"low": 1},
        {"low": 1, "high": 2, "hgih": 3},
        {"values": []},
        {"values": [1], "low": 1},
        {"values": [1], "whne": {"a": 1}},
        {"values": [1], "when": {"a": []}},
        {"values": [1], "when": "a"},
        {"low": 1, "high": 2, "when": {"a": {"low": 1, "high": 2}}},
    ],
)
def test_impossible_domains_are_refused(wrong):
    with pytest.raises(pydantic.ValidationError):
        domain.validate_python(wrong)


def test_one_and_true_are_different_values():
    assert Values(values=(1, True)).size == 2
    assert True not in Values(values=(1, 0))


def test_a_range_of_integers_holds_only_integers():
    numbers = Interval(low=1, high=9, step=2)
    assert numbers.grid() == (1, 3, 5, 7, 9)
    assert all(isinstance(value, int) for value in numbers.grid())
    assert 4 not in numbers
    assert 5.0 not in numbers


def test_steps_of_a_tenth_come_out_as_a_person_writes_them():
    assert Interval(low=0.1, high=0.5, step=0.1).grid() == (0.1, 0.2, 0.3, 0.4, 0.5)


def test_a_range_without_end_has_no_grid():
    with pytest.raises(ValueError, match="infinitely many"):
        Interval(low=0.0, high=1.0).grid()


ranges = st.one_of(
    st.tuples(st.integers(-1000, 1000), st.integers(1, 1000)).map(lambda t: Interval(low=t[0], high=t[0] + t[1])),
    st.tuples(st.integers(1, 1000), st.integers(1, 100000)).map(
        lambda t: Interval(low=t[0], high=t[0] + t[1], log=True)
    ),
    st.tuples(st.floats(1e-6, 1e3), st.floats(1.01, 1e6)).map(lambda t: Interval(low=t[0], high=t[0] * t[1], log=True)),
    st.tuples(st.floats(-1e3, 1e3), st.floats(0.01, 1e3)).map(lambda t: Interval(low=t[0], high=t[0] + t[1])),
    st.tuples(st.integers(-50, 50), st.integers(1, 7), st.integers(1, 20)).map(
        lambda t: Interval(low=t[0], high=t[0] + t[1] * t[2], step=t[1])
    ),
)


@given(ranges, st.floats(0, 1, exclude_max=True))
def test_every_draw_lies_in_its_range(interval, unit):
    assert interval.at(unit) in interval


@given(ranges)
def test_a_domain_survives_json(interval):
    assert domain.validate_json(domain.dump_json(interval)) == interval


def test_a_list_survives_json_as_a_list():
    values = Values(values=(1, 1.5, "a", None, True))
    assert domain.dump_json(values) == b'[1,1.5,"a",null,true]'
    assert domain.validate_json(domain.dump_json(values)) == values


@pytest.mark.parametrize(
    "written",
    [
        {"values": [1, 2], "when": {"optimizer": "sgd"}},
        {"values": ["a", None], "when": {"optimizer": ["sgd", "adam"], "deep": True}},
        {"low": 1, "high": 2, "when": {"layers": 2}},
        {"low": 0.1, "high": 1.0, "log": True, "when": {"layers": [1, 2]}},
    ],
)
@pytest.mark.parametrize("kind", [domain, either])
def test_a_condition_survives_json_as_it_was_written(kind, written):
    read = kind.validate_python(written)
    assert json.loads(kind.dump_json(read, exclude_unset=True)) == written
    assert kind.validate_json(kind.dump_json(read)) == read


def test_no_condition_is_not_written():
    assert domain.dump_json(Interval(low=1, high=2)) == b'{"low":1,"high":2,"log":false,"step":null}'
    assert domain.dump_json(domain.validate_python({"values": [1], "when": {}})) == b"[1]"


def test_the_schema_allows_conditions_for_lists_and_ranges():
    schema = either.json_schema()
    forms = schema["oneOf"][0]["anyOf"]
    assert forms[0]["type"] == "array"
    assert forms[1] == {"$ref": "#/$defs/Values"}
    for name in ("Values", "Interval"):
        assert schema["$defs"][name]["properties"]["when"]["type"] == "object"
    assert schema["$defs"]["Values"]["required"] == ["values"]


def test_reals_keep_their_condition():
    assert as_reals(Values(values=(0, 1), when={"a": (1,)})) == Values(values=(0.0, 1.0), when={"a": (1,)})
    assert as_reals(Interval(low=0, high=1, when={"a": (1,)})) == Interval(low=0.0, high=1.0, when={"a": (1,)})


def test_a_log_range_is_even_in_the_logarithm():
    interval = Interval(low=0.001, high=1.0, log=True)
    assert interval.at(0) == 0.001
    assert interval.at(1 / 3) == pytest.approx(0.01)
    assert interval.at(2 / 3) == pytest.approx(0.1)


def test_identity_tells_types_apart_and_ignores_values_outside_of_the_space():
    space = {"a": Values(values=(1,))}
    assert identity(space, {"a": 1, "b": 2}) == identity(space, {"a": 1, "b": 3})
    assert identity(space, {"a": 1}) != identity(space, {"a": 1.0})
