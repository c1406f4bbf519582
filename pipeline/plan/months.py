"""Chooses the length of the rotating ranges, and of the ranges of short choosing, where the spec leaves it to the data.

The length is the fewest whole months with enough rows to train on, or a fixed one where the rows are not counted.
`calendar.py` then places ranges of this length.
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
"""Rows to train on in a range; beyond them, more months are not worth their time."""
RANGES_LEFT = 6
"""Fresh ranges that must remain to judge on. This limits the length of ranges: fewer of them would miss small gains."""
VALIDATION_ROWS = 1000
"""Enough rows to validate on: they measure an error to about 4 % (`noise_of`), and settings near the best differ by
about as much."""

_READY_MADE = ("learning-rate", "architecture", "near-best")
_NUMBERS = ("no", *["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"])


@dataclass(frozen=True)
class Months:
    """A spec whose `range-months` and `short.months` are decided."""

    spec: Spec
    lines: tuple[str, ...] = ()
    """A line for each length that was chosen, and why."""


def depends_on_rows(spec: Spec) -> bool:
    """True if the definition of a sweep of the spec depends on the rows of its data, not only on their days."""
    rotates = not (spec.date_range or spec.range_months)
    return rotates or any(is_short(spec, phase) or phase.name in _READY_MADE for phase in _phases(spec))


def decide(
    spec: Spec, source: DataSource | None, today: date, covered: DateRange | None, rows_by_day: RowCounts | None
) -> Months:
    """The spec with `range-months` and `short.months` by the rows of its data; without `rows_by_day`, by fixed lengths.

    `source` is None for a team's own trainer that finds its data itself. If the data have too little before the ranges
    that judge, short choosing becomes full. Ranges used by earlier sweeps play no part, so that ranges are equally long
    night after night.
    """
    lines: list[str] = []
    short = [phase for phase in _phases(spec) if is_short(spec, phase) and not phase.date_range]
    rotates = not (spec.date_range or spec.range_months) and any(
        is_short(spec, phase) or not phase.date_range for phase in _phases(spec)
    )
    if rows_by_day is None and source is not None:
        lines += _by_calendar(rotates, bool(short) and spec.short.months is None)

    # The rotating ranges.
    if rotates:
        months = dates.MONTHS_PER_RANGE
        if covered is not None and rows_by_day is not None:
            choice = _rotating(_Place(spec, today, covered, rows_by_day))
            months = choice.months
            lines.append(_rotating_in_words(choice))
        spec = spec.model_copy(update={"range_months": months})

    # The ranges of short choosing, which lie before them.
    if short and covered is not None:
        place = _Place(spec, today, covered, rows_by_day)
        short_choice = _short(place)
        if short_choice is None:
            lines.append(
                f"choosing is full: before {place.first_judging}, where the ranges that judge begin, the data have too "
                "little for short choosing to train, validate and test on"
            )
            return Months(_in_full(spec), tuple(lines))
        if rows_by_day is not None:
            lines += _short_in_words(place, short_choice)
        spec = _with_short(spec, short_choice.months)
    return Months(spec, tuple(lines))


def noise_of(rows: int) -> float:
    """Relative standard error of a mean squared error over n rows with Gaussian errors: sqrt(2 / n).

    A squared error then has a chi-squared distribution, whose variance is twice its squared mean.
    """
    return math.sqrt(2 / rows)


class _Choice(NamedTuple):
    """A length in months, its rows, and, to explain the choice, the shortest length that was allowed."""

    months: int
    has_all_parts: bool
    """True if the train, validation and test days of each range have rows."""
    rows: int
    """Training rows of the range that has the fewest."""
    least: int
    """The fewest months that were allowed; the next two fields are theirs."""
    least_has_all_parts: bool
    least_rows: int


@dataclass(frozen=True)
class _Place:
    """A spec on one day, and the days and rows of its data."""

    spec: Spec
    today: date
    covered: DateRange
    rows_by_day: RowCounts | None

    @cached_property
    def first_judging(self) -> date:
        """First day of the rotating ranges, or of the spec's own: short choosing ends there."""
        return min(range_.start for range_ in self.calendar.usual())

    @property
    def calendar(self) -> Calendar:
        return Calendar(self.spec, self.today, self.covered, ())

    def rows(self, ranges: Iterable[DateRange]) -> tuple[bool, int]:
        """True if the train, validation and test days of each range have rows; and the fewest training rows of any."""
        assert self.rows_by_day is not None
        training, parts = self.spec.training, []
        for range_ in ranges:
            try:
                split = range_.split(training.validation_share, training.test_share)
            except ValueError:  # reported when the phases are made
                return False, 0
            parts.append([self.rows_by_day.within(part) for part in (split.train, split.valid, split.test)])
        return all(all(part) for part in parts), min(part[0] for part in parts)


def _rotating(place: _Place) -> _Choice:
    """The months of the rotating ranges."""
    least = dates.MONTHS_PER_RANGE
    months_of_data = _months_between(
        dates.month_start(place.covered.start, int(place.covered.start.day > 1)), place.today
    )
    # Three ranges of m months, a month apart, and six fresh ones before them take 2 m + 7 months.
    most = max(least, (months_of_data - RANGES_LEFT - 1) // 2)

    def ranges(months: int) -> list[DateRange]:
        return dates.rotating_ranges(place.today, months=months)

    def leaves_enough(months: int) -> bool:
        # Ranges of more than six months test on more than a month: neighbours share test days, and only every other
        # one can judge. The formula above does not know that.
        calendar = replace(place, spec=place.spec.model_copy(update={"range_months": months})).calendar
        try:
            return len(calendar.fresh(ranges(months), RANGES_LEFT, is_short=False)) == RANGES_LEFT
        except UserError:  # a range that cannot be split is reported when the phases are made
            return False

    longer = (months for months in range(least + 1, most + 1) if leaves_enough(months))
    return _fewest(itertools.chain([least], longer), ranges, place)


def _short(place: _Place) -> _Choice | None:
    """The months of short choosing; None if the data before the ranges that judge are too few for it."""
    first, requested = place.first_judging, place.spec.short.months
    before = _months_between(place.covered.start, first) - (place.spec.short.ranges - 1)

    def ranges(months: int) -> list[DateRange]:
        return dates.rotating_ranges(first, place.spec.short.ranges, months)

    if place.rows_by_day is None:
        months = requested or SHORT_MONTHS
        has_data = all(range_.overlaps(place.covered) for range_ in ranges(months))
        return _Choice(months, True, 0, months, True, 0) if has_data else None
    possible = [requested] if requested else range(SHORT_MONTHS, max(before, SHORT_MONTHS) + 1)
    choice = _fewest(possible, ranges, place)
    # Months that the spec names are accepted without validation or test rows, but not without training rows.
    return choice if choice.has_all_parts or (requested and choice.rows) else None


def _fewest(possible: Iterable[int], ranges: Callable[[int], list[DateRange]], place: _Place) -> _Choice:
    """The fewest months with enough training rows, and any validation and test rows; else those nearest to that."""
    candidates: list[tuple[int, bool, int]] = []
    for months in possible:
        has_all_parts, rows = place.rows(ranges(months))
        candidates.append((months, has_all_parts, rows))
        if has_all_parts and rows >= ENOUGH_TRAINING_ROWS:
            break
    # `max` takes the first, hence the fewest months, of equals.
    best = max(candidates, key=lambda candidate: (candidate[1], min(candidate[2], ENOUGH_TRAINING_ROWS)))
    return _Choice(*best, *candidates[0])


def _phases(spec: Spec) -> list[PhaseSpec]:
    """The phases that the spec names; else a single phase that stands for all, since they choose on the same ranges."""
    if spec.phases:
        return spec.phases
    names = {"parameters": "screen", "nothing": TRAIN}
    return [PhaseSpec.model_validate({"name": names.get(spec.tune, "learning-rate")})]


def _with_short(spec: Spec, months: int) -> Spec:
    return spec.model_copy(update={"short": spec.short.model_copy(update={"months": months})})


def _in_full(spec: Spec) -> Spec:
    """The spec with phases that choose on the rotating ranges, not before them."""
    phases = spec.phases and [
        phase if phase.date_range else phase.model_copy(update={"mode": "full"}) for phase in spec.phases
    ]
    return spec.model_copy(update={"mode": "full", "phases": phases})


def _months_between(first: date, last: date) -> int:
    """Months from the month of `first` to the month of `last`."""
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
    elif choice.least_has_all_parts:
        line += f"{least} have {_rows(choice.least_rows)} to train on, {months} {choice.rows:,}"
    else:
        line += f"{least} leave a part empty, {months} have {_rows(choice.rows)} to train on"
    if choice.rows >= ENOUGH_TRAINING_ROWS:
        return line
    obstacle = f"longer ones have no more, or leave fewer than {_number(RANGES_LEFT)} ranges to judge"
    return f"{line} ({ENOUGH_TRAINING_ROWS:,} would be enough, but {obstacle})"


def _short_in_words(place: _Place, choice: _Choice) -> list[str]:
    """Lines about the length of short choosing, and about gains too small for its validation to see."""
    spec, rows_by_day, months = place.spec, place.rows_by_day, choice.months
    assert rows_by_day is not None
    lines = []
    if spec.short.months is None:
        line = f"short: {_counted(months)}"
        if months == choice.least:
            line += f", with {_rows(choice.rows)} to train on"
        else:
            has = f"has {_rows(choice.least_rows)} to train on" if choice.least_has_all_parts else "leaves a part empty"
            line += f", because {_number(choice.least)} {has}; {_number(months)} have {choice.rows:,}"
        if choice.rows < ENOUGH_TRAINING_ROWS:
            line += f" ({ENOUGH_TRAINING_ROWS:,} would be enough: the data have no more before the ranges that judge)"
        lines.append(line)

    shares = spec.training.validation_share, spec.training.test_share
    ranges = dates.rotating_ranges(place.first_judging, spec.short.ranges, months)
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
