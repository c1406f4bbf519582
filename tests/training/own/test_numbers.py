"""Numbers and epochs as people and libraries write them."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.training.own import numbers


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0.031", 0.031), ("0.031,", 0.031), ("0.031;", 0.031), ("0.031.", 0.031), ("'0.031'", 0.031), ("3.", 3),
        (".5", 0.5), ("+0.5", 0.5), ("-0.5", -0.5), ("\u22120.5", -0.5), (" 1e-3 ", 0.001), ("1E-3,", 0.001),
        ("87.5%", 0.875), ("87.5%,", 0.875), ("87,5 %", 0.875), ("100%", 1),
        ("0,031", 0.031), ("0,031,", 0.031), ("-0,031", -0.031), ("1,5", 1.5), ("1,5e-3", 0.0015), ("12,3456", 12.3456),
        ("1,234.5", 1234.5), ("1.234,5", 1234.5), ("1,234,567", 1234567),
        ("tensor(0.31, device='cuda:0')", 0.31), ("tensor(0.31,", 0.31), ("tensor(0.31)", 0.31), ("tensor(0.31", 0.31),
        ("tensor(0.3100, device='cuda:0', grad_fn=<MseLossBackward0>)", 0.31), ("tensor([0.31])", 0.31),
        ("tensor(1.2000e-05)", 1.2e-5), ("tensor([[0.31]], device='cuda:0')", 0.31), ("tensor(nan)", math.nan),
        ("np.float32(0.31)", 0.31), ("array(0.31, dtype=float32)", 0.31), ("Decimal('0.31')", 0.31),
        ("tf.Tensor(0.31, shape=(), dtype=float32)", 0.31), ("[0.31]", 0.31), ("(0.31,)", 0.31), ("0.31)", 0.31),
        ("<tf.Tensor: shape=(), dtype=float32, numpy=0.31>", 0.31), ("0.31}", 0.31),
        ("inf", math.inf), ("-inf", -math.inf), ("Infinity", math.inf), ("nan", math.nan), ("NaN,", math.nan),
        (3, 3), (0.5, 0.5), ([0.5], 0.5),
    ],
)  # fmt: skip
def test_a_certain_number_is_read(text, value):
    number = numbers.number(text)
    assert number == value or (math.isnan(value) and number is not None and math.isnan(number))


@pytest.mark.parametrize(
    "text",
    ["", "-", "?", "n/a", "None", "1,234", "0.3.1", "0.31,0.42", "[0.31,", "[0.31, 0.42]", "tensor([0.31,",
     "tensor([1,2])", "(1,2)", "f(0.31, 0.42)", "0.31s", "0.3±0.1", "1,2,3", "0x10", "12:30", "nano", "1_0",
     True, None, [], [1, 2], {"a": 1}, 10**400],
)  # fmt: skip
def test_an_uncertain_number_is_none(text):
    assert numbers.number(text) is None


@pytest.mark.parametrize(
    ("text", "value"),
    [("3", 3), ("3,", 3), ("[3]", 3), ("3/10", 3), ("[3/10]", 3), ("003", 3), ("2.88", 2.88), (0, 0), ("0.96", 0.96)],
)
def test_an_epoch_may_be_a_fraction_or_a_number_of_a_total(text, value):
    assert numbers.epoch(text) == value


@pytest.mark.parametrize("text", ["-1", "nan", "inf", "1e12", "x", "", None, True])
def test_other_values_are_no_epoch(text):
    assert numbers.epoch(text) is None


@given(st.text() | st.text(alphabet="0123456789.,eE+-%()[] nafi"))
def test_no_text_is_wrong_enough_to_raise_an_error(text):
    numbers.number(text)
    numbers.epoch(text)


@given(
    st.floats(allow_nan=False), st.sampled_from(["{}", "{},", "'{}'", "tensor({})", "tensor({}, device='cpu')", "[{}]"])
)
def test_a_float_as_python_writes_it_is_read_exactly(value, form):
    assert numbers.number(form.format(value)) == value
