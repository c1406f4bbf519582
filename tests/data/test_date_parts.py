"""Hour, weekday and month of a date, from its spelling in a file to the predictions of a saved model."""

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest

from pipeline.data import counting, load
from pipeline.data.dataset import Dataset, Part
from pipeline.data.date_parts import days_of, on_circle, values_of
from pipeline.data.encoder import Encoder
from pipeline.data.inputs import UNKNOWN
from pipeline.data.raw import Columns, Target
from pipeline.data.source import DatePart, FilesSource
from pipeline.data.survey import survey
from pipeline.data.warnings import about_rows_and_columns, mistakes
from pipeline.dates import DateRange
from pipeline.errors import UserError
from pipeline.training import loop, model

ALL: tuple[DatePart, ...] = ("hour", "weekday", "month")
START = datetime(2024, 1, 1)
RANGE = DateRange(START.date(), date(2024, 3, 1))


def parts(*values: Any) -> list[list[float | None]]:
    """Hour, weekday and month of each value of a column; None if they are missing."""
    columns = [values_of(pd.Series(values, dtype=object), part) for part in ALL]
    return [[None if np.isnan(value) else value for value in row] for row in zip(*columns, strict=True)]


@pytest.mark.parametrize(
    ("written", "hour"),
    [
        ("2013-01-31 05:30", 5),
        ("2013-01-31T05:30:00Z", 5),
        ("2013/01/31 23:59:59.123456+02:00", 23),
        ("31.01.2013 17:00", 17),
        ("31.1.2013 17.30", 17),
        ("20130131T0530", 5),
        ("20130131T053000.5Z", 5),
        (" 2013-1-31  7:05 ", 7),
        ("2013-01-31T05", 5),
        ("2013-01-31 5:30 PM", 17),
        ("2013-01-31 12:05:00 a.m.", 0),
        ("2013-01-31 05:30 CET", 5),
        ("2013-01-31", None),
        ("20130131", None),
        ("31.01.2013", None),
        ("2013-01-31 24:00", None),
        ("2013-01-31 2nd shift", None),
        (20130131, None),
        (20130131.0, None),
        (date(2013, 1, 31), None),
        (datetime(2013, 1, 31, 5), 5),
        (pd.Timestamp("2013-01-31"), 0),
        (pd.Timestamp("2013-01-31 05:30", tz="America/New_York"), 5),
    ],
)
def test_parts_are_read_as_they_are_written(written: Any, hour: int | None) -> None:
    assert parts(written) == [[hour, 3, 1]]
    assert days_of(pd.Series([written], dtype=object)).tolist() == [date(2013, 1, 31)]


def test_a_value_that_is_no_date_has_no_parts_and_does_not_affect_others() -> None:
    rows = parts("soon", None, "2013-12-01 23:00", "12/31/2013", float("nan"), pd.NaT, "2013-12-01 23:00")
    missing, sunday = [None, None, None], [23, 6, 12]
    assert rows == [missing, missing, sunday, missing, missing, missing, sunday]


@pytest.mark.parametrize("zone", [None, "Pacific/Auckland"])
def test_a_column_of_timestamps_keeps_its_own_time(zone: str | None) -> None:
    times = pd.Series(pd.to_datetime(["2013-12-01 23:00", None]).tz_localize(zone), index=[7, 5])
    for part, value in zip(ALL, (23, 6, 12), strict=True):
        values = values_of(times, part)
        assert (values.index.tolist(), values[7]) == ([7, 5], value)
        assert np.isnan(values[5])


@pytest.mark.parametrize(
    ("part", "first", "last", "cycle"), [("hour", 0, 23, 24), ("weekday", 0, 6, 7), ("month", 1, 12, 12)]
)
def test_the_last_of_a_cycle_is_as_near_to_the_first_as_the_second(
    part: DatePart, first: int, last: int, cycle: int
) -> None:
    circle = on_circle(pd.Series(np.arange(first, last + 1, dtype=float)), part)
    distances = np.linalg.norm(circle - np.roll(circle, 1, axis=0), axis=1)
    np.testing.assert_allclose(distances, 2 * np.sin(np.pi / cycle), atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(circle, axis=1), 1, atol=1e-6)
    assert on_circle(pd.Series([np.nan]), part).tolist() == [[0, 0]]


# -- the encoder


def raw(rows: int = 240, **columns: Any) -> pd.DataFrame:
    """A row every five hours, whose target follows the hour."""
    times = [START + timedelta(hours=5 * row) for row in range(rows)]
    hours = np.array([time.hour for time in times])
    frame = {"time": [f"{time:%Y-%m-%d %H:%M}" for time in times], "shop": ["north", "south"] * (rows // 2)}
    return pd.DataFrame(frame | {"y": np.sin(hours / 24 * 2 * np.pi)} | columns)


def fitted(*date_parts: DatePart, **more: Any) -> Encoder:
    return Encoder.fit(raw(), Columns((Target("y"),), date_parts=tuple(("time", part) for part in date_parts), **more))


def test_each_part_is_a_token_after_the_categories_and_two_numbers() -> None:
    encoder = fitted("hour", "weekday", categorical=("shop",), text=("shop",))
    tokens, dense = encoder.encode(raw())
    assert (encoder.inputs.categorical, encoder.inputs.words, encoder.inputs.dense) == (3, 1, 4)
    assert tokens.shape == (240, 4)
    assert [len(set(column)) for column in tokens.T] == [2, 24, 7, 2]
    assert UNKNOWN not in tokens
    first, vocabulary = 2 + len(encoder.words), encoder.inputs.vocabulary
    assert set(tokens[:, :3].ravel()) == set(range(first, vocabulary))
    np.testing.assert_allclose(np.hypot(dense[:, ::2], dense[:, 1::2]), 1, atol=1e-6)


def test_what_training_never_saw_has_a_place_on_the_circle_all_the_same() -> None:
    tokens, dense = fitted("month").encode(pd.DataFrame({"time": ["2024-09-01"]}))
    assert tokens.tolist() == [[UNKNOWN]]
    np.testing.assert_allclose(dense, [[-1, 0]], atol=1e-6)


def test_a_missing_hour_is_a_token_of_its_own_and_in_the_middle_of_the_circle() -> None:
    frame = raw()
    frame.loc[::3, "time"] = frame.loc[::3, "time"].str[:10]
    encoder = Encoder.fit(frame, Columns((Target("y"),), date_parts=(("time", "hour"),)))
    tokens, dense = encoder.encode(pd.DataFrame({"time": ["2024-01-01", None, "2024-01-01 05:00"]}))
    assert tokens[0, 0] == tokens[1, 0] != tokens[2, 0]
    assert UNKNOWN not in tokens
    assert dense[:2].tolist() == [[0, 0], [0, 0]]


def test_an_encoder_with_dates_goes_through_json() -> None:
    encoder = fitted(*ALL, numeric=("y",))
    restored = Encoder.from_json(json.loads(json.dumps(encoder.to_json())))
    assert restored == encoder
    for expected, actual in zip(encoder.encode(raw()), restored.encode(raw()), strict=True):
        np.testing.assert_array_equal(expected, actual)


def test_without_parts_of_dates_json_has_no_key_for_them() -> None:
    encoder = fitted(categorical=("shop",))
    written = encoder.to_json()
    assert set(written["columns"]) == {"targets", "text", "categorical", "numeric"}
    assert Encoder.from_json(written) == encoder


# -- a trained model


def dataset() -> Dataset:
    encoder = fitted("hour")
    part = Part(*encoder.encode(raw()), encoder.targets(raw()))
    return Dataset(encoder.inputs, part, part, part, encoder.target_names, encoder, "raw")


@pytest.mark.parametrize("architecture", ["tabular", "bag-of-words"])
def test_a_saved_model_takes_the_parts_from_the_date_column_of_a_frame(tmp_path: Path, architecture: str) -> None:
    data = dataset()
    outcome = loop.train(architecture, {}, data, seed=0, max_epochs=30)
    content = {"architecture": architecture, "hyperparameters": {}, "inputs": data.inputs, "encoder": data.encoder}
    model.save(tmp_path, outcome.network, **content)
    loaded = model.load(tmp_path)
    morning, evening = loaded.predict(pd.DataFrame({"time": ["2025-07-01T06:10:00Z", "1.7.2025 18:50"]}))["y"]
    assert morning > 0.5
    assert evening < -0.5
    other = pd.Series(pd.to_datetime(["2031-01-02 06:00", "2031-01-02 18:00"]))
    np.testing.assert_allclose(loaded.predict(pd.DataFrame({"time": other}))["y"], [morning, evening], rtol=1e-5)
    with pytest.raises(UserError, match='the frame has no column "time"; did you mean "times"') as missing:
        loaded.predict(pd.DataFrame({"times": ["2025-07-01"]}))
    assert "\n" not in str(missing.value)


# -- files


def source(path: Path | str, *date_parts: DatePart, **changes: Any) -> FilesSource:
    keys = {"path": str(path), "date": "time", "date-parts": date_parts, "target": "y"}
    return FilesSource.model_validate(keys | changes)


@pytest.fixture
def csv(tmp_path: Path) -> Path:
    raw(600).to_csv(tmp_path / "a.csv", index=False)
    return tmp_path / "a.csv"


def test_parts_of_the_date_alone_are_enough(csv: Path) -> None:
    loaded = load.load(source(csv, *ALL), RANGE)
    assert (loaded.inputs.categorical, loaded.inputs.length, loaded.inputs.dense) == (3, 3, 6)
    assert not any("time of day" in note for note in loaded.notes)
    counted = counting.count(source(csv, *ALL))
    assert counted is not None
    assert counted.within(RANGE) == sum(map(len, (loaded.train, loaded.valid, loaded.test)))


@pytest.mark.parametrize(
    "kind", [pa.timestamp("us"), pa.timestamp("ns"), pa.timestamp("ms", "America/New_York"), pa.string()], ids=str
)
def test_every_type_of_a_parquet_column_has_the_parts_of_text(csv: Path, tmp_path: Path, kind: pa.DataType) -> None:
    frame = raw(600)
    times = pa.array(frame["time"].astype("datetime64[us]"), pa.timestamp("us"))
    if pa.types.is_string(kind):
        times = pa.array(frame["time"], kind)
    elif kind.tz:
        times = pa.compute.assume_timezone(times.cast(pa.timestamp(kind.unit)), kind.tz)
    columns = pa.Table.from_pandas(frame.drop(columns="time")).append_column("time", times)
    pyarrow.parquet.write_table(columns, tmp_path / "a.parquet")
    plain, other = (load.load(source(path, *ALL), RANGE) for path in (csv, tmp_path / "a.parquet"))
    assert plain.fingerprint == other.fingerprint
    np.testing.assert_array_equal(plain.test.dense, other.test.dense)


def test_an_hour_that_training_never_saw_counts_in_the_fingerprint(tmp_path: Path) -> None:
    frame = raw(600)
    frame = frame[~frame["time"].str.contains("05:|06:")]
    fingerprints = set()
    for hour in ("05:00", "06:00"):
        frame.iloc[-300, 0] = f"2024-02-27 {hour}"
        frame.to_csv(tmp_path / "b.csv", index=False)
        loaded = load.load(source(tmp_path / "b.csv", "hour"), RANGE)
        assert (loaded.test.tokens == UNKNOWN).sum() == 1
        fingerprints.add(loaded.fingerprint)
    assert len(fingerprints) == 2


def test_folders_by_day_have_weekdays_and_months(tmp_path: Path) -> None:
    for day, rows in raw(600).groupby(raw(600)["time"].str[:10]):
        folder = tmp_path / f"time={day}"
        folder.mkdir()
        rows[["shop", "y"]].to_csv(folder / "a.csv", index=False)
    loaded = load.load(source(tmp_path / "*" / "*.csv", "weekday", "month"), RANGE)
    assert list(map(set, loaded.encoder.categories)) == [set("0123456"), set("12")]
    with pytest.raises(UserError, match='no row to train on has a time of day in "time"'):
        load.load(source(tmp_path / "*" / "*.csv", "hour"), RANGE)


def test_dates_without_a_time_of_day_are_the_same_error_in_a_trial_and_a_survey(tmp_path: Path) -> None:
    frame = raw(600)
    frame["time"] = frame["time"].str[:10]
    frame.to_csv(tmp_path / "a.csv", index=False)
    data = source(tmp_path / "a.csv", *ALL, categorical="shop")
    message = 'no row to train on has a time of day in "time"; leave "hour" out of data.date-parts or choose other days'
    with pytest.raises(UserError) as refused:
        load.load(data, RANGE)
    assert str(refused.value) == f"date-range: {RANGE}: {message}"
    surveyed = survey(data, RANGE)
    assert surveyed is not None
    assert mistakes(surveyed, RANGE, RANGE.split()) == [message]


def test_some_dates_without_a_time_of_day_are_counted(tmp_path: Path) -> None:
    frame = raw(600)
    frame.loc[::4, "time"] = frame.loc[::4, "time"].str[:10]
    frame.to_csv(tmp_path / "a.csv", index=False)
    loaded = load.load(source(tmp_path / "a.csv", *ALL), RANGE)
    assert '"time": 72 of 288 (25 %) values have no time of day' in loaded.notes


def test_a_survey_shows_each_part_as_a_column(csv: Path) -> None:
    surveyed = survey(source(csv, *ALL), RANGE)
    assert surveyed is not None
    columns = [(column.name, column.kind, column.missing, column.distinct) for column in surveyed.columns]
    assert columns[1:] == [("time", "hour", 0, 24), ("time", "weekday", 0, 7), ("time", "month", 0, 2)]
    assert mistakes(surveyed, RANGE, RANGE.split()) == list(about_rows_and_columns(surveyed)) == []


def test_times_of_another_zone_are_not_converted(tmp_path: Path) -> None:
    moments = [datetime(2024, 1, 1, 2, tzinfo=UTC) + timedelta(days=n) for n in range(60)]
    times = pa.array(moments, pa.timestamp("us", "America/New_York"))
    pyarrow.parquet.write_table(pa.table({"time": times, "y": np.arange(60.0)}), tmp_path / "a.parquet")
    assert load.load(source(tmp_path / "a.parquet", "hour"), RANGE).encoder.categories == (("21",),)
