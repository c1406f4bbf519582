"""The calendar of a sweep's date ranges as a strip: one bar per range, split into training, validation and test.

Geometry only; the template draws it as inline SVG and chooses the colours.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from pipeline.dates import DateRange, month_start
from pipeline.sweep import Definition

_LABELS_WIDTH, _DAYS_WIDTH, _LINE_HEIGHT, _TOP = 200, 640, 22, 26
"""In pixels: the labels on the left, the days beside them, a line, and the ticks above the first line."""
_MOST_TICKS = 10


@dataclass(frozen=True)
class Segment:
    """The training, validation or test days of a range."""

    kind: str
    x: float
    width: float
    title: str


@dataclass(frozen=True)
class StripLine:
    """One line of the strip: a range, or the heading above a phase's ranges."""

    y: int
    text: str
    segments: tuple[Segment, ...] = ()


@dataclass(frozen=True)
class Strip:
    """The whole drawing, in pixels."""

    width: int
    height: int
    ticks: tuple[tuple[float, str], ...]
    """Position and label of months' first days."""
    lines: tuple[StripLine, ...]


def strip(definition: Definition) -> Strip:
    """The strip of all ranges of a sweep. Phases with the same ranges and the same training days share their lines."""
    ranges = [date_range for phase in definition.phases for date_range in phase.ranges]
    first, last = (
        month_start(min(date_range.start for date_range in ranges)),
        max(date_range.end for date_range in ranges),
    )
    scale = _DAYS_WIDTH / max(1, (last - first).days)

    def x(day: date) -> float:
        return round(_LABELS_WIDTH + (day - first).days * scale, 1)

    def segments(date_range: DateRange, days: int | None) -> Iterator[Segment]:
        split = date_range.split(definition.training.validation_share, definition.training.test_share)
        if days is not None:
            split = split.with_last_training_days(days)
        for kind, days_of in (("training", split.train), ("validation", split.valid), ("test", split.test)):
            width = round(x(days_of.end) - x(days_of.start), 1)
            yield Segment(kind, x(days_of.start), width, f"{kind}: {days_of}, {days_of.days} days")

    headings: dict[tuple[tuple[DateRange, ...], int | None], list[str]] = {}
    for phase in definition.of_settings:
        headings.setdefault((phase.ranges, phase.fidelity.train_days), []).append(phase.name)
    lines: list[StripLine] = []
    y = _TOP
    for (ranges_of_phases, days), names in headings.items():
        lines.append(StripLine(y, ", ".join(names)))
        for at, date_range in enumerate(sorted(ranges_of_phases), 1):
            lines.append(
                StripLine(
                    y + at * _LINE_HEIGHT, f"{date_range.start} to {date_range.end}", tuple(segments(date_range, days))
                )
            )
        y += (len(ranges_of_phases) + 1) * _LINE_HEIGHT + 8
    return Strip(
        _LABELS_WIDTH + _DAYS_WIDTH + 20,
        y,
        tuple((x(day), f"{day:%Y-%m}") for day in _months(first, last)),
        tuple(lines),
    )


def _months(first: date, last: date) -> Iterator[date]:
    months = (last.year - first.year) * 12 + last.month - first.month + 1
    step = next(step for step in (1, 2, 3, 6, 12, 24, 60, math.inf) if months / step <= _MOST_TICKS)
    for at in range(0, months, int(step) if step != math.inf else months):
        if (day := month_start(first, at)) < last:
            yield day
