"""A survey of data as tables and small pictures for a terminal. `data/survey.py` measures the data."""

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta

from rich import box
from rich.table import Table
from rich.text import Text

from pipeline.data.raw import share
from pipeline.data.survey import DISTINCT_AT_MOST, PARTS, Survey
from pipeline.dates import DateRange

_BARS = "▁▂▃▄▅▆▇█"
_HOLE = "x"
_QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


def tables(survey: Survey, ranges: Mapping[DateRange, Sequence[str]], shares: tuple[float, float]) -> Iterator[Table]:
    """Tables of the days, the columns, each target by month, and the ranges with their phases.

    `shares` are those of the validation and test days.
    """
    yield _days(survey)
    yield _columns(survey)
    for target in survey.targets:
        yield _target(survey, target)
    if ranges:
        yield _ranges(survey, ranges, shares)


def _days(survey: Survey) -> Table:
    table = _table("month", "rows", "by day", title=f"{int(survey.rows.sum()):,} rows in {survey.covers}")
    table.caption = f"a bar is a day, the highest {int(survey.rows.max()):,} rows; {_HOLE}: no rows"
    if closed := survey.closed_weekdays():
        names = [f"{date(2024, 1, 1) + timedelta(days=day):%A}s" for day in sorted(closed)]  # 2024-01-01 was a Monday
        table.caption += f"; there are never any on {' and '.join(names)}"
    for name, month in _months(survey):
        rows = survey.rows_in(month)
        table.add_row(name, f"{rows:,}", _bars(survey, month) if rows else Text("no rows", style="bold red"))
    return table


def _months(survey: Survey) -> Iterator[tuple[str, DateRange]]:
    """Each month with its name, `2024-01`; adjacent months without rows as one, `2024-02 to 2031-07`."""
    for has_rows, run in itertools.groupby(survey.months(), lambda month: survey.rows_in(month) > 0):
        months = list(run)
        for first, last in [(month, month) for month in months] if has_rows else [(months[0], months[-1])]:
            names = [f"{month.start:%Y-%m}" for month in (first, last)]
            yield " to ".join(dict.fromkeys(names)), DateRange(first.start, last.end)


def _bars(survey: Survey, month: DateRange) -> Text:
    holes = survey.holes(DateRange(max(month.start, survey.covers.start), min(month.end, survey.covers.end)))
    most, picture = int(survey.rows.max()), Text()
    for at, count in enumerate(survey.by_day(month)):
        day = month.start + timedelta(days=at)
        if count:
            picture.append(_BARS[math.ceil(len(_BARS) * count / most) - 1])
        elif any(hole.start <= day < hole.end for hole in holes):
            picture.append(_HOLE, style="bold red")
        else:
            picture.append(" ")
    return picture


def _columns(survey: Survey) -> Table:
    table = _table("column", "kind", "missing", "no number", "distinct", title="columns")
    for column in survey.columns:
        numeric = column.kind in ("target", "numeric")
        distinct = f"{column.distinct:,}" + (" or more" if column.distinct >= DISTINCT_AT_MOST else "")
        no_number = column.unparsed + column.infinite
        missing, unparsed = (_share_or_dash(count, column.rows) for count in (column.missing, no_number))
        table.add_row(column.name, column.kind, missing, unparsed if numeric else "", distinct)
    return table


def _target(survey: Survey, target: str) -> Table:
    table = _table("month", "values", "5 %", "25 %", "median", "75 %", "95 %", title=f"target {target}")
    for name, month in _months(survey):
        values = survey.distribution(target, month)
        quantiles = (f"{value:.4g}" for value in values.quantile(*_QUANTILES)) if values.count else ()
        table.add_row(name, f"{values.count:,}", *quantiles)
    table.add_section()
    values = survey.distribution(target)
    table.add_row("all", f"{values.count:,}", *(f"{value:.4g}" for value in values.quantile(*_QUANTILES)))
    return table


def _ranges(survey: Survey, ranges: Mapping[DateRange, Sequence[str]], shares: tuple[float, float]) -> Table:
    table = _table("date range", "for", *PARTS, "empty days", title="rows with a target")
    for date_range, phases in ranges.items():
        split = date_range.split(*shares)
        rows = (f"{survey.usable_in(getattr(split, part)):,}" for part in PARTS)
        table.add_row(
            str(date_range), ", ".join(phases), *rows, str(sum(hole.days for hole in survey.holes(date_range)))
        )
    return table


def _table(*columns: str, title: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, title=title, title_justify="left", caption_justify="left")
    for name in columns:
        is_text = name in ("month", "by day", "column", "kind", "date range", "for")
        table.add_column(name, justify="left" if is_text else "right", no_wrap=True)
    return table


def _share_or_dash(count: int, rows: int) -> str:
    return share(count, rows).replace(f" of {rows:,}", "") if count else "-"
