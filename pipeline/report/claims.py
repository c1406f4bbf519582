"""What a finished sweep leaves to judge: a claim, where its winner is not shown; pairs, where it judges a claim.

And the words for both. How a claim is judged is the business of `analysis/sequential.py`, what lies where that of
`sweep/claims.py`.
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from statistics import fmean

from pipeline import dates
from pipeline.analysis.verdict import Kind, Verdict
from pipeline.data.source import NO_ROWS, NO_ROWS_LEFT
from pipeline.dates import DateRange
from pipeline.errors import UserError
from pipeline.report.answer import Basis, Judged
from pipeline.report.state import State
from pipeline.results import Row, Status, range_of
from pipeline.space import identity_of
from pipeline.store import Store
from pipeline.sweep import FORMAT, Definition, Sweep, Trial, claims, digests, ledger
from pipeline.sweep.claims import Claim, Look, Origin, Pair, Stored
from pipeline.sweep.definition import Resemblance
from pipeline.sweep.layout import claim_key

# -- making a claim


def make(state: State) -> None:
    """Keeps the claim that a sweep makes, once, if it makes one: that its answer is better, though that is not shown.

    Raises InfrastructureError if the store fails.
    """
    winner = _winner(state)
    if winner is None:
        return
    experiment, verdict = winner
    if (claim := _claim(state, experiment, verdict)) is not None:
        claims.create(state.sweep.store, claim)


def _winner(state: State) -> tuple[str, Verdict] | None:
    """The experiment whose gain lies beyond the rope, and is not shown; None if there is none."""
    definition, confirmed, answer = state.sweep.definition, state.confirmed, state.decided
    if definition.is_study or definition.format != FORMAT or confirmed is None or answer is None:
        return None
    verdict = confirmed.verdicts.get(answer.setting.experiment)
    if answer.basis is not Basis.JUDGED or verdict is None or verdict.gain is None:
        return None
    is_open = verdict.kind in (Kind.PROMISING, Kind.NOT_SHOWN) and verdict.gain > confirmed.design.least_gain
    return (answer.setting.experiment, verdict) if is_open else None


def _claim(state: State, experiment: str, verdict: Verdict) -> Claim | None:
    """None where the data have an end of their own, before there could be a look."""
    definition, confirmed = state.sweep.definition, state.confirmed
    assert confirmed is not None
    phase = definition.confirm
    assert phase is not None
    assert phase.judging is not None
    assert verdict.gain is not None
    setting, day = confirmed.settings[experiment], _day(definition)
    ranges = _ranges(state.sweep.store, definition, day)
    planned, resemblance = _looks(state.sweep, ranges)
    if not planned:
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
        looks=planned,
        code=claims.code_mark(definition.own),
        spec=claims.without_code(definition.spec),
    )


def _looks(sweep: Sweep, ranges: Sequence[DateRange]) -> tuple[tuple[Look, ...], Resemblance | None]:
    """The looks, and how alike earlier trainings say that all ranges are. Nothing has seen what will judge."""
    # Not above: scipy comes with them, and few sweeps make a claim.
    from pipeline.analysis.power import correction
    from pipeline.analysis.resemblance import learn
    from pipeline.analysis.sequential import looks

    definition = sweep.definition
    confirm = definition.confirm
    assert confirm is not None
    earlier = digests.read(sweep.store, digests.Series.of(definition))
    learned: list[Resemblance | None] = []

    def on(first: Sequence[DateRange]) -> float:
        constant = correction(first)
        learned.append(learn(earlier, definition, constant, confirm.model_copy(update={"ranges": tuple(first)})))
        return learned[-1].correction if learned[-1] else constant

    planned = looks(ranges, on)
    return planned, learned[-1] if learned else None


def _day(definition: Definition) -> date:
    """The day after which nobody had seen anything when the sweep was made: nor had any of its own ranges."""
    ends = [one.end - timedelta(days=1) for phase in definition.phases for one in phase.ranges]
    return max([definition.as_of, *ends])


def _ranges(store: Store, definition: Definition, day: date) -> tuple[DateRange, ...]:
    """The date ranges that will judge, oldest first: without days that an earlier sweep chose on, though they were
    still to come; of data that have an end of their own, up to that."""
    from pipeline.analysis.sequential import RANGES

    phase, training = definition.confirm, definition.training
    assert phase is not None
    shares = training.validation_share, training.test_share
    used = ledger.chosen_on(store, definition.architecture, definition.data, before=definition.id)
    used = [one for one in used if one.end > day]
    end = definition.data.covers.end if definition.data and definition.data.covers else date.max
    following = dates.following(phase.ranges, day, valid=shares[0], test=shares[1])
    fresh = (one for one in following if one.end <= end and dates.is_fresh(one.split(*shares), used))
    return tuple(islice(fresh, RANGES))


# -- judging one

_ENDED = Status.COMPLETE, Status.DIVERGED


def keep_pairs(state: State) -> None:
    """Keeps, once, what a sweep that judges a claim came to, on each date range on which both have come to their end.

    A training that failed, or that read other data than the rest, leaves the range to be judged anew, but only once:
    the second time its pair says why a score is missing, as it does at once where the data have no rows. Raises
    InfrastructureError if the store fails.
    """
    definition, store = state.sweep.definition, state.sweep.store
    stored = _read(store, definition)
    if definition.confirm is None or isinstance(stored, str):
        return
    now = datetime.now(UTC).isoformat(timespec="seconds")
    for date_range in definition.confirm.ranges:
        rows = [row for row in state.rows if range_of(row) == date_range]
        pair = _pair(definition, stored, date_range, rows, now)
        if pair is not None and date_range in stored.open_ranges:
            claims.add_pair(store, pair)


def _pair(definition: Definition, stored: Stored, date_range: DateRange, rows: Sequence[Row], now: str) -> Pair | None:
    """None where it is to come yet, or to be tried again."""
    claim = stored.claim
    if len(rows) < 2 * claim.seeds:
        return None
    failed = [row for row in rows if row["status"] not in _ENDED]
    read = {row.get("data_fingerprint") for row in rows if row["status"] in _ENDED}
    left_out = None
    if failed or len(read) > 1:
        left_out = _why_left_out(rows, failed, stored.had_been_tried(date_range, definition.id))
        if left_out is None:
            return None
    scores: dict[bool, dict[int, float | None]] = {True: {}, False: {}}
    for row in rows:
        setting = identity_of({name: row.get(name) for name in definition.incumbent})
        is_incumbent = setting == identity_of(claim.incumbent)
        score = _score(definition, row) if len(read) == 1 else None
        scores[is_incumbent][Trial.parse(row["trial"]).seed] = score
    if any(len(of_one) != claim.seeds for of_one in scores.values()):
        return None
    return Pair(
        claim=claim.id,
        sweep=definition.id,
        range=date_range,
        judged=now,
        setting=tuple(score for _, score in sorted(scores[False].items())),
        incumbent=tuple(score for _, score in sorted(scores[True].items())),
        fingerprint=next(iter(read)) if len(read) == 1 else None,
        left_out=left_out,
    )


def _why_left_out(rows: Sequence[Row], failed: Sequence[Row], tried_before: bool) -> str | None:
    """Why a date range will never have trainings of both; None if it is to be tried again. `failed`: those of its rows,
    none where they read different data."""
    errors = [row.get("error") or "" for row in failed]
    if len(failed) == len(rows) and all(NO_ROWS in error or NO_ROWS_LEFT in error for error in errors):
        return "the data have no rows to train on, or to test"
    if not tried_before:
        return None
    return f"a training failed twice ({failed[0]['status']})" if failed else "its trainings read different data twice"


def _score(definition: Definition, row: Row) -> float | None:
    return digests.finite(row.get(definition.objective.test)) if row["status"] == Status.COMPLETE else None


def _read(store: Store, definition: Definition) -> Stored | str:
    """The claim that a sweep judges; why it cannot be read."""
    assert definition.claim is not None
    try:
        return claims.read(store, definition.claim.id)
    except UserError as error:
        return str(error)


# -- in words


def answer(sweep: Sweep) -> tuple[str, list[Judged]]:
    """What a sweep that judges a claim comes to: the claim and where it stands now, in a sentence, and its pairs."""
    stored = _read(sweep.store, sweep.definition)
    if isinstance(stored, str):
        return stored, []
    pairs = [_judged(stored.claim, pair) for pair in sorted(stored.pairs, key=lambda pair: pair.range)]
    return f"{stored.claim.id} ({stored.claim.in_words}): {standing(stored)}", [one for one in pairs if one]


def _judged(claim: Claim, pair: Pair) -> Judged | None:
    """A pair as it is shown, seeds averaged; None where a score is missing."""
    setting, incumbent = ([one for one in scores if one is not None] for scores in (pair.setting, pair.incumbent))
    if len(setting) < claim.seeds or len(incumbent) < claim.seeds:
        return None
    ours, theirs = fmean(setting), fmean(incumbent)
    return Judged(pair.range, ours, theirs, claim.objective.gains.gain(theirs, ours))


def what_next(state: State) -> str:
    """What becomes of a winner that is not shown to be better, in a sentence; empty where there is none."""
    winner = _winner(state)
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
        return f"{since}; {standing(stored)}."
    counts = ", ".join(str(look.ranges) for look in claim.looks[:-1])
    at = f"{counts} and {claim.looks[-1].ranges}" if counts else f"{claim.looks[-1].ranges}"
    return (
        f"This stays a claim; `hpt judge {claim.id}` (or `--due`, every month) trains it and "
        f"{claim.incumbent_name} on each date range that is new, the first of which, {claim.ranges[0]}, is whole on "
        f"{claim.ranges[0].end}, and judges at {at} of them; what this sweep found is not counted again."
    )


def _why_no_claim(store: Store, definition: Definition) -> str:
    """Why a winner makes none that is not shown to be better; empty if one is to come, or nobody knows."""
    from pipeline.analysis.sequential import LOOKS

    covers = definition.data and definition.data.covers
    if not covers or len(_ranges(store, definition, _day(definition))) >= LOOKS[0]:
        return ""
    return (
        f"This makes no claim for later months to judge: the data end on {covers.end - timedelta(days=1)}, before "
        "six new date ranges."
    )


def standing(stored: Stored) -> str:
    """Where a claim stands, by what evidence, and what it waits for: `waits: 3.1 % better, ahead on 3 of 3 …`."""
    from pipeline.analysis.sequential import evidence

    if stored.damaged:
        return f"damaged: {stored.damaged[0]} cannot be read; put it back, or delete it, and it is judged anew"
    claim, found = stored.claim, evidence(stored.claim, stored.pairs)
    if found.diverged is not None:
        pair = next(pair for pair in stored.pairs if pair.range == found.diverged)
        why = "failed twice" if pair.left_out else "diverged"
        return f"refuted: it {why} on {found.diverged}, where {claim.incumbent_name} did not"
    if found.mean is None:
        return f"{found.kind}: no new date range has judged it yet" + _left_out_in_words(stored) + next_in_words(stored)
    better = found.scale.better(found.mean)
    left_out = _left_out_in_words(stored)
    words = f"{found.kind}: {better}, ahead on {found.wins} of {len(found.gains)} new date ranges"
    if found.interval is not None:
        words += f" (90 % interval: {found.scale.between(found.interval)})"
    if found.kind == "real":
        return f"{words}{_level(found.p, found.look)}{left_out}"
    if found.kind == "given up":
        return f"{words}, which does not show that it is better{_level(found.p, found.look)}{left_out}"
    return words + left_out + next_in_words(stored)


def _left_out_in_words(stored: Stored) -> str:
    """Which judged date ranges do not count, and why, after a semicolon; empty if all do."""
    by_reason: dict[str, list[str]] = {}
    for pair in stored.pairs:
        if why := _why_not_counted(stored.claim, pair):
            by_reason.setdefault(why, []).append(str(pair.range))
    return "".join(f"; without {', '.join(ranges)}: {why}" for why, ranges in by_reason.items())


def _why_not_counted(claim: Claim, pair: Pair) -> str | None:
    """None where it does."""
    if pair.left_out:
        return pair.left_out
    if None in pair.incumbent:
        return f"{claim.incumbent_name} diverged"
    both = zip(pair.incumbent, pair.setting, strict=True)
    gains = [claim.objective.gains.gain(base, own) for base, own in both if base is not None and own is not None]
    return f"{claim.objective.metric} is not positive, so there is no ratio" if None in gains else None


def _level(p: float | None, look: Look | None) -> str:
    return "" if p is None or look is None else f", p = {p:.2g} where {look.level:.2g} is the level of that look"


def next_in_words(stored: Stored) -> str:
    """What a claim waits for, after a semicolon; empty if its end has come."""
    from pipeline.analysis.sequential import evidence

    found, left = evidence(stored.claim, stored.pairs), stored.open_ranges
    if found.next_look is None or not left:
        return ""
    return f"; judged at {found.next_look.ranges}; the next one, {left[0]}, is whole on {left[0].end}"
