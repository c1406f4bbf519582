"""Reads the rows of a date range from Parquet and CSV files, and only the columns that are needed.

Values are passed on as they stand in the files; what becomes of them is decided in `encoder.py`. Where the files are is
found in `paths.py`.
"""

import csv
import datetime
import functools
import lzma
import re
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
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

from pipeline.data import dialect, forms, paths
from pipeline.data.date_parts import days_of
from pipeline.data.dialect import Dialect
from pipeline.data.forms import Dates, Numbers
from pipeline.data.paths import DataFile
from pipeline.data.raw import CALENDAR, Rows, contains, missing_columns, share
from pipeline.data.source import FilesSource
from pipeline.dates import DateRange
from pipeline.errors import UserError

_PARQUET = b"PAR1"
_UNREADABLE = (pa.ArrowException, UnicodeError, OSError, EOFError, csv.Error, zlib.error, lzma.LZMAError)
_ROWS_AT_A_TIME = 2**16
_HEADERS_AT_MOST = 50
_TOLD_BY_BYTES = 2**30
# Of a CSV file, what is parsed at a time; no row may be longer.
_BLOCK, _BLOCK_AT_MOST = 2**20, 2**28
_DATE = re.compile(
    r"^\s*(?:\d{8}(?!\d)|\d{1,4}[-/. ]\d{1,2}[-/. ]\d{1,4}|\d{1,2}[-/. ][a-z]{3,9}[-/. ]|[a-z]{3,9}[-. ]\d)", re.I
)
_CHARACTERS_SHOWN = 60


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
    malformed_example: str | None = None
    swallowed: int = 0
    """Lines between a quote that does not close and the next quote, or the end of the file."""
    swallowed_example: str | None = None
    recognised: dict[str, None] = field(default_factory=dict)
    """How the files are written, where that is not plain CSV."""
    no_days: Counter[str] = field(default_factory=Counter)
    """Number of files in each partition whose name is no day."""
    files: int = 0
    """Files with a header."""
    empty: list[str] = field(default_factory=list)
    """Files without anything in them."""
    lacking: dict[str, list[str]] = field(default_factory=dict)
    """Columns, and the files that do not have them."""

    @property
    def read(self) -> int:
        """Rows of the files, lost ones included."""
        return self.rows + self.malformed + self.swallowed

    @property
    def lost(self) -> int:
        """Those of them that nobody can use."""
        return self.without_day + self.outside + self.malformed + self.swallowed

    def swallow(self, text: str, lines: int) -> None:
        """Counts lines that an open quote in this text made one of."""
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
    date: str | tuple[str, ...]
    """Name of the column with the date, or of those that have it together."""
    numbers: tuple[str, ...] = ()
    """Columns whose text is to be read as numbers, however they are spelt."""
    date_format: str | None = None
    decimal: str | None = None
    separator: str | None = None
    encoding: str | None = None

    @classmethod
    def of(cls, source: FilesSource) -> "Files":
        """The files of a spec's `data`, read as it says."""
        numbers = tuple(dict.fromkeys((*source.numeric, *source.target)))
        return cls(
            source.path, source.date, numbers, source.date_format, source.decimal, source.separator, source.encoding
        )

    @property
    def date_name(self) -> str:
        """Name of the date column, in frames and in sentences."""
        return self.date if isinstance(self.date, str) else " ".join(self.date)

    @property
    def _date_columns(self) -> tuple[str, ...]:
        return (self.date,) if isinstance(self.date, str) else self.date

    def read_rows(self, columns: tuple[str, ...], date_range: DateRange) -> Rows:
        """The rows of the range, in the order of the files' names."""
        parts = list(self.stream_rows(columns, date_range))
        frame = pd.concat([part.frame for part in parts], ignore_index=True)
        return replace(parts[-1], frame=frame, days=np.concatenate([part.days for part in parts]))

    def stream_rows(self, columns: tuple[str, ...], date_range: DateRange | None) -> Iterator[Rows]:
        """The rows, of the range if one is given, a piece at a time; the last piece is empty and has all notes."""
        tally = _Tally()
        empty = pd.DataFrame(columns=list(columns), dtype=object)
        for frame, days in self._pieces(columns, date_range, tally):
            empty = frame[:0]
            yield Rows(frame, days)
        self._check_read(tally)
        no_days = np.array([], "datetime64[D]")
        notes = tuple(tally.notes(self.date_name))
        yield Rows(empty, no_days, notes, tally.lost, tally.read, tuple(tally.recognised))

    def days_with_rows(self) -> tuple[NDArray[np.datetime64], NDArray[np.int64], tuple[str, ...]]:
        """The days that the files have rows for, in order, how many, and notes on rows without a day.

        Of a day that a folder's name tells, each file counts as a row.
        """
        tally = _Tally()
        counts: Counter[np.datetime64] = Counter()
        for _, of_rows in self._pieces((), None, tally):
            counts.update(dict(zip(*np.unique(of_rows, return_counts=True), strict=True)))
        days = np.array(sorted(counts), "datetime64[D]")
        return days, np.array([counts[day] for day in days], np.int64), tuple(tally.notes(self.date_name))

    def check(self, columns: tuple[str, ...]) -> None:
        """Raises UserError if there is no file, if the newest cannot be read, or if no file has one of the columns.

        Files that lack a column which others have are read without it: columns come and go over the years.
        """
        files = paths.matching(self.path, self.date_name)
        one_day, newest = DateRange(datetime.date(1970, 1, 1), datetime.date(1970, 1, 2)), _Tally()
        for file, path in paths.in_turn(files[-1:]):
            for _ in self._pieces_of(file, path, columns, one_day, newest, _Forms()):
                pass
        if newest.empty or newest.lacking:
            self._check_others(columns if newest.empty else tuple(newest.lacking), files)

    def _check_read(self, tally: _Tally) -> None:
        """Raises UserError if all files that were read are empty, or if neither they nor others have a column."""
        if tally.empty and not tally.files:
            raise UserError(f"{tally.empty[0]} cannot be read: it is empty")
        if nowhere := tuple(name for name, files in tally.lacking.items() if len(files) == tally.files):
            self._check_others(nowhere, paths.matching(self.path, self.date_name))

    def _check_others(self, columns: tuple[str, ...], files: Sequence[DataFile]) -> None:
        """Raises UserError if one of the columns is in none of the files, of many in none of some.

        Of many, so that the price of a mistyped name is not that of all files of a bucket.
        """
        left, newest = list(columns), None
        places = np.unique(np.linspace(0, len(files) - 1, min(len(files), _HEADERS_AT_MOST)).astype(int))
        for file, path in paths.in_turn([files[at] for at in reversed(places)]):
            try:
                form = self._open(file, path, columns)
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
        for file in paths.matching(self.path, self.date_name, date_range):
            if file.day is None:
                files.append(file)
            elif np.isnat(file.day):
                tally.no_days[file.partition[self.date_name] or paths.NULL] += 1
            elif columns:
                files.append(file)
            else:
                yield pd.DataFrame(), np.array([file.day])
        spelt = _recognised(self, tuple(map(_Version.of, self._files_that_tell(files))))
        tally.recognised.update(dict.fromkeys(spelt.recognised))
        for file, path in paths.in_turn(files):
            yield from self._pieces_of(file, path, columns, date_range, tally, spelt)

    def _files_that_tell(self, files: list[DataFile]) -> list[DataFile]:
        """Files by which forms are recognised: all, so that every range reads a value alike.

        Of a bucket, or of more than fits, only those of the range.
        """
        if not files or self.path.startswith("gs://"):
            return files
        every = paths.matching(self.path, self.date_name)
        return every if sum(file.size for file in every) <= _TOLD_BY_BYTES else files

    def _pieces_of(
        self,
        file: DataFile,
        path: Path,
        columns: tuple[str, ...],
        date_range: DateRange | None,
        tally: _Tally,
        spelt: "_Forms",
    ) -> Iterator[tuple[pd.DataFrame, NDArray[np.datetime64]]]:
        for batch in self._batches(file, path, columns, date_range, tally, spelt):
            days = tally.drop(_days(batch.column(self.date_name)), batch.column(self.date_name))
            keep = contains(date_range or CALENDAR, days)
            kept = batch.select(columns).filter(pa.array(keep))
            # Whole numbers stay whole numbers beside a missing one: as floats, long ids would become one another.
            if keep.any():
                yield kept.to_pandas(integer_object_nulls=True), days[keep]

    def _batches(
        self,
        file: DataFile,
        path: Path,
        columns: tuple[str, ...],
        date_range: DateRange | None,
        tally: _Tally,
        spelt: "_Forms | None",
    ) -> Iterator[pa.Table]:
        """Tables of the date and the columns. The file's folders give the date, and columns that it lacks.

        Other columns that it lacks are missing in each row. Without `spelt`, values stay as they are written, and such
        columns are left out.
        """
        try:
            needed = dict.fromkeys((*self._date_columns, *(name for name in columns if name != self.date_name)))
            form = self._open(file, path, needed)
            if not form.names:
                tally.empty.append(file.name)
                return
            tally.files += 1
            in_folder = {name: value for name, value in file.partition.items() if name in needed}
            constant: dict[str, str | None] = {
                name: value for name, value in in_folder.items() if name == self.date or name not in form.names
            }
            dates = [name for name in self._date_columns if name not in constant]
            if spelt is not None and (lines := missing_columns(dates, form.names, file.name)):
                raise UserError(lines + form.hint)
            for name in needed:
                if name not in constant and name not in form.names:
                    tally.lacking.setdefault(name, []).append(file.name)
                    if spelt is not None:
                        constant[name] = None
            stored = [name for name in needed if name not in constant and name in form.names]
            if twice := [name for name in stored if form.names.count(name) > 1]:
                raise UserError(f'{file.name} has several columns "{twice[0]}": give each a name of its own')
            date = self.date if isinstance(self.date, str) and self.date in stored else None
            if form.recognised:
                tally.recognised[form.recognised] = None
            for batch in form.batches(stored, date, date_range, tally):
                for name, value in constant.items():
                    batch = batch.append_column(name, pa.repeat(pa.scalar(value, pa.string()), batch.num_rows))
                yield self._rewritten(batch, spelt, date_from_folder=self.date in constant)
        except _UNREADABLE as error:
            raise _unreadable(file, error) from error

    def _open(self, file: DataFile, path: Path, needed: Iterable[str]) -> "_Parquet | _Csv":
        if _is_parquet(path):
            return _Parquet(file.name, path)
        # A column that a folder names may well be missing in the header.
        found = dialect.recognise(path, file.name, needed, separator=self.separator, encoding=self.encoding)
        return _Csv(path, found, self._date_columns)

    def _rewritten(self, batch: pa.Table, spelt: "_Forms | None", *, date_from_folder: bool) -> pa.Table:
        """The table with dates and numbers in their plain spelling, and a date of several columns as one."""
        if not isinstance(self.date, str) and set(self.date) <= set(batch.column_names):
            parts = [_whole(batch.column(name)) for name in self.date]
            batch = batch.append_column(self.date_name, pc.binary_join_element_wise(*parts, " "))
        if spelt is None:
            return batch
        if spelt.dates and not date_from_folder and not pa.types.is_temporal(batch.column(self.date_name).type):
            text = _whole(batch.column(self.date_name))
            batch = _with_column(batch, self.date_name, spelt.dates.rewrite(text))
        for name, numbers in spelt.numbers.items():
            if name in batch.column_names and (text := forms.as_text(batch.column(name))) is not None:
                batch = _with_column(batch, name, numbers.rewrite(text))
        return batch


def first_rows(path: str) -> tuple[str, pd.DataFrame]:
    """The name of the newest of the files that a pattern matches, and its first rows with every column that they have.

    Numbers and dates that are written in forms of their own are text. Raises UserError as `Files` does.
    """
    [(file, here)] = paths.in_turn(paths.matching(path, "")[-1:])
    try:
        form = Files(path, "")._open(file, here, ())
        names = [name for name in dict.fromkeys(form.names) if name and form.names.count(name) == 1]
        batch = next(form.batches(names, None, None, _Tally()), None) if names else None
    except _UNREADABLE as error:
        raise _unreadable(file, error) from error
    if batch is None or not batch.num_rows:
        raise UserError(f"{file.name} has no rows")
    return file.name, batch.slice(0, _ROWS_AT_A_TIME).to_pandas(integer_object_nulls=True)


@dataclass(frozen=True)
class _Version:
    """A file as it is now, so that what was found out about it holds until it is another."""

    file: DataFile
    changed: int

    @classmethod
    def of(cls, file: DataFile) -> "_Version":
        return cls(file, 0 if file.name.startswith("gs://") else Path(file.name).stat().st_mtime_ns)

    def __hash__(self) -> int:
        return hash((self.file.name, self.file.size, self.changed))


@dataclass(frozen=True)
class _Forms:
    """How text is spelt; plain, if nothing is said."""

    dates: Dates | None = None
    numbers: Mapping[str, Numbers] = field(default_factory=dict)
    recognised: tuple[str, ...] = ()


@functools.lru_cache(maxsize=32)
def _recognised(files: Files, versions: tuple[_Version, ...]) -> _Forms:
    """Reads the columns of dates and numbers once, where they are text."""
    dates = forms.DateCount()
    counts: dict[str, forms.NumberCount] = {}
    for file, path in paths.in_turn([version.file for version in versions]):
        if not (columns := _text_columns(files, file, path)):
            continue
        for batch in files._batches(file, path, columns, None, _Tally(), None):
            for name in columns:
                if name not in batch.column_names or (text := forms.as_text(batch.column(name))) is None:
                    continue
                if name == files.date_name:
                    dates.add(text)
                else:
                    counts.setdefault(name, forms.NumberCount()).add(text)
    spelling = Dates(format=files.date_format) if files.date_format else dates.form(files.date_name)
    numbers = forms.number_forms(counts, files.decimal)
    return _Forms(spelling, numbers, tuple(forms.described(spelling, numbers, files.date_name)))


def _text_columns(files: Files, file: DataFile, path: Path) -> tuple[str, ...]:
    """Those of the columns of dates and numbers that may hold text in this file."""
    names = [*files.numbers]
    if not files.date_format and files.date not in file.partition:
        names.append(files.date_name)
    if not _is_parquet(path):
        return tuple(names)
    try:
        schema = pyarrow.parquet.read_schema(path)
    except _UNREADABLE:
        return ()  # which will be said when it is read
    plain = {name for name in schema.names if _is_plain(schema.field(schema.get_field_index(name)).type)}
    return tuple(name for name in names if name not in plain and (name in schema.names or name == files.date_name))


def _is_plain(kind: pa.DataType) -> bool:
    return not (
        pa.types.is_string(kind)
        or pa.types.is_large_string(kind)
        or pa.types.is_string_view(kind)
        or pa.types.is_dictionary(kind)
        or pa.types.is_binary(kind)
        or pa.types.is_large_binary(kind)
        or pa.types.is_binary_view(kind)
    )


def _whole(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """The column as text; whole numbers without a point, which pandas gives them beside a missing one."""
    text = column.cast(pa.string())
    return pc.replace_substring_regex(text, r"\.0$", "") if pa.types.is_floating(column.type) else text


def _with_column(batch: pa.Table, name: str, column: pa.ChunkedArray) -> pa.Table:
    return batch.set_column(batch.column_names.index(name), name, column)


def _unreadable(file: DataFile, error: Exception) -> UserError:
    return UserError(
        f"{file.name} cannot be read: {str(error).splitlines()[0] if str(error) else type(error).__name__}"
    )


def _is_parquet(path: Path) -> bool:
    with open(path, "rb") as file:
        return file.read(len(_PARQUET)) == _PARQUET


def _days(column: pa.ChunkedArray) -> NDArray[np.datetime64]:
    if pa.types.is_timestamp(column.type) and column.type.tz is not None:
        column = pc.local_timestamp(column)
    if pa.types.is_temporal(column.type):
        return column.cast(pa.timestamp("s"), safe=False).to_numpy().astype("datetime64[D]")
    return days_of(column.to_pandas(integer_object_nulls=True))


class _Parquet:
    """A Parquet file: the names of its columns, and tables of some of them."""

    hint = ""
    recognised = ""

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

    def __init__(self, path: Path, written: Dialect, date_columns: tuple[str, ...]) -> None:
        self._path, self._written, self._date_columns = path, written, date_columns
        self.names = list(written.names)
        self.recognised = written.describe()
        separator = dialect.SEPARATOR_NAMES.get(written.separator, repr(written.separator))
        self.hint = f' (read with {separator} between values; "separator" in data says another)'

    def batches(
        self, columns: list[str], date: str | None, date_range: DateRange | None, tally: _Tally
    ) -> Iterator[pa.Table]:
        # By place, as names may be there twice. With quotes, any column may hold one that does not close.
        places = [self.names.index(name) for name in columns]
        wanted = [*range(len(self.names))] if self._written.has_quotes else places
        stored = [str(place) for place in wanted]
        # Everything as text: "007" stays what it is, and one bad number does not make the whole file unreadable.
        convert = pyarrow.csv.ConvertOptions(
            include_columns=stored,
            column_types=dict.fromkeys(stored, pa.string()),
            strings_can_be_null=True,
            null_values=[""],  # "NA" may be a country; what is no number is told apart later
        )
        read = pyarrow.csv.ReadOptions(
            encoding={"utf-8-sig": "utf8", "utf-8": "utf8"}.get(self._written.encoding, self._written.encoding),
            skip_rows=self._written.lines_before,
            column_names=[str(place) for place in range(self._written.fields)],
        )
        size, passed = _BLOCK, 0
        while True:
            found, rows = _Tally(), 0

            def skip(row: pyarrow.csv.InvalidRow, found: _Tally = found) -> str:
                lines = row.text.count("\n") or row.text.count("\r")
                if lines and '"' in row.text:
                    found.swallow(row.text, lines + 1)
                else:
                    found.malformed += 1
                return "skip"

            read.block_size = size
            parse = pyarrow.csv.ParseOptions(
                delimiter=self._written.separator, newlines_in_values=True, invalid_row_handler=skip
            )
            try:
                with (
                    dialect.open_bytes(self._path, self._written.compression) as file,
                    pyarrow.csv.open_csv(file, read, parse, convert) as reader,
                ):
                    for batch in reader:
                        whole = self._without_swallowed(pa.Table.from_batches([batch]), wanted, found)
                        new = whole.slice(max(0, min(passed - rows, whole.num_rows)))
                        rows += whole.num_rows
                        passed = max(passed, rows)
                        tally.rows += new.num_rows
                        yield pa.table([new.column(str(place)) for place in places], names=columns)
                break
            except pa.ArrowInvalid as error:
                # A row is longer than a block: read again with larger ones, without the rows that were passed on.
                # A header that not even a line end follows is one that cannot be skipped.
                is_unskipped = not rows and "Could not skip" in str(error)
                if (not rows and "Empty CSV file" in str(error)) or (is_unskipped and self._is_smaller_than(size)):
                    break
                if "straddling" not in str(error) and not is_unskipped:
                    raise
                if size >= _BLOCK_AT_MOST:
                    most = f"{_BLOCK_AT_MOST // 2**20} MB"
                    raise pa.ArrowInvalid(
                        f"after {passed:,} rows comes one of more than {most}; is a quote opened that nothing closes?"
                    ) from error
                size = min(8 * size, _BLOCK_AT_MOST)
        tally.malformed += found.malformed
        tally.swallowed += found.swallowed
        tally.swallowed_example = tally.swallowed_example or found.swallowed_example

    def _is_smaller_than(self, size: int) -> bool:
        with dialect.open_bytes(self._path, self._written.compression) as file:
            return len(file.read(size)) < size

    def _without_swallowed(self, table: pa.Table, wanted: Sequence[int], tally: _Tally) -> pa.Table:
        """The table without rows in which a quote that does not close made several lines one."""
        if not self._written.has_quotes:
            return table
        swallowed = np.zeros(table.num_rows, dtype=np.bool_)
        for place in wanted:
            column = table.column(str(place))
            has_lines = pc.fill_null(pc.match_substring_regex(column, r"[\r\n]"), False)
            for row in np.flatnonzero(has_lines.to_numpy()):
                text = column[int(row)].as_py()
                if not swallowed[row] and self._holds_rows(text, place):
                    swallowed[row] = True
                    start = [table.column(str(before))[int(row)].as_py() or "" for before in range(place)]
                    tally.swallow(self._written.separator.join((*start, text)), len(text.splitlines()))
        return table.filter(pa.array(~swallowed)) if swallowed.any() else table

    def _holds_rows(self, text: str, place: int) -> bool:
        """Whether the lines of a value are what is left of rows: so many values, and a date where dates stand."""
        first, *between, last = [self._fields(line) for line in text.splitlines()] or [[]]
        count = len(self.names)
        if len(first) not in (count - place, self._written.fields - place) or len(last) != place + 1:
            return False
        dates = [self.names.index(name) for name in self._date_columns if name in self.names]
        if not dates:  # nothing tells text of several lines from rows
            return False
        if max(dates) < place:
            return all(_looks_dated(line, dates) for line in [*between, last])
        starts = [[""] * place + first] if min(dates) > place else []
        return all(len(line) in (count, self._written.fields) for line in between) and all(
            _looks_dated(line, dates) for line in [*between, *starts]
        )

    def _fields(self, line: str) -> list[str]:
        return line.split(self._written.separator)


def _looks_dated(line: list[str], places: Sequence[int]) -> bool:
    return all(place < len(line) and _DATE.match(line[place]) for place in places)


def _shortened(text: str) -> str:
    first = text.splitlines()[0] if text else ""
    return first if len(first) <= _CHARACTERS_SHOWN else f"{first[:_CHARACTERS_SHOWN]}…"
