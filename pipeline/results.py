"""The shape of a results row: its columns, its statuses, and the conversion of values to CSV cells and back.

No rows are written here: `trials/attempt.py` and `sweep/merge.py` do that.
"""

import csv
import io
import json
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Any, Literal

from pipeline.dates import DateRange

HEAD = ("architecture", "date-range")
TAIL = (
    "sweep",
    "experiment",
    "trial",
    "attempt",
    "pack",
    "phase",
    "fidelity",
    "status",
    "error",
    "epochs",
    "seed",
    "git_commit",
    "image",
    "host",
    "device",
    "data_fingerprint",
    "reused_from",
    "started",
    "finished",
)
_AFTER_METRICS = ("training_time", "model_url")
RESERVED = frozenset(HEAD + _AFTER_METRICS + TAIL)
_NUMBERS = frozenset({"training_time", "epochs", "seed", "steps", "passes", "best_epoch", "at_limit"})
_TEXTS = RESERVED - _NUMBERS - {"date-range"}
_PARTS = ("_train", "_valid", "_test")
"""Endings of metric columns."""
# The metrics of every built-in training stand first, so that the order does not depend on which trial ends first.
_METRICS_FIRST = ("mse_test", "mse_train", "mse_valid")

REFERENCE = "reference"
"""The phase of references: models that are measured but not tuned."""

ROWS_FINGERPRINT = "rows-"
"""Prefix of a `data_fingerprint` that hashes rows alone. Fingerprints of older versions lack it: they hash rows and
encoding."""

Row = dict[str, Any]
Goal = Literal["minimize", "maximize"]


def sign(goal: Goal) -> int:
    """1 or -1. A metric times its sign is better when it is smaller."""
    return 1 if goal == "minimize" else -1


class Status(StrEnum):
    """The end of a trial. The first three are results; the others are failures and can be retried."""

    COMPLETE = "complete"
    STOPPED = "stopped"
    DIVERGED = "diverged"
    FAILED = "failed"
    OUT_OF_MEMORY = "out-of-memory"
    TIMED_OUT = "timed-out"

    @property
    def is_result(self) -> bool:
        """True if the status says something about the setting. False for a failure, which may be retried."""
        return self in (Status.COMPLETE, Status.STOPPED, Status.DIVERGED)


def is_reference(row: Mapping[str, Any]) -> bool:
    """True if the row is of a reference. No ranking, budget or exit code counts such rows."""
    return row.get("phase") == REFERENCE


def trainings(rows: Iterable[Row]) -> list[Row]:
    """The rows of trainings: all but those of references."""
    return [row for row in rows if not is_reference(row)]


def range_of(row: Row) -> DateRange:
    """The date range of a row. Raises ValueError if it is damaged."""
    return DateRange.from_json(row["date-range"])


def rows_fingerprint(row: Mapping[str, Any]) -> str | None:
    """The hash of the data that a trial read; None if its row has no fingerprint, or one of an older version."""
    value = row.get("data_fingerprint")
    return value if isinstance(value, str) and value.startswith(ROWS_FINGERPRINT) else None


def is_same_data(first: str | None, second: str | None) -> bool | None:
    """True if two fingerprints are of the same data; None if they cannot be compared.

    A hash of rows alone cannot be compared with one of an older version, which covers the encoding, too.
    """
    if first is None or second is None or first.startswith(ROWS_FINGERPRINT) != second.startswith(ROWS_FINGERPRINT):
        return None
    return first == second


def metric_column(name: str) -> str:
    """The column of a metric: its name, or `metric_<name>` if the name is reserved."""
    return f"metric_{name}" if name in RESERVED else name


def printable(value: Any) -> str:
    """A value as text for people, on one line. Characters that would break or colour the line are escaped."""
    text = to_cell(value)
    return text if text.isprintable() else json.dumps(text)


def to_cell(value: Any) -> str:
    """The CSV cell that `from_cell` turns back into exactly this value, type included.

    Text is written as it is, unless it reads as a JSON literal. Every other value is JSON.
    """
    if isinstance(value, str) and value and "\r" not in value:  # csv does not quote a carriage return
        try:
            value.encode()
            json.loads(value)
        except UnicodeEncodeError:
            return json.dumps(value)
        except (ValueError, RecursionError):
            return value
    return json.dumps(value)


def from_cell(cell: str) -> Any:
    """The value of a cell. An empty cell is None, like `null`."""
    if not cell:
        return None
    try:
        return json.loads(cell)
    except (ValueError, RecursionError):
        return cell


def write_csv(rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> bytes:
    """Rows as UTF-8 CSV with a header. A key that a row lacks is an empty cell; None is `null`."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow([to_cell(row[column]) if column in row else "" for column in columns])
    return out.getvalue().encode()


def read_csv(data: bytes) -> list[Row]:
    """The rows of a table written by `write_csv`, each without its empty cells.

    Raises ValueError if the bytes are no such table.
    """
    try:
        text = data.decode("utf-8")
        reader = csv.reader(io.StringIO(text, newline=""), strict=True)
        header = next(reader, None)
        if not header or len(set(header)) < len(header):
            raise ValueError("no header, or a column twice")
        rows = []
        for cells in reader:
            if len(cells) != len(header):
                raise ValueError(f"line {reader.line_num} has {len(cells)} cells, the header {len(header)}")
            rows.append({name: from_cell(cell) for name, cell in zip(header, cells, strict=True) if cell})
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(str(error)) from error
    return rows


def type_problem(row: Row, hyperparameters: Collection[str] = ()) -> str | None:
    """The problem with the types of a row's cells, in words: text in place of a number, or a number in place of text.

    None if there is no problem. A hyperparameter may have any type.
    """
    for name, value in row.items():
        if name in hyperparameters or value is None:
            continue
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if (name in _NUMBERS or name.endswith(_PARTS)) and not is_number:
            return f"has the {name} {value!r}, which is no number"
        if name in _TEXTS and not isinstance(value, str):
            return f"has the {name} {value!r}, which is no text"
    return None


def trial_order(trial: str) -> list[tuple[int, int | str]]:
    """Sort key for trial ids: e2 before e10."""
    return [(0, int(part)) if part.isdigit() else (1, part) for part in re.split(r"(\d+)", trial)]


def row_columns(row: Mapping[str, Any]) -> list[str]:
    """The columns of a single row: the fixed columns, and between them the other keys of the row, in their order."""
    free = [name for name in row if name not in RESERVED]
    return [*HEAD, *free, *_AFTER_METRICS, *TAIL]


def table_columns(rows: Iterable[Mapping[str, Any]], hyperparameters: Sequence[str]) -> list[str]:
    """The columns of many rows: architecture, date range, hyperparameters, metrics, then the fixed tail.

    Metrics other than `mse_*` are sorted by name, so that the table does not depend on the order of the rows.
    """
    names = {name for row in rows for name in row}
    metrics = names - set(hyperparameters) - RESERVED - set(_METRICS_FIRST)
    usual = [name for name in _METRICS_FIRST if name in names]
    return [*HEAD, *hyperparameters, *usual, *sorted(metrics), *_AFTER_METRICS, *TAIL]


def encodable(text: str) -> str:
    """The text with its lone surrogates, which no encoding can hold, replaced by `?`."""
    return text.encode("utf-8", "replace").decode()
