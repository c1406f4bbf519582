"""How many months the ranges that rotate get, and those of short choosing, where the spec leaves that to the data.

The fewest whole months with enough rows to train on; where nobody counted the rows, the calendar alone decides. Which
days such ranges then are is the business of `calendar.py`.
"""

import itertools
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property
from typing import NamedTuple

from pipeline import dates
from pipeline.data.counting import RowCounts
from pipeline.data.source import DataSource
from pipeline.dates import DateRange
from pipeline.errors import UserError
from pipeline.plan.calendar import SHORT_MONTHS, Calendar
from pipeline.plan.phases import TRAIN, is_short
from pipeline.spec import Spec
from pipeline.spec.model import PhaseSpec

ENOUGH_TRAINING_ROWS = 5000
"""Rows in the training part of a range from which more months are not worth their time."""
RANGES_LEFT = 6
"""Ranges that longer ones must leave to judge: with fewer, only larger gains are found."""
VALIDATION_ROWS = 1000
"""From so many rows on, an error is known to about 4 % (`noise_of`), which is what settings near the best differ by."""

_READY_MADE = ("learning-rate", "architecture", "near-best")
_NUMBERS = ("no", *["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"])


@dataclass(frozen=True)
class Months:
    """A spec in which all months are said, and how they came about."""

    spec: Spec
    lines: tuple[str, ...] = ()
    """What was left to the data, what that came to and why: a line each."""


def depends_on_rows(spec: Spec) -> bool:
    """Whether a sweep of the spec is another one where the data have other rows on their days."""
    chosen = _phases(spec)
    is_left = not (spec.date_range or spec.range_months)
    return is_left or any(is_short(spec, phase) or phase.name in _READY_MADE for phase in chosen)


def decide(
    spec: Spec, source: DataSource | None, today: date, covered: DateRange | None, rows_by_day: RowCounts | None
) -> Months:
    """The spec with all months said, as its data have rows; without `rows_by_day`, as the calendar has months.

    `source` is None where a trainer of the user's own knows by itself where its data are. If the data have nothing
    before the ranges that judge, choosing becomes full. What earlier sweeps chose on plays no part, so that ranges are
    equally long night after night.
    """
    lines: list[str] = []
    short = [phase for phase in _phases(spec) if is_short(spec, phase) and not phase.date_range]
    is_left = not (spec.date_range or spec.range_months) and any(
        is_short(spec, phase) or not phase.date_range for phase in _phases(spec)
    )
    if rows_by_day is None and source is not None:
        lines += _by_calendar(is_left, bool(short) and spec.short.months is None)

    # The ranges that rotate.
    if is_left:
        months = dates.MONTHS_PER_RANGE
        if covered is not None and rows_by_day is not None:
            choice = _rotating(_Place(spec, today, covered, rows_by_day))
            months = choice.months
            lines.append(_rotating_in_words(choice))
        spec = spec.model_copy(update={"range_months": months})

    # Those of short choosing, before them.
    if short and covered is not None:
        place = _Place(spec, today, covered, rows_by_day)
        chosen = _short(place)
        if chosen is None:
            lines.append(
                f"choosing is full: before {place.first_judging}, where the ranges that judge begin, the data have too "
                "little for short choosing to train, validate and test on"
            )
            return Months(_in_full(spec), tuple(lines))
        if rows_by_day is not None:
            lines += _short_in_words(place, chosen)
        spec = _with_short(spec, chosen.months)
    return Months(spec, tuple(lines))


def noise_of(rows: int) -> float:
    """Relative standard error of a mean squared error over so many rows whose errors are Gaussian: sqrt(2 / n).

    A squared error then has a chi-squared distribution, whose variance is twice its squared mean.
    """
    return math.sqrt(2 / rows)


class _Choice(NamedTuple):
    """A number of months, and what it was chosen for."""

    months: int
    is_whole: bool
    """Whether there are rows in each part of each range."""
    rows: int
    """To train on, in the range that has the fewest."""
    least: int
    """The fewest months that could have been chosen; what they have follows."""
    least_is_whole: bool
    least_rows: int


@dataclass(frozen=True)
class _Place:
    """A spec on one day, and what its data have."""

    spec: Spec
    today: date
    covered: DateRange
    rows_by_day: RowCounts | None

    @cached_property
    def first_judging(self) -> date:
        """Where the ranges that rotate, or that the spec names, begin: short choosing ends there."""
        return min(range_.start for range_ in self.calendar.usual())

    @property
    def calendar(self) -> Calendar:
        return Calendar(self.spec, self.today, self.covered, ())

    def rows(self, ranges: Iterable[DateRange]) -> tuple[bool, int]:
        """Whether each range has rows in all of its parts, and how many the least of them has to train on."""
        assert self.rows_by_day is not None
        training, parts = self.spec.training, []
        for range_ in ranges:
            try:
                split = range_.split(training.validation_share, training.test_share)
            except ValueError:  # said when the phases are made
                return False, 0
            parts.append([self.rows_by_day.within(part) for part in (split.train, split.valid, split.test)])
        return all(all(part) for part in parts), min(part[0] for part in parts)


def _rotating(place: _Place) -> _Choice:
    """As many months as the ranges that rotate should have."""
    least = dates.MONTHS_PER_RANGE
    whole = _months_between(dates.month_start(place.covered.start, int(place.covered.start.day > 1)), place.today)
    # Three ranges a month apart, and before them six fresh ones: 2 m + 7 months.
    most = max(least, (whole - RANGES_LEFT - 1) // 2)

    def ranges(months: int) -> list[DateRange]:
        return dates.rotating(place.today, months=months)

    def leaves_enough(months: int) -> bool:
        # Of ranges longer than six months, neighbours test on the same days, and only every other one can judge.
        calendar = replace(place, spec=place.spec.model_copy(update={"range_months": months})).calendar
        try:
            return len(calendar.fresh(ranges(months), RANGES_LEFT, is_short=False)) == RANGES_LEFT
        except UserError:  # what cannot be split is said when the phases are made
            return False

    longer = (months for months in range(least + 1, most + 1) if leaves_enough(months))
    return _fewest(itertools.chain([least], longer), ranges, place)


def _short(place: _Place) -> _Choice | None:
    """As many months as short choosing should have; None if nothing before the ranges that judge is enough for it."""
    first, said = place.first_judging, place.spec.short.months
    before = _months_between(place.covered.start, first) - (place.spec.short.ranges - 1)

    def ranges(months: int) -> list[DateRange]:
        return dates.rotating(first, place.spec.short.ranges, months)

    if place.rows_by_day is None:
        months = said or SHORT_MONTHS
        is_there = all(range_.overlaps(place.covered) for range_ in ranges(months))
        return _Choice(months, True, 0, months, True, 0) if is_there else None
    choice = _fewest([said] if said else range(SHORT_MONTHS, max(before, SHORT_MONTHS) + 1), ranges, place)
    # What a spec asks for itself it gets, if a training has anything to begin with.
    return choice if choice.is_whole or (said and choice.rows) else None


def _fewest(possible: Iterable[int], ranges: Callable[[int], list[DateRange]], place: _Place) -> _Choice:
    """The fewest months with enough rows to train on and some in each other part; else those that come nearest."""
    tried = []
    for months in possible:
        tried.append((months, *place.rows(ranges(months))))
        if tried[-1][1] and tried[-1][2] >= ENOUGH_TRAINING_ROWS:
            break
    # Of equals, the first.
    best = max(tried, key=lambda one: (one[1], min(one[2], ENOUGH_TRAINING_ROWS)))
    return _Choice(*best, *tried[0])


def _phases(spec: Spec) -> list[PhaseSpec]:
    """The phases that the spec names; else one that stands for all of them, which choose alike."""
    if spec.phases:
        return spec.phases
    names = {"parameters": "screen", "nothing": TRAIN}
    return [PhaseSpec.model_validate({"name": names.get(spec.tune, "learning-rate")})]


def _with_short(spec: Spec, months: int) -> Spec:
    return spec.model_copy(update={"short": spec.short.model_copy(update={"months": months})})


def _in_full(spec: Spec) -> Spec:
    """The spec with phases that choose on the ranges that rotate, not before them."""
    phases = spec.phases and [
        phase if phase.date_range else phase.model_copy(update={"mode": "full"}) for phase in spec.phases
    ]
    return spec.model_copy(update={"mode": "full", "phases": phases})


def _months_between(first: date, last: date) -> int:
    """From the month of the one to the month of the other."""
    return (last.year - first.year) * 12 + last.month - first.month


# -- in words


def _by_calendar(rotates: bool, is_short: bool) -> list[str]:
    parts = [f"ranges of {_counted(dates.MONTHS_PER_RANGE)}"] if rotates else []
    parts += [f"short: {_counted(SHORT_MONTHS)}"] if is_short else []
    if not parts:
        return []
    return [f"{', '.join(parts)}: by the calendar alone, as nobody has counted the rows of the data"]


def _rotating_in_words(choice: _Choice) -> str:
    months, least = _number(choice.months), _number(choice.least)
    line = f"ranges of {_counted(choice.months)}: "
    if choice.months == choice.least:
        line += f"{_rows(choice.rows)} or more to train on"
    elif choice.least_is_whole:
        line += f"{least} have {_rows(choice.least_rows)} to train on, {months} {choice.rows:,}"
    else:
        line += f"{least} leave a part empty, {months} have {_rows(choice.rows)} to train on"
    if choice.rows >= ENOUGH_TRAINING_ROWS:
        return line
    why = f"longer ones have no more, or leave fewer than {_number(RANGES_LEFT)} ranges to judge"
    return f"{line} ({ENOUGH_TRAINING_ROWS:,} would be enough, but {why})"


def _short_in_words(place: _Place, choice: _Choice) -> list[str]:
    """How long short choosing is, and which gains its validation cannot tell apart."""
    spec, rows_by_day, months = place.spec, place.rows_by_day, choice.months
    assert rows_by_day is not None
    lines = []
    if spec.short.months is None:
        line = f"short: {_counted(months)}"
        if months == choice.least:
            line += f", with {_rows(choice.rows)} to train on"
        else:
            has = f"has {_rows(choice.least_rows)} to train on" if choice.least_is_whole else "leaves a part empty"
            line += f", because {_number(choice.least)} {has}; {_number(months)} have {choice.rows:,}"
        if choice.rows < ENOUGH_TRAINING_ROWS:
            line += f" ({ENOUGH_TRAINING_ROWS:,} would be enough: the data have no more before the ranges that judge)"
        lines.append(line)

    shares = spec.training.validation_share, spec.training.test_share
    ranges = dates.rotating(place.first_judging, spec.short.ranges, months)
    rows = sum(rows_by_day.within(range_.split(*shares).valid) for range_ in ranges)
    if rows >= VALIDATION_ROWS and choice.rows >= ENOUGH_TRAINING_ROWS:
        return lines
    line = f"short: {_rows(rows)} to validate on"
    if 0 < rows < VALIDATION_ROWS and spec.objective.metric == "mse":
        line += f": gains below {100 * noise_of(rows):.0f} % may be luck (sqrt(2/n); on the same rows somewhat less)"
    check = "`hpt calibrate` on a SPEC with `parameters` measures whether short choosing ranks settings as full does"
    return [*lines, f"{line}; {check}"]


def _rows(number: int) -> str:
    return f"{number:,} row" + ("s" if number != 1 else "")


def _number(number: int) -> str:
    return _NUMBERS[number] if number < len(_NUMBERS) else f"{number:,}"


def _counted(months: int) -> str:
    return f"{_number(months)} month" + ("s" if months != 1 else "")
