"""Surveys data: rows by day, counts for each column, and the distribution of each target.

The data are read a piece at a time, and only sums and samples are kept, so they may be larger than the memory. Nothing
is printed here, and `warnings.py` judges the numbers.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.data import date_parts, load, strays, usable
from pipeline.data.distribution import Distribution, Sample
from pipeline.data.encoder import transformed
from pipeline.data.raw import CALENDAR, WORD, Columns, Rows, Target, contains, is_infinite, numbers
from pipeline.data.source import Source
from pipeline.dates import DateRange, month_start

DISTINCT_AT_MOST = 100_000
"""Distinct values of a column are counted up to this number."""

PARTS = ("train", "valid", "test")
ALMOST_EMPTY = 0.1
"""A day with less than this share of the median day's rows is almost empty."""


@dataclass(frozen=True)
class Column:
    """A column over all rows of the survey."""

    name: str
    kind: str
    """`target`, or a kind of `Columns.kinds`."""
    rows: int
    missing: int
    unparsed: int
    """Number of values in a column of numbers that are neither numbers nor missing."""
    example: str | None
    """An unparsed value."""
    infinite: int
    """Number of values that are infinite, or too large for a model."""
    infinite_example: str | None
    distinct: int
    """Number of distinct values; `DISTINCT_AT_MOST` means that many or more."""
    distinct_among: int
    """Number of values in which the distinct ones were counted, without missing ones."""
    longest: int
    """Length of the longest value of a text, in characters."""
    has_words: bool
    """True if a value of a text holds a word."""
    missing_words: int = 0
    """Number of unparsed values that are words for a missing number."""


@dataclass(frozen=True)
class Survey:
    """The result of a survey. It has at least one row."""

    days: NDArray[np.datetime64]
    """The days with rows, in order."""
    rows: NDArray[np.int64]
    """`[days]`, number of rows of each day."""
    usable: NDArray[np.int64]
    """`[days]`, number of rows of each day that have every target."""
    columns: tuple[Column, ...]
    targets: tuple[str, ...]
    spans: tuple["_Span", ...]
    """The daily bounds of each target."""
    filled: dict[tuple[str, str], NDArray[np.int64]]
    """`{(name, kind): [days]}`, number of usable rows in which this feature has a value."""
    notes: tuple[str, ...]
    _samples: dict[str, list[Sample]]
    """`{target: [sample of each day]}`"""
    lost: int = 0
    """Number of unusable rows of the files."""
    read: int = 0
    """Number of rows of the files, including the lost ones."""
    recognised: tuple[str, ...] = ()
    """Lines about the forms of the files that are not plain."""

    @property
    def covers(self) -> DateRange:
        """The range from the first day to the last."""
        return _range_between(self.days[0], self.days[-1])

    def months(self) -> Iterator[DateRange]:
        """The calendar months from the first day of the survey to the last, in order."""
        start = month_start(self.covers.start)
        while start < self.covers.end:
            yield DateRange(start, month_start(start, 1))
            start = month_start(start, 1)

    def rows_in(self, date_range: DateRange) -> int:
        """Number of rows in the range."""
        return int(self.rows[contains(date_range, self.days)].sum())

    def usable_in(self, date_range: DateRange) -> int:
        """Number of rows in the range that have every target."""
        return int(self.usable[contains(date_range, self.days)].sum())

    def by_day(self, date_range: DateRange) -> NDArray[np.int64]:
        """Number of rows on each day of the range, 0 included."""
        counts = np.zeros(date_range.days, np.int64)
        inside = contains(date_range, self.days)
        counts[(self.days[inside] - np.datetime64(date_range.start)).astype(int)] = self.rows[inside]
        return counts

    def closed_weekdays(self) -> set[int]:
        """Weekdays (0 is Monday) that never have rows. Empty if the data are too short to tell."""
        if self.covers.days < 28:
            return set()
        return set(range(7)) - {int(day) for day in _weekdays(self.days)}

    def holes(self, date_range: DateRange) -> list[DateRange]:
        """The runs of days without rows. A weekday that never has rows is no hole."""
        days = np.arange(str(date_range.start), str(date_range.end), dtype="datetime64[D]")
        is_open = ~np.isin(_weekdays(days), list(self.closed_weekdays()))
        missing = days[is_open & (self.by_day(date_range) == 0)]
        gaps = np.flatnonzero(np.diff(missing) > np.timedelta64(1, "D")) + 1
        return [_range_between(run[0], run[-1]) for run in np.split(missing, gaps) if len(run)]

    def almost_empty(self, date_range: DateRange) -> list[DateRange]:
        """The days with so few rows that some are probably lost."""
        few = contains(date_range, self.days) & (self.rows < ALMOST_EMPTY * np.median(self.rows))
        return [_range_between(day, day) for day in self.days[few]]

    def distribution(self, target: str, date_range: DateRange | None = None) -> Distribution:
        """The distribution of a target on the days of the range, by default on all days."""
        places = np.arange(len(self.days)) if date_range is None else np.flatnonzero(contains(date_range, self.days))
        return Distribution.of(self._samples[target][place] for place in places)


def survey(source: Source, date_range: DateRange | None = None) -> Survey | None:
    """Surveys the rows of the range, by default all rows. None if there are none.

    Raises UserError if the data cannot be read.
    """
    columns = load.columns_of(source)
    counts = _Counts(columns)
    notes: tuple[str, ...] = ()
    recognised: tuple[str, ...] = ()
    lost_rows = read = 0
    for rows in load.stream_rows(source, date_range):
        counts.add(rows)
        notes += rows.notes
        recognised += rows.recognised
        lost_rows, read = lost_rows + rows.lost, read + rows.read
    if not counts.rows.any():
        return None
    return replace(counts.total(notes, all_days=date_range is None), lost=lost_rows, read=read, recognised=recognised)


def _range_between(first: np.datetime64, last: np.datetime64) -> DateRange:
    """The range from the first day to the last, both included."""
    start, end = (day.astype("datetime64[D]").astype(object) for day in (first, last))
    return DateRange(start, end + timedelta(days=1))


def _weekdays(days: NDArray[np.datetime64]) -> NDArray[np.int64]:
    return (days.astype("datetime64[D]").astype(np.int64) + 3) % 7  # 1970-01-01 was a Thursday


@dataclass
class _ColumnCount:
    name: str
    kind: str
    rows: int = 0
    missing: int = 0
    unparsed: int = 0
    example: str | None = None
    infinite: int = 0
    infinite_example: str | None = None
    hashes: set[int] = field(default_factory=set)
    """Hashes of the distinct values, since the values may be long."""
    hashed: int = 0
    """Number of values that were hashed."""
    longest: int = 0
    has_words: bool = False
    missing_words: int = 0

    def add(self, values: "pd.Series[Any]", numeric: NDArray[np.float64] | None) -> NDArray[np.bool_]:
        """Counts the values `[N]`, and returns a mask of the usable ones.

        `numeric` are the values of a column of numbers as floats.
        """
        present = np.array(values.notna(), dtype=np.bool_)
        self.rows += len(values)
        self.missing += int((~present).sum())
        filled = present
        # Values that are no numbers.
        if numeric is not None:
            filled = ~np.isnan(numeric)
            if (unparsed := present & ~filled).any():
                self._add_unparsed(values, unparsed)
        # Words and distinct values.
        if self.kind == "text" or len(self.hashes) < DISTINCT_AT_MOST:
            codes, uniques = pd.factorize(values if numeric is None else pd.Series(numeric))
            texts = [str(value) for value in uniques] if numeric is None else []
            if self.kind == "text":
                filled = np.array([*(WORD.search(text) is not None for text in texts), False])[codes]
                self.has_words = self.has_words or bool(filled.any())
                self.longest = max(self.longest, 0, *map(len, texts))
            if len(self.hashes) < DISTINCT_AT_MOST:
                distinct = np.array(texts, dtype=object) if numeric is None else np.asarray(uniques)
                self.hashes.update(pd.util.hash_array(distinct).tolist())
                self.hashed += int((codes >= 0).sum())
        return filled

    def _add_unparsed(self, values: "pd.Series[Any]", unparsed: NDArray[np.bool_]) -> None:
        too_large = unparsed & is_infinite(values)
        other = unparsed & ~too_large
        self.infinite += int(too_large.sum())
        self.unparsed += int(other.sum())
        if too_large.any():
            self.infinite_example = self.infinite_example or str(values.iloc[int(too_large.argmax())])
        if other.any():
            self.missing_words += usable.missing_words(values[other])
            self.example = self.example or str(values.iloc[int(other.argmax())])

    def total(self) -> Column:
        return Column(
            self.name,
            self.kind,
            self.rows,
            self.missing,
            self.unparsed,
            self.example,
            self.infinite,
            self.infinite_example,
            distinct=min(len(self.hashes), DISTINCT_AT_MOST),
            distinct_among=self.hashed,
            longest=self.longest,
            has_words=self.has_words,
            missing_words=self.missing_words,
        )


@dataclass
class _Span:
    """The lowest and highest value of a target on each day, `[days]`, over usable rows."""

    target: Target
    lowest: NDArray[np.float64] = field(default_factory=lambda: np.full(CALENDAR.days, np.inf))
    highest: NDArray[np.float64] = field(default_factory=lambda: np.full(CALENDAR.days, -np.inf))
    impossible: NDArray[np.int64] = field(default_factory=lambda: np.zeros(CALENDAR.days, np.int64))
    """Number of values for which the transform is undefined."""
    example: float | None = None
    """The first such value."""

    def add(self, days: NDArray[np.int64], values: NDArray[np.float64]) -> None:
        np.minimum.at(self.lowest, days, values)
        np.maximum.at(self.highest, days, values)
        impossible = ~np.isfinite(transformed(values, self.target.transform))
        if impossible.any():
            self.example = float(values[impossible][0]) if self.example is None else self.example
            self.impossible += _by_day(days[impossible])

    def on(self, days: NDArray[np.int64]) -> "_Span":
        """The span of these days."""
        return _Span(self.target, self.lowest[days], self.highest[days], self.impossible[days], self.example)


class _Counts:
    """Sums over the rows that were added, by day of the calendar."""

    def __init__(self, columns: Columns) -> None:
        self._targets = tuple(target.name for target in columns.targets)
        kinds = [*((name, "target") for name in self._targets), *columns.kinds]
        self.columns = [_ColumnCount(name, kind) for name, kind in kinds]
        self.rows = np.zeros(CALENDAR.days, np.int64)
        self.usable = np.zeros(CALENDAR.days, np.int64)
        self.filled = {feature: np.zeros(CALENDAR.days, np.int64) for feature in columns.kinds}
        self.spans = tuple(_Span(target) for target in columns.targets)
        self.samples: dict[str, dict[np.datetime64, Sample]] = {name: {} for name in self._targets}
        self._random = np.random.default_rng(0)

    def add(self, rows: Rows) -> None:
        if not len(rows.days):
            return
        day_numbers = (rows.days - np.datetime64(CALENDAR.start)).astype(np.int64)
        days, of_day = np.unique(rows.days, return_inverse=True)
        is_usable = np.ones(len(rows.days), dtype=np.bool_)
        filled: dict[tuple[str, str], NDArray[np.bool_]] = {}
        targets: dict[str, NDArray[np.float64]] = {}
        for column in self.columns:
            values = rows.frame[column.name]
            if column.kind in date_parts.CYCLES:
                values = date_parts.values_of(values, column.kind)
            numeric = numbers(values) if column.kind in ("target", "numeric") else None
            has_value = column.add(values, numeric)
            if column.kind == "target" and numeric is not None:
                is_usable &= has_value
                targets[column.name] = numeric
                self._sample(self.samples[column.name], days, of_day[has_value], numeric[has_value])
            else:
                filled[column.name, column.kind] = has_value
        self.rows += _by_day(day_numbers)
        self.usable += _by_day(day_numbers[is_usable])
        for feature, has_value in filled.items():
            self.filled[feature] += _by_day(day_numbers[has_value & is_usable])
        for span in self.spans:
            span.add(day_numbers[is_usable], targets[span.target.name][is_usable])

    def total(self, notes: tuple[str, ...], *, all_days: bool) -> Survey:
        with_rows = np.flatnonzero(self.rows)
        if all_days:
            days = (np.datetime64(CALENDAR.start) + with_rows).tolist()
            line = strays.in_words(days, self.rows[with_rows].tolist())
            with_rows = with_rows[strays.covered(days, self.rows[with_rows].tolist())]
            notes = (*notes, *([line] if line else []))
        days = np.datetime64(CALENDAR.start) + with_rows
        return Survey(
            days=days,
            rows=self.rows[with_rows],
            usable=self.usable[with_rows],
            columns=tuple(column.total() for column in self.columns),
            targets=self._targets,
            spans=tuple(span.on(with_rows) for span in self.spans),
            filled={feature: counts[with_rows] for feature, counts in self.filled.items()},
            notes=notes,
            _samples={name: [of_day.get(day) or Sample() for day in days] for name, of_day in self.samples.items()},
        )

    def _sample(
        self,
        samples: dict[np.datetime64, Sample],
        days: NDArray[np.datetime64],
        of_day: NDArray[np.int64],
        values: NDArray[np.float64],
    ) -> None:
        order = np.argsort(of_day, kind="stable")
        ends = np.cumsum(np.bincount(of_day, minlength=len(days)))
        for day, part in zip(days, np.split(values[order], ends[:-1]), strict=True):
            if len(part):
                samples.setdefault(day, Sample()).add(part, self._random)


def _by_day(day_numbers: NDArray[np.int64]) -> NDArray[np.int64]:
    """Number of occurrences of each day of the calendar. Days are numbered from its first day."""
    return np.bincount(day_numbers, minlength=CALENDAR.days)
