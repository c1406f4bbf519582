"""Reads the rows of a date range out of Parquet and CSV files, and only the columns that are needed.

Values are handed over as they stand in the files; what they mean is `encoder.py`'s work. Other places than
the local disk would open here, in `_matching`.
"""

import datetime
import glob
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.dataset
from numpy.typing import NDArray

from pipeline.dates import DateRange
from pipeline.errors import UserError
from pipeline.training.rows import Rows, contains, days_of, missing_columns, share

_GZIP = b"\x1f\x8b"
_PARQUET = b"PAR1"
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")


@dataclass
class _Count:
    """What was seen and left out on the way."""

    rows: int = 0
    without_day: int = 0
    example: str | None = None
    malformed: int = 0

    def notes(self, date_column: str) -> Iterator[str]:
        if self.without_day:
            example = f', for example "{self.example}"' if self.example is not None else ""
            yield f'dropped {share(self.without_day, self.rows)} rows of the files: no date in "{date_column}"{example}'
        if self.malformed:
            yield f"skipped {self.malformed:,} lines with more or fewer values than the header has names"


@dataclass(frozen=True)
class Files:
    """The files that a path pattern matches, and which of their columns holds the date."""

    path: str
    date: str
    found: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "found", _matching(self.path))

    def read(self, columns: tuple[str, ...], date_range: DateRange) -> Rows:
        """The rows of the range, in the order of the files' names."""
        count = _Count()
        nothing = (pd.DataFrame(columns=list(columns), dtype=object), np.array([], "datetime64[D]"))
        parts = list(self._parts(columns, date_range, count)) or [nothing]
        frame = pd.concat([frame for frame, _ in parts], ignore_index=True)
        days = np.concatenate([days for _, days in parts])
        return Rows(frame, days, tuple(count.notes(self.date)))

    def days(self) -> tuple[NDArray[np.datetime64], tuple[str, ...]]:
        """All days that the files have rows for, in order, and what was wrong with the others."""
        count = _Count()
        every = [np.unique(days) for _, days in self._parts((), None, count)]
        days = np.unique(np.concatenate(every)) if every else np.array([], "datetime64[D]")
        return days, tuple(count.notes(self.date))

    def check(self, columns: tuple[str, ...]) -> None:
        """Raises UserError if the first file lacks a column, or cannot be read at all."""
        one_day = DateRange(datetime.date(1970, 1, 1), datetime.date(1970, 1, 2))
        for _ in self._file(self.found[0], columns, one_day, _Count()):
            pass

    def _parts(
        self, columns: tuple[str, ...], date_range: DateRange | None, count: _Count
    ) -> Iterator[tuple[pd.DataFrame, NDArray[np.datetime64]]]:
        for path in self.found:
            try:
                yield from self._file(path, columns, date_range, count)
            except (pa.ArrowException, UnicodeError, OSError) as error:
                raise UserError(f"{path} cannot be read: {str(error).splitlines()[0]}") from error

    def _file(
        self, path: str, columns: tuple[str, ...], date_range: DateRange | None, count: _Count
    ) -> Iterator[tuple[pd.DataFrame, NDArray[np.datetime64]]]:
        needed = (self.date, *columns)
        with open(path, "rb") as file:
            start = file.read(4)
        if start == _PARQUET:
            batches = _parquet(path, needed, date_range, count)
        else:
            batches = _csv(path, needed, gzipped=start.startswith(_GZIP), count=count)
        for batch in batches:
            days = _days(batch.column(self.date))
            unreadable = np.isnat(days)
            count.without_day += int(unreadable.sum())
            if count.example is None:
                written = batch.column(self.date).filter(pa.array(unreadable)).drop_null()
                count.example = str(written[0]) if len(written) else None
            keep = contains(date_range, days) if date_range else ~unreadable
            kept = batch.select(columns).filter(pa.array(keep))
            # Whole numbers stay whole numbers beside a missing one: as floats, long ids would become one another.
            if keep.any():
                yield kept.to_pandas(integer_object_nulls=True), days[keep]


def _matching(pattern: str) -> tuple[str, ...]:
    found = tuple(
        sorted(path for path in glob.glob(os.path.expanduser(pattern), recursive=True) if os.path.isfile(path))
    )
    if not found:
        raise UserError(f'data.path: no file matches "{pattern}" (looked from {os.getcwd()})')
    return found


def _days(column: pa.ChunkedArray) -> NDArray[np.datetime64]:
    if pa.types.is_timestamp(column.type) and column.type.tz is not None:
        column = pc.local_timestamp(column)
    if pa.types.is_temporal(column.type):
        return column.cast(pa.timestamp("s"), safe=False).to_numpy().astype("datetime64[D]")
    return days_of(column.to_pandas(integer_object_nulls=True))


def _parquet(path: str, needed: tuple[str, ...], date_range: DateRange | None, count: _Count) -> Iterator[pa.Table]:
    data = pa.dataset.dataset(path, format="parquet")
    if lines := missing_columns(needed, data.schema.names, path):
        raise UserError(lines)
    for name in needed:
        if pa.types.is_nested(data.schema.field(name).type):
            raise UserError(f'{path}: column "{name}" holds {data.schema.field(name).type}, not one value a row')
    count.rows += data.count_rows()
    kind = data.schema.field(needed[0]).type
    wanted = _pushed_down(needed[0], kind, date_range) if date_range else None
    for batch in data.to_batches(columns=list(needed), filter=wanted):
        table = pa.Table.from_batches([batch])
        plain = [column.cast(c.value_type) if pa.types.is_dictionary(c := column.type) else column for column in table]
        yield pa.table(plain, names=table.column_names)


def _pushed_down(name: str, kind: pa.DataType, date_range: DateRange) -> pc.Expression | None:
    """What lets whole row groups be skipped: a day too many at both ends, because a column may have a time zone."""
    if not (pa.types.is_date(kind) or pa.types.is_timestamp(kind)):
        return None
    day = timedelta(days=1)
    start, end = (
        pa.scalar(np.datetime64(bound, "s").item(), pa.timestamp("s", getattr(kind, "tz", None))).cast(kind)
        for bound in (date_range.start - day, date_range.end + day)
    )
    column = pc.field(name)
    return ((column >= start) & (column < end)) | column.is_null()


def _csv(path: str, needed: tuple[str, ...], *, gzipped: bool, count: _Count) -> Iterator[pa.Table]:
    def stream() -> pa.NativeFile:
        file = pa.OSFile(path)
        return pa.CompressedInputStream(file, "gzip") if gzipped else file

    with stream() as file:
        encoding = "utf-16" if file.read(2) in _UTF_16 else "utf8"
    read = pyarrow.csv.ReadOptions(encoding=encoding)
    skipping = pyarrow.csv.ParseOptions(newlines_in_values=True, invalid_row_handler=lambda _: "skip")
    with stream() as file, pyarrow.csv.open_csv(file, read_options=read, parse_options=skipping) as reader:
        names = reader.schema.names
    if lines := missing_columns(needed, names, path):
        raise UserError(f"{lines} (CSV files are read with commas between values)")

    def skip(_: pyarrow.csv.InvalidRow) -> str:
        count.malformed += 1
        return "skip"

    # Everything as text: "007" stays what it is, and one bad number does not make the whole file unreadable.
    convert = pyarrow.csv.ConvertOptions(
        include_columns=list(needed),
        column_types=dict.fromkeys(needed, pa.string()),
        strings_can_be_null=True,
        null_values=[""],  # "NA" may be a country; what is no number is told apart later
    )
    parse = pyarrow.csv.ParseOptions(newlines_in_values=True, invalid_row_handler=skip)
    with stream() as file, pyarrow.csv.open_csv(file, read, parse, convert) as reader:
        for batch in reader:
            count.rows += batch.num_rows
            yield pa.Table.from_batches([batch])
