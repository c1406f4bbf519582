"""Exports results to a spreadsheet, a data frame, a chat or Jenkins; the suffix of the file chooses the format.

The pipeline reads none of these files back.
"""

import csv
import io
import json
import math
import re
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline import results
from pipeline.errors import UserError
from pipeline.report.conclude import summary_of
from pipeline.report.state import State
from pipeline.report.words import better_heading, times_better
from pipeline.results import Row, encodable

if TYPE_CHECKING:
    import pyarrow


# Spreadsheets read text that begins like this as a formula; East Asian keyboards type the full-width signs.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
BEST = 10
"""Experiments in a Markdown table by default."""
_LONGEST_CELL = 120
"""Characters of a Markdown cell."""
_INT64 = range(-(2**63), 2**63)
# Control characters, and the marks that turn the direction of text: written as escapes.
_INVISIBLE = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]")


def export(state: State, path: Path, best: int | None = None) -> None:
    """Writes the results so far in the format of `path`'s suffix; with `best`, only so many experiments.

    Raises UserError if the suffix is unknown or the file cannot be written.
    """
    writers: dict[str, Callable[[], bytes]] = {
        ".csv": lambda: to_csv(state, rows_of_best(state, best)),
        ".parquet": lambda: to_parquet(state, rows_of_best(state, best)),
        ".md": lambda: to_markdown(state, best or BEST).encode(),
        ".xml": lambda: to_junit(state),
    }
    write = writers.get(path.suffix.lower())
    if write is None:
        raise UserError(f'--export {path}: "{path.suffix}" is no known suffix; known are {", ".join(writers)}')
    content = write()
    try:
        path.write_bytes(content)
    except OSError as error:
        raise UserError(f"--export {path}: cannot be written: {error.strerror}") from None


def rows_of_best(state: State, best: int | None) -> list[Row]:
    """The rows of the `best` experiments, in the order of `state.rows`; every row if `best` is None."""
    if best is None:
        return list(state.rows)
    experiments = {standing.experiment for _, standing in state.tried[:best]}
    return [row for row in state.rows if row["experiment"] in experiments]


def as_csv(state: State, rows: Sequence[Row]) -> bytes:
    """The rows in the format of `results.csv`, which reads back unchanged; `to_csv` writes them for people."""
    return results.write_csv(rows, _columns(state, rows))


def as_json(rows: Sequence[Row]) -> str:
    """A JSON list of rows; NaN and infinity, which JSON lacks, become null."""

    def plain(value: Any) -> Any:
        return None if isinstance(value, float) and not math.isfinite(value) else value

    return json.dumps([{name: plain(value) for name, value in row.items()} for row in rows], indent=1)


# -- for spreadsheets


def to_csv(state: State, rows: Sequence[Row]) -> bytes:
    """The rows as CSV without formulas, in UTF-8 with the byte-order mark that Excel needs."""
    columns = _columns(state, rows)
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow([_without_formula(name) for name in columns])
    writer.writerows([_for_people(row.get(column)) for column in columns] for row in rows)
    return out.getvalue().encode("utf-8-sig")


def _for_people(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool | int) or (isinstance(value, float) and math.isfinite(value)):
        return json.dumps(value)
    return _without_formula(value if isinstance(value, str) else json.dumps(value))


def _without_formula(text: str) -> str:
    text = encodable(text).replace("\x00", "\ufffd")
    return f"'{text}" if text.startswith(_FORMULA) else text


def _columns(state: State, rows: Sequence[Row]) -> list[str]:
    return results.table_columns(rows, list(state.sweep.definition.incumbent))


# -- for data frames


def to_parquet(state: State, rows: Sequence[Row]) -> bytes:
    """The rows with a type per column. `started`, `finished` and the two days of `date-range` become timestamps."""
    import pyarrow
    import pyarrow.parquet

    arrays: dict[str, pyarrow.Array] = {}
    for column in _columns(state, rows):
        values = [row.get(column) for row in rows]
        if column in ("started", "finished"):
            arrays[column] = _times(values)
        else:
            arrays[encodable(column)] = _typed(values)
        if column == "date-range":
            for at, name in enumerate(("date-range-start", "date-range-end")):
                days = [datetime.fromisoformat(value[at]) if value else None for value in values]
                arrays[name] = pyarrow.array(days, pyarrow.timestamp("us"))
    out = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.table(arrays), out)
    return out.getvalue()


def _typed(values: Sequence[Any]) -> "pyarrow.Array":
    """A column of booleans, integers, floats or text; lists and mixed values become JSON text."""
    import pyarrow

    column_types = {type(value) for value in values if value is not None}
    if column_types == {int} and not all(value is None or value in _INT64 for value in values):
        column_types = {object}
    if column_types == {str}:
        return pyarrow.array([None if value is None else encodable(value) for value in values], pyarrow.string())
    for types, arrow_type in (
        ({bool}, pyarrow.bool_()),
        ({int}, pyarrow.int64()),
        ({float}, pyarrow.float64()),
        ({int, float}, pyarrow.float64()),
    ):
        if column_types == types:
            is_float = arrow_type == pyarrow.float64()
            return pyarrow.array([float(v) if is_float and v is not None else v for v in values], arrow_type)
    return pyarrow.array([None if value is None else json.dumps(value) for value in values], pyarrow.string())


def _times(values: Sequence[Any]) -> "pyarrow.Array":
    import pyarrow

    try:
        times = [None if value is None else datetime.fromisoformat(value) for value in values]
        return pyarrow.array(times, pyarrow.timestamp("us", tz="UTC"))
    except (TypeError, ValueError):
        return _typed(values)


# -- for a chat or a pull request


def to_markdown(state: State, best: int) -> str:
    """The answer, the verdicts, a table of the best settings, and a link to the page."""
    summary = summary_of(state)
    definition = state.sweep.definition
    metric, scale = definition.objective.metric, summary.scale
    lines = [f"**{encodable(summary.answer)}**", ""]
    if summary.confirmed is not None:
        lines += [
            f"- {name}: {'. '.join(filter(None, (verdict.reason, verdict.numbers)))}"
            for name, verdict in summary.confirmed.verdicts.items()
        ] + [""]
    if state.tried:
        lines += _table(
            [
                "experiment",
                *map(_code, summary.searched),
                f"{metric}_valid",
                better_heading(definition),
                "training time",
            ],
            [
                [
                    standing.experiment + (f" ({definition.incumbent_name})" if standing.is_incumbent else ""),
                    *(_code(results.to_cell(standing.assignment[name])) for name in summary.searched),
                    f"{standing.score:.4g}",
                    times_better(standing, scale),
                    f"{standing.training_time:.0f} s",
                ]
                for _, standing in state.tried[:best]
            ],
        )
    lines += [f"{_code(state.sweep.id)}: {state.words}. Summary: {_link(state)}"]
    return "\n".join(lines) + "\n"


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    cells = [header, ["---"] * len(header), *rows]
    return [*("| " + " | ".join(row) + " |" for row in cells), ""]


def _code(text: str) -> str:
    """Text as code for a table: Markdown reads no markup, HTML, link or @name in it."""
    text = _INVISIBLE.sub(lambda match: f"\\u{ord(match[0]):04x}", encodable(text))
    if len(text) > _LONGEST_CELL:
        text = text[: _LONGEST_CELL - 1] + "…"
    # In a table, "|" is written as "\|", even inside code. A backslash of the text itself right before it would undo
    # that, so a space goes between them.
    text = text.replace("\\|", "\\ |").replace("|", "\\|")
    return _fenced(text)


def _link(state: State) -> str:
    link = state.sweep.store.link(state.sweep.page_key)
    # Never shortened: a path is of use only as a whole.
    return f"<{link}>" if link.startswith(("http://", "https://")) and not set(link) & set(" <>") else _fenced(link)


def _fenced(text: str) -> str:
    """Text between more backticks than it holds in a row."""
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", text)), default=0))
    return f"{fence} {text} {fence}" if "`" in text or not text.strip() else f"{fence}{text}{fence}"


# -- for Jenkins


def to_junit(state: State) -> bytes:
    """The sweep as a JUnit report."""
    from pipeline.report.junit import junit

    return junit(state.sweep.definition, state.sweep.planned(), state.rows)
