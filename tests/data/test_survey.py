"""Counts and warnings of `hpt data`, on data with known problems."""

import json
import os
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.data import survey, warnings
from pipeline.data.distribution import SIZE_AT_MOST, Distribution, stability
from pipeline.data.source import FilesSource, FlightsSource
from pipeline.data.survey import Survey
from pipeline.dates import DateRange
from tests.support import in_process

START = date(2024, 1, 1)
QUARTER = DateRange(START, date(2024, 4, 1))  # 91 days: 63 train, 14 valid, 14 test
SHARES = (0.15, 0.15)


def table(days: int = 91, per_day: int = 20) -> pd.DataFrame:
    random = np.random.default_rng(0)
    rows = days * per_day
    return pd.DataFrame(
        {
            "day": [START + timedelta(days=n // per_day) for n in range(rows)],
            "shop": [f"shop{n % 7}" for n in range(rows)],
            "size": random.normal(size=rows),
            "price": random.gamma(3, size=rows),
        }
    )


@pytest.fixture
def look(tmp_path: Path) -> Callable[..., Survey]:
    def write_and_look(frame: pd.DataFrame, **changes: Any) -> Survey:
        frame.to_csv(tmp_path / "a.csv", index=False)
        keys = {"path": str(tmp_path / "a.csv"), "date": "day", "categorical": "shop", "numeric": "size"}
        data = survey.survey(FilesSource.model_validate(keys | {"target": "price"} | changes))
        assert data is not None
        return data

    return write_and_look


def warned(data: Survey, *ranges: DateRange) -> list[str]:
    return list(warnings.warnings(data, ranges, SHARES))


def test_good_data_have_no_warnings(look: Callable[..., Survey]) -> None:
    data = look(table())
    assert warned(data, QUARTER) == warned(data) == []
    assert (data.covers, data.rows_in(QUARTER), data.usable_in(QUARTER.split().test)) == (QUARTER, 1820, 280)
    assert [(column.name, column.kind, column.distinct) for column in data.columns] == [
        ("price", "target", 1820),
        ("shop", "categorical", 7),
        ("size", "numeric", 1820),
    ]


def test_counts_do_not_depend_on_how_the_data_are_split_into_files(tmp_path: Path, look: Callable[..., Survey]) -> None:
    whole = look(table())
    for at in range(7):
        table()[at::7].to_parquet(tmp_path / f"part-{at}.parquet")
    parts = look(table(), path=str(tmp_path / "part-*.parquet"))
    assert whole.columns == parts.columns
    np.testing.assert_array_equal(whole.rows, parts.rows)
    np.testing.assert_array_equal(whole.distribution("price").values, parts.distribution("price").values)


def test_holes_are_the_days_without_rows(look: Callable[..., Survey]) -> None:
    frame = table()
    missing_days = [*pd.date_range("2024-01-10", "2024-01-12").date, date(2024, 2, 29)]
    data = look(frame[~frame["day"].isin(missing_days)])
    [line] = warned(data, QUARTER)
    assert line == f"{QUARTER}: 4 of 91 (4.4 %) days have no rows: 2024-01-10 to 2024-01-12, 2024-02-29"
    assert data.by_day(DateRange(date(2024, 1, 9), date(2024, 1, 14))).tolist() == [20, 0, 0, 0, 20]


def test_days_after_the_end_of_the_data_are_holes_of_a_range(look: Callable[..., Survey]) -> None:
    assert any("2024-03-11 to 2024-03-31" in line for line in warned(look(table(days=70)), QUARTER))


def test_weekdays_that_never_have_rows_are_no_holes(look: Callable[..., Survey]) -> None:
    frame = table(per_day=30)
    data = look(frame[[day.weekday() < 5 for day in frame["day"]]])
    assert data.closed_weekdays() == {5, 6}
    assert warned(data, QUARTER) == []


def test_almost_empty_days_are_warned_about(look: Callable[..., Survey]) -> None:
    frame = table()
    lost = frame["day"] == date(2024, 2, 2)
    data = look(frame[~lost | (np.arange(len(frame)) % 20 == 0)])
    assert warned(data, QUARTER) == [f"{QUARTER}: 1 day has less than a tenth of the usual rows: 2024-02-02"]


def test_parts_with_too_few_rows_are_warned_about_and_an_empty_part_is_a_trial_that_fails(
    look: Callable[..., Survey],
) -> None:
    frame = table(per_day=7)
    frame.loc[frame["day"] >= QUARTER.split().test.start, "price"] = None
    assert warned(look(frame), QUARTER) == [
        "98 of 637 (15 %) rows are left out: no price",
        f"{QUARTER}: 441 rows to train on, [2024-01-01, 2024-03-04): fewer than 500",
        f"{QUARTER}: 98 rows to validate on, [2024-03-04, 2024-03-18): fewer than 100",
        f"{QUARTER}: 0 rows to test on, [2024-03-18, 2024-04-01): a trial on this range will fail",
    ]


def test_a_target_that_drifts_is_warned_about_within_a_range_and_by_month(look: Callable[..., Survey]) -> None:
    frame = table()
    frame.loc[frame["day"] >= date(2024, 3, 1), "price"] *= 2
    by_range, by_month = warned(look(frame), QUARTER)
    assert by_range.startswith(f'{QUARTER}: from train to test, target "price" drifts: median 2.')
    assert by_month.startswith('from 2024-02 to 2024-03, target "price" drifts: median 2.')


def test_a_target_that_only_gets_wider_drifts_too(look: Callable[..., Survey]) -> None:
    frame = table()
    frame["price"] = np.random.default_rng(1).normal(size=len(frame))
    frame.loc[frame["day"] >= date(2024, 3, 1), "price"] *= 4
    assert len(warned(look(frame), QUARTER)) == 2


def test_columns_without_information_are_warned_about(look: Callable[..., Survey]) -> None:
    assert warned(look(table().assign(shop=None, size=1.0))) == [
        'categorical column "shop" is always missing',
        'numeric column "size" has the same value in every row',
    ]


def test_values_that_do_not_parse_are_warned_about(look: Callable[..., Survey]) -> None:
    frame = table().astype({"price": object, "day": object})
    frame.loc[3, "price"], frame.loc[4, "price"], frame.loc[5, "day"] = "12,5", None, "soon"
    data = look(frame)
    assert warned(data) == [*data.notes, '"price": 1 of 1,819 (0.055 %) values are no numbers, for example "12,5"']
    assert data.notes == ('dropped 1 of 1,820 (0.055 %) rows of the files: no date in "day", for example "soon"',)
    assert (data.columns[0].missing, int(data.usable.sum())) == (1, 1817)


def test_of_large_days_a_fair_sample_is_kept(look: Callable[..., Survey]) -> None:
    values = np.random.default_rng(3).permutation(50_000) / 50_000
    frame = pd.DataFrame({"day": START, "shop": "a", "size": 1.0, "price": values})
    data = look(pd.concat([frame, frame[:100].assign(day=START + timedelta(days=1), price=2.0)]))
    distribution = data.distribution("price")
    assert (distribution.count, len(distribution.values)) == (50_100, SIZE_AT_MOST + 100)
    np.testing.assert_allclose(distribution.quantile(0.05, 0.5, 0.95), [0.05, 0.5, 0.95], atol=0.05)
    assert distribution.quantile(0.995)[0] <= 1  # the small day counts as 100 of 50,100 values


def distribution_of(values: Any) -> Distribution:
    return Distribution(len(values), np.sort(np.asarray(values, dtype=np.float64)), np.ones(len(values)))


@given(st.integers(0, 1000), st.integers(200, 3000), st.integers(200, 3000), st.sampled_from([1, 2, 5, 1000]))
def test_two_samples_of_the_same_distribution_are_no_drift(seed: int, first: int, second: int, kinds: int) -> None:
    random = np.random.default_rng(seed)
    index = stability(
        distribution_of(random.integers(kinds, size=first)), distribution_of(random.integers(kinds, size=second))
    )
    assert index is not None
    assert index < warnings.DRIFTS_FROM


def test_few_values_are_not_compared() -> None:
    assert stability(distribution_of(range(199)), distribution_of(range(500, 1000))) is None


def test_a_target_that_becomes_another_constant_drifts() -> None:
    index = stability(distribution_of([0] * 300), distribution_of([1] * 300))
    assert index is not None
    assert index > 1


def test_the_flights_have_no_holes_and_their_delays_drift_in_autumn() -> None:
    data = survey.survey(FlightsSource.model_validate({"source": "flights", "target": ["air_time", "arr_delay"]}))
    assert data is not None
    summer = DateRange(date(2013, 7, 1), date(2013, 10, 1))
    lost, line = warned(data, DateRange(date(2013, 1, 1), date(2013, 4, 1)), summer)
    assert lost == "9,430 of 336,776 (2.8 %) rows are left out: no air_time or no arr_delay"
    assert line.startswith(f'{summer}: from train to test, target "arr_delay" drifts: median -4 → -12')


# The verb


def hpt(*arguments: object, cwd: Path) -> in_process.Done:
    with mock.patch.dict(os.environ, XDG_CACHE_HOME=str(cwd / "cache")):
        return in_process.hpt(*arguments, cwd=cwd, code=None)


def test_the_verb_shows_days_columns_target_and_the_ranges_of_a_spec(
    tmp_path: Path, tiny_spec: dict[str, Any], tiny_csv: Path
) -> None:
    frame = pd.read_csv(tiny_csv)
    frame[frame["day"] != "2024-01-10"].to_csv(tmp_path / "a.csv", index=False)
    tiny_spec["data"]["path"] = "a.csv"
    (tmp_path / "spec.json").write_text(json.dumps(tiny_spec))
    result = hpt("data", "spec.json", cwd=tmp_path)
    assert result.code == 0, result.err
    assert "the data cover [2024-01-01, 2024-05-30); what follows is about" in result.out
    assert "2024-01    180   █████████x█████████████████████" in result.out
    assert "2024-04  " not in result.out
    assert "[2024-01-01, 2024-03-01)   screen     246      54     54            1" in result.out
    assert "warning: [2024-01-01, 2024-03-01): 1 of 60 (1.7 %) days have no rows: 2024-01-10" in result.out
    assert "warning: [2024-02-01, 2024-04-01): 54 rows to test on, [2024-03-23, 2024-04-01): fewer" in result.out
    assert "\x1b" not in result.out


def test_a_range_without_any_data_is_a_warning_here(tmp_path: Path, tiny_spec: dict[str, Any]) -> None:
    tiny_spec["date-range"] = [["2025-01-01", "2025-03-01"]]
    (tmp_path / "spec.json").write_text(json.dumps(tiny_spec))
    result = hpt("data", "spec.json", cwd=tmp_path)
    assert result.code == 0, result.err
    assert "900 rows in [2024-01-01, 2024-05-30)" in result.out
    assert "has none of the days that the data cover" in result.out
    assert "a trial on this range will fail" in result.out


def test_data_can_be_surveyed_without_a_spec(tmp_path: Path, tiny_spec: dict[str, Any], bucket: str) -> None:
    assert "warning: 9,430 of 336,776 (2.8 %) rows are left out: no air_time" in (
        hpt("data", "--data", "flights", cwd=tmp_path).out
    )
    local = hpt("data", "--data", json.dumps(tiny_spec["data"]), cwd=tmp_path).out
    from pipeline.store.bucket import BucketStore

    BucketStore(f"gs://{bucket}").upload("in/a.csv", Path(tiny_spec["data"]["path"]))
    in_bucket = tiny_spec["data"] | {"path": f"gs://{bucket}/in/*.csv"}
    assert hpt("data", "--data", json.dumps(in_bucket), cwd=tmp_path).out == local
    assert "900 rows" in local


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"path": "nowhere/*.csv"}, 'no file matches "nowhere/*.csv"'),
        ({"numeric": ["sise"]}, 'has no column "sise"; did you mean "size"?'),
        ({"path": "s3://b/a.csv"}, '"s3://" cannot be read'),
        ({"path": "gs://b"}, "names no objects of a bucket"),
        ({"date": "value", "target": "place", "categorical": "day"}, "no row has a date that can be read"),
    ],
)
def test_data_that_cannot_be_read_are_a_clear_line_and_exit_2(
    tmp_path: Path, tiny_spec: dict[str, Any], change: dict[str, Any], message: str
) -> None:
    result = hpt("data", "--data", json.dumps(tiny_spec["data"] | change), cwd=tmp_path)
    assert result.code == 2
    assert message in result.err
    assert len(result.err.splitlines()) == 1


def test_without_a_spec_and_data_the_verb_is_an_error(tmp_path: Path) -> None:
    result = hpt("data", cwd=tmp_path)
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith("hpt: no data: name a SPEC or a file, give --data, or put")
