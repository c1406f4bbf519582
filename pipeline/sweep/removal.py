"""Removes sweeps, or their models alone, to free space. If it is interrupted, the store stays usable.

It keeps the ledger (ranges used for choosing, verdicts, digests), and models to which rows of other sweeps point. The
order matters. First comes a mark, `removed/<sweep>`: a marked sweep counts as removed, whatever files it still has. A
training that is remembered for reuse is forgotten before its model is deleted. The mark is deleted last, once the sweep
has no file left.
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
"""Files of an attempt that are kept if only models are removed: they are small, and explain the attempt's row."""


@dataclass(frozen=True)
class Removal:
    """The files of a sweep to delete, and the attempts to keep."""

    sweep: Sweep
    is_whole: bool
    """True if the sweep is removed; False if only its models are."""
    best: str | None
    """If only models are removed, the key of the one to keep: the caller decides which is the best."""
    files: tuple[Entry, ...]
    """The files to delete."""
    kept: Mapping[str, tuple[str, ...]]
    """{folder of an attempt to keep: other sweeps whose rows point to its model}; `best` may have none."""

    @property
    def size(self) -> int:
        """Bytes to delete."""
        return sum(entry.size for entry in self.files)

    @property
    def needed_by(self) -> list[str]:
        """The other sweeps that need an attempt of this one."""
        return sorted({sweep for sweeps in self.kept.values() for sweep in sweeps})


def plan(store: Store, ids: Sequence[str], keep: Mapping[str, str | None] | None = None) -> list[Removal]:
    """Plans to remove these sweeps, and writes nothing.

    With `keep`, {sweep: key of the model to keep}, only the other models are removed. Raises UserError if a sweep does
    not exist.
    """
    needed = _needed(store, () if keep is not None else ids)
    return [_plan(Sweep(store, id), needed, keep is None, keep.get(id) if keep else None) for id in ids]


def remove(removals: Sequence[Removal], say: Callable[[str], None], pace: LeasePace = LEASE_PACE) -> int:
    """Removes sweeps or models, and returns the bytes freed. May be repeated after a failure.

    The files are planned again, from the present state of the store. `removals` are of one store. Raises UserError,
    before anything is deleted, if one of the sweeps is being run.
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

    # Plan again: since the first plan, other sweeps may have reused models of these, or these may have written pages.
    # Once the trainings are forgotten, nobody can reuse their models.
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
    """Raises UserError if a runner works on a sweep. Waits until each runner has shown a heartbeat or is stale."""
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
    """{key of a model: other sweeps whose rows point to it}; rows of the sweeps in `without` do not count."""
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
    """The rows of a sweep; if it is damaged, those in its `results.csv`; none if that cannot be read either."""
    try:
        return merge.look(sweep).rows
    except UserError:
        try:
            return results.read_csv(sweep.store.read(sweep.results_key))
        except (FileNotFoundError, ValueError):
            return []


def _forget(store: Store, removals: Sequence[Removal]) -> None:
    """Deletes the remembered rows of trainings whose models are to be deleted, so that such trainings run again.

    Remembered rows without a model of their sweep are deleted, too.
    """
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
