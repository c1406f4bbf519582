"""Rows and values that the data have and nobody can use: how many, from when people are told, from when nothing starts.

Counted where data are read; the same rule holds for a survey of all ranges and in a trial, for its own.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from pipeline.data import usable
from pipeline.data.raw import Columns, Rows, infinite, numbers, share
from pipeline.errors import UserError

SAID_FROM = usable.SHARE_SAID
STOPS_FROM = 0.2
"""More than this is no accident: a form that was not recognised, or a quote that does not close."""


@dataclass(frozen=True)
class Loss:
    """Something that is lost: a line that says so, and its share."""

    line: str
    share: float
    stops: bool = True
    """Whether too much of it stops a sweep. A cell that is empty is missing, not lost: it is told alone."""


class Read(Protocol):
    """What says how many rows were read and lost: `Rows` of a date range, or a `Survey`."""

    @property
    def lost(self) -> int: ...
    @property
    def read(self) -> int: ...
    @property
    def notes(self) -> tuple[str, ...]: ...


def of_files(data: Read) -> list[Loss]:
    """What the files lose before any range is looked at: rows without a day, cut short, or swallowed by a quote."""
    if not data.lost:
        return []
    return [
        Loss(
            f"{share(data.lost, data.read)} rows of the files are lost ({'; '.join(data.notes)})", data.lost / data.read
        )
    ]


def of_rows(rows: Rows, columns: Columns, usable_rows: int) -> list[Loss]:
    """What the rows of a date range lose, of which so many have every target, apart from what the files do."""
    losses: list[Loss] = []
    names = tuple(target.name for target in columns.targets)
    for name in dict.fromkeys((*names, *columns.numeric)):
        column = rows.frame[name]
        unparsed = np.array(column.notna(), dtype=np.bool_) & np.isnan(numbers(column))
        if unparsed.any():
            too_large = int((unparsed & infinite(column)).sum())
            losses += of_column(
                name, len(column), int(unparsed.sum()) - too_large, too_large, usable.said_missing(column[unparsed]),
                column[unparsed].iloc[0],
            )  # fmt: skip
    return [*losses, *of_targets(len(rows.days) - usable_rows, len(rows.days), names)]


def said(losses: Iterable[Loss]) -> tuple[str, ...]:
    """Lines about what is more than an accident."""
    return tuple(loss.line for loss in losses if loss.share > SAID_FROM)


def check(losses: Iterable[Loss], may_lose: float | None) -> None:
    """Raises UserError, a line per loss, if more is lost than `data.may-lose` expects."""
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
    """What a column of numbers loses: values that are none, without words that say that one is missing."""
    lost = unparsed + too_large - missing
    return [Loss(usable.no_numbers(name, unparsed + too_large, rows, example), lost / rows)] if lost > 0 else []


def of_targets(lost: int, rows: int, names: Iterable[str]) -> list[Loss]:
    """Rows that have a day but not every target."""
    if not lost:
        return []
    return [Loss(f"{share(lost, rows)} rows are left out: no {' or no '.join(names)}", lost / rows, stops=False)]
