"""A survey of data: rows by day, what each column holds, and how a target is distributed.

The data are read a piece at a time and only sums and samples are kept, so they may be larger than the memory. Nothing
here prints, and what is worth a warning stands in `warnings.py`.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.data import date_parts, load, strays, usable
from pipeline.data.encoder import transformed
from pipeline.data.raw import CALENDAR, WORD, Columns, Rows, Target, contains, infinite, numbers
from pipeline.data.source import Source
from pipeline.dates import DateRange, month_start

# Of each target, so many values are kept a day: all of them on a small day, a fair sample on a large one.
SAMPLE_PER_DAY = 2000
DISTINCT_AT_MOST = 100_000

PARTS = ("train", "valid", "test")
COMPARED_FROM = 200
"""Distributions of fewer values are not compared."""
ALMOST_EMPTY = 0.1
"""A day with less than this share of the median day's rows."""


@dataclass(frozen=True)
class Column:
    """A column over all rows of the survey."""

    name: str
    kind: str
    """`target`, or a kind of `Columns.kinds`."""
    rows: int
    missing: int
    unparsed: int
    """Values that are there and should be numbers, and are none."""
    example: str | None
    """One of those."""
    infinite: int
    """Numbers that are infinite, or too large for a model."""
    infinite_example: str | None
    distinct: int
    """Up to `DISTINCT_AT_MOST`: then it is that many or more."""
    distinct_among: int
    """Values, missing ones left out, in which so many distinct ones were found."""
    longest: int
    """Characters of the longest value of a text."""
    has_words: bool
    """Whether a value of a text holds a word."""
    said_missing: int = 0
    """Those of `unparsed` that say in words that a number is missing."""


@dataclass(frozen=True)
class Distribution:
    """A sample of a target's values, sorted, and how many each of them stands for."""

    count: int
    """Values of which this is a sample."""
    values: NDArray[np.float64]
    weights: NDArray[np.float64]

    def quantile(self, *shares: float) -> NDArray[np.float64]:
        """The smallest values that these shares of the distribution do not exceed; NaN without values."""
        if not len(self.values):
            return np.full(len(shares), np.nan)
        reached = np.cumsum(self.weights) / self.weights.sum()
        return self.values[np.minimum(np.searchsorted(reached, shares), len(self.values) - 1)]

    def in_bins(self, edges: NDArray[np.float64]) -> NDArray[np.float64]:
        """Share of the values in each bin, `[edges + 1]`: up to each edge from the one before, and above the last."""
        bins = np.searchsorted(edges, self.values, side="left")
        # Half a value more in each: an empty bin is no proof that nothing can be there.
        counted = np.bincount(bins, self.weights, len(edges) + 1) * len(self.values) / max(self.weights.sum(), 1) + 0.5
        return counted / counted.sum()


def stability(before: Distribution, after: Distribution) -> float | None:
    """Population stability index over the tenths of `before`; None for too few values.

    What two samples of one distribution differ by is taken off, its mean and twice its standard deviation (the index is
    then distributed as chi squared; Yurdakul 2018), so that few values are no drift.
    """
    if min(len(before.values), len(after.values)) < COMPARED_FROM:
        return None
    edges = np.unique(before.quantile(*np.arange(0.1, 0.95, 0.1)))
    old, new = before.in_bins(edges), after.in_bins(edges)
    index = float(((new - old) * np.log(new / old)).sum())
    by_chance = len(edges) + 2 * math.sqrt(2 * len(edges))
    return max(0.0, index - by_chance * (1 / len(before.values) + 1 / len(after.values)))


@dataclass(frozen=True)
class Survey:
    """The days that were read, in order; there is at least one row."""

    days: NDArray[np.datetime64]
    rows: NDArray[np.int64]
    """`[days]`, rows of each day."""
    usable: NDArray[np.int64]
    """`[days]`, those of them that have every target."""
    columns: tuple[Column, ...]
    targets: tuple[str, ...]
    spans: tuple["_Span", ...]
    """Of each target."""
    filled: dict[tuple[str, str], NDArray[np.int64]]
    """`{(name, kind): [days]}`, usable rows in which this feature has a value."""
    notes: tuple[str, ...]
    _samples: dict[str, list["_Sample"]]
    """`{target: [sample of each day]}`"""
    lost: int = 0
    """Rows of the files that nobody can use."""
    read: int = 0
    """Rows of the files, those included."""
    recognised: tuple[str, ...] = ()
    """How the files are written, where that is not plain: a line each."""

    @property
    def covers(self) -> DateRange:
        """From the first day to the last."""
        return _from_to(self.days[0], self.days[-1])

    def months(self) -> Iterator[DateRange]:
        """The calendar months that have a day of the survey between their ends, in order."""
        start = month_start(self.covers.start)
        while start < self.covers.end:
            yield DateRange(start, month_start(start, 1))
            start = month_start(start, 1)

    def rows_in(self, date_range: DateRange) -> int:
        """Number of rows of the range's days."""
        return int(self.rows[contains(date_range, self.days)].sum())

    def usable_in(self, date_range: DateRange) -> int:
        """Number of these that have every target."""
        return int(self.usable[contains(date_range, self.days)].sum())

    def by_day(self, date_range: DateRange) -> NDArray[np.int64]:
        """Number of rows of each day of the range, those without rows included."""
        counts = np.zeros(date_range.days, np.int64)
        inside = contains(date_range, self.days)
        counts[(self.days[inside] - np.datetime64(date_range.start)).astype(int)] = self.rows[inside]
        return counts

    def closed_weekdays(self) -> set[int]:
        """Weekdays (0 is Monday) that never have rows, though the data are long enough to tell."""
        if self.covers.days < 28:
            return set()
        return set(range(7)) - {int(day) for day in _weekdays(self.days)}

    def holes(self, date_range: DateRange) -> list[DateRange]:
        """The days without rows, neighbours together; weekdays that never have rows are no holes."""
        every = np.arange(str(date_range.start), str(date_range.end), dtype="datetime64[D]")
        expected = ~np.isin(_weekdays(every), list(self.closed_weekdays()))
        missing = every[expected & (self.by_day(date_range) == 0)]
        gaps = np.flatnonzero(np.diff(missing) > np.timedelta64(1, "D")) + 1
        return [_from_to(run[0], run[-1]) for run in np.split(missing, gaps) if len(run)]

    def almost_empty(self, date_range: DateRange) -> list[DateRange]:
        """Days with rows, but so few that something was lost."""
        few = contains(date_range, self.days) & (self.rows < ALMOST_EMPTY * np.median(self.rows))
        return [_from_to(day, day) for day in self.days[few]]

    def distribution(self, target: str, date_range: DateRange | None = None) -> Distribution:
        """A target's values on all days, or on those of the range."""
        chosen = np.arange(len(self.days)) if date_range is None else np.flatnonzero(contains(date_range, self.days))
        samples = [_Sample(), *(self._samples[target][at] for at in chosen)]
        values = np.concatenate([sample.values for sample in samples])
        weights = np.concatenate([np.full(len(day.values), day.count / max(len(day.values), 1)) for day in samples])
        order = np.argsort(values, kind="stable")
        return Distribution(sum(sample.count for sample in samples), values[order], weights[order])


def survey(source: Source, date_range: DateRange | None = None) -> Survey | None:
    """Reads all rows, or those of the range; None if there are none. Raises UserError if they cannot be read."""
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


def _from_to(first: np.datetime64, last: np.datetime64) -> DateRange:
    """The days from the first to the last, both included."""
    start, end = (day.astype("datetime64[D]").astype(object) for day in (first, last))
    return DateRange(start, end + timedelta(days=1))


def _weekdays(days: NDArray[np.datetime64]) -> NDArray[np.int64]:
    return (days.astype("datetime64[D]").astype(np.int64) + 3) % 7  # 1970-01-01 was a Thursday


@dataclass
class _Sample:
    """A fair sample of a day's values: those with the lowest of random lots."""

    count: int = 0
    values: NDArray[np.float64] = field(default_factory=lambda: np.array([]))
    lots: NDArray[np.float64] = field(default_factory=lambda: np.array([]))

    def add(self, values: NDArray[np.float64], dice: np.random.Generator) -> None:
        self.count += len(values)
        self.values = np.concatenate([self.values, values])
        self.lots = np.concatenate([self.lots, dice.random(len(values))])
        if len(self.values) > SAMPLE_PER_DAY:
            kept = np.argpartition(self.lots, SAMPLE_PER_DAY)[:SAMPLE_PER_DAY]
            self.values, self.lots = self.values[kept], self.lots[kept]


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
    """Of the distinct values, which may be long themselves."""
    hashed: int = 0
    """Values that these are of."""
    longest: int = 0
    has_words: bool = False
    said_missing: int = 0

    def add(self, values: "pd.Series[Any]", numeric: NDArray[np.float64] | None) -> NDArray[np.bool_]:
        """Counts the values `[N]`; `numeric` are the numbers of a column of numbers. Returns which of them are some."""
        written = np.array(values.notna(), dtype=np.bool_)
        self.rows += len(values)
        self.missing += int((~written).sum())
        filled = written
        if numeric is not None:
            filled = ~np.isnan(numeric)
            if (unparsed := written & ~filled).any():
                self._add_unparsed(values, unparsed)
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
        too_large = unparsed & infinite(values)
        other = unparsed & ~too_large
        self.infinite += int(too_large.sum())
        self.unparsed += int(other.sum())
        if too_large.any():
            self.infinite_example = self.infinite_example or str(values.iloc[int(too_large.argmax())])
        if other.any():
            self.said_missing += usable.said_missing(values[other])
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
            said_missing=self.said_missing,
        )


@dataclass
class _Span:
    """A target's values in usable rows: per day, `[days]`, the lowest, the highest, and those without a transform."""

    target: Target
    lowest: NDArray[np.float64] = field(default_factory=lambda: np.full(CALENDAR.days, np.inf))
    highest: NDArray[np.float64] = field(default_factory=lambda: np.full(CALENDAR.days, -np.inf))
    impossible: NDArray[np.int64] = field(default_factory=lambda: np.zeros(CALENDAR.days, np.int64))
    example: float | None = None
    """A value that the transform is impossible for."""

    def add(self, days: NDArray[np.int64], values: NDArray[np.float64]) -> None:
        np.minimum.at(self.lowest, days, values)
        np.maximum.at(self.highest, days, values)
        impossible = ~np.isfinite(transformed(values, self.target.transform))
        if impossible.any():
            self.example = float(values[impossible][0]) if self.example is None else self.example
            self.impossible += _of_each_day(days[impossible])

    def on(self, days: NDArray[np.int64]) -> "_Span":
        """Of these days alone."""
        return _Span(self.target, self.lowest[days], self.highest[days], self.impossible[days], self.example)


class _Counts:
    """Sums over the rows so far, by day of the calendar."""

    def __init__(self, columns: Columns) -> None:
        self._targets = tuple(target.name for target in columns.targets)
        kinds = [*((name, "target") for name in self._targets), *columns.kinds]
        self.columns = [_ColumnCount(name, kind) for name, kind in kinds]
        self.rows = np.zeros(CALENDAR.days, np.int64)
        self.usable = np.zeros(CALENDAR.days, np.int64)
        self.filled = {feature: np.zeros(CALENDAR.days, np.int64) for feature in columns.kinds}
        self.spans = tuple(_Span(target) for target in columns.targets)
        self.samples: dict[str, dict[np.datetime64, _Sample]] = {name: {} for name in self._targets}
        self._dice = np.random.default_rng(0)

    def add(self, rows: Rows) -> None:
        if not len(rows.days):
            return
        since = (rows.days - np.datetime64(CALENDAR.start)).astype(np.int64)
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
        self.rows += _of_each_day(since)
        self.usable += _of_each_day(since[is_usable])
        for feature, has_value in filled.items():
            self.filled[feature] += _of_each_day(since[has_value & is_usable])
        for span in self.spans:
            span.add(since[is_usable], targets[span.target.name][is_usable])

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
            _samples={name: [of_day.get(day) or _Sample() for day in days] for name, of_day in self.samples.items()},
        )

    def _sample(
        self,
        samples: dict[np.datetime64, _Sample],
        days: NDArray[np.datetime64],
        of_day: NDArray[np.int64],
        values: NDArray[np.float64],
    ) -> None:
        order = np.argsort(of_day, kind="stable")
        ends = np.cumsum(np.bincount(of_day, minlength=len(days)))
        for day, part in zip(days, np.split(values[order], ends[:-1]), strict=True):
            if len(part):
                samples.setdefault(day, _Sample()).add(part, self._dice)


def _of_each_day(days: NDArray[np.int64]) -> NDArray[np.int64]:
    """How often each day of the calendar is among these, counted from its first."""
    return np.bincount(days, minlength=CALENDAR.days)
