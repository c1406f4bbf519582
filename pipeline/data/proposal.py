"""What a `data` key for files that nobody has described yet could say, guessed from their first rows.

It only proposes: a person reads it, and mends what is wrong, before anything trains on it.
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

_MOSTLY = 0.9
_FEW_WHOLE_NUMBERS = 31
"""Whole numbers with so few values are rather names of something: hours, weekdays, kinds."""
_SAME = 0.5
"""Text with more distinct values than this share of the rows tells rows apart, and not groups of them."""
_WORDS = 3.0
_TARGETS = ("target", "label", "y")


@dataclass(frozen=True)
class Proposal:
    """A `data` key, and what a person should know about it."""

    data: dict[str, Any]
    remarks: tuple[str, ...]


def propose(path: str, target: str | None = None, leave_out: Sequence[str] = ()) -> Proposal:
    """Proposes a `data` key for the files of a pattern; `leave_out` are columns that are to be no features.

    Raises UserError if there are no files, no dates in them, or no column of such a name.
    """
    name, rows = first_rows(path)
    date = _date_column(rows, name)
    if isinstance(date, str) and _is_date(pd.Series([date])):
        raise UserError(f"{name}: its first line is a row, not names of columns: write a line with the names above it")
    dates = [date] if isinstance(date, str) else date
    for asked in filter(None, (target, *leave_out)):
        if asked not in rows:
            raise UserError(f"{name}: there is no column {asked}: {did_you_mean(asked, map(str, rows))}")
    rows = rows.drop(columns=list(leave_out)).apply(_plain)
    columns: dict[str, list[str]] = {"categorical": [], "numeric": [], "text": []}
    left_out = []
    for column in rows:
        if column not in dates and (kind := _kind(rows[column])):
            columns[kind].append(str(column))
        elif column not in dates:
            left_out.append(str(column))

    remarks = []
    if target is None:
        # What is to be predicted, nobody but a person knows.
        candidates = columns["numeric"] or [one for one in columns["categorical"] if _is_number(rows[one])]
        if not candidates:
            every = ", ".join(map(str, rows))
            raise UserError(f"{name}: no column of numbers is there to predict; its columns: {every}")
        target = next((one for one in candidates if one.lower() in _TARGETS), candidates[-1])
        remarks = [f'"target" is a guess: name the column to predict, and take out what would give it away ({name})']
    elif not _is_number(rows[target]):
        raise UserError(f"{name}: {target} holds no numbers, so it cannot be predicted")
    features = {kind: [one for one in names if one != target] for kind, names in columns.items()}
    if left_out := [one for one in left_out if one != target]:
        remarks.append(f"left out, as they tell rows apart or hold one value: {', '.join(left_out)}")
    proposed = {kind: names for kind, names in features.items() if names} or {"date-parts": ["weekday", "month"]}
    return Proposal({"path": path, "date": date, **proposed, "target": target}, tuple(remarks))


def _date_column(rows: pd.DataFrame, name: str) -> str | list[str]:
    """The column with dates; of several the one that is called so, else the first."""
    found = [str(column) for column in rows if _is_date(rows[column])]
    if found:
        return next((column for column in found if any(word in column.lower() for word in ("date", "day"))), found[0])
    by_name = {str(column).lower(): str(column) for column in rows}
    if {"year", "month", "day"} <= by_name.keys():
        return [by_name["year"], by_name["month"], by_name["day"]]
    raise UserError(
        f'{name}: no column looks like dates; name it in "date", and how it is written in "date-format"; its columns: '
        f"{', '.join(map(str, rows))}"
    )


def _is_date(column: "pd.Series[Any]") -> bool:
    written = column.dropna()
    if not len(written):
        return False
    if written.dtype.kind == "M":
        return True
    if pd.api.types.is_numeric_dtype(written):
        return False
    count, text = forms.DateCount(), pa.chunked_array([pa.array(written.astype(str), pa.string())])
    count.add(text)
    try:
        spelling = count.form(str(column.name))
    except UserError:  # dates, though day and month cannot be told apart: reading them will say so
        return True
    read = days_of(pd.Series((spelling.rewrite(text) if spelling else text).to_pylist(), dtype=object))
    return bool(np.mean(contains(CALENDAR, read)) >= _MOSTLY)


def _kind(column: "pd.Series[Any]") -> str | None:
    """The kind of feature that a column could be; None if it is none."""
    written = column.dropna()
    distinct = written.nunique()
    if distinct < 2:
        return None
    if _is_number(written):
        values = numbers(written)
        is_whole = bool(np.all(values[~np.isnan(values)] % 1 == 0))
        if is_whole and distinct == len(column):
            return None
        return "categorical" if is_whole and distinct <= _FEW_WHOLE_NUMBERS else "numeric"
    if np.mean([len(str(value).split()) for value in written]) >= _WORDS:
        return "text"
    return "categorical" if distinct <= _SAME * len(written) else None


def _plain(column: "pd.Series[Any]") -> "pd.Series[Any]":
    """The column with its numbers in their plain spelling, where it is text that they are written in otherwise."""
    written = column.dropna()
    if pd.api.types.is_numeric_dtype(column) or not all(isinstance(value, str) for value in written):
        return column
    count, text = forms.NumberCount(), pa.chunked_array([pa.array(column.where(column.notna(), None), pa.string())])
    count.add(text)
    form = count.form(count.decimal or ".")
    return pd.Series(form.rewrite(text).to_pylist(), column.index, dtype=object) if form else column


def _is_number(column: "pd.Series[Any]") -> bool:
    written = column.dropna()
    return bool(len(written)) and bool(np.mean(~np.isnan(numbers(written))) >= _MOSTLY)
