"""Claims: a finished sweep makes one of a winner that is not shown to be better; a later sweep judges it.

Also the sentences about claims. `analysis/sequential.py` judges them, `sweep/claims.py` reads and writes them.
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from pipeline import dates
from pipeline.analysis.verdict import Kind, Verdict
from pipeline.data.source import NO_ROWS, NO_ROWS_LEFT
from pipeline.dates import DateRange
from pipeline.errors import UserError
from pipeline.report.answer import Basis
from pipeline.report.state import State
from pipeline.results import Row, Status, range_of
from pipeline.space import identity_of
from pipeline.store import Store
from pipeline.sweep import FORMAT, Definition, Sweep, Trial, claims, digests, ledger
from pipeline.sweep.claims import Claim, Look, Origin, Pair, Stored
from pipeline.sweep.definition import Resemblance
from pipeline.sweep.layout import claim_key

if TYPE_CHECKING:
    from pipeline.analysis.sequential import Evidence

# -- making a claim


def store_claim(state: State) -> None:
    """Stores, once, the claim that a sweep's winner is better than its incumbent, if that is not shown yet.

    Raises InfrastructureError if the store fails.
    """
    winner = _unproven_winner(state)
    if winner is None:
        return
    experiment, verdict = winner
    if (claim := _new_claim(state, experiment, verdict)) is not None:
        claims.create(state.sweep.store, claim)


def _unproven_winner(state: State) -> tuple[str, Verdict] | None:
    """The answer, if its gain lies beyond the rope and is not shown to be real."""
    definition, confirmed, answer = state.sweep.definition, state.confirmed, state.decided
    if definition.is_study or definition.format != FORMAT or confirmed is None or answer is None:
        return None
    verdict = confirmed.verdicts.get(answer.setting.experiment)
    if answer.basis is not Basis.JUDGED or verdict is None or verdict.gain is None:
        return None
    is_open = verdict.kind in (Kind.PROMISING, Kind.NOT_SHOWN) and verdict.gain > confirmed.design.least_gain
    return (answer.setting.experiment, verdict) if is_open else None


def _new_claim(state: State, experiment: str, verdict: Verdict) -> Claim | None:
    """None if the data end before the claim's first look."""
    definition, confirmed = state.sweep.definition, state.confirmed
    assert confirmed is not None
    phase = definition.confirm
    assert phase is not None
    assert phase.judging is not None
    assert verdict.gain is not None
    setting, day = confirmed.settings[experiment], _last_used_day(definition)
    ranges = _judging_ranges(state.sweep.store, definition, day)
    looks, resemblance = _plan_looks(state.sweep, ranges)
    if not looks:
        return None
    return Claim(
        id=claims.identity(definition, setting),
        origin=Origin(
            sweep=definition.id,
            experiment=experiment,
            verdict=verdict.kind,
            gain=verdict.gain,
            interval=verdict.interval,
            p=verdict.p,
            wins=verdict.wins,
            ranges=verdict.ranges,
        ),
        day=day,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        sweep_format=definition.format,
        architecture=definition.architecture,
        data=definition.data,
        seed=definition.seed,
        training=definition.training,
        objective=definition.objective,
        incumbent=definition.incumbent,
        setting=setting,
        fidelity=phase.fidelity,
        seeds=phase.seeds,
        rope=phase.judging.rope,
        resemblance=resemblance,
        ranges=ranges,
        looks=looks,
        code=claims.code_mark(definition.own),
        spec=claims.without_code(definition.spec),
    )


def _plan_looks(sweep: Sweep, ranges: Sequence[DateRange]) -> tuple[tuple[Look, ...], Resemblance | None]:
    """The looks, and how alike the ranges are.

    No sweep has used these ranges yet, so the resemblance is what earlier sweeps measured on theirs.
    """
    # Imported late: they need scipy, and few sweeps make a claim.
    from pipeline.analysis.power import correction
    from pipeline.analysis.resemblance import learn
    from pipeline.analysis.sequential import looks

    definition = sweep.definition
    confirm = definition.confirm
    assert confirm is not None
    earlier = digests.read(sweep.store, digests.Series.of(definition))
    learned: list[Resemblance | None] = []

    def learned_correction(of_look: Sequence[DateRange]) -> float:
        constant = correction(of_look)
        learned.append(learn(earlier, definition, constant, confirm.model_copy(update={"ranges": tuple(of_look)})))
        return learned[-1].correction if learned[-1] else constant

    planned = looks(ranges, learned_correction)
    return planned, learned[-1] if learned else None


def _last_used_day(definition: Definition) -> date:
    """The sweep's "today", or the last day of its date ranges if that is later: all later days are new."""
    ends = [date_range.end - timedelta(days=1) for phase in definition.phases for date_range in phase.ranges]
    return max([definition.as_of, *ends])


def _judging_ranges(store: Store, definition: Definition, day: date) -> tuple[DateRange, ...]:
    """The date ranges after `day` that will judge, oldest first, up to the end of the data.

    Ranges with days on which an earlier sweep chose are left out: its spec may have named days after `day`.
    """
    from pipeline.analysis.sequential import RANGES

    phase, training = definition.confirm, definition.training
    assert phase is not None
    shares = training.validation_share, training.test_share
    used = ledger.chosen_on(store, definition.architecture, definition.data, before=definition.id)
    used = [date_range for date_range in used if date_range.end > day]
    end = definition.data.covers.end if definition.data and definition.data.covers else date.max
    following = dates.ranges_after(phase.ranges, day, valid=shares[0], test=shares[1])
    fresh = (
        date_range
        for date_range in following
        if date_range.end <= end and dates.is_fresh(date_range.split(*shares), used)
    )
    return tuple(islice(fresh, RANGES))


# -- judging a claim

_FINISHED = Status.COMPLETE, Status.DIVERGED


def store_pairs(state: State) -> None:
    """Stores, once, a pair of scores for each date range on which the setting and its incumbent both finished.

    If a training failed, or if trainings read different data, the range stays open and is judged once more. The second
    time a pair is stored that says why a score is missing. Where the data have no rows, the first time is enough.

    Raises InfrastructureError if the store fails.
    """
    definition, store = state.sweep.definition, state.sweep.store
    assert definition.claim is not None
    try:
        stored = claims.read(store, definition.claim.id)
    except UserError:  # gone or damaged, which the summary says
        return
    if definition.confirm is None:
        return
    now = datetime.now(UTC).isoformat(timespec="seconds")
    for date_range in definition.confirm.ranges:
        rows = [row for row in state.rows if range_of(row) == date_range]
        pair = _pair(definition, stored, date_range, rows, now)
        if pair is not None and date_range in stored.open_ranges:
            claims.add_pair(store, pair)


def _pair(definition: Definition, stored: Stored, date_range: DateRange, rows: Sequence[Row], now: str) -> Pair | None:
    """None while trials are missing, and if the range is to be judged once more."""
    claim = stored.claim
    if len(rows) < 2 * claim.seeds:
        return None

    # Why the range has no scores, if it has none for good.
    failed = [row for row in rows if row["status"] not in _FINISHED]
    fingerprints = {row.get("data_fingerprint") for row in rows if row["status"] in _FINISHED}
    reason = None
    if failed or len(fingerprints) > 1:
        reason = _why_without_scores(rows, failed, stored.was_tried_before(date_range, definition.id))
        if reason is None:
            return None

    # The scores by seed; of the incumbent under True, of the claim's setting under False.
    scores: dict[bool, dict[int, float | None]] = {True: {}, False: {}}
    for row in rows:
        setting = identity_of({name: row.get(name) for name in definition.incumbent})
        is_incumbent = setting == identity_of(claim.incumbent)
        score = _score(definition, row) if len(fingerprints) == 1 else None
        scores[is_incumbent][Trial.parse(row["trial"]).seed] = score
    if any(len(by_seed) != claim.seeds for by_seed in scores.values()):
        return None
    return Pair(
        claim=claim.id,
        sweep=definition.id,
        range=date_range,
        judged=now,
        setting=tuple(score for _, score in sorted(scores[False].items())),
        incumbent=tuple(score for _, score in sorted(scores[True].items())),
        fingerprint=next(iter(fingerprints)) if len(fingerprints) == 1 else None,
        left_out=reason,
    )


def _why_without_scores(rows: Sequence[Row], failed: Sequence[Row], tried_before: bool) -> str | None:
    """The reason why a date range has no scores for good; None if it is to be judged once more.

    `failed` are its failed rows; without any, its trainings read different data.
    """
    errors = [row.get("error") or "" for row in failed]
    if len(failed) == len(rows) and all(NO_ROWS in error or NO_ROWS_LEFT in error for error in errors):
        return "the data have no rows to train on, or to test"
    if not tried_before:
        return None
    return f"a training failed twice ({failed[0]['status']})" if failed else "its trainings read different data twice"


def _score(definition: Definition, row: Row) -> float | None:
    """None for a training that diverged."""
    return digests.finite(row.get(definition.objective.test)) if row["status"] == Status.COMPLETE else None


# -- in words


def open_claim_in_words(state: State) -> str:
    """A sentence about the claim of a winner that is not shown to be better; empty if there is no such winner."""
    winner = _unproven_winner(state)
    if winner is None or state.confirmed is None:
        return ""
    definition, store = state.sweep.definition, state.sweep.store
    id = claims.identity(definition, state.confirmed.settings[winner[0]])
    try:
        stored = claims.read(store, id)
    except UserError:
        return "" if store.exists(claim_key(id)) else _why_no_claim(store, definition)
    claim = stored.claim
    if claim.origin.sweep != definition.id or stored.pairs:
        since = f"{winner[0]} is a claim since {claim.day}" + (
            f", of {claim.origin.sweep}" if claim.origin.sweep != definition.id else ""
        )
        standing = standing_in_words(stored)
        return f"{since}; {standing.kind}: {standing.evidence}{standing.next}."
    counts = ", ".join(str(look.ranges) for look in claim.looks[:-1])
    at = f"{counts} and {claim.looks[-1].ranges}" if counts else f"{claim.looks[-1].ranges}"
    return (
        f"This stays a claim; `hpt judge {claim.id}` (or `--due`, every month) trains it and {claim.incumbent_name} on "
        f"each new date range, and judges after {at} of them. The first one, {claim.ranges[0]}, is complete on "
        f"{claim.ranges[0].end}. This sweep's own results do not count."
    )


def _why_no_claim(store: Store, definition: Definition) -> str:
    """A sentence if the data end too early for a claim; empty if the claim is still to be made, or nothing is known."""
    from pipeline.analysis.sequential import LOOKS

    covers = definition.data and definition.data.covers
    if not covers or len(_judging_ranges(store, definition, _last_used_day(definition))) >= LOOKS[0]:
        return ""
    return (
        f"This makes no claim for later months to judge: the data end on {covers.end - timedelta(days=1)}, before "
        "six new date ranges."
    )


class StandingWords(NamedTuple):
    """The state of a claim, part by part."""

    kind: str
    """`waits`, `real`, `refuted`, `given up`, or `damaged`."""
    evidence: str
    """`3.1 % better, ahead on 3 of 3 …`; of a damaged claim, the first damaged file, and what to do about it."""
    next: str
    """`; judged after 6 date ranges; the next one, …`; empty if the claim has ended or is damaged."""


def standing_in_words(stored: Stored, evidence: "Evidence | None" = None) -> StandingWords:
    """The state of a claim, its evidence, and its next look. `evidence`, if known already, is that of its pairs."""
    from pipeline.analysis import sequential

    if stored.damaged:
        problem = f"{stored.damaged[0]} cannot be read; put it back, or delete it, and it is judged anew"
        return StandingWords("damaged", problem, "")
    if evidence is None:
        evidence = sequential.evidence(stored.claim, stored.pairs)
    return StandingWords(str(evidence.kind), _evidence_in_words(stored, evidence), _next_in_words(stored, evidence))


def _evidence_in_words(stored: Stored, evidence: "Evidence") -> str:
    claim = stored.claim
    if evidence.diverged is not None:
        pair = next(pair for pair in stored.pairs if pair.range == evidence.diverged)
        event = "failed twice" if pair.left_out else "diverged"
        return f"it {event} on {evidence.diverged}, where {claim.incumbent_name} did not"
    left_out = _left_out_in_words(stored)
    if evidence.mean is None:
        return f"no new date range has judged it yet{left_out}"
    words = f"{evidence.scale.better(evidence.mean)}, ahead on {evidence.wins} of {len(evidence.gains)} new date ranges"
    if evidence.interval is not None:
        words += f" (90 % interval: {evidence.scale.between(evidence.interval)})"
    if evidence.kind == "given up":
        words += ", which does not show that it is better"
    if evidence.kind in ("real", "given up"):
        words += _level(evidence.p, evidence.look)
    return words + left_out


def _left_out_in_words(stored: Stored) -> str:
    """The judged date ranges that do not count, by reason, after a semicolon; empty if all count."""
    by_reason: dict[str, list[str]] = {}
    for pair in stored.pairs:
        if reason := _why_not_counted(stored.claim, pair):
            by_reason.setdefault(reason, []).append(str(pair.range))
    return "".join(f"; without {', '.join(ranges)}: {reason}" for reason, ranges in by_reason.items())


def _why_not_counted(claim: Claim, pair: Pair) -> str | None:
    if pair.left_out:
        return pair.left_out
    if None in pair.incumbent:
        return f"{claim.incumbent_name} diverged"
    scores = zip(pair.incumbent, pair.setting, strict=True)
    gains = [
        claim.objective.gains.gain(incumbent, setting)
        for incumbent, setting in scores
        if incumbent is not None and setting is not None
    ]
    return f"{claim.objective.metric} is not positive, so there is no ratio" if None in gains else None


def _level(p: float | None, look: Look | None) -> str:
    return "" if p is None or look is None else f", p = {p:.2g} (level of that look: {look.level:.2g})"


def _next_in_words(stored: Stored, evidence: "Evidence") -> str:
    open_ranges = stored.open_ranges
    if evidence.next_look is None or not open_ranges:
        return ""
    first = open_ranges[0]
    return f"; judged after {evidence.next_look.ranges} date ranges; the next one, {first}, is complete on {first.end}"
