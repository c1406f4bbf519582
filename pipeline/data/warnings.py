"""What a survey shows that may spoil a sweep, a line each, and why no trial could train on a date range at all.

The sentences that a trial shares stand in `usable.py`. Nothing here reads data or prints.
"""

import itertools
from collections.abc import Iterable, Iterator
from datetime import timedelta

import numpy as np

from pipeline.data import lost, usable
from pipeline.data.lost import Loss
from pipeline.data.raw import CALENDAR, contains, share
from pipeline.data.survey import PARTS, Column, Survey, stability
from pipeline.dates import DateRange, Split

# Below these, a fitted model says more about its rows than about what they are of.
ROWS_AT_LEAST = {"train": 500, "valid": 100, "test": 100}
_FIRST_DAY = np.datetime64(CALENDAR.start)
DRIFTS_FROM = 0.25
"""The population stability index from which two distributions count as different: the usual bound."""


def warnings(data: Survey, ranges: Iterable[DateRange], shares: tuple[float, float]) -> Iterator[str]:
    """What may spoil a sweep on these ranges, a line each. `shares` are those of the validation and test days."""
    yield from about_rows_and_columns(data)
    ranges = list(dict.fromkeys(ranges))
    for date_range in ranges or [data.covers]:
        yield from _about_days(data, date_range)
    for date_range in ranges:
        split = date_range.split(*shares)
        yield from _about_parts(data, date_range, split)
        for mistake in _mistakes_in_values(data, date_range, split):
            yield f"{date_range}: a trial on this range will fail: {mistake}"
    months = [month for month in data.months() if not ranges or any(month.overlaps(range_) for range_ in ranges)]
    for target in data.targets:
        for before, after in itertools.pairwise(months):
            if before.end == after.start:
                names = f"{before.start:%Y-%m}", f"{after.start:%Y-%m}"
                yield from _about_drift(data, target, before, after, f"from {names[0]} to {names[1]}")


def mistakes(data: Survey, date_range: DateRange, split: Split) -> list[str]:
    """Why no trial can train on the range, as `load` would say it; empty if it can."""
    if never := [column for column in data.columns if column.kind == "target" and not column.distinct]:
        examples = (column.example or column.infinite_example for column in never)
        shown = next((f', for example "{example}"' for example in examples if example), "")
        return [f'target "{never[0].name}" has no number in any row{shown}; name a column of numbers']
    words = {"train": "train on", "valid": "validate on", "test": "test on"}
    if empty := [words[part] for part in PARTS if not data.usable_in(getattr(split, part))]:
        return [f"no row with a target to {' or '.join(empty)}; choose days that have some"]
    return list(_mistakes_in_values(data, date_range, split))


def _mistakes_in_values(data: Survey, date_range: DateRange, split: Split) -> Iterator[str]:
    in_range, in_train = (contains(days, data.days) & (data.usable > 0) for days in (date_range, split.train))
    if not in_train.any():
        return
    for span in data.spans:
        if impossible := int(span.impossible[in_range].sum()):
            assert span.example is not None
            rows = int(data.usable[in_range].sum())
            yield usable.impossible_transform(span.target.transform, span.target.name, impossible, rows, span.example)
        lowest, highest = float(span.lowest[in_train].min()), float(span.highest[in_train].max())
        if usable.is_constant(lowest, highest):
            yield usable.constant_target(span.target.name, lowest)
    empty = [feature for feature, counts in data.filled.items() if not counts[in_train].any()]
    if without_hour := [name for name, kind in empty if kind == "hour"]:
        yield usable.no_hour(without_hour[0])
    elif len(empty) == len(data.filled):
        yield usable.no_feature(dict.fromkeys(name for name, _ in empty))


def losses(data: Survey) -> list[Loss]:
    """What the surveyed rows lose, apart from what the files do."""
    found: list[Loss] = []
    for column in data.columns:
        example = column.example or column.infinite_example
        found += lost.of_column(
            column.name, column.rows, column.unparsed, column.infinite, column.said_missing, example
        )
    rows = int(data.rows.sum())
    return [*found, *lost.of_targets(rows - int(data.usable.sum()), rows, data.targets)]


def about_rows_and_columns(data: Survey) -> Iterator[str]:
    """What is odd about all rows that were read, whatever the date ranges, a line each."""
    yield from data.notes
    without = int((data.rows - data.usable).sum())
    yield from lost.said(lost.of_targets(without, int(data.rows.sum()), data.targets))
    if len(data.days) > 1 and data.days[0] == _FIRST_DAY and data.days[1] - data.days[0] > np.timedelta64(365, "D"):
        rows = "1 row" if data.rows[0] == 1 else f"{data.rows[0]:,} rows"
        yield f"the data begin on {_FIRST_DAY} ({rows}), years before all other days: dates that were 0 look so"
    for column in data.columns:
        yield from _about_column(column)


def _about_column(column: Column) -> Iterator[str]:
    if column.missing == column.rows:
        yield f'{column.kind} column "{column.name}" is always missing'
        return
    if column.distinct == 1 and not column.missing:
        yield f'{column.kind} column "{column.name}" has the same value in every row'
    if column.unparsed:
        yield usable.no_numbers(column.name, column.unparsed, column.rows, column.example)
    if column.infinite:
        yield usable.infinite(column.name, column.infinite, column.rows, column.infinite_example)
    if column.kind == "categorical" and usable.is_identifier(column.distinct, column.distinct_among):
        yield usable.identifier(column.name, column.distinct, column.distinct_among)
    if column.kind == "text" and not column.has_words:
        yield usable.wordless(column.name)
    elif column.kind == "text" and column.longest <= 1:
        yield usable.single_characters(column.name)


def _about_days(data: Survey, date_range: DateRange) -> Iterator[str]:
    if holes := data.holes(date_range):
        days = sum(hole.days for hole in holes)
        yield f"{date_range}: {share(days, date_range.days)} days have no rows: {_in_words(holes)}"
    if few := data.almost_empty(date_range):
        counted = "1 day has" if len(few) == 1 else f"{len(few)} days have"
        yield f"{date_range}: {counted} less than a tenth of the usual rows: {_in_words(few)}"


def _about_parts(data: Survey, date_range: DateRange, split: Split) -> Iterator[str]:
    names = {"train": "train on", "valid": "validate on", "test": "test on"}
    for part in PARTS:
        rows = data.usable_in(getattr(split, part))
        if rows < ROWS_AT_LEAST[part]:
            least = f"fewer than {ROWS_AT_LEAST[part]}" if rows else "a trial on this range will fail"
            yield f"{date_range}: {rows:,} rows to {names[part]}, {getattr(split, part)}: {least}"
    for target in data.targets:
        yield from _about_drift(data, target, split.train, split.test, f"{date_range}: from train to test")


def _about_drift(data: Survey, target: str, before: DateRange, after: DateRange, where: str) -> Iterator[str]:
    old, new = data.distribution(target, before), data.distribution(target, after)
    index = stability(old, new)
    if index is not None and index >= DRIFTS_FROM:
        middle = [f"{low:.4g} to {high:.4g}" for low, high in (part.quantile(0.25, 0.75) for part in (old, new))]
        medians = f"median {old.quantile(0.5)[0]:.4g} → {new.quantile(0.5)[0]:.4g}"
        yield f'{where}, target "{target}" drifts: {medians}, middle half {middle[0]} → {middle[1]} (index {index:.2f})'


def _in_words(ranges: list[DateRange]) -> str:
    shown = [
        f"{hole.start}" if hole.days == 1 else f"{hole.start} to {hole.end - timedelta(days=1)}" for hole in ranges[:5]
    ]
    return ", ".join(shown) + (f" and {len(ranges) - 5} more" if len(ranges) > 5 else "")
