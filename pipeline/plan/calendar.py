"""Date ranges of a spec's phases on a given day: the ranges that choose, and the fresh ranges that judge.

Splitting and rotating ranges is the work of `dates.py`.
"""

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date

from pipeline import dates
from pipeline.dates import DateRange
from pipeline.errors import UserError
from pipeline.plan.phases import is_short
from pipeline.spec import Spec
from pipeline.spec.model import PhaseSpec

SHORT_MONTHS = 1
"""Months of a range of short choosing, where neither the spec nor the data decide."""


@dataclass(frozen=True)
class Calendar:
    """A spec on one day."""

    spec: Spec
    today: date
    covered: DateRange | None
    """The days of the data; None: not known."""
    used: tuple[DateRange, ...]
    """Date ranges that earlier sweeps of this architecture and data chose on."""

    def choosing(self, phase: PhaseSpec) -> list[DateRange]:
        """The ranges of a phase that chooses. Raises UserError if a range is too short or has no day of the data."""
        ranges = phase.date_range or self.usual()
        if is_short(self.spec, phase) and not phase.date_range:
            # The months before the ranges that will judge, so that the judging ranges are fresh.
            first = min(date_range.start for date_range in ranges)
            ranges = dates.rotating_ranges(first, self.spec.short.ranges, self.spec.short.months or SHORT_MONTHS)
        return self._checked("date-range", ranges)

    def judging(self, chosen_on: Sequence[DateRange], *, is_short: bool) -> list[DateRange]:
        """The ranges that judge, oldest first; empty if no range is fresh.

        Raises UserError if a range of the spec's `confirm-range` is not fresh, or shares test days with another.
        """
        if self.spec.confirm_range:
            return self._confirm_ranges(self.spec.confirm_range, chosen_on)
        return self.fresh(chosen_on, self.spec.confirm.ranges, is_short=is_short)

    def fresh(self, chosen_on: Sequence[DateRange], count: int, *, is_short: bool) -> list[DateRange]:
        """The newest ranges that are fresh, `count` at most; oldest first."""
        ranges: list[DateRange] = []
        for candidate in self._candidates(chosen_on, is_short):
            if len(ranges) == count or (self.covered and candidate.start < self.covered.start):
                break
            has_data = self.covered is None or candidate.end <= self.covered.end
            if has_data and not self._shares_test_days(candidate, ranges):
                ranges.append(candidate)
        return sorted(ranges)

    def is_unused(self, ranges: Iterable[DateRange]) -> bool:
        """True if no earlier sweep chose on the validation or test days of these ranges."""
        return all(dates.is_fresh(self._split("confirm-range", date_range), self.used) for date_range in ranges)

    def _confirm_ranges(self, ranges: list[DateRange], chosen_on: Sequence[DateRange]) -> list[DateRange]:
        ranges = self._checked("confirm-range", ranges)
        for at, date_range in enumerate(ranges):
            if not dates.is_fresh(self._split("confirm-range", date_range), chosen_on):
                raise UserError(f"confirm-range: {date_range} is not fresh: its validation or test days also choose")
            if self._shares_test_days(date_range, ranges[:at]):
                raise UserError(f"confirm-range: {date_range} has test days in common with another range")
        return ranges

    def _candidates(self, chosen_on: Sequence[DateRange], is_short: bool) -> Iterable[DateRange]:
        """Fresh ranges, newest first: no phase and no earlier sweep chose on them.

        After short choosing, the usual ranges come first: short choosing used days before them.
        """
        not_fresh = [*chosen_on, *self.used]
        newest = max(chosen_on, key=lambda date_range: date_range.end)
        first: list[DateRange] = []
        if is_short:
            usual = sorted(self.usual(), key=lambda date_range: date_range.end, reverse=True)
            newest = usual[0]
            first = [range_ for range_ in usual if dates.is_fresh(self._split("date-range", range_), not_fresh)]
        valid, test = self.spec.training.validation_share, self.spec.training.test_share
        further = dates.fresh_ranges(not_fresh, newest, self.today, valid=valid, test=test)
        return itertools.chain(first, (date_range for date_range in further if date_range not in first))

    def usual(self) -> list[DateRange]:
        """The spec's ranges, else the rotating ranges of the day."""
        return self.spec.date_range or dates.rotating_ranges(
            self.today, months=self.spec.range_months or dates.MONTHS_PER_RANGE
        )

    def _shares_test_days(self, date_range: DateRange, others: Iterable[DateRange]) -> bool:
        test = self._split("confirm-range", date_range).test
        return any(test.overlaps(self._split("confirm-range", other).test) for other in others)

    def _checked(self, key: str, ranges: list[DateRange]) -> list[DateRange]:
        """The same ranges. Raises UserError if a range cannot be split, or has no day of the data."""
        for date_range in ranges:
            self._split(key, date_range)
            # A partial overlap is no error: files may lack days at either end, such as a last weekend. The trial's log
            # says so.
            if self.covered and not date_range.overlaps(self.covered):
                cure = "" if self.spec.date_range else f': set "as-of" (--as-of), for example to {self.covered.end}'
                raise UserError(f"{key}: {date_range} has none of the days that the data cover, {self.covered}{cure}")
        return ranges

    def _split(self, key: str, date_range: DateRange) -> dates.Split:
        try:
            return date_range.split(self.spec.training.validation_share, self.spec.training.test_share)
        except ValueError as error:
            raise UserError(f"{key}: {error}") from None
