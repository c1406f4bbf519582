"""Numbers and dates are read in the forms that people use. If two readings are possible, the error names both."""

import pyarrow as pa
import pytest

from pipeline.data.forms import DateCount, NumberCount, number_forms
from pipeline.errors import UserError


def column(*values: str | None) -> pa.ChunkedArray:
    return pa.chunked_array([pa.array(values, pa.string())])


def numbers(*values: str | None, decimal: str | None = None) -> list[str | None]:
    count = NumberCount()
    count.add(column(*values))
    form = number_forms({"x": count}, decimal).get("x")
    return list((form.rewrite(column(*values)) if form else column(*values)).to_pylist())


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (["1,465.40", "399.40"], ["1465.40", "399.40"]),
        (["0,123", "1,344", None], ["0.123", "1.344", None]),
        (["1.344,50", "2.500"], ["1344.50", "2500"]),
        (["1.344", "2.500"], ["1.344", "2.500"]),
        (["1 234,5", "-3"], ["1234.5", "-3"]),
        (["1'234.5", "abc"], ["1234.5", "abc"]),
        (["12%", "3.5 %"], ["12", "3.5"]),
        (["12%", "3.5"], ["12%", "3.5"]),
        (["12%", "0", "7%"], ["12", "0", "7"]),
        (["1,5", "2,25", "12.5"], ["1.5", "2.25", "?12.5"]),
        (["True", "false"], ["1", "0"]),
    ],
)
def test_the_whole_column_decides_the_form_of_its_numbers(written: list[str], read: list[str]) -> None:
    assert numbers(*written) == read


def test_an_ambiguous_comma_is_an_error_unless_a_key_decides() -> None:
    with pytest.raises(UserError, match=r'"1,344" may be 1344 or 1.344'):
        numbers("1,344", "2,500")
    assert numbers("1,344", decimal=",") == ["1.344"]
    assert numbers("1,344", decimal=".") == ["1344"]


def dates(*values: str) -> list[str]:
    count = DateCount()
    count.add(column(*values))
    form = count.form("day")
    return list((form.rewrite(column(*values)) if form else column(*values)).to_pylist())


def test_one_unambiguous_date_decides_the_order_of_all() -> None:
    assert dates("8/4/2016 11:52", "16/1/2011") == ["2016-04-08 11:52", "2011-01-16"]
    assert dates("8/4/2016", "1/16/2011") == ["2016-08-04", "2011-01-16"]


def test_an_ambiguous_date_is_an_error_with_both_readings() -> None:
    with pytest.raises(UserError, match="may be 2016-04-08 or 2016-08-04"):
        dates("8/4/2016")
    with pytest.raises(UserError, match="has the day first and"):
        dates("16/1/2011", "1/16/2011")
