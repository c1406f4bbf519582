"""A survey of data: rows by day, what each column holds, how a target is distributed, and when it drifts.

The data are read a piece at a time and only sums and samples are kept, so they may be larger than the memory. Nothing
here prints.
"""

import itertools
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.data import load
from pipeline.data.raw import Columns, Rows, contains, numbers, share
from pipeline.data.source import Source
from pipeline.dates import DateRange, Split, month_start

# Of each target, so many values are kept a day: all of them on a small day, a fair sample on a large one.
SAMPLE_PER_DAY = 2000
DISTINCT_AT_MOST = 100_000

PARTS = ("train", "valid", "test")
# Below these, a fitted model says more about its rows than about what they are of.
ROWS_AT_LEAST = {"train": 500, "valid": 100, "test": 100}
DRIFTS_FROM = 0.25
"""The population stability index from which two distributions count as different: the usual bound."""
COMPARED_FROM = 200
"""Distributions of fewer values are not compared."""
ALMOST_EMPTY = 0.1
"""A day with less than this share of the median day's rows."""


@dataclass(frozen=True)
class Column:
    """A column over all rows of the survey."""

    name: str
    kind: str
    """`target`, `categorical`, `text` or `numeric`."""
    rows: int
    missing: int
    unparsed: int
    """Values that are there and should be numbers, and are none."""
    example: str | None
    """One of those."""
    distinct: int
    """Up to `DISTINCT_AT_MOST`: then it is that many or more."""


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
    notes: tuple[str, ...]
    _samples: dict[str, list["_Sample"]]
    """`{target: [sample of each day]}`"""

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
    for rows in load.stream_rows(source, date_range):
        counts.add(rows)
        notes += rows.notes
    if not counts.rows:
        return None
    days = np.array(sorted(counts.rows))
    return Survey(
        days=days,
        rows=np.array([counts.rows[day] for day in days]),
        usable=np.array([counts.usable[day] for day in days]),
        columns=tuple(column.total() for column in counts.columns),
        targets=tuple(target.name for target in columns.targets),
        notes=notes,
        _samples={name: [of_day.get(day) or _Sample() for day in days] for name, of_day in counts.samples.items()},
    )


def warnings(data: Survey, ranges: Iterable[DateRange], shares: tuple[float, float]) -> Iterator[str]:
    """What may spoil a sweep on these ranges, a line each. `shares` are those of the validation and test days."""
    for column in data.columns:
        yield from _about_column(column)
    ranges = list(dict.fromkeys(ranges))
    for date_range in ranges or [data.covers]:
        yield from _about_days(data, date_range)
    for date_range in ranges:
        yield from _about_parts(data, date_range, date_range.split(*shares))
    months = [month for month in data.months() if not ranges or any(month.overlaps(range_) for range_ in ranges)]
    for target in data.targets:
        for before, after in itertools.pairwise(months):
            if before.end == after.start:
                names = f"{before.start:%Y-%m}", f"{after.start:%Y-%m}"
                yield from _about_drift(data, target, before, after, f"from {names[0]} to {names[1]}")


def _about_column(column: Column) -> Iterator[str]:
    if column.missing == column.rows:
        yield f'{column.kind} column "{column.name}" is always missing'
    elif column.distinct == 1 and not column.missing:
        yield f'{column.kind} column "{column.name}" has the same value in every row'
    if column.unparsed:
        counted = share(column.unparsed, column.rows)
        yield f'"{column.name}": {counted} values are no numbers, for example "{column.example}"'


def _about_days(data: Survey, date_range: DateRange) -> Iterator[str]:
    if holes := data.holes(date_range):
        days = sum(hole.days for hole in holes)
        yield f"{date_range}: {share(days, date_range.days)} days have no rows: {_in_words(holes)}"
    if few := data.almost_empty(date_range):
        counted = "1 day has" if len(few) == 1 else f"{len(few)} days have"
        yield f"{date_range}: {counted} less than a tenth of the usual rows: {_in_words(few)}"


def _about_parts(data: Survey, date_range: DateRange, split: Split) -> Iterator[str]:
    names = {"train": "train on", "valid": "validate on", "test": "test on"}
    for part in PARTS:
        rows = data.usable_in(getattr(split, part))
        if rows < ROWS_AT_LEAST[part]:
            least = f"fewer than {ROWS_AT_LEAST[part]}" if rows else "a trial on this range will fail"
            yield f"{date_range}: {rows:,} rows to {names[part]}, {getattr(split, part)}: {least}"
    for target in data.targets:
        yield from _about_drift(data, target, split.train, split.test, f"{date_range}: from train to test")


def _about_drift(data: Survey, target: str, before: DateRange, after: DateRange, where: str) -> Iterator[str]:
    old, new = data.distribution(target, before), data.distribution(target, after)
    index = stability(old, new)
    if index is not None and index >= DRIFTS_FROM:
        middle = [f"{low:.4g} to {high:.4g}" for low, high in (part.quantile(0.25, 0.75) for part in (old, new))]
        medians = f"median {old.quantile(0.5)[0]:.4g} → {new.quantile(0.5)[0]:.4g}"
        yield f'{where}, target "{target}" drifts: {medians}, middle half {middle[0]} → {middle[1]} (index {index:.2f})'


def _in_words(ranges: list[DateRange]) -> str:
    shown = [
        f"{hole.start}" if hole.days == 1 else f"{hole.start} to {hole.end - timedelta(days=1)}" for hole in ranges[:5]
    ]
    return ", ".join(shown) + (f" and {len(ranges) - 5} more" if len(ranges) > 5 else "")


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
    hashes: set[int] = field(default_factory=set)
    """Of the distinct values, which may be long themselves."""

    def add(self, values: "pd.Series[Any]", numeric: NDArray[np.float64] | None) -> None:
        written = np.array(values.notna(), dtype=np.bool_)
        self.rows += len(values)
        self.missing += int((~written).sum())
        if numeric is not None:
            unparsed = written & np.isnan(numeric)
            if unparsed.any():
                self.unparsed += int(unparsed.sum())
                self.example = self.example or str(values.iloc[int(unparsed.argmax())])
        if len(self.hashes) < DISTINCT_AT_MOST:
            uniques = pd.unique(values[written]) if numeric is None else pd.unique(numeric[~np.isnan(numeric)])
            if numeric is None:
                uniques = np.array([str(value) for value in uniques], dtype=object)
            self.hashes.update(pd.util.hash_array(uniques).tolist())

    def total(self) -> Column:
        distinct = min(len(self.hashes), DISTINCT_AT_MOST)
        return Column(self.name, self.kind, self.rows, self.missing, self.unparsed, self.example, distinct)


class _Counts:
    """Sums over the rows so far."""

    def __init__(self, columns: Columns) -> None:
        self._targets = tuple(target.name for target in columns.targets)
        kinds = (("target", self._targets), ("categorical", columns.categorical), ("text", columns.text))
        self.columns = [
            _ColumnCount(name, kind) for kind, names in (*kinds, ("numeric", columns.numeric)) for name in names
        ]
        self.rows: dict[np.datetime64, int] = {}
        self.usable: dict[np.datetime64, int] = {}
        self.samples: dict[str, dict[np.datetime64, _Sample]] = {name: {} for name in self._targets}
        self._dice = np.random.default_rng(0)

    def add(self, rows: Rows) -> None:
        if not len(rows.days):
            return
        days, of_day = np.unique(rows.days, return_inverse=True)
        usable = np.ones(len(rows.days), dtype=np.bool_)
        for column in self.columns:
            values = rows.frame[column.name]
            numeric = numbers(values) if column.kind in ("target", "numeric") else None
            column.add(values, numeric)
            if column.kind == "target" and numeric is not None:
                known = ~np.isnan(numeric)
                usable &= known
                self._sample(self.samples[column.name], days, of_day[known], numeric[known])
        for counts, which in ((self.rows, of_day), (self.usable, of_day[usable])):
            for day, count in zip(days, np.bincount(which, minlength=len(days)), strict=True):
                counts[day] = counts.get(day, 0) + int(count)

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
