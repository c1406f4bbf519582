"""Plans the sweep that judges a claim: its setting against the incumbent, on new date ranges.

Claims are stored by `sweep/claims.py` and tested by `analysis/sequential.py`.
"""

import secrets
from collections.abc import Iterable
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
"""Folder, in the current directory, of the specs in which the code of a claim of a team's own trainer is looked up."""


@dataclass(frozen=True)
class Judge:
    """Options of a call that judges: the day, the machine, and what the user allows."""

    today: date
    trains_here: bool
    """True if this machine will train."""
    spec: Path | None = None
    """The spec with the claim's code, for a team's own trainer; None: a spec below `specs/` that has it."""
    data_changed: bool = False
    """True to go on though the data of earlier judgements of the claim have changed."""


def due(stored: Stored, judge: Judge) -> list[DateRange]:
    """The new date ranges that can judge a claim now, no more than its next look takes; empty for a claim that ended.

    Their last day is past, and they lie within the data, if this machine reaches these. Ranges that failed before come
    last. A second failure leaves a range out for good, so that it never blocks the others. Raises UserError if the
    claim cannot be judged.
    """
    # Imported here and below since it loads scipy, which callers of `code_specs` alone do not need.
    from pipeline.analysis.sequential import evidence

    claim = stored.claim
    if stored.damaged:
        raise UserError(
            f"{claim.id}: {', '.join(stored.damaged[:3])} cannot be read: restore it, or delete it to judge "
            "its range again"
        )
    so_far = evidence(claim, stored.pairs)
    if so_far.next_look is None:
        return []
    if claim.sweep_format != FORMAT:
        raise UserError(
            f"{claim.id} is a claim of sweeps of format {claim.sweep_format}, and this version trains by format "
            f"{FORMAT}: its trainings cannot be counted with the claim's; a new sweep makes a new claim"
        )
    ranges = [date_range for date_range in stored.open_ranges if date_range.end <= judge.today]
    if ranges and claim.data is not None and (days := covered_days(claim.data, trains_here=judge.trains_here)):
        ranges = [date_range for date_range in ranges if days.start <= date_range.start and date_range.end <= days.end]
    ranges.sort(key=lambda date_range: date_range in stored.tried_before)
    return ranges[: so_far.next_look.ranges - len(so_far.gains)]


def why_not_due(stored: Stored) -> str:
    """A line that says why no date range can judge a claim now, and when the next one can."""
    from pipeline.analysis.sequential import evidence

    if evidence(stored.claim, stored.pairs).ended or not stored.open_ranges:
        return f"{stored.claim.id} has come to its end: nothing is left to judge"
    first = stored.open_ranges[0]
    return f"{stored.claim.id}: no new date range yet; the next one, {first}, is whole when the data reach {first.end}"


def reopen(store: Store, stored: Stored, judge: Judge) -> list[tuple[Sweep, bool]]:
    """Opens the sweeps whose date ranges have no pair for the claim yet, oldest first; empty if the claim has ended.

    Each comes with True if all of its trials have a row. If a note names a sweep that does not exist, it is made.
    Raises UserError if that fails.
    """
    from pipeline.analysis.sequential import evidence

    if evidence(stored.claim, stored.pairs).ended:
        return []
    open_ranges = set(stored.open_ranges)
    sweeps = [_sweep_of(note, store, stored.claim, judge) for note in stored.notes if open_ranges & set(note.ranges)]
    return [(sweep, _has_ended(sweep)) for sweep in sweeps]


def begin(store: Store, stored: Stored, judge: Judge) -> Sweep | None:
    """Makes a sweep that judges a claim up to its next look; None if no date range is new.

    Callers that begin at the same time all get the same sweep. Raises UserError if the claim cannot be judged.
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
    # Made before the note is written: a note must not name a sweep whose code is missing.
    planned = definition(stored.claim, note, judge)
    first_note = claims.add_note(store, stored.claim, note)
    return _sweep_of(first_note, store, stored.claim, judge, planned if first_note == note else None)


def _sweep_of(note: JudgingNote, store: Store, claim: Claim, judge: Judge, planned: Definition | None = None) -> Sweep:
    """Opens the sweep of a note; makes it, from its `planned` definition if given, where it does not exist.

    Raises UserError if another sweep has its id.
    """
    sweep = Sweep(store, note.sweep)
    if not store.exists(sweep.definition_key):
        content = (planned or definition(claim, note, judge)).model_dump_json(indent=2, by_alias=True)
        store.create(sweep.definition_key, f"{content}\n".encode())
    stored = sweep.definition
    expected = JudgedClaim(id=claim.id, setting=claim.setting), claim.data, claim.code
    if (stored.claim, stored.data, claims.code_mark(stored.own)) != expected:
        raise UserError(
            f"{sweep.id} is not the sweep that judges {claim.id}, though a note says so: who can write to its store?"
        )
    return sweep


def _has_ended(sweep: Sweep) -> bool:
    """True if all trials of a sweep have a row. Raises UserError if the sweep is damaged."""
    planned = [sweep.round(number) for number in range(sweep.rounds())]
    files = sweep.result_files()
    return bool(planned) and all(str(trial) in files for packs in planned for trial in trials_of(packs))


def _check_data(stored: Stored, judge: Judge) -> None:
    """Raises UserError if data that judged a claim have changed. Reads them only if this machine trains on them."""
    claim = stored.claim
    if not judge.trains_here or not isinstance(claim.data, FilesSource) or claim.code is not None:
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
        others = f" and of {len(changed) - 1} more date ranges" if len(changed) > 1 else ""
        raise UserError(
            f"{claim.id}: the data of {min(changed)}{others} changed since they judged it; if what was measured on the "
            "old ones is still good evidence, go on with --data-changed; else let a new sweep make a new claim"
        )


# -- the definition


def definition(claim: Claim, note: JudgingNote, judge: Judge) -> Definition:
    """The definition of the sweep of a note. Raises UserError if the claim's code is missing."""
    spec = _spec_of(claim, judge.spec)
    own_trainer = _own_trainer(claim, spec)
    for missing_part in missing(own_trainer, project_folder()):
        if judge.trains_here or missing_part.everywhere:
            raise UserError(missing_part.line)
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
        git_commit=provenance.checkout_commit() if own_trainer else provenance.git_commit(),
        image=provenance.image() or (spec.image if spec else None),
        notes=f"judges the claim {claim.id}, made by {claim.origin.sweep}",
        spec=as_written(spec) if spec else claims.without_code(claim.spec),
        own=own_trainer,
        claim=JudgedClaim(id=claim.id, setting=claim.setting),
    )


def _space(claim: Claim) -> Space:
    """The values of the incumbent and of the setting, where they differ."""
    return {name: Values(values=(claim.incumbent[name], value)) for name, value in claim.differences.items()}


def _own_trainer(claim: Claim, spec: Spec | None) -> Own | None:
    if spec is not None:
        return trainer.own_trainer(spec, trainer.hyperparameters(spec))
    if claim.architecture not in architectures.names():
        raise UserError(
            f"{claim.id}: this version has no architecture {claim.architecture}, so it cannot judge the claim"
        )
    return None


# -- the code of a claim


def code_specs(stored: Iterable[Stored]) -> list[Spec]:
    """The specs below `specs/` whose code would run if these claims were judged.

    Left out are claims of built-in architectures, claims whose code no spec has, and specs that cannot be read.
    """
    codes = [each.claim.code for each in stored if each.claim.code is not None]
    if not codes:
        return []
    by_code, _ = _specs_by_code()
    return [by_code[code] for code in codes if code in by_code]


def _specs_by_code() -> tuple[dict[str, Spec], list[str]]:
    """{hash of its code: spec}, the first spec below `specs/` with that code; and the files that cannot be read."""
    by_code: dict[str, Spec] = {}
    unreadable: list[str] = []
    for file in sorted(SPECS.rglob("*.json")):
        try:
            spec = specs.read(file)
        except UserError:
            unreadable.append(str(file))
            continue
        if (code := claims.code_mark(spec)) is not None:
            by_code.setdefault(code, spec)
    return by_code, unreadable


def _spec_of(claim: Claim, file: Path | None) -> Spec | None:
    """The spec that has the code of a claim; None for a built-in architecture.

    The command never comes from the store, where others could write it. Raises UserError if there is no such spec, or
    if `file` cannot be read.
    """
    if claim.code is None:
        return None
    if file is not None:
        spec = specs.read(file)
        if claims.code_mark(spec) == claim.code:
            return spec
        problem = f"{file} has other code"
    else:
        by_code, unreadable = _specs_by_code()
        if claim.code in by_code:
            return by_code[claim.code]
        problem = f"no spec below {SPECS}/ has it"
        if unreadable:
            problem += f" ({', '.join(unreadable)} cannot be read: see `hpt validate`)"
    raise UserError(
        f"{claim.id} is of a trainer of your own; a claim does not hold its code, and {problem}: name, by --spec FILE, "
        "the spec with exactly the command or trainer of the sweep that made the claim"
    )
