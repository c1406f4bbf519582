"""The claims of a store as a table for a terminal."""

from collections.abc import Iterable

from rich.table import Table
from rich.text import Text

from pipeline.compare.claims import ClaimRow
from pipeline.compare.differences import NOTHING


def claims_table(rows: Iterable[ClaimRow]) -> Table:
    """A row for each claim: its setting, its evidence and its next look."""
    table = Table("claim", "setting", "since", "evidence", "next", box=None)
    for row in rows:
        since = NOTHING if row.day is None else f"{row.day}"
        table.add_row(row.id, Text(row.setting), since, Text(row.evidence), Text(row.next))
    return table
