"""Counts the rows of data by day in one pass, so that a plan can depend on the amount of data.

Only dates and targets are read. `survey.py` looks at all columns.
"""

import bisect
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache, cached_property
from itertools import accumulate
from typing import TYPE_CHECKING

from pipeline.data import strays
from pipeline.data.source import FLIGHTS_DAYS, FilesSource, FlightsSource, Source
from pipeline.dates import DateRange

if TYPE_CHECKING:
    from pipeline.data.raw import Rows

COUNTED_BYTES = 2**30
"""Files in folders by day are not counted if they are larger than this: the names of the folders tell the days."""


@dataclass(frozen=True)
class RowCounts:
    """Rows by day. `RowCounts.of({date(2024, 1, 1): 20}).within(january)` is 20."""

    days: tuple[date, ...]
    """Days with rows, in order."""
    usable: tuple[int, ...]
    """For each day, the number of rows that have every target."""

    @classmethod
    def of(cls, by_day: dict[date, int]) -> "RowCounts":
        days = sorted(by_day)
        return cls(tuple(days), tuple(by_day[day] for day in days))

    @property
    def covers(self) -> DateRange | None:
        """The range from the first to the last day, without strays (`strays.py`); None if there are no rows."""
        days = self.days[strays.covered(self.days, self.usable)]
        return DateRange(days[0], days[-1] + timedelta(days=1)) if days else None

    @property
    def strays(self) -> str | None:
        """A line about days far from all others, which `covers` leaves out; None if there are none."""
        return strays.in_words(self.days, self.usable)

    def within(self, date_range: DateRange) -> int:
        """Number of rows with every target on the days of the range."""
        first, last = (bisect.bisect_left(self.days, day) for day in (date_range.start, date_range.end))
        return self._sums[last] - self._sums[first]

    def by_month(self) -> dict[str, int]:
        """Rows with every target by month, in order, `{"2024-01": 620}`. Months without rows are left out."""
        months: dict[str, int] = {}
        covered = strays.covered(self.days, self.usable)
        for day, rows in zip(self.days[covered], self.usable[covered], strict=True):
            months[f"{day:%Y-%m}"] = months.get(f"{day:%Y-%m}", 0) + rows
        return months

    @cached_property
    def _sums(self) -> list[int]:
        return [*accumulate(self.usable, initial=0)]


def count(source: Source) -> RowCounts | None:
    """The rows of the data by day; None if files in folders by day are larger than `COUNTED_BYTES`.

    Raises UserError if there are no files, if they cannot be read, or lack a column that the source names.
    """
    if isinstance(source, FlightsSource):
        return _flights(source)
    # Imported here, because a plan that needs no count must not wait for pandas.
    from pipeline.data import load
    from pipeline.data.files import Files

    if _bytes_by_day(source) > COUNTED_BYTES:
        return None
    files = Files.of(source)
    files.check(load.columns_of(source).all)
    return _counted(files.stream_rows(source.target, None), source.target)


@cache
def _flights(source: FlightsSource) -> RowCounts:
    from pipeline.data import flights

    return _counted([flights.read_rows(source, FLIGHTS_DAYS)], source.target)


def _counted(pieces: "Iterable[Rows]", targets: tuple[str, ...]) -> RowCounts:
    import numpy as np

    by_day: dict[date, int] = {}
    for rows in pieces:
        usable = rows.complete(targets)
        days, of_day = np.unique(rows.days, return_inverse=True)
        for day, number in zip(days.tolist(), np.bincount(of_day[usable], minlength=len(days)).tolist(), strict=True):
            by_day[day] = by_day.get(day, 0) + number
    return RowCounts.of(by_day)


def _bytes_by_day(source: FilesSource) -> int:
    """Size of the files whose folders name the day of their rows."""
    from pipeline.data import paths

    return sum(file.size for file in paths.matching(source.path, source.date_name) if file.day is not None)
