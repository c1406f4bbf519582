"""The claim that a sweep judges, as it stands now, for every place that shows such a sweep.

Where a claim stands is for `analysis/sequential.py` to say; the sentences are those of `claims.py`.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from pipeline.analysis.ranking import Standing, standings
from pipeline.errors import UserError
from pipeline.report.claims import standing
from pipeline.report.state import State
from pipeline.results import Row
from pipeline.space import Assignment, identity_of
from pipeline.sweep import Sweep, claims

REAL, WAITS, DAMAGED = "real", "waits", "damaged"


@dataclass(frozen=True)
class ClaimStanding:
    """Where the claim of a sweep stands, which is the same for every sweep that judges it."""

    id: str
    kind: str
    """`waits`, `real`, `refuted`, `given up`, or `damaged`."""
    setting: Assignment
    evidence: str = ""
    """What that rests on, and what is waited for: `25.8 % better, ahead on 6 of 6 new date ranges …`."""
    gain: str = ""
    """`+25.8 %`; empty while nothing has judged it."""
    origin: str = ""
    """The sweep that made it; empty where the claim cannot be read."""

    @property
    def has_ended(self) -> bool:
        return self.kind not in (WAITS, DAMAGED)

    @property
    def sentence(self) -> str:
        """`the claim bag-of-words-0123456789ab is real: 25.8 % better, …`."""
        return f"the claim {self.id} {'waits' if self.kind == WAITS else f'is {self.kind}'}: {self.evidence}"


def standing_of(sweep: Sweep) -> ClaimStanding | None:
    """Where the claim that a sweep judges stands; None of a sweep that judges none."""
    judged = sweep.definition.claim
    if judged is None:
        return None
    # Not above: scipy comes with it, which a list of sweeps does without.
    from pipeline.analysis.sequential import evidence

    try:
        stored = claims.read(sweep.store, judged.id)
    except UserError as error:
        return ClaimStanding(judged.id, DAMAGED, judged.setting, str(error))
    found = evidence(stored.claim, stored.pairs)
    kind = DAMAGED if stored.damaged else str(found.kind)
    return ClaimStanding(
        id=judged.id,
        kind=kind,
        setting=judged.setting,
        evidence=standing(stored).removeprefix(f"{kind}: "),
        gain="" if found.mean is None else found.scale.words(found.mean, plus="+"),
        origin=stored.claim.origin.sweep,
    )


def answer_to(state: State, claim: ClaimStanding) -> Standing | None:
    """The claim's setting if that is real, else the incumbent, as this sweep trained it; None if no training of it
    has finished."""
    definition = state.sweep.definition
    rows = rows_of(state.rows, claim.setting if claim.kind == REAL else definition.incumbent)
    return next(iter(standings(definition, rows, definition.confirm)), None)


def rows_of(rows: Iterable[Row], setting: Assignment) -> list[Row]:
    """The rows of a setting, which has a value for every hyperparameter."""
    wanted = identity_of(setting)
    return [row for row in rows if identity_of({name: row.get(name) for name in setting}) == wanted]
