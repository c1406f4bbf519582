"""The sweep that judges a claim on date ranges that are new: its setting and the incumbent, nothing else.

What a claim is stands in `sweep/claims.py`; when it is real is for `analysis/sequential.py` to say.
"""

import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from pipeline import provenance
from pipeline import spec as specs
from pipeline.data.source import FilesSource
from pipeline.dates import DateRange
from pipeline.errors import UserError
from pipeline.places import project_folder
from pipeline.plan.data_access import covered_days
from pipeline.plan.reach import missing
from pipeline.space import Space, Values
from pipeline.spec import Spec, trainer
from pipeline.spec.normalize import as_written
from pipeline.store import Store
from pipeline.sweep import (
    FORMAT,
    Definition,
    JudgedClaim,
    Judging,
    Phase,
    Sweep,
    claims,
    new_id,
    trials_of,
)
from pipeline.sweep.claims import Claim, JudgingNote, Stored
from pipeline.training import architectures
from pipeline.training.own.code import Own

SPECS = Path("specs")
"""Where code for the claims of a team's own trainer is looked for, below the current directory."""


@dataclass(frozen=True)
class Judge:
    """How claims are to be judged: whose day it is, where trials run, what a person has allowed."""

    today: date
    here: bool
    """Whether this machine will train."""
    spec: Path | None = None
    """Of a team's own trainer; None: one below `specs/` that has the claim's."""
    data_changed: bool = False
    """Whether to go on though data changed on which the claim was judged."""


def due(stored: Stored, judge: Judge) -> list[DateRange]:
    """The date ranges that can judge a claim now: new ones, whole, with data where this machine sees them; no more than
    its next look takes. Those that failed before come last: a second failure leaves them out for good, so that they
    keep nothing waiting.

    None for a claim that has come to its end. Raises UserError if the claim cannot be judged at all.
    """
    # Here and below, as scipy comes with it, which the doors do without that only ask for the code of claims.
    from pipeline.analysis.sequential import evidence

    claim = stored.claim
    if stored.damaged:
        raise UserError(
            f"{claim.id}: {', '.join(stored.damaged[:3])} cannot be read: put it back, or delete it, and that is "
            "judged anew"
        )
    found = evidence(claim, stored.pairs)
    if found.next_look is None:
        return []
    if claim.sweep_format != FORMAT:
        raise UserError(
            f"{claim.id} is a claim of sweeps of format {claim.sweep_format}, and this version trains by format "
            f"{FORMAT}: what it trains could not be counted with what is there; a new sweep makes a new claim"
        )
    whole = [one for one in stored.open_ranges if one.end <= judge.today]
    if whole and claim.data is not None and (covered := covered_days(claim.data, here=judge.here)):
        whole = [one for one in whole if covered.start <= one.start and one.end <= covered.end]
    whole.sort(key=lambda one: one in stored.tried_before)
    return whole[: found.next_look.ranges - len(found.gains)]


def why_not_due(stored: Stored) -> str:
    """Why nothing can judge a claim now, and from when on something can."""
    from pipeline.analysis.sequential import evidence

    if evidence(stored.claim, stored.pairs).ended or not stored.open_ranges:
        return f"{stored.claim.id} has come to its end: nothing is left to judge"
    first = stored.open_ranges[0]
    return f"{stored.claim.id}: no new date range yet; the next one, {first}, is whole when the data reach {first.end}"


def begun(store: Store, stored: Stored, judge: Judge) -> list[tuple[Sweep, bool]]:
    """The sweeps that judge date ranges of a claim without a pair so far, oldest first, and whether each has a row of
    every trial. None for a claim that has come to its end.

    One that was noted and never made, or is gone, is made. Raises UserError if that cannot be.
    """
    from pipeline.analysis.sequential import evidence

    if evidence(stored.claim, stored.pairs).ended:
        return []
    opened = set(stored.open_ranges)
    sweeps = [_made(store, stored.claim, note, judge) for note in stored.notes if opened & set(note.ranges)]
    return [(sweep, _has_ended(sweep)) for sweep in sweeps]


def begin(store: Store, stored: Stored, judge: Judge) -> Sweep | None:
    """A new sweep that judges a claim up to its next look; None if no date range is new.

    Of several who begin at once, all get the same. Raises UserError if the claim cannot be judged.
    """
    ranges = due(stored, judge)
    if not ranges:
        return None
    if not judge.data_changed:
        _check_data(stored, judge)
    now = datetime.now(UTC)
    note = JudgingNote(
        number=stored.next_number,
        sweep=new_id(now, stored.claim.architecture, secrets.token_hex(2)),
        ranges=tuple(ranges),
        as_of=judge.today,
        created=now.isoformat(timespec="seconds"),
        counted=tuple(pair.range for pair in stored.pairs if pair.left_out is None),
    )
    # Before it is noted: without its code, a claim must not begin a sweep that nobody can run.
    definition(stored.claim, note, judge)
    return _made(store, stored.claim, claims.add_note(store, stored.claim, note), judge)


def _made(store: Store, claim: Claim, note: JudgingNote, judge: Judge) -> Sweep:
    """The sweep of a note; whoever comes first makes it. Raises UserError if another sweep has its id."""
    sweep = Sweep(store, note.sweep)
    if not store.exists(sweep.definition_key):
        content = definition(claim, note, judge).model_dump_json(indent=2, by_alias=True)
        store.create(sweep.definition_key, f"{content}\n".encode())
    made = sweep.definition
    asked = JudgedClaim(id=claim.id, setting=claim.setting), claim.data, claim.code
    if (made.claim, made.data, claims.code_mark(made.own)) != asked:
        raise UserError(
            f"{sweep.id} is not the sweep that judges {claim.id}, though a note says so: who writes its store?"
        )
    return sweep


def _has_ended(sweep: Sweep) -> bool:
    """Whether all trials of a sweep have a row. Raises UserError if it is damaged."""
    planned = [sweep.round(number) for number in range(sweep.rounds())]
    files = sweep.result_files()
    return bool(planned) and all(str(trial) in files for packs in planned for trial in trials_of(packs))


def _check_data(stored: Stored, judge: Judge) -> None:
    """Raises UserError if data changed on which a claim was judged. Reads them, where this machine trains on them."""
    claim = stored.claim
    if not judge.here or not isinstance(claim.data, FilesSource) or claim.code is not None:
        return
    from pipeline.data import load

    shares = claim.training.validation_share, claim.training.test_share
    changed = [
        pair.range
        for pair in stored.pairs
        if pair.fingerprint is not None
        and load.fingerprint_of(claim.data, pair.range, *shares, train_days=claim.fidelity.train_days)
        != pair.fingerprint
    ]
    if changed:
        many = f" and of {len(changed) - 1} more date ranges" if len(changed) > 1 else ""
        raise UserError(
            f"{claim.id}: the data of {min(changed)}{many} changed since they judged it; if what was measured on the "
            "old ones is still good evidence, go on with --data-changed; else let a new sweep make a new claim"
        )


# -- what the sweep is


def definition(claim: Claim, note: JudgingNote, judge: Judge) -> Definition:
    """The definition of the sweep of a note. Raises UserError if the claim's code is not at hand."""
    spec = _spec_of(claim, judge.spec)
    own = _own(claim, spec)
    for found in missing(own, project_folder()):
        if judge.here or found.everywhere:
            raise UserError(found.line)
    phase = Phase(
        name="confirm",
        role="judge",
        space=_space(claim),
        ranges=note.ranges,
        fidelity=claim.fidelity,
        strategy="finalists",
        experiments=2,
        seeds=claim.seeds,
        judging=Judging(rope=claim.rope, fresh=True, resemblance=claim.resemblance),
    )
    return Definition(
        format=FORMAT,
        id=note.sweep,
        created=note.created,
        architecture=claim.architecture,
        data=claim.data,
        as_of=note.as_of,
        seed=claim.seed,
        training=claim.training,
        objective=claim.objective,
        incumbent=claim.incumbent,
        phases=(phase,),
        git_commit=provenance.commit_here() if own else provenance.git_commit(),
        image=provenance.image() or (spec.image if spec else None),
        notes=f"judges the claim {claim.id}, made by {claim.origin.sweep}",
        spec=as_written(spec) if spec else claims.without_code(claim.spec),
        own=own,
        claim=JudgedClaim(id=claim.id, setting=claim.setting),
    )


def _space(claim: Claim) -> Space:
    """What differs: the values of the incumbent and of the setting."""
    return {name: Values(values=(claim.incumbent[name], value)) for name, value in claim.differences.items()}


def _own(claim: Claim, spec: Spec | None) -> Own | None:
    if spec is not None:
        return trainer.own(spec, trainer.hyperparameters(spec))
    if claim.architecture not in architectures.names():
        raise UserError(
            f"{claim.id}: this version has no architecture {claim.architecture}, so it cannot judge the claim"
        )
    return None


def code_specs(stored: Sequence[Stored]) -> list[Spec]:
    """The specs below `specs/` whose code claims of a team's own trainer would run; those without one are left out."""
    found = []
    for one in stored:
        if one.claim.code is not None and (spec := next(_with_code(one.claim, sorted(SPECS.rglob("*.json"))), None)):
            found.append(spec)
    return found


def _spec_of(claim: Claim, file: Path | None) -> Spec | None:
    """The spec that has the code of a claim; None if it has none. Never the store's: a claim brings no code.

    Raises UserError if there is no such spec.
    """
    if claim.code is None:
        return None
    files = sorted(SPECS.rglob("*.json")) if file is None else [file]
    if (spec := next(_with_code(claim, files), None)) is not None:
        return spec
    where = f"{file} has another" if file else f"no spec below {SPECS}/ has it"
    raise UserError(
        f"{claim.id} is of a trainer of your own, whose code a claim does not hold, and {where}: name the spec that "
        "has the very command or trainer of the sweep that made it, by --spec FILE"
    )


def _with_code(claim: Claim, files: Sequence[Path]) -> Iterator[Spec]:
    for file in files:
        try:
            spec = specs.read(file)
        except UserError:
            if len(files) == 1:
                raise
            continue
        if claims.code_mark(spec) == claim.code:
            yield spec
