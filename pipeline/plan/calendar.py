"""The date ranges that a spec's phases get on a given day: those that choose, and fresh ones that judge.

How days are split and rotate is the work of `dates.py`.
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
"""Months of short choosing, where neither the spec nor the data say how many."""


@dataclass(frozen=True)
class Calendar:
    """A spec on one day."""

    spec: Spec
    today: date
    covered: DateRange | None
    """The days of the data; None: nobody has looked."""
    used: tuple[DateRange, ...]
    """What earlier sweeps of this architecture and data chose on."""

    def choosing(self, phase: PhaseSpec) -> list[DateRange]:
        """The ranges of a phase that chooses. Raises UserError if one is too short, or none of its days has data."""
        ranges = phase.date_range or self.usual()
        if is_short(self.spec, phase) and not phase.date_range:
            # On the months before the ranges that will judge, so that those are fresh.
            first = min(date_range.start for date_range in ranges)
            ranges = dates.rotating(first, self.spec.short.ranges, self.spec.short.months or SHORT_MONTHS)
        return self._checked("date-range", ranges)

    def judging(self, chosen_on: Sequence[DateRange], *, is_short: bool) -> list[DateRange]:
        """Ranges that are fresh of those that choose, oldest first; none if there are none.

        Raises UserError if those of the spec's `confirm-range` are not fresh, or test twice on the same days.
        """
        if self.spec.confirm_range:
            return self._given(self.spec.confirm_range, chosen_on)
        return self.fresh(chosen_on, self.spec.confirm.ranges, is_short=is_short)

    def fresh(self, chosen_on: Sequence[DateRange], count: int, *, is_short: bool) -> list[DateRange]:
        """Up to `count` ranges that are fresh of those that choose, the newest ones, oldest first."""
        ranges: list[DateRange] = []
        for candidate in self._candidates(chosen_on, is_short):
            if len(ranges) == count or (self.covered and candidate.start < self.covered.start):
                break
            has_data = self.covered is None or candidate.end <= self.covered.end
            if has_data and not self._shares_test_days(candidate, ranges):
                ranges.append(candidate)
        return sorted(ranges)

    def is_unused(self, ranges: Iterable[DateRange]) -> bool:
        """Whether no earlier sweep chose on the days on which these ranges judge."""
        return all(dates.is_fresh(self._split("confirm-range", date_range), self.used) for date_range in ranges)

    def _given(self, given: list[DateRange], chosen_on: Sequence[DateRange]) -> list[DateRange]:
        ranges = self._checked("confirm-range", given)
        for at, date_range in enumerate(ranges):
            if not dates.is_fresh(self._split("confirm-range", date_range), chosen_on):
                raise UserError(f"confirm-range: {date_range} is not fresh: it would judge on days that were chosen on")
            if self._shares_test_days(date_range, ranges[:at]):
                raise UserError(f"confirm-range: {date_range} tests on days that another one tests on, too")
        return ranges

    def _candidates(self, chosen_on: Sequence[DateRange], is_short: bool) -> Iterable[DateRange]:
        """Ranges fresh of what chose, now and earlier, newest first: after a short choice the usual ones lead."""
        not_fresh = [*chosen_on, *self.used]
        newest = max(chosen_on, key=lambda date_range: date_range.end)
        first: list[DateRange] = []
        if is_short:
            usual = sorted(self.usual(), key=lambda date_range: date_range.end, reverse=True)
            newest = usual[0]
            first = [one for one in usual if dates.is_fresh(self._split("date-range", one), not_fresh)]
        valid, test = self.spec.training.validation_share, self.spec.training.test_share
        further = dates.fresh(not_fresh, newest, self.today, valid=valid, test=test)
        return itertools.chain(first, (date_range for date_range in further if date_range not in first))

    def usual(self) -> list[DateRange]:
        """The spec's ranges, else those that rotate."""
        return self.spec.date_range or dates.rotating(
            self.today, months=self.spec.range_months or dates.MONTHS_PER_RANGE
        )

    def _shares_test_days(self, date_range: DateRange, others: Iterable[DateRange]) -> bool:
        """Whether the same days would count twice."""
        test = self._split("confirm-range", date_range).test
        return any(test.overlaps(self._split("confirm-range", other).test) for other in others)

    def _checked(self, key: str, ranges: list[DateRange]) -> list[DateRange]:
        """The same ranges. Raises UserError if one cannot be split, or has none of the data's days."""
        for date_range in ranges:
            self._split(key, date_range)
            # A user's own files may lack days at either end, a last weekend say: the trial's log tells.
            if self.covered and not date_range.overlaps(self.covered):
                cure = "" if self.spec.date_range else f': set "as-of" (--as-of), for example to {self.covered.end}'
                raise UserError(f"{key}: {date_range} has none of the days that the data cover, {self.covered}{cure}")
        return ranges

    def _split(self, key: str, date_range: DateRange) -> dates.Split:
        try:
            return date_range.split(self.spec.training.validation_share, self.spec.training.test_share)
        except ValueError as error:
            raise UserError(f"{key}: {error}") from None
