"""A look at data before a sweep trains on them."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import typer

from pipeline.errors import UserError
from pipeline.verbs.common import AsOfOption, DataOption, SpecArgument, data_of, print_table

if TYPE_CHECKING:
    from pipeline.data.source import DataSource
    from pipeline.dates import DateRange
    from pipeline.spec import Spec
    from pipeline.sweep import Definition

app = typer.Typer()


@app.command("data")
def look_at_data(spec: SpecArgument = None, data: DataOption = None, as_of: AsOfOption = None) -> None:
    """Show what the pipeline sees of the data: rows by day, columns, targets by month; with a SPEC, its date ranges."""
    from pipeline import spec as specs
    from pipeline.data import survey
    from pipeline.data.files import Files
    from pipeline.data.load import covered_days, why_no_days
    from pipeline.data.source import FilesSource
    from pipeline.plan.resolve import source_of
    from pipeline.screen.data import tables
    from pipeline.spec import project

    asked = specs.read(spec) if spec else None
    known = data_of(data) if data else project.load().data
    shares = 0.15, 0.15
    ranges: dict[DateRange, list[str]] = {}
    said: list[str] = []
    if asked is None:
        if known is None:
            raise UserError('no data: name a SPEC, give --data, or put `data = "flights"` into hpt.toml')
        source, covered, wanted = known, None, None
    else:
        found_source = source_of(asked, known)
        if found_source is None:
            raise UserError("the spec names no data: its own trainer knows by itself where they are")
        source = found_source
        covered = covered_days(source)
        definition, said = _resolved(asked, known, as_of, covered)
        shares = definition.training.validation_share, definition.training.test_share
        ranges = _ranges(definition)
        wanted = _days_of(ranges, covered)
    found = survey.survey(source, wanted)
    if found is None and covered:
        raise UserError(f"the data have no rows in {wanted}; they cover {covered}")
    if found is None:
        assert isinstance(source, FilesSource)
        raise UserError(why_no_days(Files(source.path, source.date).days_with_rows()[1]))
    if covered and found.covers != covered:
        print(f"the data cover {covered}; what follows is about the days of the spec's date ranges")
    for table in tables(found, ranges, shares):
        print_table(table)
    warnings = [*said, *found.notes, *survey.warnings(found, ranges, shares)]
    print("\n".join(f"warning: {line}" for line in warnings) or "nothing to warn about")


def _resolved(
    asked: "Spec", known: "DataSource | None", as_of: datetime | None, covered: "DateRange | None"
) -> "tuple[Definition, list[str]]":
    """The sweep that the spec would start today; a range without any data is only said, to be looked at."""
    from pipeline.plan.resolve import resolve

    said: list[str] = []
    for days in (covered, None):
        try:
            definition = resolve(
                asked,
                now=datetime.now(UTC),
                token="look",
                data=known,
                as_of=as_of.date() if as_of else None,
                covered=days,
            )
        except UserError as error:
            if days is None:
                raise
            said = str(error).splitlines()
        else:
            return definition, said
    raise AssertionError("the last attempt returns or raises")


def _ranges(definition: "Definition") -> "dict[DateRange, list[str]]":
    """Each date range, and the phases that train on it."""
    ranges: dict[DateRange, list[str]] = {}
    for phase in definition.phases:
        for date_range in phase.ranges:
            ranges.setdefault(date_range, []).append(phase.name)
    return dict(sorted(ranges.items()))


def _days_of(ranges: "dict[DateRange, list[str]]", covered: "DateRange | None") -> "DateRange | None":
    """All days from the first range's first to the last one's last; None, for all there are, if the data have none."""
    from pipeline.dates import DateRange

    span = DateRange(min(one.start for one in ranges), max(one.end for one in ranges))
    return span if covered is None or span.overlaps(covered) else None
