"""Raw rows as a source gives them: their columns and the day of each, before anything is encoded.

How the columns become tokens and numbers is decided in `encoder.py`; they come from `files.py` and `flights.py`.
"""

import difflib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.data import date_parts
from pipeline.data.source import DatePart, Transform
from pipeline.dates import DateRange

CALENDAR = DateRange(date(1970, 1, 1), date(2100, 1, 1))
"""Days that a row can have. One outside is a mistake, like 9999-12-31 for "never": its row is left out and counted."""

# The largest number a float32 holds: beyond it, a "number" is a mistake in the data.
_LARGEST = float(np.finfo(np.float32).max)
_NAMES_SHOWN = 30
WORD = re.compile(r"\w+")
"""A word of a text column."""


@dataclass(frozen=True)
class Target:
    """A column to predict."""

    name: str
    transform: Transform | None = None


@dataclass(frozen=True)
class Columns:
    """Names of the raw columns, by what each becomes."""

    targets: tuple[Target, ...]
    text: tuple[str, ...] = ()
    categorical: tuple[str, ...] = ()
    numeric: tuple[str, ...] = ()
    date_parts: tuple[tuple[str, DatePart], ...] = ()
    """Columns of dates, each with a part of a date that becomes a feature."""

    @property
    def kinds(self) -> tuple[tuple[str, str], ...]:
        """`(name, kind)` of each feature; a column that becomes two things is there twice. Parts of dates are kinds."""
        named = (("categorical", self.categorical), ("text", self.text), ("numeric", self.numeric))
        return (*((name, kind) for kind, names in named for name in names), *self.date_parts)

    @property
    def features(self) -> tuple[str, ...]:
        """The columns to predict from."""
        dates = (name for name, _ in self.date_parts)
        return tuple(dict.fromkeys((*self.categorical, *self.text, *self.numeric, *dates)))

    @property
    def all(self) -> tuple[str, ...]:
        """Features and targets, each once."""
        return tuple(dict.fromkeys((*self.features, *(target.name for target in self.targets))))


@dataclass(frozen=True)
class Rows:
    """Rows with their columns as the source has them."""

    frame: pd.DataFrame
    days: NDArray[np.datetime64]
    """`[N]`, the day of each row."""
    notes: tuple[str, ...] = ()
    """Lines for the log: what was left out, and why."""
    lost: int = 0
    """Rows that the files have and nobody can use: without a day, cut short, or swallowed by a quote."""
    read: int = 0
    """Rows of the files, those included; whatever the date range."""
    recognised: tuple[str, ...] = ()
    """How the files are written, where that is not plain: a line each."""

    def where(self, mask: NDArray[np.bool_]) -> "Rows":
        """The rows for which the mask `[N]` holds."""
        return replace(self, frame=self.frame[mask], days=self.days[mask])

    def complete(self, targets: Iterable[str]) -> NDArray[np.bool_]:
        """For each row `[N]` whether it has every target."""
        every = np.ones(len(self.days), dtype=np.bool_)
        for target in targets:
            every &= ~np.isnan(numbers(self.frame[target]))
        return every

    def within(self, date_range: DateRange) -> "Rows":
        """The rows of the range's days."""
        return self.where(contains(date_range, self.days))


def contains(date_range: DateRange, days: NDArray[np.datetime64]) -> NDArray[np.bool_]:
    """For each day `[N]` whether it lies in the range; a missing day lies in none."""
    inside: NDArray[np.bool_] = (days >= np.datetime64(date_range.start)) & (days < np.datetime64(date_range.end))
    return inside


def numbers(series: "pd.Series[Any]") -> NDArray[np.float64]:
    """A column as float64 `[N]`; NaN where there is no number that a model could take."""
    values = _parsed(series)
    values[~(np.abs(values) <= _LARGEST)] = np.nan
    return values


def infinite(series: "pd.Series[Any]") -> NDArray[np.bool_]:
    """For each value `[N]` whether it is a number that is infinite, or larger than a model could take."""
    found: NDArray[np.bool_] = np.abs(_parsed(series)) > _LARGEST
    return found


def _parsed(series: "pd.Series[Any]") -> NDArray[np.float64]:
    if series.dtype.kind in "mM":  # pandas would count nanoseconds, and take a missing time for a very early one
        return np.full(len(series), np.nan)
    parsed = pd.to_numeric(series, errors="coerce")
    values: NDArray[np.float64] = parsed.to_numpy(np.float64, na_value=np.nan, copy=True)
    return values


def has_value(series: "pd.Series[Any]", kind: str) -> NDArray[np.bool_]:
    """For each value `[N]` of a feature of a kind of `Columns.kinds` whether a model gets anything from it."""
    if kind == "numeric":
        return ~np.isnan(numbers(series))
    if kind == "text":
        codes, uniques = pd.factorize(series)
        return np.array([*(WORD.search(str(text)) is not None for text in uniques), False])[codes]
    if kind in date_parts.CYCLES:
        series = date_parts.values_of(series, kind)
    return np.array(series.notna(), dtype=np.bool_)


def missing_columns(needed: Iterable[str], available: Sequence[str], where: str) -> str:
    """A line for each needed column that is not available, for a person; empty if all are. `where` begins each line."""
    lines = []
    for name in needed:
        if name in available:
            continue
        close = difflib.get_close_matches(name, available, n=1)
        hint = f'; did you mean "{close[0]}"?' if close else "."
        shown = ", ".join(available[:_NAMES_SHOWN])
        more = f" and {len(available) - _NAMES_SHOWN} more" if len(available) > _NAMES_SHOWN else ""
        lines.append(f'{where} has no column "{name}"{hint} Its columns: {shown}{more}')
    return "\n".join(lines)


def share(count: int, total: int) -> str:
    """`1,234 of 80,789 (1.5 %)`"""
    percent = 100 * count / max(total, 1)
    return f"{count:,} of {total:,} ({percent:.{'2g' if percent < 10 else '0f'}} %)"
