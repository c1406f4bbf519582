"""Looks at the data of a new sweep before it starts: warns people, and refuses data that no sweep could use.

The lines themselves are written in `data/warnings.py`; this module decides which of them are shown before a sweep, and
which forbid it. Drift and gaps are shown by `hpt data` alone.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pipeline.data import load, lost, usable
from pipeline.data.source import FilesSource
from pipeline.data.survey import Survey, survey
from pipeline.data.warnings import about_rows_and_columns, losses, mistakes
from pipeline.dates import DateRange
from pipeline.errors import UserError
from pipeline.sweep import Definition

_RANGES_SHOWN = 2
_LINES_AT_MOST = 5


@dataclass(frozen=True)
class Checked:
    """Result of a look at the data of a new sweep."""

    warnings: tuple[str, ...]
    survey: Survey
    """Covers the days from the first date range to the last."""
    lost: tuple[str, ...] = ()
    """Lines about rows and values that cannot be used, where there are many of them; among the warnings, too."""

    def rows(self, days: DateRange) -> int:
        """Number of rows with every target on these days, which must lie within the survey."""
        return self.survey.usable_in(days)


def check(definition: Definition) -> Checked | None:
    """Looks at the data of a sweep that is to start; None for built-in data and for a team's own trainer.

    A date range is hopeless if it lacks rows to train, validate or test on, or if its rows teach nothing. Raises
    UserError, a line per cause, if a range that chooses or every range that judges is hopeless, or if more rows or
    values are lost than `data.may-lose` allows.
    """
    source = definition.data
    if not isinstance(source, FilesSource) or definition.own is not None:
        return None
    ranges = sorted({date_range for phase in definition.phases for date_range in phase.ranges})
    span = DateRange(ranges[0].start, max(date_range.end for date_range in ranges))
    surveyed = survey(source, span)
    if surveyed is None:
        raise UserError(load.no_rows(source, span))

    # Refuse data that no sweep could use.
    of_files = lost.of_files(surveyed)
    lost.check(of_files, source.may_lose)
    shares = definition.training.validation_share, definition.training.test_share
    causes = {date_range: mistakes(surveyed, date_range, date_range.split(*shares)) for date_range in ranges}
    hopeless = [date_range for date_range in ranges if causes[date_range]]
    if fatal := _fatal(definition, hopeless):
        raise UserError("\n".join(_by_cause({date_range: causes[date_range] for date_range in fatal})))
    of_values = losses(surveyed)
    lost.check(of_values, source.may_lose)

    # The warnings.
    lines = (
        *about_rows_and_columns(surveyed),
        *_few_rows(surveyed, [date_range for date_range in ranges if date_range not in hopeless]),
        *(f"{line}; trials there will fail" for line in _by_cause(causes)),
    )
    return Checked(lines, surveyed, lost.reported([*of_files, *of_values]))


def _fatal(definition: Definition, hopeless: Sequence[DateRange]) -> list[DateRange]:
    """The hopeless ranges that forbid the sweep: each that chooses, and those that judge if they are all hopeless."""
    fatal: set[DateRange] = set()
    for phase in definition.phases:
        lost = set(phase.ranges).intersection(hopeless)
        if phase.chooses or (phase.judges and len(lost) == len(set(phase.ranges))):
            fatal |= lost
    return sorted(fatal)


def _by_cause(causes: dict[DateRange, list[str]]) -> list[str]:
    ranges: dict[str, list[DateRange]] = {}
    for date_range, lines in causes.items():
        for line in lines:
            ranges.setdefault(line, []).append(date_range)
    lines = [f"date-range: {_in_words(affected)}: {cause}" for cause, affected in ranges.items()]
    hidden = len(lines) - _LINES_AT_MOST
    return lines if hidden <= 0 else [*lines[:_LINES_AT_MOST], f"and {hidden} more like these: `hpt data` shows them"]


def _few_rows(surveyed: Survey, ranges: Iterable[DateRange]) -> list[str]:
    few = [date_range for date_range in ranges if surveyed.usable_in(date_range) < usable.ROWS_AT_LEAST]
    return [f"date-range: {_in_words(few)}: {usable.few_rows()}"] if few else []


def _in_words(ranges: Sequence[DateRange]) -> str:
    end = f" and {len(ranges) - _RANGES_SHOWN} more" if len(ranges) > _RANGES_SHOWN else ""
    return ", ".join(map(str, ranges[:_RANGES_SHOWN])) + end
