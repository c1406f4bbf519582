"""Losses: rows and values of the data that cannot be used, and the shares from which they are reported or stop a sweep.

The losses are counted where data are read. The same rules hold for a survey and for the date range of a trial.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from pipeline.data import usable
from pipeline.data.raw import Columns, Rows, is_infinite, numbers, share
from pipeline.errors import UserError

STOPS_FROM = 0.2
"""A larger lost share stops a sweep, unless `data.may-lose` allows it. It is no accident, but a form that was not
recognised, or an unclosed quote."""


@dataclass(frozen=True)
class Loss:
    """A loss: a line for people, and the lost share of rows or values."""

    line: str
    share: float
    stops: bool = True
    """True if too large a share stops a sweep. Empty cells are missing, not lost: they are only reported."""


class ReadCounts(Protocol):
    """Counts of rows that were read and lost: `Rows` of a date range, or a `Survey`."""

    @property
    def lost(self) -> int: ...
    @property
    def read(self) -> int: ...
    @property
    def notes(self) -> tuple[str, ...]: ...


def of_files(data: ReadCounts) -> list[Loss]:
    """The loss of whole rows of the files: without a day, cut short, or swallowed by a quote."""
    if not data.lost:
        return []
    line = f"{share(data.lost, data.read)} rows of the files are lost ({'; '.join(data.notes)})"
    return [Loss(line, data.lost / data.read)]


def of_rows(rows: Rows, columns: Columns, usable_rows: int) -> list[Loss]:
    """The losses in the rows of a date range. `usable_rows` of them have every target."""
    losses: list[Loss] = []
    names = tuple(target.name for target in columns.targets)
    for name in dict.fromkeys((*names, *columns.numeric)):
        column = rows.frame[name]
        unparsed = np.array(column.notna(), dtype=np.bool_) & np.isnan(numbers(column))
        if unparsed.any():
            too_large = int((unparsed & is_infinite(column)).sum())
            losses += of_column(
                name, len(column), int(unparsed.sum()) - too_large, too_large, usable.missing_words(column[unparsed]),
                column[unparsed].iloc[0],
            )  # fmt: skip
    return [*losses, *of_targets(len(rows.days) - usable_rows, len(rows.days), names)]


def reported(losses: Iterable[Loss]) -> tuple[str, ...]:
    """The lines of losses that are large enough to be reported."""
    return tuple(loss.line for loss in losses if loss.share > usable.REPORTED_FROM)


def check(losses: Iterable[Loss], may_lose: float | None) -> None:
    """Raises UserError, a line per loss, if a loss exceeds `data.may-lose`."""
    limit = STOPS_FROM if may_lose is None else may_lose
    lines = [
        f"{loss.line}: mend the data or its keys, or write "
        f'"may-lose": {min(1.0, math.ceil(100 * loss.share) / 100):g} in data if so much is expected'
        for loss in losses
        if loss.stops and loss.share > limit
    ]
    if lines:
        raise UserError("\n".join(lines))


def of_column(name: str, rows: int, unparsed: int, too_large: int, missing: int, example: object) -> list[Loss]:
    """The loss of a column of numbers: values that are neither numbers nor words for "missing"."""
    lost = unparsed + too_large - missing
    return [Loss(usable.no_numbers(name, unparsed + too_large, rows, example), lost / rows)] if lost > 0 else []


def of_targets(lost: int, rows: int, names: Iterable[str]) -> list[Loss]:
    """The loss of rows that have a day but not every target."""
    if not lost:
        return []
    return [Loss(f"{share(lost, rows)} rows are left out: no {' or no '.join(names)}", lost / rows, stops=False)]
