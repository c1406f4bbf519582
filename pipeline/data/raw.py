"""Raw rows from a source, before encoding: their columns and days.

`files.py` and `flights.py` read them, `encoder.py` encodes them.
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
"""Possible days of a row. Any other day is a mistake, like 9999-12-31 for "never": its row is dropped and counted."""

# A number too large for a float32 is a mistake in the data.
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
    """Names of the raw columns, by their use."""

    targets: tuple[Target, ...]
    text: tuple[str, ...] = ()
    categorical: tuple[str, ...] = ()
    numeric: tuple[str, ...] = ()
    date_parts: tuple[tuple[str, DatePart], ...] = ()
    """Features from date columns, like `("departure", "weekday")`."""

    @property
    def kinds(self) -> tuple[tuple[str, str], ...]:
        """`(name, kind)` of each feature: `("price", "numeric")`, or with a part of a date, `("departure", "weekday")`.

        A column with two uses occurs twice.
        """
        by_kind = (("categorical", self.categorical), ("text", self.text), ("numeric", self.numeric))
        return (*((name, kind) for kind, names in by_kind for name in names), *self.date_parts)

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
    """Rows of a source with their days."""

    frame: pd.DataFrame
    days: NDArray[np.datetime64]
    """`[N]`, the day of each row."""
    notes: tuple[str, ...] = ()
    """Lines for the log about rows that were left out."""
    lost: int = 0
    """Number of unusable rows of the files: with no possible day, with too few or too many values, or lost behind a
    quote that nothing closes."""
    read: int = 0
    """Number of rows of the files, on all days, including the lost ones."""
    recognised: tuple[str, ...] = ()
    """Lines about files that are not plain CSV: how they are read, such as their separator."""

    def select(self, mask: NDArray[np.bool_]) -> "Rows":
        """The rows where the mask `[N]` is true."""
        return replace(self, frame=self.frame[mask], days=self.days[mask])

    def complete(self, targets: Iterable[str]) -> NDArray[np.bool_]:
        """Mask `[N]` of the rows that have every target."""
        mask = np.ones(len(self.days), dtype=np.bool_)
        for target in targets:
            mask &= ~np.isnan(numbers(self.frame[target]))
        return mask

    def within(self, date_range: DateRange) -> "Rows":
        """The rows of the range's days."""
        return self.select(contains(date_range, self.days))


def contains(date_range: DateRange, days: NDArray[np.datetime64]) -> NDArray[np.bool_]:
    """Mask `[N]` of the days that lie in the range. A missing day lies in none."""
    mask: NDArray[np.bool_] = (days >= np.datetime64(date_range.start)) & (days < np.datetime64(date_range.end))
    return mask


def numbers(series: "pd.Series[Any]") -> NDArray[np.float64]:
    """A column as float64 `[N]`; NaN where a value is no number, infinite, or too large for a float32."""
    values = _parsed(series)
    values[~(np.abs(values) <= _LARGEST)] = np.nan
    return values


def is_infinite(series: "pd.Series[Any]") -> NDArray[np.bool_]:
    """Mask `[N]` of the numbers that are infinite, or too large for a float32."""
    mask: NDArray[np.bool_] = np.abs(_parsed(series)) > _LARGEST
    return mask


def _parsed(series: "pd.Series[Any]") -> NDArray[np.float64]:
    if series.dtype.kind in "mM":  # pandas would convert times to nanoseconds, and a missing one to a number
        return np.full(len(series), np.nan)
    parsed = pd.to_numeric(series, errors="coerce")
    values: NDArray[np.float64] = parsed.to_numpy(np.float64, na_value=np.nan, copy=True)
    return values


def has_value(series: "pd.Series[Any]", kind: str) -> NDArray[np.bool_]:
    """Mask `[N]` of the values that a model can use: numbers, texts with a word, categories, or parts of dates.

    `kind` is one of `Columns.kinds`.
    """
    if kind == "numeric":
        return ~np.isnan(numbers(series))
    if kind == "text":
        # A missing value has the code -1, which picks the last element: False.
        codes, uniques = pd.factorize(series)
        return np.array([*(WORD.search(str(text)) is not None for text in uniques), False])[codes]
    if kind in date_parts.CYCLES:
        series = date_parts.values_of(series, kind)
    return np.array(series.notna(), dtype=np.bool_)


def missing_columns(needed: Iterable[str], available: Sequence[str], subject: str) -> str:
    """An error message with a line for each needed column that is missing; empty if none is.

    Each line begins with `subject`, such as the name of a file.
    """
    lines = []
    for name in needed:
        if name in available:
            continue
        similar = difflib.get_close_matches(name, available, n=1)
        hint = f'; did you mean "{similar[0]}"?' if similar else "."
        names = ", ".join(available[:_NAMES_SHOWN])
        others = f" and {len(available) - _NAMES_SHOWN} more" if len(available) > _NAMES_SHOWN else ""
        lines.append(f'{subject} has no column "{name}"{hint} Its columns: {names}{others}')
    return "\n".join(lines)


def share(count: int, total: int) -> str:
    """A share in words: `1,234 of 80,789 (1.5 %)`."""
    percent = 100 * count / max(total, 1)
    return f"{count:,} of {total:,} ({percent:.{'2g' if percent < 10 else '0f'}} %)"
