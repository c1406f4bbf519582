"""Looks at data for `hpt data`: at all of their days, or at the days that a spec would use.

`data/survey.py` measures the days, and `data/warnings.py` writes the warnings.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from pipeline.data import counting, survey, warnings
from pipeline.data.counting import RowCounts
from pipeline.data.files import Files
from pipeline.data.load import covered_days, no_days
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
    """Result of a look at data."""

    survey: Survey
    covered: DateRange | None = None
    """All days of the data, if the survey covers fewer; else None."""
    ranges: Mapping[DateRange, Sequence[str]] = field(default_factory=dict)
    """{date range of the spec: names of the phases that train on it}."""
    shares: tuple[float, float] = (Training().validation_share, Training().test_share)
    """Shares of a range's days that validate, and that test."""
    decided: Sequence[str] = ()
    """Lines about what the spec leaves to the data."""
    mistakes: Sequence[str] = ()
    """Lines that say why no sweep of the spec can start on these data."""

    @property
    def warnings(self) -> list[str]:
        return [*self.mistakes, *warnings.warnings(self.survey, self.ranges, self.shares)]


def look_at(source: DataSource) -> Look:
    """Looks at all days of the data. Raises UserError if they cannot be read or have no day."""
    return Look(_survey(source, None))


def look_for(spec: Spec, data: DataSource | None) -> Look:
    """Looks at the days of a spec's date ranges, in the spec's data or else `data`; at all days if no range has data.

    Raises UserError if there are no data, if they cannot be read, or if the spec asks for the impossible.
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
    raise UserError(no_days(Files.of(source).days_with_rows()[2]))


def _definition(
    spec: Spec, data: DataSource | None, covered: DateRange | None, rows_by_day: RowCounts | None
) -> tuple[Definition, list[str]]:
    """The sweep that the spec would start today, and lines that say why the data's days forbid it."""
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
