"""Reads the rows of a date range from Parquet and CSV files, and only the needed columns.

Dates and numbers are rewritten in their plain spelling. Other values stay as they are in the files; `encoder.py`
encodes them. `paths.py` finds the files.
"""

import csv
import datetime
import functools
import lzma
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
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
from pipeline.data.csv_file import CsvFile
from pipeline.data.date_parts import days_of
from pipeline.data.forms import Dates, Numbers
from pipeline.data.parquet_file import ROWS_AT_A_TIME, ParquetFile, is_parquet
from pipeline.data.paths import DataFile
from pipeline.data.raw import CALENDAR, Rows, contains, missing_columns
from pipeline.data.source import FilesSource
from pipeline.data.tally import Tally
from pipeline.dates import DateRange
from pipeline.errors import UserError

_UNREADABLE = (pa.ArrowException, UnicodeError, OSError, EOFError, csv.Error, zlib.error, lzma.LZMAError)
_HEADERS_AT_MOST = 50
"""Number of headers that are read to look for a column."""
_ALL_READ_UP_TO_BYTES = 2**30
"""If local files are larger than this, only those of a date range are read to recognise forms."""


@dataclass(frozen=True)
class Files:
    """The files that match a path pattern. The methods raise UserError if there are none, or one cannot be read."""

    path: str
    date: str | tuple[str, ...]
    """Name of the date column, or names of the columns that make up the date."""
    numbers: tuple[str, ...] = ()
    """Columns whose text is read as numbers."""
    date_format: str | None = None
    decimal: str | None = None
    separator: str | None = None
    encoding: str | None = None

    @classmethod
    def of(cls, source: FilesSource) -> "Files":
        """The files of a spec's `data`."""
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
        """The rows of the range, in the order of the file names."""
        parts = list(self.stream_rows(columns, date_range))
        frame = pd.concat([part.frame for part in parts], ignore_index=True)
        return replace(parts[-1], frame=frame, days=np.concatenate([part.days for part in parts]))

    def stream_rows(self, columns: tuple[str, ...], date_range: DateRange | None) -> Iterator[Rows]:
        """The rows, a piece at a time; None as range means all rows. The last piece is empty and has all notes."""
        tally = Tally()
        empty = pd.DataFrame(columns=list(columns), dtype=object)
        for frame, days in self._pieces(columns, date_range, tally):
            empty = frame[:0]
            yield Rows(frame, days)
        self._check_read(tally)
        no_days = np.array([], "datetime64[D]")
        notes = tuple(tally.notes(self.date_name))
        yield Rows(empty, no_days, notes, tally.lost, tally.read, tuple(tally.recognised))

    def days_with_rows(self) -> tuple[NDArray[np.datetime64], NDArray[np.int64], tuple[str, ...]]:
        """The days with rows, in order, the number of rows of each, and notes on rows without a day.

        If a folder's name tells the day, its files are not opened, and each counts as a row.
        """
        tally = Tally()
        counts: Counter[np.datetime64] = Counter()
        for _, days_of_rows in self._pieces((), None, tally):
            counts.update(dict(zip(*np.unique(days_of_rows, return_counts=True), strict=True)))
        days = np.array(sorted(counts), "datetime64[D]")
        return days, np.array([counts[day] for day in days], np.int64), tuple(tally.notes(self.date_name))

    def check(self, columns: tuple[str, ...]) -> None:
        """Raises UserError if there is no file, if the newest cannot be read, or if a column is in no file.

        A file may lack a column that others have: columns come and go over the years.
        """
        files = paths.matching(self.path, self.date_name)
        # Any day will do: only the header is of interest.
        some_day = DateRange(datetime.date(1970, 1, 1), datetime.date(1970, 1, 2))
        newest = Tally()
        for file, path in paths.fetched(files[-1:]):
            for _ in self._pieces_of(file, path, _Request(columns, some_day, newest, _Forms())):
                pass
        if newest.empty or newest.lacking:
            self._check_others(columns if newest.empty else tuple(newest.lacking), files)

    def _check_read(self, tally: Tally) -> None:
        """Raises UserError if all files that were read are empty, or if a column is in no file, read or not."""
        if tally.empty and not tally.files:
            raise UserError(f"{tally.empty[0]} cannot be read: it is empty")
        if lacking := tuple(name for name, files in tally.lacking.items() if len(files) == tally.files):
            self._check_others(lacking, paths.matching(self.path, self.date_name))

    def _check_others(self, columns: tuple[str, ...], files: Sequence[DataFile]) -> None:
        """Raises UserError if a column is in no file.

        Of many files it looks at a sample, so that a mistyped name does not cost a download of the whole bucket.
        """
        missing, newest = list(columns), None
        places = np.unique(np.linspace(0, len(files) - 1, min(len(files), _HEADERS_AT_MOST)).astype(int))
        for file, path in paths.fetched([files[at] for at in reversed(places)]):
            try:
                form = self._open(file, path, columns)
            except _UNREADABLE as error:
                raise _unreadable(file, error) from error
            if not form.names:
                continue
            newest = newest or (file, form)
            missing = [name for name in missing if name not in form.names and name not in file.partition]
            if not missing:
                return
        if newest is None:
            raise UserError(f"{files[-1].name} cannot be read: it is empty")
        others = f" (nor has any of the {len(files)} files)" if len(files) > 1 else ""
        lines = missing_columns(missing, newest[1].names, newest[0].name)
        raise UserError("\n".join(f"{line}{newest[1].hint}{others}" for line in lines.splitlines()))

    def _pieces(
        self, columns: tuple[str, ...], date_range: DateRange | None, tally: Tally
    ) -> Iterator[tuple[pd.DataFrame, NDArray[np.datetime64]]]:
        """Frames of the columns, each with the days `[N]` of its rows."""
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
        recognised = _recognised(self, tuple(map(_Version.of, self._files_with_forms(files))))
        tally.recognised.update(dict.fromkeys(recognised.lines))
        for file, path in paths.fetched(files):
            yield from self._pieces_of(file, path, _Request(columns, date_range, tally, recognised))

    def _files_with_forms(self, files: list[DataFile]) -> list[DataFile]:
        """The files in which forms are recognised: all, so that every date range reads a value alike.

        In a bucket, or if there is too much to read, only the `files` of the range.
        """
        if not files or self.path.startswith("gs://"):
            return files
        all_files = paths.matching(self.path, self.date_name)
        return all_files if sum(file.size for file in all_files) <= _ALL_READ_UP_TO_BYTES else files

    def _pieces_of(
        self, file: DataFile, path: Path, request: "_Request"
    ) -> Iterator[tuple[pd.DataFrame, NDArray[np.datetime64]]]:
        for batch in self._batches(file, path, request):
            batch = _without_blank_rows(batch, request.tally)
            days = request.tally.drop(_days(batch.column(self.date_name)), batch.column(self.date_name))
            is_in_range = contains(request.date_range or CALENDAR, days)
            rows = batch.select(request.columns).filter(pa.array(is_in_range))
            if is_in_range.any():
                # A column of integers with a missing value stays integer: as floats, long ids would lose digits.
                yield rows.to_pandas(integer_object_nulls=True), days[is_in_range]

    def _batches(self, file: DataFile, path: Path, request: "_Request") -> Iterator[pa.Table]:
        """Tables of the date and the columns.

        The names of the file's folders give the date, if they have it, and columns that the file lacks. A column that
        neither has is empty, or left out if the request has no forms.
        """
        try:
            needed = dict.fromkeys((*self._date_columns, *(name for name in request.columns if name != self.date_name)))
            form = self._open(file, path, needed)
            if not form.names:
                request.tally.empty.append(file.name)
                return
            request.tally.files += 1
            constants = self._constants(file, form, needed, request)
            stored = [name for name in needed if name not in constants and name in form.names]
            if repeated := [name for name in stored if form.names.count(name) > 1]:
                raise UserError(f'{file.name} has several columns "{repeated[0]}": give each a name of its own')
            date = self.date if isinstance(self.date, str) and self.date in stored else None
            if form.recognised:
                request.tally.recognised[form.recognised] = None
            for batch in form.batches(stored, date, request.date_range, request.tally):
                for name, value in constants.items():
                    batch = batch.append_column(name, pa.repeat(pa.scalar(value, pa.string()), batch.num_rows))
                yield self._rewritten(batch, request.forms, date_from_folder=self.date in constants)
        except _UNREADABLE as error:
            raise _unreadable(file, error) from error

    def _constants(
        self, file: DataFile, form: ParquetFile | CsvFile, needed: Iterable[str], request: "_Request"
    ) -> dict[str, str | None]:
        """The columns with a single value in the whole file: those of its folders, and those that it lacks."""
        constants = {
            name: value
            for name, value in file.partition.items()
            if name in needed and (name == self.date or name not in form.names)
        }
        dates = [name for name in self._date_columns if name not in constants]
        if request.forms is not None and (lines := missing_columns(dates, form.names, file.name)):
            raise UserError(lines + form.hint)
        for name in needed:
            if name not in constants and name not in form.names:
                request.tally.lacking.setdefault(name, []).append(file.name)
                if request.forms is not None:
                    constants[name] = None
        return constants

    def _open(self, file: DataFile, path: Path, needed: Iterable[str]) -> ParquetFile | CsvFile:
        if is_parquet(path):
            return ParquetFile(file.name, path)
        form = dialect.recognise(path, file.name, needed, separator=self.separator, encoding=self.encoding)
        return CsvFile(path, form, self._date_columns)

    def _rewritten(self, batch: pa.Table, recognised: "_Forms | None", *, date_from_folder: bool) -> pa.Table:
        """The table with dates and numbers in their plain spelling, and a date of several columns joined."""
        if not isinstance(self.date, str) and set(self.date) <= set(batch.column_names):
            parts = [_as_strings(batch.column(name)) for name in self.date]
            batch = batch.append_column(self.date_name, pc.binary_join_element_wise(*parts, " "))
        if recognised is None:
            return batch
        if recognised.dates and not date_from_folder and not pa.types.is_temporal(batch.column(self.date_name).type):
            text = _as_strings(batch.column(self.date_name))
            batch = _with_column(batch, self.date_name, recognised.dates.rewrite(text))
        for name, numbers in recognised.numbers.items():
            if name in batch.column_names and (text := forms.as_text(batch.column(name))) is not None:
                batch = _with_column(batch, name, numbers.rewrite(text))
        return batch


def first_rows(path: str) -> tuple[str, pd.DataFrame]:
    """The name of the newest file that matches a pattern, and its first rows with all of its columns.

    Numbers and dates that are not in their plain spelling are text. Raises UserError like `Files`.
    """
    [(file, local_path)] = paths.fetched(paths.matching(path, "")[-1:])
    try:
        form = Files(path, "")._open(file, local_path, ())
        names = [name for name in dict.fromkeys(form.names) if name and form.names.count(name) == 1]
        batch = next(form.batches(names, None, None, Tally()), None) if names else None
    except _UNREADABLE as error:
        raise _unreadable(file, error) from error
    if batch is None or not batch.num_rows:
        raise UserError(f"{file.name} has no rows")
    return file.name, batch.slice(0, ROWS_AT_A_TIME).to_pandas(integer_object_nulls=True)


@dataclass(frozen=True)
class _Version:
    """A version of a file: the key under which its recognised forms are cached."""

    file: DataFile
    changed: int

    @classmethod
    def of(cls, file: DataFile) -> "_Version":
        return cls(file, 0 if file.name.startswith("gs://") else Path(file.name).stat().st_mtime_ns)

    def __hash__(self) -> int:
        return hash((self.file.name, self.file.size, self.changed))


@dataclass(frozen=True)
class _Forms:
    """The spelling of dates and numbers in text. The default is plain."""

    dates: Dates | None = None
    numbers: Mapping[str, Numbers] = field(default_factory=dict)
    lines: tuple[str, ...] = ()
    """Descriptions for people."""


@dataclass(frozen=True)
class _Request:
    """Columns to read, and the counts to add to."""

    columns: tuple[str, ...]
    date_range: DateRange | None
    tally: Tally
    forms: _Forms | None
    """None to read text as it is written."""


@functools.lru_cache(maxsize=32)
def _recognised(files: Files, versions: tuple[_Version, ...]) -> _Forms:
    """Recognises the forms of dates and numbers by reading all text in their columns."""
    dates = forms.DateCount()
    counts: dict[str, forms.NumberCount] = {}
    for file, path in paths.fetched([version.file for version in versions]):
        if not (columns := _text_columns(files, file, path)):
            continue
        for batch in files._batches(file, path, _Request(columns, None, Tally(), None)):
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
    """The columns of dates and numbers that may hold text in this file."""
    names = [*files.numbers]
    if not files.date_format and files.date not in file.partition:
        names.append(files.date_name)
    if not is_parquet(path):
        return tuple(names)
    try:
        schema = pyarrow.parquet.read_schema(path)
    except _UNREADABLE:
        return ()  # reading its rows will raise the error
    plain = {name for name in schema.names if _is_plain(schema.field(schema.get_field_index(name)).type)}
    return tuple(name for name in names if name not in plain and (name in schema.names or name == files.date_name))


def _is_plain(kind: pa.DataType) -> bool:
    """True for a type of numbers or times: only text has forms to recognise."""
    return not (
        pa.types.is_string(kind)
        or pa.types.is_large_string(kind)
        or pa.types.is_string_view(kind)
        or pa.types.is_dictionary(kind)
        or pa.types.is_binary(kind)
        or pa.types.is_large_binary(kind)
        or pa.types.is_binary_view(kind)
    )


def _as_strings(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """The column as text. Whole floats lose their ".0", which pandas adds if a value is missing."""
    text = column.cast(pa.string())
    return pc.replace_substring_regex(text, r"\.0$", "") if pa.types.is_floating(column.type) else text


def _without_blank_rows(batch: pa.Table, tally: Tally) -> pa.Table:
    """The table without blank rows, as at the end of a spreadsheet. In one column, an empty cell is a missing value."""
    if batch.num_columns < 2 or not all(column.null_count for column in batch.columns):
        return batch
    blank = functools.reduce(pc.and_, (pc.is_null(column) for column in batch.columns))
    tally.rows -= pc.sum(blank).as_py() or 0
    return batch.filter(pc.invert(blank))


def _with_column(batch: pa.Table, name: str, column: pa.ChunkedArray) -> pa.Table:
    return batch.set_column(batch.column_names.index(name), name, column)


def _unreadable(file: DataFile, error: Exception) -> UserError:
    return UserError(
        f"{file.name} cannot be read: {str(error).splitlines()[0] if str(error) else type(error).__name__}"
    )


def _days(column: pa.ChunkedArray) -> NDArray[np.datetime64]:
    if pa.types.is_timestamp(column.type) and column.type.tz is not None:
        column = pc.local_timestamp(column)
    if pa.types.is_temporal(column.type):
        return column.cast(pa.timestamp("s"), safe=False).to_numpy().astype("datetime64[D]")
    return days_of(column.to_pandas(integer_object_nulls=True))
