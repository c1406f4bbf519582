"""Date ranges: half-open `[start, end)` of whole days. Rotates them, splits them, and finds fresh ones.

Days are those of the data. No clock and no time zone is read here: "today" is always an argument.
"""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

MONTHS_PER_RANGE = 3
RANGES = 3
TEST_DAYS_AT_LEAST = 7


@dataclass(frozen=True, order=True)
class DateRange:
    """The days from `start` up to, not including, `end`."""

    start: date
    end: date

    def __post_init__(self) -> None:
        if self.start >= self.end:
            raise ValueError(f"a date range must start before it ends: {self.start} is not before {self.end}")

    def __str__(self) -> str:
        return f"[{self.start}, {self.end})"

    @property
    def days(self) -> int:
        return (self.end - self.start).days

    def overlaps(self, other: "DateRange") -> bool:
        return self.start < other.end and other.start < self.end

    @classmethod
    def from_json(cls, days: Sequence[str]) -> "DateRange":
        """The range of `["2017-01-01", "2017-04-01"]`. Raises ValueError if these are not two days in this order."""
        start, end = days
        return cls(date.fromisoformat(start), date.fromisoformat(end))

    def as_json(self) -> list[str]:
        return [self.start.isoformat(), self.end.isoformat()]

    def split(self, valid: float = 0.15, test: float = 0.15) -> "Split":
        """Splits the days, in order of time, into train, validation and test.

        `valid` and `test` are shares of the days, in (0, 1). The test part has at least seven days, so that
        every weekday is in it; validation has at least one. Raises ValueError if no day is left to train on.
        """
        test_days = max(TEST_DAYS_AT_LEAST, round(self.days * test))
        valid_days = max(1, round(self.days * valid))
        train_days = self.days - valid_days - test_days
        if train_days < 1:
            raise ValueError(
                f"{self} has {self.days} days: {test_days} for testing and {valid_days} for validation "
                "leave none to train on"
            )
        middle = self.start + timedelta(days=train_days)
        last = middle + timedelta(days=valid_days)
        return Split(DateRange(self.start, middle), DateRange(middle, last), DateRange(last, self.end))


@dataclass(frozen=True)
class Split:
    """The three parts of a date range. Together they are exactly its days."""

    train: DateRange
    valid: DateRange
    test: DateRange

    def with_last_training_days(self, days: int) -> "Split":
        """The same split with at most `days` training days, the last ones."""
        start = max(self.train.start, self.train.end - timedelta(days=days))
        return Split(DateRange(start, self.train.end), self.valid, self.test)

    @property
    def judged(self) -> DateRange:
        """The days on which settings are compared: validation and test."""
        return DateRange(self.valid.start, self.test.end)


def month_start(day: date, months: int = 0) -> date:
    """First day of the month that lies `months` after (before, if negative) the month of `day`."""
    index = day.year * 12 + day.month - 1 + months
    return date(index // 12, index % 12 + 1, 1)


def whole_months(last: date, months: int, *, back: int = 0) -> DateRange:
    """`months` whole months, ending at the start of the month of `last`, moved back by `back` months.

    >>> print(whole_months(date(2026, 6, 14), 3))
    [2026-03-01, 2026-06-01)
    """
    return DateRange(month_start(last, -back - months), month_start(last, -back))


def rotating_ranges(today: date, ranges: int = RANGES, months: int = MONTHS_PER_RANGE) -> list[DateRange]:
    """The date ranges of a spec that names none, oldest first.

    Each is `months` whole months long and starts a month after the previous one. The last ends at the start of the
    current month: in June, [Jan, Apr), [Feb, May), [Mar, Jun). July gives another set on purpose.
    """
    return [whole_months(today, months, back=back) for back in reversed(range(ranges))]


def is_fresh(candidate: Split, chosen_on: Iterable[DateRange]) -> bool:
    """True if no validation or test day of `candidate` lies in a range of `chosen_on`."""
    return not any(candidate.judged.overlaps(used) for used in chosen_on)


def fresh_ranges(
    chosen_on: Iterable[DateRange], like: DateRange, today: date, *, valid: float = 0.15, test: float = 0.15
) -> Iterator[DateRange]:
    """Fresh ranges as long as `like`, newest first, from `today` back to the start of the calendar.

    They lie a month apart if `like` is whole months, else as far apart as they are long. The caller stops where its
    data end.
    """
    used = tuple(chosen_on)
    for candidate in _back_from(today, like):
        if is_fresh(candidate.split(valid, test), used):
            yield candidate


def ranges_after(
    earlier: Sequence[DateRange], day: date, *, valid: float = 0.15, test: float = 0.15
) -> Iterator[DateRange]:
    """Ranges that continue `earlier`, oldest first, and whose validation and test days lie after `day`.

    They are as long as the newest of `earlier`, and as far apart as `earlier` are. After a single range, they lie a
    month apart if it is whole months, else as far apart as they are long. No two of them test on the same day.
    """
    newest = max(earlier, key=lambda date_range: (date_range.end, date_range.start))
    ends = sorted({date_range.end for date_range in earlier})
    is_whole_months = all(bound.day == 1 for date_range in earlier for bound in (date_range.start, date_range.end))
    tested: DateRange | None = None
    for number in itertools.count(1):
        try:
            if is_whole_months:
                step = min((_months(end, next_end) for end, next_end in itertools.pairwise(ends)), default=1)
                candidate = whole_months(newest.end, _months(newest.start, newest.end), back=-number * step)
            else:
                step = min(((next_end - end).days for end, next_end in itertools.pairwise(ends)), default=newest.days)
                shift = timedelta(days=number * step)
                candidate = DateRange(newest.start + shift, newest.end + shift)
        except (ValueError, OverflowError):  # the calendar ends in the year 9999
            return
        split = candidate.split(valid, test)
        if split.judged.start > day and not (tested and tested.overlaps(split.test)):
            tested = split.test
            yield candidate


def _months(first: date, last: date) -> int:
    """Months between the first days of two months."""
    return (last.year - first.year) * 12 + last.month - first.month


def _back_from(today: date, like: DateRange) -> Iterator[DateRange]:
    months = _months(like.start, like.end)
    is_whole_months = like.start.day == like.end.day == 1
    ranges_until_today = (today - like.end).days // like.days
    for back in itertools.count():
        try:
            if is_whole_months:
                yield whole_months(today, months, back=back)
            else:
                shift = timedelta(days=like.days * (ranges_until_today - back))
                yield DateRange(like.start + shift, like.end + shift)
        except (ValueError, OverflowError):  # the calendar begins in the year 1
            return
