"""Date ranges: half-open `[start, end)` of whole days, how they rotate, how they are split, which are fresh.

Days are the data's own; no clock and no time zone is read here: "today" is always an argument.
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
        """`["2017-01-01", "2017-04-01"]`. Raises ValueError if these are not two days in this order."""
        start, end = days
        return cls(date.fromisoformat(start), date.fromisoformat(end))

    def as_json(self) -> list[str]:
        return [self.start.isoformat(), self.end.isoformat()]

    def split(self, valid: float = 0.15, test: float = 0.15) -> "Split":
        """Train, validation and test days in order of time: never a later day in an earlier part.

        `valid` and `test` are shares of the days, in (0, 1). The test part has at least seven days, so that
        every weekday is in it; validation has at least one. Raises ValueError if nothing is left to train on.
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
    """The three parts of a date range; together they are exactly its days."""

    train: DateRange
    valid: DateRange
    test: DateRange

    def with_last_training_days(self, days: int) -> "Split":
        """The same validation and test days after at most `days` of the training days, the last ones."""
        start = max(self.train.start, self.train.end - timedelta(days=days))
        return Split(DateRange(start, self.train.end), self.valid, self.test)

    @property
    def judged(self) -> DateRange:
        """The days on which settings are compared: validation and test."""
        return DateRange(self.valid.start, self.test.end)


def month_start(day: date, months: int = 0) -> date:
    """The first day of the month that lies `months` after (before, if negative) the month of `day`."""
    index = day.year * 12 + day.month - 1 + months
    return date(index // 12, index % 12 + 1, 1)


def whole_months(last: date, months: int, *, back: int = 0) -> DateRange:
    """`months` whole months, ending at the start of the month of `last`, moved back by `back` months."""
    return DateRange(month_start(last, -back - months), month_start(last, -back))


def rotating(today: date, ranges: int = RANGES, months: int = MONTHS_PER_RANGE) -> list[DateRange]:
    """The date ranges of a spec that names none, oldest first.

    Each is `months` whole months long, one month after the one before it; the last ends at the start of the
    current month. In June that is [Jan, Apr), [Feb, May), [Mar, Jun); in July it is another set, which is the point.
    """
    return [whole_months(today, months, back=back) for back in reversed(range(ranges))]


def is_fresh(candidate: Split, chosen_on: Iterable[DateRange]) -> bool:
    """Whether no day on which `candidate` would judge lies in any part of any range used for choosing."""
    return not any(candidate.judged.overlaps(used) for used in chosen_on)


def fresh(
    chosen_on: Iterable[DateRange], like: DateRange, today: date, *, valid: float = 0.15, test: float = 0.15
) -> Iterator[DateRange]:
    """Fresh ranges as long as `like`, newest first, from `today` back to where the calendar begins.

    They lie a month apart if `like` is whole months, else a range length apart. The caller takes as many as the data
    allow.
    """
    used = tuple(chosen_on)
    for candidate in _back_from(today, like):
        if is_fresh(candidate.split(valid, test), used):
            yield candidate


def following(alike: Sequence[DateRange], day: date, *, valid: float = 0.15, test: float = 0.15) -> Iterator[DateRange]:
    """Ranges as long as the newest of `alike`, and as far apart, that judge after `day` alone; oldest first.

    A single range says nothing of how far: whole months then follow each other by a month, others by their length. No
    day is tested on twice.
    """
    newest = max(alike, key=lambda one: (one.end, one.start))
    ends = sorted({one.end for one in alike})
    whole = all(bound.day == 1 for one in alike for bound in (one.start, one.end))
    tested: DateRange | None = None
    for number in itertools.count(1):
        try:
            if whole:
                step = min((_months(one, other) for one, other in itertools.pairwise(ends)), default=1)
                candidate = whole_months(newest.end, _months(newest.start, newest.end), back=-number * step)
            else:
                step = min(((other - one).days for one, other in itertools.pairwise(ends)), default=newest.days)
                shift = timedelta(days=number * step)
                candidate = DateRange(newest.start + shift, newest.end + shift)
        except (ValueError, OverflowError):  # the calendar ends in the year 9999
            return
        split = candidate.split(valid, test)
        if split.judged.start > day and not (tested and tested.overlaps(split.test)):
            tested = split.test
            yield candidate


def _months(first: date, last: date) -> int:
    """From a first day of a month to another."""
    return (last.year - first.year) * 12 + last.month - first.month


def _back_from(today: date, like: DateRange) -> Iterator[DateRange]:
    months = _months(like.start, like.end)
    whole = like.start.day == like.end.day == 1
    later = (today - like.end).days // like.days
    for back in itertools.count():
        try:
            if whole:
                yield whole_months(today, months, back=back)
            else:
                shift = timedelta(days=like.days * (later - back))
                yield DateRange(like.start + shift, like.end + shift)
        except (ValueError, OverflowError):  # the calendar begins in the year 1
            return
