"""Leases on trials: several runners share a sweep instead of training the same trials.

A lease is a hint: it saves work, and never decides whose row counts. Every half minute a runner writes its heartbeat to
`leases/runners/<id>`. Each of its lanes writes the trials that it trains to `leases/<trial>`, under the first of them.
So each runner has one heartbeat, and each pack in training has one lease, however many trials it holds: a trial that
takes a second must not cost requests of its own.

A runner counts as gone, and its leases as void, if its heartbeat stood still for three minutes by the reader's own
clock, or if its process ran on the reader's machine and has ended. Damaged files are ignored.

Not here: how a runner uses leases (`local/share.py`), and how a build does (`jenkins/rounds.py`).
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
"""Attempts to write a lease while other runners write theirs."""
_HEART_STOPS_WITHIN_S = 1.0
"""The longest wait at the end for the thread that writes heartbeats: it may hang in a store that does not answer."""


def owner_in(environment: Mapping[str, str]) -> str:
    """The Jenkins build that this process works for; empty outside Jenkins.

    A controller that does not know its own address sets `BUILD_TAG`, but no `BUILD_URL`.
    """
    return environment.get("BUILD_URL") or environment.get("BUILD_TAG") or ""


@dataclass(frozen=True)
class LeasePace:
    """Times of leases, in seconds."""

    beat: float = 30.0
    """Between two heartbeats of a runner."""
    stale: float = 180.0
    """A runner is gone if its heartbeat stands still for so long."""
    look: float = 2.0
    """Between two looks at the store by a runner that waits for others."""


LEASE_PACE = LeasePace()


class Runner(Recorded):
    """A process that has trials of a sweep trained."""

    id: str
    owner: str
    """Build that the runner works for, else its own id. Runners of one owner never wait for each other: a build knows
    what its stages run."""
    name: str
    """Name for people."""
    lanes: int
    machine: str
    """The system and the user to whom the process number belongs; empty if unknown."""
    process: int
    """Process number."""
    born: str
    """Start time of the process, in the kernel's units. It tells the process from a later one of the same number."""

    @classmethod
    def of_this_process(cls, lanes: int, owner: str = "") -> Self:
        """This process as a new runner. Without an `owner`, the runner is its own owner."""
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
        """True if its process ran on this machine and has ended."""
        return bool(self.machine) and self.machine == _machine() and _born(self.process) != self.born


class _Content(Recorded):
    """Content of a lease in the store."""

    runner: str
    trials: tuple[str, ...]
    token: str
    """Distinguishes this lease from a later one on the same trials."""


@dataclass(frozen=True)
class Lease:
    """A lease that a lane took."""

    trials: tuple[Trial, ...]
    """The requested trials that no other runner is training."""
    key: str | None = None
    """Its key in the store; None if there are no trials, or the store failed."""
    content: bytes = b""


@dataclass(frozen=True)
class Situation:
    """The runners of other owners at one moment, and their trials."""

    others: tuple[Runner, ...] = ()
    """Runners at work, or waiting for work."""
    holders: Mapping[str, Runner] = field(default_factory=dict)
    """{id of a trial: runner that trains it}."""

    def holders_of(self, trials: Iterable[Trial]) -> list[Runner]:
        """The runners that train some of these trials."""
        by_id = {runner.id: runner for trial in trials if (runner := self.holders.get(str(trial)))}
        return list(by_id.values())

    @property
    def lanes(self) -> int:
        """Number of lanes of the others."""
        return sum(runner.lanes for runner in self.others)

    def free(self, trials: Iterable[Trial]) -> tuple[Trial, ...]:
        """The trials among these that no other runner is training."""
        return tuple(trial for trial in trials if str(trial) not in self.holders)


@dataclass
class _Sign:
    """The latest heartbeat of a runner."""

    version: str
    since: float
    """Time at which it was first seen, by the reader's own clock."""
    has_beaten: bool = False
    """True if an earlier heartbeat was seen as well: then the runner is at work, and not just a file left behind."""


class Leases:
    """The leases of a runner, and its view of the others'. Use as a context: leaving it gives all leases back.

    Failures of the store are reported once and stop nothing: trials are then trained without a lease.
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
        """`clock` must be monotonic. Nothing is written before the first `take`."""
        self._sweep, self._runner, self._pace, self._clock, self._say = sweep, runner, pace, clock, say
        self._lock = threading.Lock()
        """Held while looking, taking and giving back."""
        self._signs: dict[str, _Sign] = {}
        """{runner: its latest heartbeat}."""
        self._parsed: dict[str, tuple[str, Runner | _Content | None]] = {}
        """{key: (version, parsed content)} at the last look."""
        self._situation: Situation | None = None
        self._has_company = False
        """True if there were other runners at the last look, of any owner."""
        self._versions: dict[str, str] = {}
        """{key: version} of every lease at the last look."""
        self._held: dict[str, bytes] = {}
        """{key: content} of this runner's leases."""
        self._has_complained = self._is_failing = False
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
        self._heart.join(_HEART_STOPS_WITHIN_S)
        if self._is_failing or self._heart.is_alive():
            return  # do not wait for a store that does not answer; others notice after three minutes
        with self._forgiving(), self._lock:
            for key, content in list(self._held.items()):
                self._give_back(key, content)
            self._sweep.store.delete(self._sweep.runner_key(self._runner.id))
            self._look()
            if not self._has_company:
                for key in self._versions:  # the last runner deletes the leases of those that died
                    self._sweep.store.delete(key)

    # -- others

    def look(self) -> Situation:
        """The situation now; an empty one if the store fails."""
        with self._forgiving(), self._lock:
            return self._look()
        return Situation()

    def has_beaten(self, runner: Runner) -> bool:
        """True if a runner's heartbeat has changed since the first look. Until then the runner may be dead."""
        sign = self._signs.get(runner.id)
        return sign is not None and sign.has_beaten

    # -- own leases

    def take(self, trials: Sequence[Trial]) -> Lease:
        """Takes a lease on the trials among these that no other runner is training."""
        with self._forgiving(), self._lock:
            self._join()
            return self._take(trials)
        return Lease(tuple(trials))

    def give_back(self, lease: Lease) -> None:
        """Ends a lease, unless another runner has taken it over."""
        if lease.key is not None:
            with self._forgiving(), self._lock:
                self._give_back(lease.key, lease.content)

    def _join(self) -> None:
        """Writes the first heartbeat, and starts the thread that writes the others."""
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
        store, now = self._sweep.store, self._situation or self._look()
        for _ in range(_TRIES):
            free = now.free(trials)
            if not free:
                break
            # If there is a lease at this key, its runner is gone or has the same owner: replace it.
            key = self._sweep.lease_key(free[0])
            ours = _Content(runner=self._runner.id, trials=tuple(map(str, free)), token=secrets.token_hex(4))
            content = _json(ours.model_dump(by_alias=True))
            version = self._versions.get(key)
            is_ours = store.create(key, content) if version is None else store.replace(key, content, version)
            # Look only now: if two runners take overlapping packs, the later one sees the other's lease.
            now = self._look()
            if is_ours:
                self._held[key] = content
                if still_free := now.free(free):
                    return Lease(still_free, key, content)
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
        parsed, self._parsed = self._parsed, {}
        self._has_company = False
        for entry in self._sweep.store.entries(self._sweep.leases_key):
            id = self._sweep.runner_of(entry.key)
            version, value = parsed.get(entry.key, ("", None))
            # Read what is new. A later heartbeat of a runner only repeats the first.
            if version != entry.version and not isinstance(value, Runner):
                try:
                    data = content_of(self._sweep.store, entry)
                except FileNotFoundError:
                    continue
                value = _parse(_Content if id is None else _Heartbeat, data)
            self._parsed[entry.key] = entry.version, value

            # A lease, this runner, a runner that is gone, or one that is at work.
            if isinstance(value, _Content):
                leases.append(value)
            if id is None:
                versions[entry.key] = entry.version
            elif id != self._runner.id and not self._is_alive(id, entry.version, value):
                # Delete its heartbeat, so that runners that have just started need not watch it for three minutes.
                self._sweep.store.delete(entry.key)
            elif id != self._runner.id:
                self._has_company = True
                if isinstance(value, Runner) and value.owner != self._runner.owner:
                    runners[id] = value

        # Only leases of runners at work count.
        holders = {
            trial: runners[lease.runner] for lease in leases if lease.runner in runners for trial in lease.trials
        }
        self._signs = {id: sign for id, sign in self._signs.items() if self._sweep.runner_key(id) in self._parsed}
        self._situation, self._versions = Situation(tuple(runners.values()), holders), versions
        return self._situation

    def _is_alive(self, id: str, version: str, runner: Runner | _Content | None) -> bool:
        now, sign = self._clock(), self._signs.get(id)
        if sign is None or sign.version != version:
            sign = self._signs[id] = _Sign(version, now, has_beaten=sign is not None)
        has_died = isinstance(runner, Runner) and runner.has_died
        return now - sign.since < self._pace.stale and not has_died

    @contextlib.contextmanager
    def _forgiving(self) -> Iterator[None]:
        """Suppresses failures of the store, and reports the first."""
        try:
            yield
            self._is_failing = False
        except (InfrastructureError, UserError) as error:
            self._is_failing = True
            if not self._has_complained:
                self._has_complained = True
                self._say(f"{error}; meanwhile other runners of this sweep may train the same trials")


class _Heartbeat(Runner):
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
    """A hash of the running kernel, its space of process numbers (a container has its own), and the user."""
    try:
        parts = [Path("/proc/sys/kernel/random/boot_id").read_text(), os.readlink("/proc/self/ns/pid")]
    except OSError:
        return ""
    return hashlib.sha256("\n".join([*parts, str(os.getuid())]).encode()).hexdigest()[:16]


def _born(process: int) -> str | None:
    """Start time of a process; None if there is no such process, or it is a zombie."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text(errors="replace").rpartition(")")[2].split()
        return None if fields[0] in "ZX" else fields[19]
    except (OSError, IndexError):
        return None
