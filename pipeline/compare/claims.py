"""The claims of a store, in words: where each stands, by what evidence, and what it waits for."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

from pipeline.data.source import DataSource, as_in_every_checkout
from pipeline.report.claims import next_in_words, standing
from pipeline.report.templating import environment
from pipeline.store import Store
from pipeline.sweep import claims
from pipeline.sweep.claims import Stored


@dataclass(frozen=True)
class ClaimRow:
    """One claim as it is listed, all in words."""

    id: str
    kind: str
    """`waits`, `real`, `refuted`, `given up`, or `damaged`."""
    architecture: str = ""
    metric: str = ""
    setting: str = ""
    """What is not as in the incumbent."""
    day: date | None = None
    """What judges it lies after this day."""
    made_by: str = ""
    """The sweep."""
    evidence: str = ""
    """The kind and what it rests on."""
    next: str = ""
    """What it waits for; empty where its end has come."""


def rows(store: Store, architecture: str | None = None, data: DataSource | None = None) -> Iterator[ClaimRow]:
    """Every claim of a store, by id, or those of an architecture or of data; of one that cannot be read, why."""
    wanted = as_in_every_checkout(data)
    for stored in claims.all_stored(store):
        if isinstance(stored, tuple):
            yield ClaimRow(stored[0], "damaged", evidence=stored[1])
            continue
        is_of_data = data is None or wanted == as_in_every_checkout(stored.claim.data)
        if architecture in (None, stored.claim.architecture) and is_of_data:
            yield _row(stored)


def page(judged: Sequence[tuple[str, str]]) -> str:
    """The page of sweeps that judge claims: what each claim comes to. A sweep's report lies in a folder of its id."""
    return environment().get_template("claims.html").render(judged=judged)


def _row(stored: Stored) -> ClaimRow:
    # Not above: scipy comes with it, which a store without claims does without.
    from pipeline.analysis.sequential import ClaimKind, evidence

    claim, found = stored.claim, evidence(stored.claim, stored.pairs)
    after = next_in_words(stored)
    return ClaimRow(
        id=claim.id,
        kind="damaged" if stored.damaged else found.kind,
        architecture=claim.architecture,
        metric=claim.objective.metric,
        setting=claim.in_words,
        day=claim.day,
        made_by=claim.origin.sweep,
        evidence=standing(stored).removesuffix(after),
        next=after.removeprefix("; ") if found.kind is ClaimKind.WAITS and not stored.damaged else "",
    )
