"""A results row: its columns, its statuses, and how values become CSV cells and come back unchanged.

Only this module knows the shape of a row. Who writes rows, and when, is `trials/attempt.py` and `sweep/merge.py`.
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
"""How the columns of metrics end."""
# Metrics that every training of ours reports stand first, whoever finished first.
_METRICS_FIRST = ("mse_test", "mse_train", "mse_valid")

REFERENCE = "reference"
"""The phase of references: models that nobody tunes, whose rows are of no setting."""

ROWS_FINGERPRINT = "rows-"
"""What a `data_fingerprint` begins with that hashes rows alone. Older ones hashed their encoding, too."""

Row = dict[str, Any]
Goal = Literal["minimize", "maximize"]


def sign(goal: Goal) -> int:
    """1 or -1: a metric times its sign is better the smaller it is."""
    return 1 if goal == "minimize" else -1


class Status(StrEnum):
    """How a trial ended. The first three are results; the others are failures and can be retried."""

    COMPLETE = "complete"
    STOPPED = "stopped"
    DIVERGED = "diverged"
    FAILED = "failed"
    OUT_OF_MEMORY = "out-of-memory"
    TIMED_OUT = "timed-out"

    @property
    def is_result(self) -> bool:
        """Whether it says something about the setting, and is no failure that may be retried."""
        return self in (Status.COMPLETE, Status.STOPPED, Status.DIVERGED)


def is_reference(row: Mapping[str, Any]) -> bool:
    """Whether the row is of a reference, not of a setting's training: no ranking, budget or exit code counts it."""
    return row.get("phase") == REFERENCE


def trainings(rows: Iterable[Row]) -> list[Row]:
    """The rows of settings, without those of references."""
    return [row for row in rows if not is_reference(row)]


def range_of(row: Row) -> DateRange:
    """The date range of a row. Raises ValueError if it is damaged."""
    return DateRange.from_json(row["date-range"])


def rows_fingerprint(row: Mapping[str, Any]) -> str | None:
    """The hash of the rows that a trial read; None if its row has none, or one that an older version made."""
    value = row.get("data_fingerprint")
    return value if isinstance(value, str) and value.startswith(ROWS_FINGERPRINT) else None


def is_same_data(first: str | None, second: str | None) -> bool | None:
    """Whether two fingerprints are of the same data; None where nobody can say.

    One that hashes rows alone says nothing beside one of an older version, which hashed their encoding, too.
    """
    if first is None or second is None or first.startswith(ROWS_FINGERPRINT) != second.startswith(ROWS_FINGERPRINT):
        return None
    return first == second


def metric_column(name: str) -> str:
    """The column of a metric: its own name, or `metric_<name>` where that name is taken."""
    return f"metric_{name}" if name in RESERVED else name


def shown(value: Any) -> str:
    """A cell for a line of text: what would break or colour the line is escaped."""
    text = to_cell(value)
    return text if text.isprintable() else json.dumps(text)


def to_cell(value: Any) -> str:
    """A CSV cell that `from_cell` turns back into exactly this value, type included.

    Text stands as it is unless it would read as a JSON literal; everything else is JSON.
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
    """The value behind a cell; an empty cell is None, as is `null`."""
    if not cell:
        return None
    try:
        return json.loads(cell)
    except (ValueError, RecursionError):
        return cell


def write_csv(rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> bytes:
    """Rows as UTF-8 CSV with a header. What a row does not have is an empty cell; None that it has is `null`."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow([to_cell(row[column]) if column in row else "" for column in columns])
    return out.getvalue().encode()


def read_csv(data: bytes) -> list[Row]:
    """The rows of `write_csv`, without the columns whose cell is empty.

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


def misfit(row: Row, hyperparameters: Collection[str] = ()) -> str | None:
    """What is wrong with the cells of a row, in words: text where a number belongs, or the other way round.

    None if nothing is. Hyperparameters may be anything.
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
    """Sorts trial ids as a person would: e2 before e10."""
    return [(0, int(part)) if part.isdigit() else (1, part) for part in re.split(r"(\d+)", trial)]


def row_columns(row: Mapping[str, Any]) -> list[str]:
    """The columns of one row, in the order in which its own keys stand between the fixed ones."""
    free = [name for name in row if name not in RESERVED]
    return [*HEAD, *free, *_AFTER_METRICS, *TAIL]


def table_columns(rows: Iterable[Mapping[str, Any]], hyperparameters: Sequence[str]) -> list[str]:
    """The columns of many rows: architecture, date range, hyperparameters, metrics, then the fixed tail.

    Metrics beyond the usual ones are sorted by name, so that the table does not depend on which rows were read anew.
    """
    names = {name for row in rows for name in row}
    metrics = names - set(hyperparameters) - RESERVED - set(_METRICS_FIRST)
    usual = [name for name in _METRICS_FIRST if name in names]
    return [*HEAD, *hyperparameters, *usual, *sorted(metrics), *_AFTER_METRICS, *TAIL]


def encodable(text: str) -> str:
    """Without lone surrogates, which no encoding of text can hold."""
    return text.encode("utf-8", "replace").decode()
