"""Removes sweeps, or their models alone, to free space, in an order that leaves a usable store if it breaks.

The ledger stays: ranges used for choosing, verdicts, digests. Models that rows of other sweeps point to stay as well. A
training that is remembered for reuse is forgotten before its model goes. First a mark is written: the files of a marked
sweep are no sweep any more. The mark goes last, once no file is left. Callers say which model is the best.
"""

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from pipeline import results
from pipeline.errors import InfrastructureError, UserError
from pipeline.results import Row
from pipeline.store import Entry, Store, content_of
from pipeline.store.address import model_address
from pipeline.sweep import merge
from pipeline.sweep.folder import Sweep, all_sweeps
from pipeline.sweep.layout import SWEEPS, SweepKeys, model_key, remembered_rows_key, removed_key
from pipeline.sweep.leases import LEASE_PACE, LeasePace, Leases, Runner

_CONNECTIONS = 32
_ALWAYS_KEPT = ("epochs.csv", "log.txt")
"""Files of an attempt that stay if only its models go: they are small, and explain its row."""


@dataclass(frozen=True)
class Removal:
    """The files of a sweep that go, and the attempts that stay."""

    sweep: Sweep
    is_whole: bool
    """True if the sweep goes; False if only its models do."""
    best: str | None
    """The key of the model to keep, if only models go."""
    files: tuple[Entry, ...]
    """The files that go."""
    kept: Mapping[str, tuple[str, ...]]
    """{folder of an attempt that stays: sweeps whose rows point to its model}; no sweeps: it is the model to keep."""

    @property
    def size(self) -> int:
        """Bytes that go."""
        return sum(entry.size for entry in self.files)

    @property
    def needed_by(self) -> list[str]:
        """The other sweeps that need an attempt of this one."""
        return sorted({sweep for sweeps in self.kept.values() for sweep in sweeps})


def plan(store: Store, ids: Sequence[str], keep: Mapping[str, str | None] | None = None) -> list[Removal]:
    """The removals of these sweeps; nothing is written.

    With `keep`, {sweep: key of the model to keep}, only other models go. Raises UserError if a sweep does not exist.
    """
    needed = _needed(store, () if keep is not None else ids)
    return [_plan(Sweep(store, id), needed, keep is None, keep.get(id) if keep else None) for id in ids]


def remove(removals: Sequence[Removal], say: Callable[[str], None], pace: LeasePace = LEASE_PACE) -> int:
    """Removes files, by the present state of the store, and returns the bytes freed. May be repeated after a failure.

    `removals` are of one store. Raises UserError, before anything is deleted, if one of the sweeps is being run.
    """
    if not removals:
        return 0
    store = removals[0].sweep.store

    # Mark the sweeps, and make sure that no runner works on them.
    marked: list[Removal] = []
    try:
        for removal in removals:
            if removal.is_whole and store.create(removed_key(removal.sweep.id), b""):
                marked.append(removal)
            # A runner that opened the sweep before the mark has a lease by now; a later one does not find the sweep.
            check_idle(removal.sweep, say, pace)
    except (UserError, InfrastructureError):
        for removal in marked:
            store.delete(removed_key(removal.sweep.id))
        raise

    # Plan again: since the first plan, sweeps may have taken over models of these, or written their pages. From now on
    # they cannot, since the trainings are forgotten.
    _forget(store, removals)
    needed = _needed(store, [removal.sweep.id for removal in removals if removal.is_whole])
    return sum(_remove(_plan(removal.sweep, needed, removal.is_whole, removal.best)) for removal in removals)


def _remove(removal: Removal) -> int:
    sweep, store, files = removal.sweep, removal.sweep.store, removal.files
    with ThreadPoolExecutor(_CONNECTIONS) as pool:
        list(pool.map(store.delete, (entry.key for entry in files)))
    store.tidy(sweep.key(""))
    if removal.is_whole and not any(True for _ in store.entries(sweep.key(""))):
        store.delete(removed_key(sweep.id))
    return removal.size


def check_idle(
    sweep: Sweep,
    say: Callable[[str], None],
    pace: LeasePace = LEASE_PACE,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Raises UserError if a runner is at work on a sweep. Waits for the heartbeat of a runner that may be dead."""
    errors: list[str] = []
    view = Leases(sweep, Runner.of_this_process(0), pace=pace, say=errors.append)
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
        going = (entry for entry in going if _folder_of_model(sweep, entry.key))
    return Removal(sweep, is_whole, best, tuple(going), kept)


def _folder_of_model(sweep: SweepKeys, key: str) -> str | None:
    """The folder of the attempt that saved a model's file; None for any other file."""
    attempt = sweep.attempt_of(key)
    return attempt[0] if attempt and attempt[1] not in _ALWAYS_KEPT else None


def _is_in(key: str, folders: Collection[str]) -> bool:
    return any(key.startswith(folder) for folder in folders)


def _folders(sweep: SweepKeys, needed: Mapping[str, set[str]]) -> dict[str, set[str]]:
    """{folder of an attempt of a sweep: other sweeps that need its model}."""
    folders: dict[str, set[str]] = {}
    for key, sweeps in needed.items():
        if (attempt := sweep.attempt_of(key)) and (others := sweeps - {sweep.id}):
            folders.setdefault(attempt[0], set()).update(others)
    return folders


def _needed(store: Store, without: Collection[str]) -> dict[str, set[str]]:
    """{key of a model: sweeps whose rows point to it, other than its own}, by all sweeps except those in `without`."""
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
        return model_key(model_address(str(row["model_url"])))
    except (UserError, ValueError):
        return None


def _rows(sweep: Sweep) -> Iterable[Row]:
    """The rows of a sweep; if it is damaged, those of its table."""
    try:
        return merge.look(sweep).rows
    except UserError:
        try:
            return results.read_csv(sweep.store.read(sweep.results_key))
        except (FileNotFoundError, ValueError):
            return []


def _forget(store: Store, removals: Sequence[Removal]) -> None:
    """Deletes the remembered rows of trainings whose models go, so that such trainings run again."""
    sweeps = {removal.sweep.id: removal.sweep for removal in removals}
    folders = {_folder_of_model(removal.sweep, entry.key) for removal in removals for entry in removal.files}
    for key, row in _remembered(store):
        if (sweep := sweeps.get(str(row.get("sweep")))) is None:
            continue
        model = _key_of(row) if row.get("model_url") else None
        attempt = sweep.attempt_of(model) if model else None
        if attempt is None or attempt[0] in folders:
            store.delete(key)


def _remembered(store: Store) -> Iterator[tuple[str, Row]]:
    """(key, row) of every training that is remembered for reuse."""

    def read(entry: Entry) -> tuple[str, Row] | None:
        try:
            return entry.key, results.read_csv(content_of(store, entry))[0]
        except (FileNotFoundError, ValueError, LookupError):
            return None

    with ThreadPoolExecutor(_CONNECTIONS) as pool:
        yield from filter(None, pool.map(read, store.entries(remembered_rows_key(), ".csv")))
