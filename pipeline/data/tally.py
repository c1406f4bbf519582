"""Counts the rows and files that are read and left out, and describes them in notes."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline.data.raw import CALENDAR, contains, share

_CHARACTERS_SHOWN = 60


@dataclass
class Tally:
    """Numbers of rows and files that were read and left out."""

    rows: int = 0
    without_day: int = 0
    example: str | None = None
    """A value of the date column that is no day."""
    outside: int = 0
    """Rows whose day lies outside the calendar."""
    outside_example: str | None = None
    malformed: int = 0
    """Lines with more or fewer values than the header has names."""
    swallowed: int = 0
    """Lines between an unclosed quote and the next quote, or the end of the file."""
    swallowed_example: str | None = None
    recognised: dict[str, None] = field(default_factory=dict)
    """Lines about the forms of the files that are not plain CSV."""
    no_days: Counter[str] = field(default_factory=Counter)
    """Number of files in each partition whose name is no day."""
    files: int = 0
    """Number of files with a header."""
    empty: list[str] = field(default_factory=list)
    """Names of empty files."""
    lacking: dict[str, list[str]] = field(default_factory=dict)
    """Columns, and the names of the files that lack them."""

    @property
    def read(self) -> int:
        """Number of rows of the files, including the lost ones."""
        return self.rows + self.malformed + self.swallowed

    @property
    def lost(self) -> int:
        """Number of unusable rows."""
        return self.without_day + self.outside + self.malformed + self.swallowed

    def swallow(self, text: str, lines: int) -> None:
        """Counts lines that an unclosed quote joined to this text."""
        self.swallowed += lines
        self.swallowed_example = self.swallowed_example or _shortened(text)

    def notes(self, date_column: str) -> Iterator[str]:
        if self.without_day:
            example = f', for example "{self.example}"' if self.example is not None else ""
            yield f'dropped {share(self.without_day, self.rows)} rows of the files: no date in "{date_column}"{example}'
        if self.outside:
            yield (
                f'dropped {share(self.outside, self.rows)} rows of the files: "{date_column}" is before '
                f'{CALENDAR.start} or after {CALENDAR.end - timedelta(days=1)}, for example "{self.outside_example}"'
            )
        if self.malformed:
            lines = share(self.malformed, self.read)
            yield f"skipped {lines} lines with more or fewer values than the header has names"
        if self.swallowed:
            yield (
                f"lost {share(self.swallowed, self.read)} lines of the files: a quote opens there and does not close, "
                f"after `{self.swallowed_example}`"
            )
        if self.no_days:
            name = next(iter(self.no_days))
            yield (
                f"left out {self.no_days.total():,} files: no day from {CALENDAR.start.year} to "
                f'{CALENDAR.end.year - 1} in the name of a folder like "{date_column}={name}"'
            )
        if self.empty:
            left_out = share(len(self.empty), self.files + len(self.empty))
            yield f"left out {left_out} files: they are empty, like {self.empty[0]}"
        for name, files in self.lacking.items():
            part = share(len(files), self.files)
            yield f'"{name}" is no column of {part} files, as of {files[0]}: its values there count as missing'

    def drop(self, days: NDArray[np.datetime64], written: pa.ChunkedArray) -> NDArray[np.datetime64]:
        """The days `[N]` with NaT for those outside the calendar. Counts these, and the missing days."""
        unreadable = np.isnat(days)
        self.without_day += int(unreadable.sum())
        if self.example is None and unreadable.any():
            texts = written.filter(pa.array(unreadable)).drop_null()
            self.example = str(texts[0]) if len(texts) else None
        outside = ~unreadable & ~contains(CALENDAR, days)
        if not outside.any():
            return days
        self.outside += int(outside.sum())
        self.outside_example = self.outside_example or str(days[outside][0])
        return np.where(outside, np.datetime64("NaT", "D"), days)


def _shortened(text: str) -> str:
    first = text.splitlines()[0] if text else ""
    return first if len(first) <= _CHARACTERS_SHOWN else f"{first[:_CHARACTERS_SHOWN]}…"
