"""Who trains what of a sweep, so that several runners share it instead of training the same trials.

A lease is a hint: it saves work, and never decides whose row counts. A runner says that it is at work in
`leases/runners/<id>`, which it writes anew every half minute; what a lane of it trains stands in `leases/<trial>`,
under the first of its trials. So a runner has one heartbeat and a pack one lease, however many trials it holds: a trial
of a second must not cost requests of its own. A runner whose heartbeat stood still for three minutes, by the clock of
whoever looks, is gone, and its leases with it; so is one whose process has ended on this very machine. What is damaged
counts as not there.

Not here: what a runner does with it (`local/share.py`), and what a build does (`jenkins/rounds.py`).
"""

import contextlib
import functools
import hashlib
import json
import os
import secrets
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from pipeline import provenance
from pipeline.base import Recorded
from pipeline.errors import InfrastructureError, UserError
from pipeline.store import content_of
from pipeline.sweep.folder import Sweep
from pipeline.sweep.trial import Trial

_TRIES = 3
_LETS_GO_WITHIN_S = 1.0


def owner_in(environment: Mapping[str, str]) -> str:
    """The build that this process works for; empty if it works for none. A controller without an address has tags."""
    return environment.get("BUILD_URL") or environment.get("BUILD_TAG") or ""


@dataclass(frozen=True)
class LeasePace:
    """Seconds."""

    beat: float = 30.0
    """Between two signs of life of a runner."""
    stale: float = 180.0
    """For so long a runner's sign of life stands still until it counts as gone."""
    look: float = 2.0
    """Between two looks at the store of a runner that waits for others."""


LEASE_PACE = LeasePace()


class Runner(Recorded):
    """A process that has trials of a sweep trained."""

    id: str
    owner: str
    """Runners of one owner never wait for each other: a build knows itself what its stages run."""
    name: str
    """For people."""
    lanes: int
    machine: str
    """The system and the user under which `process` means a process; empty where that is not known."""
    process: int
    born: str
    """When the process started, in the kernel's words: numbers of processes are used again."""

    @classmethod
    def here(cls, lanes: int, owner: str = "") -> Self:
        """This process as a new runner; without an `owner`, one of its own."""
        id, process = secrets.token_hex(8), os.getpid()
        name = f"{owner or 'a runner'} on {provenance.host()} (process {process})"
        return cls(
            id=id,
            owner=owner or id,
            name=name,
            lanes=lanes,
            machine=_machine(),
            process=process,
            born=_born(process) or "",
        )

    @property
    def has_died(self) -> bool:
        """Whether its process has ended, as far as this one can see it."""
        return bool(self.machine) and self.machine == _machine() and _born(self.process) != self.born


class _Content(Recorded):
    """What stands in a lease."""

    runner: str
    trials: tuple[str, ...]
    token: str
    """Tells this lease from a later one on the same trials."""


@dataclass(frozen=True)
class Lease:
    """What a lane took."""

    trials: tuple[Trial, ...]
    """Of those asked for, the ones that no other runner is training."""
    key: str | None = None
    """Where it stands; None: nowhere, since there are no trials or the store failed."""
    content: bytes = b""


@dataclass(frozen=True)
class Situation:
    """What the runners of other owners are doing, when somebody looked."""

    others: tuple[Runner, ...] = ()
    """Those that are at work or wait for it."""
    holders: Mapping[str, Runner] = field(default_factory=dict)
    """By the id of a trial, who trains it."""

    def holders_of(self, trials: Iterable[Trial]) -> list[Runner]:
        """The runners that train some of these trials."""
        by_id = {runner.id: runner for trial in trials if (runner := self.holders.get(str(trial)))}
        return list(by_id.values())

    @property
    def lanes(self) -> int:
        """How many lanes the others have."""
        return sum(runner.lanes for runner in self.others)

    def free(self, trials: Iterable[Trial]) -> tuple[Trial, ...]:
        """Those of the trials that nobody else is training."""
        return tuple(trial for trial in trials if str(trial) not in self.holders)


@dataclass
class _Sign:
    """The last sign of life of a runner."""

    version: str
    since: float
    """When it was first seen, by the clock of whoever looks."""
    has_beaten: bool = False
    """Whether another one was seen before."""


class Leases:
    """A runner's leases, and its view of the others'. Use as a context: leaving it gives everything back.

    A store that fails stops nothing here: what cannot be leased is trained without a lease.
    """

    def __init__(
        self,
        sweep: Sweep,
        runner: Runner,
        *,
        pace: LeasePace = LEASE_PACE,
        clock: Callable[[], float] = time.monotonic,
        say: Callable[[str], None] = lambda text: None,
    ) -> None:
        """`clock` must never jump, as `time.monotonic` does not. Nothing is written before the first `take`."""
        self._sweep, self._runner, self._pace, self._clock, self._say = sweep, runner, pace, clock, say
        self._lock = threading.Lock()
        """Held by whoever looks, takes, or gives back."""
        self._signs: dict[str, _Sign] = {}
        self._read: dict[str, tuple[str, Runner | _Content | None]] = {}
        """By key, the version that was read and what it said."""
        self._seen: Situation | None = None
        self._has_company = False
        """Whether other runners were there at the last look, of the same owner or not."""
        self._versions: dict[str, str] = {}
        """Of every lease that lay there at the last look, by its key."""
        self._held: dict[str, bytes] = {}
        self._is_excused = self._is_failing = False
        self._closing = threading.Event()
        self._heart: threading.Thread | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.set()
        if self._heart is None:
            return
        self._heart.join(_LETS_GO_WITHIN_S)
        if self._is_failing or self._heart.is_alive():
            return  # nobody should wait for a store that does not answer; after three minutes others know
        with self._forgiving(), self._lock:
            for key, content in list(self._held.items()):
                self._give_back(key, content)
            self._sweep.store.delete(self._sweep.runner_key(self._runner.id))
            self._look()
            if not self._has_company:
                for key in self._versions:  # the last one leaves nothing behind of those that died
                    self._sweep.store.delete(key)

    # -- others

    def look(self) -> Situation:
        """What the others are doing now; nobody and nothing if the store fails."""
        with self._forgiving(), self._lock:
            return self._look()
        return Situation()

    def has_beaten(self, runner: Runner) -> bool:
        """Whether a runner gave a sign of life since it was first seen here: until then it may have died before."""
        sign = self._signs.get(runner.id)
        return sign is not None and sign.has_beaten

    # -- one's own

    def take(self, trials: Sequence[Trial]) -> Lease:
        """Takes the lease on those of the trials that no other runner is training."""
        with self._forgiving(), self._lock:
            self._join()
            return self._take(trials)
        return Lease(tuple(trials))

    def give_back(self, lease: Lease) -> None:
        """Ends a lease, unless somebody else has taken it over."""
        if lease.key is not None:
            with self._forgiving(), self._lock:
                self._give_back(lease.key, lease.content)

    def _join(self) -> None:
        """Says that this runner is at work, from now on again and again."""
        if self._heart is None and not self._closing.is_set():
            self._beat(0)
            self._heart = threading.Thread(target=self._keep_beating, name="leases", daemon=True)
            self._heart.start()

    def _keep_beating(self) -> None:
        beats = 0
        while not self._closing.wait(self._pace.beat):
            beats += 1
            with self._forgiving():
                self._beat(beats)

    def _beat(self, number: int) -> None:
        content = self._runner.model_dump(by_alias=True) | {"beat": number}
        self._sweep.store.write(self._sweep.runner_key(self._runner.id), _json(content))

    def _take(self, trials: Sequence[Trial]) -> Lease:
        store, now = self._sweep.store, self._seen or self._look()
        for _ in range(_TRIES):
            free = now.free(trials)
            if not free:
                break
            # What lies there already is of somebody who is gone, or this owner's own.
            key = self._sweep.lease_key(free[0])
            ours = _Content(runner=self._runner.id, trials=tuple(map(str, free)), token=secrets.token_hex(4))
            content = _json(ours.model_dump(by_alias=True))
            version = self._versions.get(key)
            is_ours = store.create(key, content) if version is None else store.replace(key, content, version)
            # Afterwards: of two that take packs which overlap, the later one sees the other's lease here.
            now = self._look()
            if is_ours:
                self._held[key] = content
                if taken := now.free(free):
                    return Lease(taken, key, content)
                self._give_back(key, content)
                break
        return Lease(())

    def _give_back(self, key: str, content: bytes) -> None:
        self._held.pop(key, None)
        self._versions.pop(key, None)
        with contextlib.suppress(FileNotFoundError):
            if self._sweep.store.read(key) == content:
                self._sweep.store.delete(key)

    # -- looking

    def _look(self) -> Situation:
        runners: dict[str, Runner] = {}
        leases: list[_Content] = []
        versions: dict[str, str] = {}
        read, self._read = self._read, {}
        self._has_company = False
        for entry in self._sweep.store.entries(self._sweep.leases_key):
            id = self._sweep.runner_of(entry.key)
            version, value = read.get(entry.key, ("", None))
            # A runner says the same thing at each sign of life.
            if version != entry.version and not isinstance(value, Runner):
                try:
                    data = content_of(self._sweep.store, entry)
                except FileNotFoundError:
                    continue
                value = _parse(_Content if id is None else _Beating, data)
            self._read[entry.key] = entry.version, value
            if isinstance(value, _Content):
                leases.append(value)
            if id is None:
                versions[entry.key] = entry.version
            elif id != self._runner.id and not self._is_alive(id, entry.version, value):
                self._sweep.store.delete(entry.key)  # so that who has not watched for three minutes knows, too
            elif id != self._runner.id:
                self._has_company = True
                if isinstance(value, Runner) and value.owner != self._runner.owner:
                    runners[id] = value
        holders = {
            trial: runners[lease.runner] for lease in leases if lease.runner in runners for trial in lease.trials
        }
        self._signs = {id: sign for id, sign in self._signs.items() if self._sweep.runner_key(id) in self._read}
        self._seen, self._versions = Situation(tuple(runners.values()), holders), versions
        return self._seen

    def _is_alive(self, id: str, version: str, runner: Runner | _Content | None) -> bool:
        now, sign = self._clock(), self._signs.get(id)
        if sign is None or sign.version != version:
            sign = self._signs[id] = _Sign(version, now, has_beaten=sign is not None)
        has_died = isinstance(runner, Runner) and runner.has_died
        return now - sign.since < self._pace.stale and not has_died

    @contextlib.contextmanager
    def _forgiving(self) -> Iterator[None]:
        """Lets no failure of the store out, and tells the first."""
        try:
            yield
            self._is_failing = False
        except (InfrastructureError, UserError) as error:
            self._is_failing = True
            if not self._is_excused:
                self._is_excused = True
                self._say(f"{error}; meanwhile other runners of this sweep may train the same trials")


class _Beating(Runner):
    beat: int


def _parse(kind: type[Runner] | type[_Content], data: bytes) -> Runner | _Content | None:
    try:
        return kind.model_validate_json(data)
    except ValueError:
        return None


def _json(content: object) -> bytes:
    return (json.dumps(content) + "\n").encode()


@functools.cache
def _machine() -> str:
    """A running kernel, a space of process numbers in it (a container has its own), and a user, who sees his own."""
    try:
        parts = [Path("/proc/sys/kernel/random/boot_id").read_text(), os.readlink("/proc/self/ns/pid")]
    except OSError:
        return ""
    return hashlib.sha256("\n".join([*parts, str(os.getuid())]).encode()).hexdigest()[:16]


def _born(process: int) -> str | None:
    """When a process started; None if there is none of this number, or only what is left of one."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text(errors="replace").rpartition(")")[2].split()
        return None if fields[0] in "ZX" else fields[19]
    except (OSError, IndexError):
        return None
