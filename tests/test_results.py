import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import results

values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False),
    st.text(),
    st.sampled_from(
        [
            "1e-3",
            "None",
            "null",
            "NaN",
            "true",
            "=1+1",
            'a,"b"\nc\r\n',
            " 5 ",
            "a\rb",
            "[" * 1200,
            "[1]",
            "\ud800",
            "\x00",
        ]
    ),
    st.lists(st.text(), max_size=3),
)


@given(values)
def test_a_value_comes_back_from_its_cell_as_it_went_in(value):
    back = results.from_cell(results.to_cell(value))
    assert back == value
    assert type(back) is type(value)


@given(st.lists(st.dictionaries(st.sampled_from("abc"), values), max_size=5))
def test_rows_come_back_from_a_table_as_they_went_in(rows):
    assert results.read_csv(results.write_csv(rows, ["a", "b", "c"])) == rows


def test_cells_are_plain_where_they_can_be():
    assert results.to_cell(0.001) == "0.001"
    assert results.to_cell("lstm, or cnn") == "lstm, or cnn"
    assert results.to_cell("1e-3") == '"1e-3"'
    assert math.isnan(results.from_cell(results.to_cell(math.nan)))


@pytest.mark.parametrize("damaged", [b"", b"a,a\n1,2\n", b"a,b\n1\n", b"\xff\xfe", b'a\n"open', b"a,b\n1,2\n3"])
def test_a_damaged_table_is_an_error_not_a_guess(damaged):
    with pytest.raises(ValueError):  # noqa: PT011
        results.read_csv(damaged)


def test_columns_stand_in_the_promised_order():
    rows = [
        {"trial": "t", "learning_rate": 1, "mse_valid": 1, "nll_test": 2, "mse_test": 3},
        {"trial": "u", "hidden_size": 1, "loss": 1, "mse_train": 1},
    ]
    assert results.table_columns(rows, ["learning_rate", "hidden_size"]) == [
        "architecture", "date-range", "learning_rate", "hidden_size",
        "mse_test", "mse_train", "mse_valid", "loss", "nll_test",
        "training_time", "model_url",
        "sweep", "experiment", "trial", "attempt", "pack", "phase", "fidelity", "status", "error", "epochs", "seed",
        "git_commit", "image", "host", "device", "data_fingerprint", "reused_from", "started", "finished",
    ]  # fmt: skip


def test_trials_sort_as_a_person_would():
    trials = ["screen-e10-d0-s0", "screen-e2-d0-s0", "confirm-e2-d0-s0", "screen-e2-d0-s10", "screen-e2-d0-s9"]
    assert sorted(trials, key=results.trial_order) == [
        "confirm-e2-d0-s0", "screen-e2-d0-s0", "screen-e2-d0-s9", "screen-e2-d0-s10", "screen-e10-d0-s0",
    ]  # fmt: skip


def test_a_metric_with_a_reserved_name_gets_a_prefix():
    assert results.metric_column("status") == "metric_status"
    assert results.metric_column("mse_test") == "mse_test"
