"""Warns of problems that a survey shows, and finds the date ranges on which no trial can train.

Messages that trials use, too, are in `usable.py`. Nothing here reads data or prints.
"""

import itertools
from collections.abc import Iterable, Iterator
from datetime import timedelta

import numpy as np

from pipeline.data import lost, usable
from pipeline.data.distribution import stability
from pipeline.data.lost import Loss
from pipeline.data.raw import CALENDAR, contains, share
from pipeline.data.survey import PARTS, Column, Survey
from pipeline.dates import DateRange, Split

# With fewer rows, a model says more about these rows than about others like them.
ROWS_AT_LEAST = {"train": 500, "valid": 100, "test": 100}
_FIRST_DAY = np.datetime64(CALENDAR.start)
DRIFTS_FROM = 0.25
"""Population stability index from which two distributions count as different: the usual bound."""


def warnings(data: Survey, ranges: Iterable[DateRange], shares: tuple[float, float]) -> Iterator[str]:
    """A line for each problem that may spoil a sweep on these ranges.

    `shares` are the shares of validation and test days.
    """
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
                subject = f"from {before.start:%Y-%m} to {after.start:%Y-%m}"
                yield from _about_drift(data, target, before, after, subject)


def mistakes(data: Survey, date_range: DateRange, split: Split) -> list[str]:
    """The reasons why no trial can train on the range, in the words of `load`; empty if there are none."""
    if empty_targets := [column for column in data.columns if column.kind == "target" and not column.distinct]:
        examples = (column.example or column.infinite_example for column in empty_targets)
        such_as = next((f', for example "{example}"' for example in examples if example), "")
        return [f'target "{empty_targets[0].name}" has no number in any row{such_as}; name a column of numbers']
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
    """The losses in columns and targets. `lost.of_files` has the loss of whole rows."""
    of_columns: list[Loss] = []
    for column in data.columns:
        example = column.example or column.infinite_example
        of_columns += lost.of_column(
            column.name, column.rows, column.unparsed, column.infinite, column.missing_words, example
        )
    rows = int(data.rows.sum())
    return [*of_columns, *lost.of_targets(rows - int(data.usable.sum()), rows, data.targets)]


def about_rows_and_columns(data: Survey) -> Iterator[str]:
    """A line for each problem that does not depend on date ranges."""
    yield from data.notes
    without = int((data.rows - data.usable).sum())
    yield from lost.reported(lost.of_targets(without, int(data.rows.sum()), data.targets))
    if len(data.days) > 1 and data.days[0] == _FIRST_DAY and data.days[1] - data.days[0] > np.timedelta64(365, "D"):
        rows = "1 row" if data.rows[0] == 1 else f"{data.rows[0]:,} rows"
        yield f"the data begin on {_FIRST_DAY} ({rows}), years before all other days: a date stored as 0 reads so"
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


def _about_drift(data: Survey, target: str, before: DateRange, after: DateRange, subject: str) -> Iterator[str]:
    old, new = data.distribution(target, before), data.distribution(target, after)
    index = stability(old, new)
    if index is not None and index >= DRIFTS_FROM:
        halves = [f"{low:.4g} to {high:.4g}" for low, high in (part.quantile(0.25, 0.75) for part in (old, new))]
        medians = f"median {old.quantile(0.5)[0]:.4g} → {new.quantile(0.5)[0]:.4g}"
        yield (
            f'{subject}, target "{target}" drifts: {medians}, middle half {halves[0]} → {halves[1]} (index {index:.2f})'
        )


def _in_words(ranges: list[DateRange]) -> str:
    texts = [f"{run.start}" if run.days == 1 else f"{run.start} to {run.end - timedelta(days=1)}" for run in ranges[:5]]
    return ", ".join(texts) + (f" and {len(ranges) - 5} more" if len(ranges) > 5 else "")
