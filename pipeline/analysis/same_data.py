"""Selects rows that may be ranked together: on each date range, those of trainings that read the same data.

Rows without a comparable fingerprint, as those of a team's own trainer or of older versions, are never left out.
"""

from collections.abc import Sequence

from pipeline.dates import DateRange
from pipeline.results import Row, range_of, rows_fingerprint, trainings
from pipeline.space import identity_of
from pipeline.sweep import Definition


def comparable(definition: Definition, rows: Sequence[Row], *, judges: bool = False) -> list[Row]:
    """Drops rows that read other data than most rows on their date range; `rows` are those of one ranking.

    If two versions of the data have equally many rows, the version that the incumbent read is kept, else the newest.
    With `judges`, the incumbent's version is always kept: gains are measured against the incumbent.
    """
    by_range: dict[DateRange, dict[str, list[Row]]] = {}
    for row in rows:
        if (fingerprint := rows_fingerprint(row)) is not None:
            by_range.setdefault(range_of(row), {}).setdefault(fingerprint, []).append(row)
    several = {date_range: by_data for date_range, by_data in by_range.items() if len(by_data) > 1}
    if not several:
        return list(rows)
    incumbent = identity_of(definition.incumbent)

    def weight(version: Sequence[Row]) -> tuple[int, int, int, str]:
        """Sorts the versions of a range's data; the largest is kept."""
        has_incumbent = any(
            identity_of({name: row.get(name) for name in definition.incumbent}) == incumbent for row in version
        )
        newest = max(str(row.get("finished") or "") for row in version)
        return judges and has_incumbent, len(version), has_incumbent, newest

    chosen = {
        date_range: max(by_data, key=lambda fingerprint: (weight(by_data[fingerprint]), fingerprint))
        for date_range, by_data in several.items()
    }
    return [row for row in rows if rows_fingerprint(row) in (None, chosen.get(range_of(row), rows_fingerprint(row)))]


def of_same_data(definition: Definition, rows: Sequence[Row]) -> list[Row]:
    """The rows of a sweep that may be ranked or judged: those that `comparable` keeps in each phase."""
    by_phase: dict[str, list[Row]] = {}
    for row in rows:
        by_phase.setdefault(row["phase"], []).append(row)
    judging = definition.confirm and definition.confirm.name
    trials = {
        row["trial"]
        for phase, of_phase in by_phase.items()
        for row in comparable(definition, of_phase, judges=phase == judging)
    }
    return [row for row in rows if row["trial"] in trials]


def other_data_in_words(definition: Definition, rows: Sequence[Row]) -> str:
    """A sentence about the trainings that `of_same_data` leaves out; empty if there are none."""
    rows = trainings(rows)
    same_data = {row["trial"] for row in of_same_data(definition, rows)}
    lost = [row for row in rows if row["trial"] not in same_data]
    if not lost:
        return ""
    count = len({range_of(row) for row in lost})
    trials, are = (f"{len(lost)} trials", "they are") if len(lost) > 1 else ("1 trial", "it is")
    ranges = f"{count} date range{'s' if count > 1 else ''}"
    return (
        f"The data changed under this sweep: {trials} on {ranges} read other data than the others there, so {are} "
        "neither ranked nor judged; a new sweep ranks all settings on the same data."
    )
