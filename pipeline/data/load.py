"""Loads the days of a date range from a source and encodes them, fitted on the training part alone.

`source.py` declares the `data` key, `paths.py` finds the files, `files.py` reads them, and `encoder.py` encodes values.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.data import flights, lost, strays, usable
from pipeline.data.dataset import Dataset, Part
from pipeline.data.encoder import Encoder, transformed
from pipeline.data.files import Files
from pipeline.data.fingerprint import fingerprint
from pipeline.data.raw import Columns, Rows, Target, contains, has_value, is_infinite, numbers, share
from pipeline.data.source import FLIGHTS_DAYS, NO_ROWS, NO_ROWS_LEFT, FilesSource, FlightsSource, Source
from pipeline.dates import DateRange, Split
from pipeline.errors import UserError


def columns_of(source: Source) -> Columns:
    """The raw columns of the source, by their use."""
    if isinstance(source, FlightsSource):
        return flights.columns(source)
    targets = tuple(Target(name, source.target_transform) for name in source.target)
    parts = tuple((source.date_name, part) for part in source.date_parts)
    return Columns(targets, source.text, source.categorical, source.numeric, parts)


def read_rows(source: Source, date_range: DateRange) -> Rows:
    """The raw rows of the range, in order of time, as an encoder takes them.

    Raises UserError if there are no files, if one cannot be read, or lacks a column that the source names.
    """
    if isinstance(source, FlightsSource):
        rows = flights.read_rows(source, date_range)
    else:
        rows = Files.of(source).read_rows(columns_of(source).all, date_range)
    order = np.argsort(rows.days, kind="stable")
    return replace(rows, frame=rows.frame.iloc[order], days=rows.days[order])


def stream_rows(source: Source, date_range: DateRange | None = None) -> Iterator[Rows]:
    """The raw rows, a piece at a time and in no order, so that data may be of any size. None as range means all rows.

    Notes come with the last piece. Raises UserError like `read_rows`.
    """
    if isinstance(source, FlightsSource):
        yield flights.read_rows(source, date_range or FLIGHTS_DAYS)
    else:
        yield from Files.of(source).stream_rows(columns_of(source).all, date_range)


def covered_days(source: Source) -> DateRange | None:
    """The range from the first to the last day with rows, without strays; None if there are no rows."""
    return coverage(source)[0]


def coverage(source: Source) -> tuple[DateRange | None, str | None]:
    """The days that the data cover, and a line about the days that `strays.covered` leaves out.

    Raises UserError if there are no files, if they cannot be read, or lack a column that the source names.
    """
    if not isinstance(source, FilesSource):
        return source.covers, None
    files = Files.of(source)
    files.check(columns_of(source).all)
    days, rows = (values.tolist() for values in files.days_with_rows()[:2])
    covered = days[strays.covered(days, rows)]
    if not covered:
        return None, None
    return DateRange(covered[0], covered[-1] + timedelta(days=1)), strays.in_words(days, rows)


def load(
    source: Source, date_range: DateRange, valid: float = 0.15, test: float = 0.15, *, train_days: int | None = None
) -> Dataset:
    """Loads the days of the range as train, validation and test part; `valid` and `test` are shares of the days.

    With `train_days`, at most so many training days are read, the last ones; validation and test stay the same.

    Raises UserError like `read_rows`, and if a part is empty, a transform is impossible, too many rows are lost, or the
    training part has a constant target or no value of any feature.
    """
    # Read the rows.
    split = _split(date_range, valid, test, train_days)
    date_range = DateRange(split.train.start, split.test.end)
    columns = columns_of(source)
    rows = read_rows(source, date_range)
    if not len(rows.days):
        raise UserError(no_rows(source, date_range))
    if isinstance(source, FilesSource):
        lost.check(lost.of_files(rows), source.may_lose)
    notes = [*_notes_on_days(rows, date_range), *rows.notes, *_notes_on_values(rows.frame, columns)]

    # Drop rows without a target.
    names = tuple(target.name for target in columns.targets)
    complete = rows.complete(names)
    if not complete.all():
        notes.append(f"dropped {share(int((~complete).sum()), len(complete))} rows: no {' or no '.join(names)}")
    losses = lost.of_rows(rows, columns, int(complete.sum()))
    rows = rows.select(complete)
    if len(rows.days) < usable.ROWS_AT_LEAST:
        notes.append(usable.few_rows())
    _check_transforms(rows.frame, columns)

    # Split and encode.
    parts = {name: rows.within(getattr(split, name)) for name in ("train", "valid", "test")}
    for name, part in parts.items():
        if not len(part.days):
            raise UserError(_empty_part(name, split, source, date_range))
    _check_training_part(parts["train"].frame, columns, date_range)
    if isinstance(source, FilesSource):
        lost.check(losses, source.may_lose)
    encoder = Encoder.fit(parts["train"].frame, columns)
    encoded = {name: Part(*encoder.encode(part.frame), encoder.targets(part.frame)) for name, part in parts.items()}
    return Dataset(
        inputs=encoder.inputs,
        **encoded,
        target_names=encoder.target_names,
        encoder=encoder,
        fingerprint=fingerprint(rows, columns),
        notes=tuple(notes),
        test_days=parts["test"].days,
    )


def fingerprint_of(
    source: Source, date_range: DateRange, valid: float = 0.15, test: float = 0.15, *, train_days: int | None = None
) -> str:
    """The fingerprint of the dataset that `load` would make of the same days. Encodes nothing; there may be no rows.

    Raises UserError like `read_rows`.
    """
    split = _split(date_range, valid, test, train_days)
    columns = columns_of(source)
    rows = read_rows(source, DateRange(split.train.start, split.test.end))
    return fingerprint(rows.select(rows.complete(target.name for target in columns.targets)), columns)


def _split(date_range: DateRange, valid: float, test: float, train_days: int | None) -> Split:
    try:
        split = date_range.split(valid, test)
    except ValueError as error:
        raise UserError(f"date-range: {error}") from error
    return split if train_days is None else split.with_last_training_days(train_days)


def _notes_on_days(rows: Rows, date_range: DateRange) -> Iterator[str]:
    yield f"{len(rows.days):,} rows in {date_range}"
    with_rows = len(np.unique(rows.days))
    if with_rows < date_range.days:
        yield f"{share(date_range.days - with_rows, date_range.days)} days have no rows"


def _notes_on_values(frame: pd.DataFrame, columns: Columns) -> Iterator[str]:
    for name in dict.fromkeys((*columns.numeric, *(target.name for target in columns.targets))):
        present = np.array(frame[name].notna(), dtype=np.bool_)
        unparsed = present & np.isnan(numbers(frame[name]))
        if unparsed.any():
            yield from _notes_on_unparsed(frame[name], unparsed)
        if name in columns.numeric and not present.all():
            yield f'"{name}": {share(int((~present).sum()), len(frame))} values are missing'
    for name in dict.fromkeys((*columns.categorical, *columns.text)):
        values = int(frame[name].notna().sum())
        if not values:
            yield f'"{name}": {share(len(frame), len(frame))} values are missing'
        elif name in columns.categorical and usable.is_identifier(distinct := frame[name].nunique(), values):
            yield usable.identifier(name, distinct, values)
    for name, part in columns.date_parts:
        if part == "hour" and not (has_hour := has_value(frame[name], part)).all():
            yield f'"{name}": {share(int((~has_hour).sum()), len(frame))} values have no time of day'


def _notes_on_unparsed(column: "pd.Series[Any]", unparsed: NDArray[np.bool_]) -> Iterator[str]:
    too_large = unparsed & is_infinite(column)
    for mask, sentence in ((too_large, usable.infinite), (unparsed & ~too_large, usable.no_numbers)):
        if mask.any():
            yield sentence(str(column.name), int(mask.sum()), len(column), column.iloc[int(mask.argmax())])


def _check_transforms(frame: pd.DataFrame, columns: Columns) -> None:
    for target in columns.targets:
        values = numbers(frame[target.name])
        impossible = ~np.isfinite(transformed(values, target.transform))
        if impossible.any():
            example = float(values[impossible][0])
            raise UserError(
                usable.impossible_transform(target.transform, target.name, int(impossible.sum()), len(frame), example)
            )


def _check_training_part(frame: pd.DataFrame, columns: Columns, date_range: DateRange) -> None:
    for target in columns.targets:
        values = numbers(frame[target.name])
        if usable.is_constant(values.min(), values.max()):
            raise UserError(f"date-range: {date_range}: {usable.constant_target(target.name, values[0])}")
    empty = [(name, kind) for name, kind in columns.kinds if not has_value(frame[name], kind).any()]
    if without_hour := [name for name, kind in empty if kind == "hour"]:
        raise UserError(f"date-range: {date_range}: {usable.no_hour(without_hour[0])}")
    if len(empty) == len(columns.kinds):
        raise UserError(f"date-range: {date_range}: {usable.no_feature(columns.features)}")


def no_rows(source: Source, date_range: DateRange) -> str:
    """The message for a date range without rows."""
    return f"date-range: {NO_ROWS} {date_range}; {_covered_in_words(source, date_range)}"


def _empty_part(name: str, split: Split, source: Source, date_range: DateRange) -> str:
    part = {"train": "training", "valid": "validation", "test": "test"}[name]
    return (
        f"date-range: {date_range} {NO_ROWS_LEFT} its {part} days {getattr(split, name)}; "
        f"{_covered_in_words(source, getattr(split, name))}"
    )


def no_days(notes: Sequence[str]) -> str:
    """The reason why files have no day with rows. `notes` are those of `Files.days_with_rows`."""
    if not notes:
        return "the files have no rows"
    return (
        "no row has a date that can be read; write dates like 2013-12-31, or name their form in data: "
        f'"date-format": "%d/%m/%y" ({"; ".join(notes)})'
    )


def _covered_in_words(source: Source, missing: DateRange) -> str:
    """The days that the data cover, as part of a message about missing days."""
    if source.covers or not isinstance(source, FilesSource):
        return f"they cover {source.covers}"
    days, _, notes = Files.of(source).days_with_rows()
    remarks = "".join(f" ({note})" for note in notes)
    if not len(days):
        return no_days(notes)
    text = f"they cover {days[0]} to {days[-1]}"
    before, after = days[days < np.datetime64(missing.start)], days[days >= np.datetime64(missing.end)]
    if len(before) and len(after) and not contains(missing, days).any():
        text += f", without the days between {before[-1]} and {after[0]}"
    return text + remarks
