"""The claim that a sweep judges: its present state, for the page, lists, exports and the winner.

`analysis/sequential.py` judges the claim, and `claims.py` has the sentences.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import fmean

from pipeline.analysis.ranking import Standing, standings
from pipeline.errors import UserError
from pipeline.report.answer import RangeComparison
from pipeline.report.claims import standing_in_words
from pipeline.report.state import State
from pipeline.results import Row
from pipeline.space import Assignment, identity_of
from pipeline.sweep import Sweep, claims
from pipeline.sweep.claims import Claim, Pair

REAL, WAITS, DAMAGED = "real", "waits", "damaged"


@dataclass(frozen=True)
class ClaimStanding:
    """The present state of a claim, the same for every sweep that judges it."""

    id: str
    kind: str
    """`waits`, `real`, `refuted`, `given up`, or `damaged`."""
    setting: Assignment
    evidence: str = ""
    """The evidence and the next date range: `25.8 % better, ahead on 6 of 6 new date ranges …`."""
    gain: str = ""
    """`+25.8 %`; empty until a date range has judged it."""
    origin: str = ""
    """The sweep that made it; empty if the claim cannot be read."""
    differences: str = ""
    """`learning_rate=0.01`: the values that differ from the incumbent's; empty if the claim cannot be read."""
    comparisons: tuple[RangeComparison, ...] = ()
    """By date range, seeds averaged; without the ranges that lack a score."""

    @property
    def has_ended(self) -> bool:
        return self.kind not in (WAITS, DAMAGED)

    @property
    def answer(self) -> str:
        """`bag-of-words-0123456789ab (learning_rate=0.01): real: 25.8 % better, …`, or why it cannot be read."""
        return f"{self.id} ({self.differences}): {self.kind}: {self.evidence}" if self.origin else self.evidence

    @property
    def sentence(self) -> str:
        """`the claim bag-of-words-0123456789ab is real: 25.8 % better, …`."""
        return f"the claim {self.id} {'waits' if self.kind == WAITS else f'is {self.kind}'}: {self.evidence}"


def standing_of(sweep: Sweep) -> ClaimStanding | None:
    """The present state of the claim that a sweep judges, read from the store; None if the sweep judges none."""
    judged = sweep.definition.claim
    if judged is None:
        return None
    # Imported late: it needs scipy, and a list of sweeps without claims does not.
    from pipeline.analysis import sequential

    try:
        stored = claims.read(sweep.store, judged.id)
    except UserError as error:
        return ClaimStanding(judged.id, DAMAGED, judged.setting, str(error))
    evidence = sequential.evidence(stored.claim, stored.pairs)
    words = standing_in_words(stored, evidence)
    comparisons = [_comparison(stored.claim, pair) for pair in sorted(stored.pairs, key=lambda pair: pair.range)]
    return ClaimStanding(
        id=judged.id,
        kind=words.kind,
        setting=judged.setting,
        evidence=words.evidence + words.next,
        gain="" if evidence.mean is None else evidence.scale.words(evidence.mean, plus="+"),
        origin=stored.claim.origin.sweep,
        differences=stored.claim.in_words,
        comparisons=tuple(comparison for comparison in comparisons if comparison),
    )


def _comparison(claim: Claim, pair: Pair) -> RangeComparison | None:
    """None if a score is missing."""
    setting, incumbent = ([score for score in scores if score is not None] for scores in (pair.setting, pair.incumbent))
    if len(setting) < claim.seeds or len(incumbent) < claim.seeds:
        return None
    ours, theirs = fmean(setting), fmean(incumbent)
    return RangeComparison(pair.range, ours, theirs, claim.objective.gains.gain(theirs, ours))


def answer_to(state: State, claim: ClaimStanding) -> Standing | None:
    """The claim's setting if it is real, else the incumbent, ranked by this sweep's own rows.

    None if no training of that setting has finished.
    """
    definition = state.sweep.definition
    rows = rows_of_setting(state.rows, claim.setting if claim.kind == REAL else definition.incumbent)
    return next(iter(standings(definition, rows, definition.confirm)), None)


def rows_of_setting(rows: Iterable[Row], setting: Assignment) -> list[Row]:
    """The rows of a setting, which has a value for every hyperparameter."""
    identity = identity_of(setting)
    return [row for row in rows if identity_of({name: row.get(name) for name in setting}) == identity]
