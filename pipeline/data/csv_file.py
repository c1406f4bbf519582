"""Reads a CSV file, all values as text. A bad row or an unclosed quote loses only the lines it touches."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from pipeline.data import dialect
from pipeline.data.dialect import Dialect
from pipeline.data.tally import Tally
from pipeline.dates import DateRange

# Bytes that are parsed at a time, at first and at most. A row must fit into them.
_BLOCK, _BLOCK_AT_MOST = 2**20, 2**28
# The beginning of a date in any spelling: 20131231, 2013-12-31, 31.12.13, 31 Dec 2013, Dec 31.
_DATE = re.compile(
    r"^\s*(?:\d{8}(?!\d)|\d{1,4}[-/. ]\d{1,2}[-/. ]\d{1,4}|\d{1,2}[-/. ][a-z]{3,9}[-/. ]|[a-z]{3,9}[-. ]\d)", re.I
)


class CsvFile:
    """A CSV file: the names of its columns, and tables of some of them, all as text."""

    def __init__(self, path: Path, form: Dialect, date_columns: tuple[str, ...]) -> None:
        self._path, self._dialect, self._date_columns = path, form, date_columns
        self.names = list(form.names)
        self.recognised = form.describe()
        separator = dialect.SEPARATOR_NAMES.get(form.separator, repr(form.separator))
        self.hint = f' (read with {separator} between values; "separator" in data names another)'

    def batches(
        self, columns: list[str], date: str | None, date_range: DateRange | None, tally: Tally
    ) -> Iterator[pa.Table]:
        """Tables of the columns, one for each block of the file. Counts the rows that are read and lost in `tally`."""
        places = [self.names.index(name) for name in columns]
        block, rows_passed_on = _BLOCK, 0
        while True:
            lost, rows = Tally(), 0
            try:
                for table in self._tables(places, block, lost):
                    new = table.slice(max(0, min(rows_passed_on - rows, table.num_rows)))
                    rows += table.num_rows
                    rows_passed_on = max(rows_passed_on, rows)
                    tally.rows += new.num_rows
                    yield pa.table([new.column(str(place)) for place in places], names=columns)
                break
            except pa.ArrowInvalid as error:
                if not rows and self._has_no_rows(error, block):
                    break
                # Reads again with larger blocks, and skips the rows that were passed on.
                block = _larger_block(error, block, rows, rows_passed_on)
        tally.malformed += lost.malformed
        tally.swallowed += lost.swallowed
        tally.swallowed_example = tally.swallowed_example or lost.swallowed_example

    def _tables(self, places: list[int], block: int, lost: Tally) -> Iterator[pa.Table]:
        """Tables of the columns at these places, with the places as names, since a header may repeat a name."""
        # An unclosed quote may stand in any column, so a file with quotes is read in all columns.
        places_read = [*range(len(self.names))] if self._dialect.has_quotes else places
        names = [str(place) for place in places_read]

        def skip(row: pyarrow.csv.InvalidRow) -> str:
            lines = row.text.count("\n") or row.text.count("\r")
            if lines and '"' in row.text:
                lost.swallow(row.text, lines + 1)
            else:
                lost.malformed += 1
            return "skip"

        encoding = self._dialect.encoding
        read = pyarrow.csv.ReadOptions(
            block_size=block,
            encoding="utf8" if encoding in ("utf-8", "utf-8-sig") else encoding,
            skip_rows=self._dialect.lines_before,
            column_names=[str(place) for place in range(self._dialect.fields)],
        )
        parse = pyarrow.csv.ParseOptions(
            delimiter=self._dialect.separator, newlines_in_values=True, invalid_row_handler=skip
        )
        # Everything as text: "007" keeps its zeros, and one bad number does not make the whole file unreadable.
        convert = pyarrow.csv.ConvertOptions(
            include_columns=names,
            column_types=dict.fromkeys(names, pa.string()),
            strings_can_be_null=True,
            null_values=[""],  # "NA" may be a country
        )
        with (
            dialect.open_bytes(self._path, self._dialect.compression) as file,
            pyarrow.csv.open_csv(file, read, parse, convert) as reader,
        ):
            for batch in reader:
                yield self._without_swallowed(pa.Table.from_batches([batch]), places_read, lost)

    def _has_no_rows(self, error: pa.ArrowInvalid, block: int) -> bool:
        """True if Arrow's error means an empty file, or a header without a line end."""
        return "Empty CSV file" in str(error) or ("Could not skip" in str(error) and self._is_smaller_than(block))

    def _is_smaller_than(self, size: int) -> bool:
        with dialect.open_bytes(self._path, self._dialect.compression) as file:
            return len(file.read(size)) < size

    def _without_swallowed(self, table: pa.Table, places: Sequence[int], tally: Tally) -> pa.Table:
        """The table without rows in which an unclosed quote swallowed the following lines."""
        if not self._dialect.has_quotes:
            return table
        swallowed = np.zeros(table.num_rows, dtype=np.bool_)
        for place in places:
            column = table.column(str(place))
            has_lines = pc.fill_null(pc.match_substring_regex(column, r"[\r\n]"), False)
            for row in np.flatnonzero(has_lines.to_numpy()):
                text = column[int(row)].as_py()
                if not swallowed[row] and self._holds_rows(text, place):
                    swallowed[row] = True
                    start = [table.column(str(before))[int(row)].as_py() or "" for before in range(place)]
                    tally.swallow(self._dialect.separator.join((*start, text)), len(text.splitlines()))
        return table.filter(pa.array(~swallowed)) if swallowed.any() else table

    def _holds_rows(self, text: str, place: int) -> bool:
        """True if the lines of a value look like rows: as many values as a row, and dates in the date columns."""
        # The first line is the end of the row in which the quote opened; the last line breaks off where it closed.
        first, *between, last = [self._fields(line) for line in text.splitlines()] or [[]]
        count = len(self.names)
        if len(first) not in (count - place, self._dialect.fields - place) or len(last) != place + 1:
            return False
        dates = [self.names.index(name) for name in self._date_columns if name in self.names]
        if not dates:  # text of several lines cannot be told from rows
            return False
        # The last line has the dates left of the quote; the first line has those right of it.
        if max(dates) < place:
            return all(_looks_dated(line, dates) for line in [*between, last])
        starts = [[""] * place + first] if min(dates) > place else []
        return all(len(line) in (count, self._dialect.fields) for line in between) and all(
            _looks_dated(line, dates) for line in [*between, *starts]
        )

    def _fields(self, line: str) -> list[str]:
        return line.split(self._dialect.separator)


def _larger_block(error: pa.ArrowInvalid, block: int, rows: int, rows_passed_on: int) -> int:
    """A larger block size, after an error about a row longer than a block. Raises ArrowInvalid for other errors."""
    is_long_header = not rows and "Could not skip" in str(error)
    if "straddling" not in str(error) and not is_long_header:
        raise error
    if block >= _BLOCK_AT_MOST:
        raise pa.ArrowInvalid(
            f"after {rows_passed_on:,} rows comes a row of more than {_BLOCK_AT_MOST // 2**20} MB; "
            "does a quote open there that nothing closes?"
        ) from error
    return min(8 * block, _BLOCK_AT_MOST)


def _looks_dated(line: list[str], places: Sequence[int]) -> bool:
    return all(place < len(line) and _DATE.match(line[place]) for place in places)
