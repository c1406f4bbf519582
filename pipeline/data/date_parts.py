"""Parses the values of a date column: the day, and the hour, weekday and month that may be features.

Dates and times are taken as they are written; no time zone is converted.
"""

import re
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.data.source import DatePart

CYCLES: dict[DatePart, int] = {"hour": 24, "weekday": 7, "month": 12}
"""Length of the cycle of each part."""

# Spellings of a day in which the order of year, month and day is beyond doubt.
_DAYS = (
    r"^(?P<year>\d{4})(?P<_sep>[-/.])(?P<month>\d{1,2})(?P=_sep)(?P<day>\d{1,2})$",
    r"^(?P<year>\d{4})(?P<month>\d{2})(?P<day>\d{2})$",
    r"^(?P<day>\d{1,2})\.(?P<month>\d{1,2})\.(?P<year>\d{4})$",
)
_TIME_FOLLOWS = re.compile(r"[T\s]\s*")
# 05:30, 053000.123, 17.30, 17h30, 05Z, 5:30 pm
_TIME = r"(?i)^(?P<hour>\d{1,2})(?:[:.]?\d{2})*(?:[.,]\d+)?(?:\s*(?P<am_pm>[ap])\.?m\b|[zh]|\W|$)"


def days_of(series: "pd.Series[Any]") -> NDArray[np.datetime64]:
    """The day of each value, `[N]`; NaT for spellings in which the day and the month may be swapped, like 31/12/2013.

    A time of day and its zone are ignored.
    """
    codes, written = _written(series, time=False)
    parts = pd.DataFrame(np.nan, index=written.index, columns=["year", "month", "day"])
    for spelling in _DAYS:
        parts = parts.fillna(written.str.extract(spelling)[["year", "month", "day"]].astype("float64"))
    days = np.array(pd.to_datetime(parts, errors="coerce")).astype("datetime64[D]")
    return np.append(days, np.datetime64("NaT", "D"))[codes]


def values_of(series: "pd.Series[Any]", part: DatePart) -> "pd.Series[float]":
    """A part of each value: hour 0 to 23, weekday 0 (Monday) to 6, month 1 to 12; NaN where it is missing."""
    are_times = series.dtype.kind == "M"
    if part == "hour" and not are_times:
        return pd.Series(_hours(series), series.index)
    dates = series if are_times else pd.Series(days_of(series), series.index)
    return pd.Series(getattr(dates.dt, "day_of_week" if part == "weekday" else part), dtype=np.float64)


def on_circle(values: "pd.Series[float]", part: DatePart) -> NDArray[np.float32]:
    """Sine and cosine `[N, 2]` of each value's place in its cycle, so that 23 o'clock is near 0; 0 where missing."""
    angle = values.to_numpy(np.float64) * (2 * np.pi / CYCLES[part])
    return np.nan_to_num(np.stack([np.sin(angle), np.cos(angle)], axis=1)).astype(np.float32)


def _hours(series: "pd.Series[Any]") -> NDArray[np.float64]:
    codes, written = _written(series, time=True)
    groups = written.str.extract(_TIME)
    hours, am_pm = groups["hour"].to_numpy(np.float64, na_value=np.nan), groups["am_pm"].str.lower()
    hours = np.where(am_pm.notna(), hours % 12 + 12 * (am_pm == "p"), hours)
    return np.append(np.where(hours < CYCLES["hour"], hours, np.nan), np.nan)[codes]


def _written(series: "pd.Series[Any]", *, time: bool) -> "tuple[NDArray[np.int64], pd.Series[str]]":
    """For each row `[N]` the index of its day in a series of distinct days as text, -1 if missing; and that series.

    With `time`, they are times of day instead.
    """
    codes, uniques = pd.factorize(series)
    # pandas turns the number 20131231 into a float if the column has missing values.
    texts = (str(value).strip().removesuffix(".0") for value in uniques)
    days_and_times = (_TIME_FOLLOWS.split(text, maxsplit=1) for text in texts)
    # Factorized again, because distinct days, or times, are far fewer than their combinations.
    places, written = pd.factorize(np.array([(*parts, "")[time] for parts in days_and_times], dtype=object))
    return np.append(places, -1)[codes], pd.Series(written, dtype=object)
