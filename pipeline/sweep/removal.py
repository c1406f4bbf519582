"""Frees the space of sweeps: what of one may go, and how it goes so that no verb trips over what is left halfway.

What the ledger holds stays: which ranges were chosen on, what was judged, what later sweeps learn from. So do models
that rows of other sweeps point to. A finished training that is remembered for reuse is forgotten before its model goes.
A mark, written first, says that what lies in the folder of a removed sweep is no sweep any more; it goes last, if
nothing is left. Which model is the best is for the caller to say.
"""

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from pipeline import results
from pipeline.errors import InfrastructureError, UserError
from pipeline.results import Row
from pipeline.store import Entry, Store, content_of
from pipeline.store.address import plain
from pipeline.sweep import merge
from pipeline.sweep.folder import Sweep, all_sweeps
from pipeline.sweep.layout import SWEEPS, SweepKeys, model_key, remembered_rows_key, removed_key
from pipeline.sweep.leases import LEASE_PACE, LeasePace, Leases, Runner

_CONNECTIONS = 32
_ALWAYS_KEPT = ("epochs.csv", "log.txt")
"""Of an attempt whose models go: small, and what explains its row."""


@dataclass(frozen=True)
class Removal:
    """What goes of a sweep, and what stays of that."""

    sweep: Sweep
    is_whole: bool
    """Whether the sweep itself goes, not its models alone."""
    best: str | None
    """The key of the model to keep, where models alone go."""
    files: tuple[Entry, ...]
    kept: Mapping[str, tuple[str, ...]]
    """Folders of attempts that stay -> the sweeps whose rows point to their models; none: it is the model to keep."""

    @property
    def size(self) -> int:
        """Bytes."""
        return sum(entry.size for entry in self.files)

    @property
    def needed_by(self) -> list[str]:
        """The sweeps because of which something stays."""
        return sorted({sweep for sweeps in self.kept.values() for sweep in sweeps})


def plan(store: Store, ids: Sequence[str], keep: Mapping[str, str | None] | None = None) -> list[Removal]:
    """What would go of each of these sweeps; nothing is written.

    `keep`, where given, is the key of the model to keep of each sweep, which then loses its other models alone.
    Raises UserError if one is not there.
    """
    needed = _needed(store, () if keep is not None else ids)
    return [_plan(Sweep(store, id), needed, keep is None, keep.get(id) if keep else None) for id in ids]


def remove(removals: Sequence[Removal], say: Callable[[str], None], pace: LeasePace = LEASE_PACE) -> int:
    """Carries removals out, as things are now; returns the bytes that they freed. May be repeated where it broke.

    Raises UserError, before anything is gone, if somebody runs one of the sweeps.
    """
    marked: list[Removal] = []
    try:
        for removal in removals:
            if removal.is_whole and removal.sweep.store.create(removed_key(removal.sweep.id), b""):
                marked.append(removal)
            # Who opened it before the mark was there has a lease by now, or finds nothing any more.
            check_idle(removal.sweep, say, pace)
    except (UserError, InfrastructureError):
        for removal in marked:
            removal.sweep.store.delete(removed_key(removal.sweep.id))
        raise
    return sum(map(_remove, removals))


def _remove(removal: Removal) -> int:
    sweep, store = removal.sweep, removal.sweep.store
    _forget(store, sweep, {entry.key for entry in removal.files})
    # A sweep may have taken over a model of this one since it was planned, and its page may have been written.
    needed = _needed(store, [sweep.id] if removal.is_whole else ())
    files = _plan(sweep, needed, removal.is_whole, removal.best).files
    with ThreadPoolExecutor(_CONNECTIONS) as pool:
        list(pool.map(store.delete, (entry.key for entry in files)))
    store.tidy(sweep.key(""))
    if removal.is_whole and not any(True for _ in store.entries(sweep.key(""))):
        store.delete(removed_key(sweep.id))
    return sum(entry.size for entry in files)


def check_idle(
    sweep: Sweep,
    say: Callable[[str], None],
    pace: LeasePace = LEASE_PACE,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Raises UserError if a runner is at work on a sweep; of one that may be dead it waits for a sign of life."""
    errors: list[str] = []
    view = Leases(sweep, Runner.here(0), pace=pace, say=errors.append)
    has_said = False
    while others := view.look().others:
        if alive := [runner.name for runner in others if view.has_beaten(runner)]:
            raise UserError(f"{sweep.id} is being run by {' and '.join(alive)}: `hpt stop {sweep.id}` ends that")
        if not has_said:
            names = " and ".join(sorted(runner.name for runner in others))
            say(f"{sweep.id}: waits up to {pace.stale / 60:.0f} minutes to see whether {names} is alive")
            has_said = True
        sleep(pace.look)
    if errors:
        raise InfrastructureError(errors[0])


def _plan(sweep: Sweep, needed: Mapping[str, set[str]], is_whole: bool, best: str | None) -> Removal:
    entries = list(sweep.store.entries(sweep.key("")))
    if not entries and not sweep.store.exists(removed_key(sweep.id)):
        raise UserError(f"{sweep.store.root} holds no sweep {sweep.id}")
    kept = {folder: tuple(sorted(sweeps)) for folder, sweeps in _folders(sweep, needed).items()}
    if best is not None and (attempt := sweep.attempt_of(best)):
        kept.setdefault(attempt[0], ())
    going = (entry for entry in entries if not _is_in(entry.key, kept))
    if not is_whole:
        going = (entry for entry in going if _is_model(sweep, entry.key))
    return Removal(sweep, is_whole, best, tuple(going), kept)


def _is_model(sweep: SweepKeys, key: str) -> bool:
    """Whether a file is one that a training saved."""
    attempt = sweep.attempt_of(key)
    return attempt is not None and attempt[1] not in _ALWAYS_KEPT


def _is_in(key: str, folders: Collection[str]) -> bool:
    return any(key.startswith(folder) for folder in folders)


def _folders(sweep: SweepKeys, needed: Mapping[str, set[str]]) -> dict[str, set[str]]:
    """The attempts of a sweep whose models others need -> the ids of these."""
    folders: dict[str, set[str]] = {}
    for key, sweeps in needed.items():
        if (attempt := sweep.attempt_of(key)) and (others := sweeps - {sweep.id}):
            folders.setdefault(attempt[0], set()).update(others)
    return folders


def _needed(store: Store, without: Collection[str]) -> dict[str, set[str]]:
    """Keys of models that rows of other sweeps than their own point to -> the ids of these sweeps."""
    needed: dict[str, set[str]] = {}
    for id in all_sweeps(store):
        if id in without:
            continue
        for row in _rows(Sweep(store, id)):
            if row.get("model_url") and (key := _key_of(row)) and not key.startswith(f"{SWEEPS}{id}/"):
                needed.setdefault(key, set()).add(id)
    return needed


def _key_of(row: Row) -> str | None:
    try:
        return model_key(plain(str(row["model_url"])))
    except (UserError, ValueError):
        return None


def _rows(sweep: Sweep) -> Iterable[Row]:
    """The rows of a sweep; of one that is damaged, those of its table."""
    try:
        return merge.look(sweep).rows
    except UserError:
        try:
            return results.read_csv(sweep.store.read(sweep.results_key))
        except (FileNotFoundError, ValueError):
            return []


def _forget(store: Store, sweep: Sweep, going: Collection[str]) -> None:
    """Forgets the finished trainings of a sweep whose models go, so that the next one alike is trained and
    remembered."""
    folders = {attempt[0] for key in going if (attempt := sweep.attempt_of(key)) and _is_model(sweep, key)}
    for key, row in _remembered(store):
        model = _key_of(row) if row.get("model_url") else None
        attempt = sweep.attempt_of(model) if model else None
        if row.get("sweep") == sweep.id and (attempt is None or attempt[0] in folders):
            store.delete(key)


def _remembered(store: Store) -> Iterator[tuple[str, Row]]:
    """The key and the row of every training that is remembered for reuse."""

    def read(entry: Entry) -> tuple[str, Row] | None:
        try:
            return entry.key, results.read_csv(content_of(store, entry))[0]
        except (FileNotFoundError, ValueError, LookupError):
            return None

    with ThreadPoolExecutor(_CONNECTIONS) as pool:
        yield from filter(None, pool.map(read, store.entries(remembered_rows_key(), ".csv")))
