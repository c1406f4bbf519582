"""Reads the rows of a date range from Parquet and CSV files, and only the columns that are needed.

Values are passed on as they stand in the files; what becomes of them is decided in `encoder.py`. Where the files are is
found in `paths.py`.
"""

import csv
import datetime
import gzip
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.dataset
import pyarrow.fs
import pyarrow.parquet
from numpy.typing import NDArray

from pipeline.data import paths
from pipeline.data.date_parts import days_of
from pipeline.data.paths import DataFile
from pipeline.data.raw import CALENDAR, Rows, contains, missing_columns, share
from pipeline.dates import DateRange
from pipeline.errors import UserError

_GZIP = b"\x1f\x8b"
_PARQUET = b"PAR1"
_UNREADABLE = (pa.ArrowException, UnicodeError, OSError, EOFError, csv.Error, zlib.error)
_ROWS_AT_A_TIME = 2**16
_HEADERS_AT_MOST = 50
# Of a CSV file, what is parsed at a time; no row may be longer.
_BLOCK, _BLOCK_AT_MOST = 2**20, 2**28
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")


@dataclass
class _Tally:
    """Rows and files that were read and left out."""

    rows: int = 0
    without_day: int = 0
    example: str | None = None
    outside: int = 0
    """Rows whose day lies outside the calendar."""
    outside_example: str | None = None
    malformed: int = 0
    no_days: Counter[str] = field(default_factory=Counter)
    """Number of files in each partition whose name is no day."""
    files: int = 0
    """Files with a header."""
    empty: list[str] = field(default_factory=list)
    """Files without anything in them."""
    lacking: dict[str, list[str]] = field(default_factory=dict)
    """Columns, and the files that do not have them."""

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
            lines = share(self.malformed, self.rows + self.malformed)
            yield f"skipped {lines} lines with more or fewer values than the header has names"
        if self.no_days:
            name = next(iter(self.no_days))
            yield (
                f"left out {self.no_days.total():,} files: no day from {CALENDAR.start.year} to "
                f'{CALENDAR.end.year - 1} in the name of a folder like "{date_column}={name}"'
            )

        if self.empty:
            left_out = share(len(self.empty), self.files + len(self.empty))
            yield f"left out {left_out} files: they are empty, as {self.empty[0]} is"
        for name, files in self.lacking.items():
            where = share(len(files), self.files)
            yield f'"{name}" is no column of {where} files, as of {files[0]}: its values there count as missing'

    def drop(self, days: NDArray[np.datetime64], written: pa.ChunkedArray) -> NDArray[np.datetime64]:
        """The days `[N]` of rows with NaT for those outside the calendar; counts what has no day and what has that."""
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


@dataclass(frozen=True)
class Files:
    """The files that a path pattern matches. Its methods raise UserError if there are none, or one cannot be read."""

    path: str
    date: str
    """Name of the column with the date."""

    def read_rows(self, columns: tuple[str, ...], date_range: DateRange) -> Rows:
        """The rows of the range, in the order of the files' names."""
        parts = list(self.stream_rows(columns, date_range))
        frame = pd.concat([part.frame for part in parts], ignore_index=True)
        return Rows(frame, np.concatenate([part.days for part in parts]), parts[-1].notes)

    def stream_rows(self, columns: tuple[str, ...], date_range: DateRange | None) -> Iterator[Rows]:
        """The rows, of the range if one is given, a piece at a time; the last piece is empty and has all notes."""
        tally = _Tally()
        empty = pd.DataFrame(columns=list(columns), dtype=object)
        for frame, days in self._pieces(columns, date_range, tally):
            empty = frame[:0]
            yield Rows(frame, days)
        self._check_read(tally)
        yield Rows(empty, np.array([], "datetime64[D]"), tuple(tally.notes(self.date)))

    def days_with_rows(self) -> tuple[NDArray[np.datetime64], tuple[str, ...]]:
        """The days that the files have rows for, in order, and notes on rows without a day."""
        tally = _Tally()
        every = [np.unique(days) for _, days in self._pieces((), None, tally)]
        days = np.unique(np.concatenate(every)) if every else np.array([], "datetime64[D]")
        return days, tuple(tally.notes(self.date))

    def check(self, columns: tuple[str, ...]) -> None:
        """Raises UserError if there is no file, if the newest cannot be read, or if no file has one of the columns.

        Files that lack a column which others have are read without it: columns come and go over the years.
        """
        files = paths.matching(self.path, self.date)
        one_day, newest = DateRange(datetime.date(1970, 1, 1), datetime.date(1970, 1, 2)), _Tally()
        for file, path in paths.in_turn(files[-1:]):
            for _ in self._pieces_of(file, path, columns, one_day, newest):
                pass
        if newest.empty or newest.lacking:
            self._check_others(columns if newest.empty else tuple(newest.lacking), files)

    def _check_read(self, tally: _Tally) -> None:
        """Raises UserError if all files that were read are empty, or if neither they nor others have a column."""
        if tally.empty and not tally.files:
            raise UserError(f"{tally.empty[0]} cannot be read: it is empty")
        if nowhere := tuple(name for name, files in tally.lacking.items() if len(files) == tally.files):
            self._check_others(nowhere, paths.matching(self.path, self.date))

    def _check_others(self, columns: tuple[str, ...], files: Sequence[DataFile]) -> None:
        """Raises UserError if one of the columns is in none of the files, of many in none of some.

        Of many, so that the price of a mistyped name is not that of all files of a bucket.
        """
        left, newest = list(columns), None
        places = np.unique(np.linspace(0, len(files) - 1, min(len(files), _HEADERS_AT_MOST)).astype(int))
        for file, path in paths.in_turn([files[at] for at in reversed(places)]):
            try:
                form = _form(file, path)
            except _UNREADABLE as error:
                raise _unreadable(file, error) from error
            if not form.names:
                continue
            newest = newest or (file, form)
            left = [name for name in left if name not in form.names and name not in file.partition]
            if not left:
                return
        if newest is None:
            raise UserError(f"{files[-1].name} cannot be read: it is empty")
        others = f" (nor has any of the {len(files)} files)" if len(files) > 1 else ""
        lines = missing_columns(left, newest[1].names, newest[0].name)
        raise UserError("\n".join(f"{line}{newest[1].hint}{others}" for line in lines.splitlines()))

    def _pieces(
        self, columns: tuple[str, ...], date_range: DateRange | None, tally: _Tally
    ) -> Iterator[tuple[pd.DataFrame, NDArray[np.datetime64]]]:
        files = []
        for file in paths.matching(self.path, self.date, date_range):
            if file.day is None:
                files.append(file)
            elif np.isnat(file.day):
                tally.no_days[file.partition[self.date] or paths.NULL] += 1
            elif columns:
                files.append(file)
            else:
                yield pd.DataFrame(), np.array([file.day])
        for file, path in paths.in_turn(files):
            yield from self._pieces_of(file, path, columns, date_range, tally)

    def _pieces_of(
        self, file: DataFile, path: Path, columns: tuple[str, ...], date_range: DateRange | None, tally: _Tally
    ) -> Iterator[tuple[pd.DataFrame, NDArray[np.datetime64]]]:
        try:
            for batch in _batches(file, path, self.date, columns, date_range, tally):
                days = tally.drop(_days(batch.column(self.date)), batch.column(self.date))
                keep = contains(date_range or CALENDAR, days)
                kept = batch.select(columns).filter(pa.array(keep))
                # Whole numbers stay whole numbers beside a missing one: as floats, long ids would become one another.
                if keep.any():
                    yield kept.to_pandas(integer_object_nulls=True), days[keep]
        except _UNREADABLE as error:
            raise _unreadable(file, error) from error


def _unreadable(file: DataFile, error: Exception) -> UserError:
    return UserError(f"{file.name} cannot be read: {(str(error).splitlines() or [type(error).__name__])[0]}")


def _form(file: DataFile, path: Path) -> "_Parquet | _Csv":
    with open(path, "rb") as opened:
        start = opened.read(4)
    return _Parquet(file.name, path) if start == _PARQUET else _Csv(path, gzipped=start.startswith(_GZIP))


def _batches(
    file: DataFile, path: Path, date: str, columns: tuple[str, ...], date_range: DateRange | None, tally: _Tally
) -> Iterator[pa.Table]:
    """Tables of the date and the columns. The names of the file's folders give the date, and columns that it lacks.

    Other columns that it lacks are missing in each row.
    """
    form = _form(file, path)
    if not form.names:
        tally.empty.append(file.name)
        return
    tally.files += 1
    needed = dict.fromkeys((date, *columns))
    constant = {name: value for name, value in file.partition.items() if name in needed}
    constant = {name: value for name, value in constant.items() if name == date or name not in form.names}
    if date not in constant and (lines := missing_columns([date], form.names, file.name)):
        raise UserError(lines + form.hint)
    for name in needed:
        if name not in constant and name not in form.names:
            tally.lacking.setdefault(name, []).append(file.name)
            constant[name] = None
    stored = [name for name in needed if name not in constant]
    if twice := [name for name in stored if form.names.count(name) > 1]:
        raise UserError(f'{file.name} has several columns "{twice[0]}": give each a name of its own')
    for batch in form.batches(stored, date if date in stored else None, date_range, tally):
        for name, value in constant.items():
            batch = batch.append_column(name, pa.repeat(pa.scalar(value, pa.string()), batch.num_rows))
        yield batch


def _days(column: pa.ChunkedArray) -> NDArray[np.datetime64]:
    if pa.types.is_timestamp(column.type) and column.type.tz is not None:
        column = pc.local_timestamp(column)
    if pa.types.is_temporal(column.type):
        return column.cast(pa.timestamp("s"), safe=False).to_numpy().astype("datetime64[D]")
    return days_of(column.to_pandas(integer_object_nulls=True))


class _Parquet:
    """A Parquet file: the names of its columns, and tables of some of them."""

    hint = ""

    def __init__(self, name: str, path: Path) -> None:
        self._name, self._path = name, path
        self._schema = pyarrow.parquet.read_schema(path)
        self.names: list[str] = self._schema.names

    def batches(
        self, columns: list[str], date: str | None, date_range: DateRange | None, tally: _Tally
    ) -> Iterator[pa.Table]:
        kinds = {name: self._schema.field(name).type for name in columns}
        for name, kind in kinds.items():
            if pa.types.is_nested(kind):
                raise UserError(f'{self._name}: column "{name}" holds {kind}, not one value a row')
        # Not by way of a dataset, which refuses columns of one name, asked for or not.
        fragment = pa.dataset.ParquetFileFormat().make_fragment(str(self._path), pa.fs.LocalFileSystem())
        if date and date_range and (in_range := row_group_filter(date, kinds[date], date_range)) is not None:
            fragment = fragment.subset(in_range)
        groups = [group.id for group in fragment.row_groups]
        with pyarrow.parquet.ParquetFile(self._path) as file:
            tally.rows += file.metadata.num_rows
            # One by one: what was read of a group stays in memory as long as the iterator does.
            for group in groups:
                for batch in file.iter_batches(_ROWS_AT_A_TIME, row_groups=[group], columns=columns):
                    names = batch.schema.names
                    yield pa.table([_plain(batch.column(names.index(name))) for name in columns], names=columns)


def _plain(column: pa.Array) -> pa.Array:
    """A column in a type that pandas has, and that can be filtered: text for views of text and for bytes."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        return _plain(column.dictionary_decode())
    if isinstance(column, pa.ExtensionArray) and getattr(kind, "extension_name", "") != "arrow.uuid":
        return _plain(column.storage)
    if pa.types.is_string_view(kind):
        return column.cast(pa.large_string())
    if pa.types.is_binary_view(kind):
        return _plain(column.cast(pa.large_binary()))
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind):
        # Some programs write text as bytes; what is none is shown as digits.
        try:
            return column.cast(pa.large_binary()).cast(pa.large_string())
        except pa.ArrowInvalid:
            return pa.array(
                [None if value is None else _text(value) for value in column.to_pylist()], pa.large_string()
            )
    return column


def _text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.hex()


def row_group_filter(name: str, kind: pa.DataType, date_range: DateRange) -> pc.Expression | None:
    """A filter by which whole row groups are skipped; a day wider at both ends, as a column may have a time zone.

    Groups with days outside the calendar are read, too: those are counted, whatever the range.
    """
    if not (pa.types.is_date(kind) or pa.types.is_timestamp(kind)):
        return None
    day = timedelta(days=1)
    start, end, first, last = (
        pa.scalar(np.datetime64(bound, "s").item(), pa.timestamp("s", getattr(kind, "tz", None))).cast(kind)
        for bound in (date_range.start - day, date_range.end + day, CALENDAR.start, CALENDAR.end)
    )
    column = pc.field(name)
    return ((column >= start) & (column < end)) | (column < first) | (column >= last) | column.is_null()


class _Csv:
    """A CSV file: the names of its columns, and tables of some of them, all as text."""

    hint = " (CSV files are read with commas between values)"

    def __init__(self, path: Path, *, gzipped: bool) -> None:
        self._path, self._gzipped = path, gzipped
        with self._stream() as file:
            self._encoding = "utf-16" if file.read(2) in _UTF_16 else "utf-8-sig"
        # Not by Arrow, whose threads read on, and take a program that ends for what the header lacks down with them.
        with (gzip.open if gzipped else open)(path, "rt", encoding=self._encoding, newline="") as text:
            self.names = next((names for names in csv.reader(text) if names), [])

    def batches(
        self, columns: list[str], date: str | None, date_range: DateRange | None, tally: _Tally
    ) -> Iterator[pa.Table]:
        # Everything as text: "007" stays what it is, and one bad number does not make the whole file unreadable.
        convert = pyarrow.csv.ConvertOptions(
            include_columns=columns,
            column_types=dict.fromkeys(columns, pa.string()),
            strings_can_be_null=True,
            null_values=[""],  # "NA" may be a country; what is no number is told apart later
        )
        read = pyarrow.csv.ReadOptions(encoding=self._encoding.removesuffix("-sig"))
        size, passed = _BLOCK, 0
        while True:
            malformed, rows = [0], 0

            def skip(_: pyarrow.csv.InvalidRow, counted: list[int] = malformed) -> str:
                counted[0] += 1
                return "skip"

            read.block_size = size
            parse = pyarrow.csv.ParseOptions(newlines_in_values=True, invalid_row_handler=skip)
            try:
                with self._stream() as file, pyarrow.csv.open_csv(file, read, parse, convert) as reader:
                    for batch in reader:
                        new = batch.slice(max(0, min(passed - rows, batch.num_rows)))
                        rows += batch.num_rows
                        passed = max(passed, rows)
                        tally.rows += new.num_rows
                        yield pa.Table.from_batches([new])
                break
            except pa.ArrowInvalid as error:
                # A row is longer than a block: read again with larger ones, without the rows that were passed on.
                if not rows and "Empty CSV file" in str(error):  # a header that not even a line end follows
                    break
                if "straddling" not in str(error):
                    raise
                if size >= _BLOCK_AT_MOST:
                    most = f"{_BLOCK_AT_MOST // 2**20} MB"
                    raise pa.ArrowInvalid(
                        f"after {passed:,} rows comes one of more than {most}; is a quote opened that nothing closes?"
                    ) from error
                size = min(8 * size, _BLOCK_AT_MOST)
        tally.malformed += malformed[0]

    def _stream(self) -> pa.NativeFile:
        file = pa.OSFile(str(self._path))
        return pa.CompressedInputStream(file, "gzip") if self._gzipped else file
