"""Reads Parquet files by column, in types that pandas supports."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset
import pyarrow.fs
import pyarrow.parquet

from pipeline.data.raw import CALENDAR
from pipeline.data.tally import Tally
from pipeline.dates import DateRange
from pipeline.errors import UserError

ROWS_AT_A_TIME = 2**16
_MAGIC = b"PAR1"


def is_parquet(path: Path) -> bool:
    """True if the file begins like a Parquet file."""
    with open(path, "rb") as file:
        return file.read(len(_MAGIC)) == _MAGIC


class ParquetFile:
    """A Parquet file: the names of its columns, and tables of some of them."""

    hint = ""
    recognised = ""

    def __init__(self, name: str, path: Path) -> None:
        self._name, self._path = name, path
        self._schema = pyarrow.parquet.read_schema(path)
        self.names: list[str] = self._schema.names

    def batches(
        self, columns: list[str], date: str | None, date_range: DateRange | None, tally: Tally
    ) -> Iterator[pa.Table]:
        """Tables of the columns, batch by batch. Skips row groups outside the range if `date` names a date column.

        Counts all rows of the file in `tally`, also those of skipped groups.
        """
        kinds = {name: self._schema.field(name).type for name in columns}
        for name, kind in kinds.items():
            if pa.types.is_nested(kind):
                raise UserError(f'{self._name}: column "{name}" holds {kind}, not one value a row')
        # Not through a dataset, which refuses a file that repeats a column name, even if nobody reads that column.
        fragment = pa.dataset.ParquetFileFormat().make_fragment(str(self._path), pa.fs.LocalFileSystem())
        if date and date_range and (in_range := row_group_filter(date, kinds[date], date_range)) is not None:
            fragment = fragment.subset(in_range)
        groups = [group.id for group in fragment.row_groups]
        with pyarrow.parquet.ParquetFile(self._path) as file:
            tally.rows += file.metadata.num_rows
            # A new iterator for each group, because an iterator keeps in memory all that it has read.
            for group in groups:
                for batch in file.iter_batches(ROWS_AT_A_TIME, row_groups=[group], columns=columns):
                    names = batch.schema.names
                    yield pa.table([_plain(batch.column(names.index(name))) for name in columns], names=columns)


def _plain(column: pa.Array) -> pa.Array:
    """The column in a type that pandas supports and Arrow can filter. Bytes become text."""
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
        # Some programs write text as bytes. Bytes that are no text become hexadecimal digits.
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
    """A filter that skips whole row groups; None if the column's type is no date.

    It is a day wider than the range at both ends, since a time zone may move a row to the next day. Groups with missing
    days, or days outside the calendar, always pass, so that such rows are read and counted.
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
