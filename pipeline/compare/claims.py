"""The claims of a store in words, as lists show them: the state of each, its evidence, and the next step."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

from pipeline.data.source import DataSource, with_portable_path
from pipeline.report.claims import standing_in_words
from pipeline.report.templating import environment
from pipeline.store import Store
from pipeline.sweep import claims
from pipeline.sweep.claims import Stored


@dataclass(frozen=True)
class ClaimRow:
    """A line of the list of claims, all in words."""

    id: str
    kind: str
    """`waits`, `real`, `refuted`, `given up`, or `damaged`."""
    architecture: str = ""
    metric: str = ""
    setting: str = ""
    """The values that differ from the incumbent's."""
    day: date | None = None
    """The day on which the claim was made: it is judged on later days only."""
    made_by: str = ""
    """The id of the sweep that made it."""
    evidence: str = ""
    """`real: 3.1 % better, ahead on 6 of 6 new date ranges`; for a damaged claim the reason."""
    next: str = ""
    """The next step; empty for a claim that waits for nothing."""


def rows(store: Store, architecture: str | None = None, data: DataSource | None = None) -> Iterator[ClaimRow]:
    """The claims of a store, sorted by id; only those of an architecture or of data if these are given.

    A claim that cannot be read has the kind `damaged`, with the reason as its evidence.
    """
    data_here = with_portable_path(data)
    for stored in claims.all_stored(store):
        if isinstance(stored, tuple):
            yield ClaimRow(stored[0], "damaged", evidence=stored[1])
            continue
        is_of_data = data is None or data_here == with_portable_path(stored.claim.data)
        if architecture in (None, stored.claim.architecture) and is_of_data:
            yield _row(stored)


def page(judged: Sequence[tuple[str, str]]) -> str:
    """The page of sweeps that judge claims; `judged` is [(sweep id, verdict)].

    It links to each sweep's report, which lies in a folder named by the sweep's id.
    """
    return environment().get_template("claims.html").render(judged=judged)


def _row(stored: Stored) -> ClaimRow:
    claim, standing = stored.claim, standing_in_words(stored)
    return ClaimRow(
        id=claim.id,
        kind=standing.kind,
        architecture=claim.architecture,
        metric=claim.objective.metric,
        setting=claim.in_words,
        day=claim.day,
        made_by=claim.origin.sweep,
        evidence=f"{standing.kind}: {standing.evidence}",
        next=standing.next.removeprefix("; "),
    )
