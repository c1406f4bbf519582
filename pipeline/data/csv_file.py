"""Reads one CSV file, all values as text: rows cut short and quotes that do not close cost only themselves."""

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

# What is parsed at a time; no row may be longer.
_BLOCK, _BLOCK_AT_MOST = 2**20, 2**28
_DATE = re.compile(
    r"^\s*(?:\d{8}(?!\d)|\d{1,4}[-/. ]\d{1,2}[-/. ]\d{1,4}|\d{1,2}[-/. ][a-z]{3,9}[-/. ]|[a-z]{3,9}[-. ]\d)", re.I
)


class CsvFile:
    """A CSV file: the names of its columns, and tables of some of them, all as text."""

    def __init__(self, path: Path, written: Dialect, date_columns: tuple[str, ...]) -> None:
        self._path, self._written, self._date_columns = path, written, date_columns
        self.names = list(written.names)
        self.recognised = written.describe()
        separator = dialect.SEPARATOR_NAMES.get(written.separator, repr(written.separator))
        self.hint = f' (read with {separator} between values; "separator" in data says another)'

    def batches(
        self, columns: list[str], date: str | None, date_range: DateRange | None, tally: Tally
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
            found, rows = Tally(), 0

            def skip(row: pyarrow.csv.InvalidRow, found: Tally = found) -> str:
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

    def _without_swallowed(self, table: pa.Table, wanted: Sequence[int], tally: Tally) -> pa.Table:
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
