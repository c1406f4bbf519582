"""A look at data before a sweep trains on them: the survey of all of them, or of the days that a spec would use.

What is measured of the days, and what is worth a warning, is the business of `data/survey.py`
and `data/warnings.py`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from pipeline.data import counting, survey, warnings
from pipeline.data.counting import RowCounts
from pipeline.data.files import Files
from pipeline.data.load import covered_days, why_no_days
from pipeline.data.source import DataSource, FilesSource
from pipeline.data.survey import Survey
from pipeline.dates import DateRange
from pipeline.errors import UserError
from pipeline.plan.resolve import resolve, source_of
from pipeline.spec import Spec
from pipeline.spec.model import Training
from pipeline.sweep import Definition


@dataclass(frozen=True)
class Look:
    """What a look at data shows."""

    survey: Survey
    covered: DateRange | None = None
    """The days of the data, where the survey is of fewer."""
    ranges: Mapping[DateRange, Sequence[str]] = field(default_factory=dict)
    """Each date range of the spec, and the phases that train on it."""
    shares: tuple[float, float] = (Training().validation_share, Training().test_share)
    """Of a range's days, those that validate and those that test."""
    decided: Sequence[str] = ()
    """What the spec leaves to the data, and what that comes to."""
    mistakes: Sequence[str] = ()
    """Why no sweep of the spec could start on these data."""

    @property
    def warnings(self) -> list[str]:
        return [*self.mistakes, *warnings.warnings(self.survey, self.ranges, self.shares)]


def look_at(source: DataSource) -> Look:
    """All of the data. Raises UserError if they cannot be read or have no day."""
    return Look(_survey(source, None))


def look_for(spec: Spec, data: DataSource | None) -> Look:
    """The days of a spec's date ranges, in the spec's data or else `data`; all days where it has ranges in none.

    Raises UserError if there are no data, if they cannot be read, or if the spec asks for what cannot be.
    """
    source = source_of(spec, data)
    if source is None:
        raise UserError("the spec names no data: its own trainer knows by itself where they are")
    rows_by_day = counting.count(source)
    covered = rows_by_day.covers if rows_by_day else covered_days(source)
    definition, mistakes = _definition(spec, data, covered, rows_by_day)
    ranges = _ranges(definition)
    span = DateRange(min(range_.start for range_ in ranges), max(range_.end for range_ in ranges))
    surveyed = _survey(source, None if covered and not span.overlaps(covered) else span, covered)
    training = definition.training
    return Look(
        surveyed,
        covered if covered != surveyed.covers else None,
        ranges,
        (training.validation_share, training.test_share),
        definition.decided,
        mistakes,
    )


def _survey(source: DataSource, span: DateRange | None, covered: DateRange | None = None) -> Survey:
    surveyed = survey.survey(source, span)
    if surveyed is not None:
        return surveyed
    if covered:
        raise UserError(f"the data have no rows in {span}; they cover {covered}")
    assert isinstance(source, FilesSource)
    raise UserError(why_no_days(Files.of(source).days_with_rows()[2]))


def _definition(
    spec: Spec, data: DataSource | None, covered: DateRange | None, rows_by_day: RowCounts | None
) -> tuple[Definition, list[str]]:
    """The sweep that the spec would start today, and why it could not on the days that the data cover."""
    now = datetime.now(UTC)
    try:
        return resolve(spec, now=now, token="look", data=data, covered=covered, rows_by_day=rows_by_day), []
    except UserError as error:
        if covered is None:
            raise
        return resolve(spec, now=now, token="look", data=data), str(error).splitlines()


def _ranges(definition: Definition) -> dict[DateRange, list[str]]:
    ranges: dict[DateRange, list[str]] = {}
    for phase in definition.of_settings:
        for date_range in phase.ranges:
            ranges.setdefault(date_range, []).append(phase.name)
    return dict(sorted(ranges.items()))
