"""Proposes a `data` key for files, guessed from their first rows.

A person reads and corrects it before anything trains on the data.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from pipeline.data import forms
from pipeline.data.date_parts import days_of
from pipeline.data.files import first_rows
from pipeline.data.raw import CALENDAR, contains, numbers
from pipeline.errors import UserError, did_you_mean

_OF_ITS_KIND_AT_LEAST = 0.9
"""Share of the values of a column of dates, or of numbers, that are dates, or numbers."""
_CODES_AT_MOST = 31
"""Whole numbers with at most so many different values are probably codes: hours, weekdays, types."""
_DISTINCT_AT_MOST = 0.5
"""Text with more distinct values than this share of the rows identifies rows, not groups of rows."""
_WORDS_AT_LEAST = 3.0
"""Mean number of words in a value from which a column is text, not a category."""
_TARGETS = ("target", "label", "y")


@dataclass(frozen=True)
class Proposal:
    """A `data` key, and remarks on it for a person."""

    data: dict[str, Any]
    remarks: tuple[str, ...]


def propose(path: str, target: str | None = None, leave_out: Sequence[str] = ()) -> Proposal:
    """Proposes a `data` key for the files that match a pattern. The columns of `leave_out` become no features.

    Raises UserError if there are no files, no dates in them, nothing to predict, or no column of a given name.
    """
    name, rows = first_rows(path)
    date = _date_column(rows, name)
    if isinstance(date, str) and _is_date(pd.Series([date])):
        raise UserError(f"{name}: its first line is a row, not names of columns: write a line with the names above it")
    dates = [date] if isinstance(date, str) else date
    for column in filter(None, (target, *leave_out)):
        if column not in rows:
            raise UserError(f"{name}: there is no column {column}: {did_you_mean(column, map(str, rows))}")
    rows = rows.drop(columns=list(leave_out)).apply(_plain)
    columns: dict[str, list[str]] = {"categorical": [], "numeric": [], "text": []}
    left_out: list[str] = []
    for column in map(str, rows):
        if column not in dates:
            kind = _kind(rows[column])
            (columns[kind] if kind else left_out).append(column)

    remarks = []
    if target is None:
        target = _guessed_target(rows, columns, name)
        remarks = [f'"target" is a guess: name the column to predict, and take out features that tell it ({name})']
    elif not _is_number(rows[target]):
        raise UserError(f"{name}: {target} holds no numbers, so it cannot be predicted")
    features = {kind: [column for column in names if column != target] for kind, names in columns.items()}
    if left_out := [column for column in left_out if column != target]:
        remarks.append(f"left out, as they tell rows apart or hold one value: {', '.join(left_out)}")
    proposed = {kind: names for kind, names in features.items() if names} or {"date-parts": ["weekday", "month"]}
    return Proposal({"path": path, "date": date, **proposed, "target": target}, tuple(remarks))


def _guessed_target(rows: pd.DataFrame, columns: dict[str, list[str]], name: str) -> str:
    """A column of numbers with the name of a target, else the last one. Raises UserError if there are no numbers."""
    candidates = columns["numeric"] or [column for column in columns["categorical"] if _is_number(rows[column])]
    if not candidates:
        names = ", ".join(map(str, rows))
        raise UserError(f"{name}: no column of numbers is there to predict; its columns: {names}")
    return next((column for column in candidates if column.lower() in _TARGETS), candidates[-1])


def _date_column(rows: pd.DataFrame, name: str) -> str | list[str]:
    """The date column, preferably with "date" or "day" in its name. Without one, the columns year, month and day."""
    dates = [str(column) for column in rows if _is_date(rows[column])]
    if dates:
        return next((column for column in dates if any(word in column.lower() for word in ("date", "day"))), dates[0])
    by_name = {str(column).lower(): str(column) for column in rows}
    if {"year", "month", "day"} <= by_name.keys():
        return [by_name["year"], by_name["month"], by_name["day"]]
    raise UserError(
        f'{name}: no column looks like dates; name it in "date", and how it is written in "date-format"; its columns: '
        f"{', '.join(map(str, rows))}"
    )


def _is_date(column: "pd.Series[Any]") -> bool:
    values = column.dropna()
    if not len(values):
        return False
    if values.dtype.kind == "M":
        return True
    if pd.api.types.is_numeric_dtype(values):
        return False
    count, text = forms.DateCount(), pa.chunked_array([pa.array(values.astype(str), pa.string())])
    count.add(text)
    try:
        spelling = count.form(str(column.name))
    except UserError:  # the order of day and month is unclear, but these are dates; reading them raises the error
        return True
    days = days_of(pd.Series((spelling.rewrite(text) if spelling else text).to_pylist(), dtype=object))
    return bool(np.mean(contains(CALENDAR, days)) >= _OF_ITS_KIND_AT_LEAST)


def _kind(column: "pd.Series[Any]") -> str | None:
    """The kind of feature for a column; None if it is no feature."""
    values = column.dropna()
    distinct = values.nunique()
    if distinct < 2:
        return None
    if _is_number(values):
        parsed = numbers(values)
        is_whole = bool(np.all(parsed[~np.isnan(parsed)] % 1 == 0))
        if is_whole and distinct == len(column):
            return None
        return "categorical" if is_whole and distinct <= _CODES_AT_MOST else "numeric"
    if np.mean([len(str(value).split()) for value in values]) >= _WORDS_AT_LEAST:
        return "text"
    return "categorical" if distinct <= _DISTINCT_AT_MOST * len(values) else None


def _plain(column: "pd.Series[Any]") -> "pd.Series[Any]":
    """The column with its numbers in their plain spelling, if it is text with numbers in another one."""
    if pd.api.types.is_numeric_dtype(column) or not all(isinstance(value, str) for value in column.dropna()):
        return column
    count, text = forms.NumberCount(), pa.chunked_array([pa.array(column.where(column.notna(), None), pa.string())])
    count.add(text)
    form = count.form(count.decimal or ".")
    return pd.Series(form.rewrite(text).to_pylist(), column.index, dtype=object) if form else column


def _is_number(column: "pd.Series[Any]") -> bool:
    values = column.dropna()
    return bool(len(values)) and bool(np.mean(~np.isnan(numbers(values))) >= _OF_ITS_KIND_AT_LEAST)
