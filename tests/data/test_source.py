"""The keys of a spec's `data`, and the messages for mistakes in them."""

import subprocess
import sys
from datetime import date
from typing import Any

import pydantic
import pytest

from pipeline.data.source import DataSource, FilesSource, FlightsSource
from pipeline.dates import DateRange

ADAPTER: pydantic.TypeAdapter[Any] = pydantic.TypeAdapter(DataSource)
FILES = {"path": "data/*.csv", "date": "day", "text": "title", "target": "price"}


def mistakes(value: Any) -> list[tuple[str, str]]:
    with pytest.raises(pydantic.ValidationError) as caught:
        ADAPTER.validate_python(value)
    return [(".".join(map(str, error["loc"])), error["msg"]) for error in caught.value.errors()]


def test_flights_is_short_for_air_time() -> None:
    assert ADAPTER.validate_python("flights") == FlightsSource(source="flights", target=("air_time",))


@pytest.mark.parametrize("target", ["air_time", "arr_delay", ["air_time", "arr_delay"]])
def test_flights_has_two_targets_to_choose_from(target: Any) -> None:
    source = ADAPTER.validate_python({"source": "flights", "target": target})
    assert source.target == ((target,) if isinstance(target, str) else tuple(target))


def test_one_name_and_a_list_of_one_are_the_same() -> None:
    listed = FILES | {"text": ["title"], "target": ["price"]}
    assert ADAPTER.validate_python(FILES) == ADAPTER.validate_python(listed)


@pytest.mark.parametrize(
    "value", ["flights", FILES, FILES | {"numeric": ["x"], "target-transform": "log1p", "date-parts": ["hour"]}]
)
def test_a_source_survives_json(value: Any) -> None:
    source = ADAPTER.validate_python(value)
    assert ADAPTER.validate_json(ADAPTER.dump_json(source, by_alias=True)) == source
    assert ADAPTER.validate_python(source) == source


def test_targets_are_not_transformed_unless_asked() -> None:
    assert ADAPTER.validate_python(FILES).target_transform is None


@pytest.mark.parametrize(
    ("value", "place", "words"),
    [
        ("flihgts", "", 'did you mean "flights"?'),
        ("iris", "", 'possible is "flights"'),
        (7, "", 'must be "flights"'),
        ({"target": "arr_delay"}, "", 'must be "flights"'),
        ({"source": "flights", "target": "dep_delay"}, "flights.target.0", "'air_time' or 'arr_delay'"),
        ({"source": "flights", "target": []}, "flights.target", "at least 1"),
        (FILES | {"targt": "x"}, "files.targt", "not permitted"),
        (FILES | {"target_transform": "log"}, "files.target_transform", "not permitted"),
        (FILES | {"target-transform": "sqrt"}, "files.target-transform", "'log', 'log1p' or 'asinh'"),
        (FILES | {"path": "s3://bucket/a.csv"}, "files.path", '"s3://" cannot be read'),
        (FILES | {"path": "gs://bucket"}, "files.path", "names no objects of a bucket"),
        (FILES | {"path": "gs://Bucket/a.csv"}, "files.path", "names no objects of a bucket"),
        (FILES | {"path": "gs://bucket/folder/"}, "files.path", "names no objects of a bucket"),
        (FILES | {"text": []}, "files", "nothing to predict from"),
        (FILES | {"text": ["title", "title"]}, "files.text", "twice"),
        (FILES | {"date-parts": ["hour", "hour"]}, "files.date-parts", "twice"),
        (FILES | {"date-parts": ["year"]}, "files.date-parts.0", "'hour', 'weekday' or 'month'"),
        (FILES | {"numeric": "price"}, "files", "a target and a feature"),
        (FILES | {"categorical": "day"}, "files", '"date-parts" makes features of its hour'),
        (FILES | {"target": "day", "date-parts": "month"}, "files", "date column"),
        ({key: FILES[key] for key in FILES if key != "date"}, "files.date", "required"),
    ],
)
def test_a_mistake_is_one_message_about_the_form_that_was_meant(value: Any, place: str, words: str) -> None:
    [(actual_place, message)] = mistakes(value)
    assert actual_place == place
    assert words in message


def test_parts_of_the_date_are_features_enough_and_there_are_none_by_default() -> None:
    assert ADAPTER.validate_python(FILES).date_parts == ()
    assert "date-parts" not in ADAPTER.dump_python(ADAPTER.validate_python(FILES), by_alias=True)
    alone = {key: value for key, value in FILES.items() if key != "text"} | {"date-parts": ["month", "hour"]}
    assert ADAPTER.validate_python(alone).date_parts == ("month", "hour")


def test_flights_end_with_2013() -> None:
    source = ADAPTER.validate_python("flights")
    assert source.as_of == date(2014, 1, 1)
    assert source.covers == DateRange(date(2013, 1, 1), date(2014, 1, 1))


def test_the_days_of_files_are_unknown_before_they_are_read() -> None:
    source = ADAPTER.validate_python(FILES)
    assert isinstance(source, FilesSource)
    assert (source.as_of, source.covers) == (None, None)


def test_the_schema_allows_the_short_form_and_hyphenated_keys() -> None:
    schema = ADAPTER.json_schema(by_alias=True)
    assert {"const": "flights", "type": "string"} in schema["anyOf"]
    assert "target-transform" in schema["$defs"]["FilesSource"]["properties"]


def test_validating_imports_neither_pandas_nor_pyarrow() -> None:
    code = "import sys, pipeline.data.source; assert not {'pandas', 'pyarrow', 'numpy'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
