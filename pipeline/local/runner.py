"""Runs a whole sweep on this machine: plan a round, drain it, plan again, until a round is empty; then merge.

Several runners may be at one sweep: each leases what it trains, leaves to the others what they train, and waits for
that before it plans the next round. Lanes are long-lived processes. One that dies, or is ended since what it trains
takes too long, is started again and goes on with the rest of its pack; a trial that kills three lanes is given up by a
row that says so. The page and its summary are not made here, but by whoever calls `run`.
"""

import math
import os
import queue
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from pipeline.analysis.failures import same_failure
from pipeline.errors import InfrastructureError, UserError
from pipeline.local import interrupts, process
from pipeline.local.process import Lane, stop
from pipeline.local.share import Share
from pipeline.local.watch import PATIENCE, Patience, Watch
from pipeline.plan import reach, rounds
from pipeline.report.conclude import show_progress
from pipeline.results import Row, Status
from pipeline.sweep import Pack, Sweep, Trial, merge, trials_of
from pipeline.sweep.leases import LEASE_PACE, Lease, LeasePace, Leases, Runner
from pipeline.trials.pack import give_up


class View(Protocol):
    """What a person sees of a running sweep. Called from several threads."""

    def round(self, packs: Sequence[Pack], done: Sequence[Row]) -> None: ...
    def started(self, lane: int, pack: Pack) -> None: ...
    def epoch(self, lane: int, trial: str, epoch: int, of: int) -> None: ...
    def row(self, lane: int, row: Row) -> None: ...
    def idle(self, lane: int) -> None: ...
    def say(self, text: str) -> None: ...


class SameFailureError(Exception):
    """Trial after trial fails for this reason, and none has a result."""


@dataclass(frozen=True)
class Pace:
    """Seconds between the things that a runner does again and again."""

    look: float = 0.2
    """Between two looks whether lanes are still at work."""
    refresh: float = 2.0
    """Between two looks at the store: for a request to stop, and to write new rows to results.csv."""
    show: float = 10.0
    """Between two pages of a sweep that runs."""
    grace: float = 5.0
    """From a lane's SIGTERM to its SIGKILL."""
    patience: Patience = PATIENCE
    """How long trials may take."""
    leases: LeasePace = LEASE_PACE
    """How runners of one sweep learn of each other."""


PACE = Pace()
_NEWS_COME_WITHIN_S = 1.0


def run(
    sweep: Sweep,
    view: View,
    *,
    lanes: int | None = None,
    retry: bool = False,
    pace: Pace = PACE,
    tries: int = 3,
    program: Sequence[str] | None = None,
) -> merge.Merged:
    """Runs what is left of a sweep (`retry`: what failed, too) and returns its merged rows.

    `lanes` is their number: left out, one per GPU, or one per core where there is no GPU. `tries` is how many lanes a
    trial may kill, and how often the store or the device may fail a lane; `program` is the command of a lane's process,
    left out, the usual one.

    Raises KeyboardInterrupt, after a last merge, if a person stops it (Ctrl-C, SIGTERM or `hpt stop`),
    SameFailureError if all that trials do is to fail alike, UserError if what they need is not on this machine, and
    InfrastructureError if lanes fail for a reason that is not their trial's.
    """
    devices = _devices()
    has_run = False
    count = lanes or len(devices) or len(os.sched_getaffinity(0))
    leases = Leases(sweep, Runner.here(count), pace=pace.leases, say=view.say)
    with leases, tempfile.TemporaryDirectory(prefix="hpt-lanes-") as folder:
        crew = [
            Lane(
                n,
                devices[n % len(devices)] if devices else None,
                Path(folder, f"lane-{n}.log"),
                program or process.PROGRAM,
                pace.grace,
                may_fail=tries,
            )
            for n in range(count)
        ]
        try:
            while packs := rounds.pending(sweep, retry=retry, lanes=count + leases.look().lanes):
                _stop_if_asked(sweep, view)
                if not has_run:
                    _check_reach(sweep, leases)
                rows = merge.refresh(sweep).rows
                if has_run and (cause := same_failure(rows, count)):
                    raise SameFailureError(cause)
                view.round(packs, rows)
                share = Share(sweep, leases, view.say, retry=retry, every=pace.leases.look)
                Drain(sweep, packs, crew, view, share, retry=retry, pace=pace, tries=tries, rows=rows).run()
                has_run, retry = True, False  # what failed again stays failed; the rounds that were to come follow
        except BaseException:
            _end(crew)
            if interrupts.requests() <= 1:
                with suppress(InfrastructureError):
                    merge.merge(sweep)
            raise
        _end(crew)
        return merge.merge(sweep)


class Drain:
    """Drains one round: lanes, a thread each, pull packs from one list until it is empty."""

    def __init__(
        self,
        sweep: Sweep,
        packs: Sequence[Pack],
        crew: Sequence[Lane],
        view: View,
        share: Share,
        *,
        retry: bool,
        pace: Pace,
        tries: int,
        rows: Sequence[Row] = (),
        lanes: int | None = None,
        gives_up: bool = True,
    ) -> None:
        """`rows` are those that the sweep has; `lanes` is how many run it, where others than the crew do, too.

        Without `gives_up`, a trial that killed too many lanes gets no row: another machine may fare better.
        """
        self._sweep, self._crew, self._view, self._share = sweep, crew, view, share
        self._retry, self._pace, self._tries = retry, pace, tries
        self._packs, self._lanes, self._gives_up = len(packs), lanes or len(crew), gives_up
        self._stopping = threading.Event()
        self._has_new_rows = threading.Event()
        self._ended: queue.SimpleQueue[Lane] = queue.SimpleQueue()
        """The lanes whose threads have come to their end."""

        self._lock = threading.Lock()
        """Held by whoever writes one of those below: threads of lanes do."""
        self._waiting = deque(packs)
        self._claims = 0
        """How many packs lanes are asking for, which may come back."""
        self._deaths: dict[Trial, int] = {}
        """How many lanes died while a trial was in training."""
        self._failure: str | None = None
        """The last failure of the store or a device under a lane."""
        self._fatal: dict[Trial, str] = {}
        """Trials that killed too many lanes and got no row, with the last death of each."""
        self._crash: str | None = None
        """The error that ended a lane's thread."""
        self._rows = {row["trial"]: row for row in rows}
        self._left = {str(trial) for trial in trials_of(packs)}
        """The trials of this round that have not ended."""
        self._same_failure: str | None = None
        """What all trials fail with, while some are left."""

    def run(self, check: Callable[[], None] | None = None) -> None:
        """Returns when every pack has run or was given up.

        `check` is called again and again, and may raise to end it: left out, KeyboardInterrupt if `hpt stop` asks for
        it. Raises SameFailureError if all trials fail alike, and InfrastructureError if packs are left that no lane
        could run.
        """
        check = check or (lambda: _stop_if_asked(self._sweep, self._view))
        # Again, if a lane that failed put its pack back when the others had gone already.
        while self._waiting and not self._crash and (fit := [lane for lane in self._crew if self._is_fit(lane)]):
            self._work(fit[: self._packs], check)
        if self._crash:
            raise InfrastructureError(self._crash)
        if self._waiting:
            left = sum(1 for _ in trials_of(self._waiting))
            raise InfrastructureError(f"{left} trials could not be run: {self._failure}")
        if self._fatal:
            trial, why = next(iter(self._fatal.items()))
            raise InfrastructureError(f"{len(self._fatal)} trials could not be run here, as {trial}: {why}")

    # -- the main thread

    def _work(self, lanes: Sequence[Lane], check: Callable[[], None]) -> None:
        """Has lanes work until the list is empty; ends them if an error or an interrupt comes first."""
        threads = [threading.Thread(target=self._run_lane, args=(lane,), daemon=True) for lane in lanes]
        try:
            for thread in threads:
                thread.start()
            self._watch(len(threads), check)
        except BaseException:
            self._stopping.set()
            _end(lanes)
            raise
        finally:
            for thread in threads:
                if thread.ident is not None:
                    thread.join()

    def _watch(self, threads: int, check: Callable[[], None]) -> None:
        """Waits for so many threads; meanwhile refreshes results.csv and the page, and looks whether it should end."""
        looked, shown = time.monotonic(), -math.inf
        while threads:
            # No join here: on Python before 3.13 an interrupted one takes its thread for ended from then on.
            with suppress(queue.Empty):
                self._ended.get(timeout=self._pace.look)
                threads -= 1
            if self._same_failure:
                raise SameFailureError(self._same_failure)
            now = time.monotonic()
            if not threads or now - looked < self._pace.refresh:
                continue
            looked = now
            try:
                check()
                if self._has_new_rows.is_set():
                    self._has_new_rows.clear()  # before the merge: a row that comes during it is merged the next time
                    merged = merge.refresh(self._sweep)
                    if now - shown > self._pace.show:
                        shown = now
                        show_progress(self._sweep, merged)
            except InfrastructureError as error:
                # Lanes go on by themselves; what is missing in the table is there at the next look.
                self._has_new_rows.set()
                self._view.say(f"{error}; it will be tried again")

    # -- the threads of lanes

    def _run_lane(self, lane: Lane) -> None:
        # Inherited by its process, so that Ctrl-C ends none that has not come to ignoring it.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            while self._is_fit(lane) and (taken := self._take(lane)) is not None:
                pack, lease = taken
                try:
                    self._run_pack(lane, pack)
                finally:
                    self._share.give_back(lease)
            self._view.idle(lane.number)
        except Exception as error:  # a lane's thread must not die in silence
            with self._lock:
                self._crash = str(error) or type(error).__name__
        finally:
            self._ended.put(lane)

    def _run_pack(self, lane: Lane, pack: Pack) -> None:
        lane.start()
        # Asked after the start: a stop that comes later sees the process and ends it.
        if self._stopping.is_set():
            lane.kill()
            return
        self._view.started(lane.number, pack)
        end = None
        watch = Watch(self._sweep.definition, self._rows_so_far, self._pace.patience)
        for event in lane.run(self._order(pack)):
            watch.see(event)
            lane.deadline = watch.deadline
            if "epoch" in event:
                self._view.epoch(lane.number, event["trial"], event["epoch"], event["of"])
            elif "row" in event:
                lane.failures = 0
                self._end_of(lane, event["row"])
                if self._same_failure:
                    lane.stop()  # before more of the pack fails
                    return
            elif "done" in event:
                end = event
        if self._stopping.is_set():
            return
        if end is None and lane.was_late:
            self._break_off(lane, pack, watch.why_ended(), watch.training)
        elif end is None:
            why = lane.wait_for_death()
            # Whoever ends lanes usually ends this process too, which learns of it a moment later.
            if not self._stopping.wait(_NEWS_COME_WITHIN_S if lane.was_asked_to_end else 0.0):
                self._lose(lane, pack, why, watch)
        elif end["done"]:
            lane.failures = 0
        elif end.get("infrastructure"):
            self._retreat(lane, pack, end["error"])
        else:
            self._view.say(f"{pack.label}: {end['error']}")
            left = list(trials_of(self._unfinished(pack)))
            self._give_up(lane, pack, left, end["error"], Status.FAILED)

    def _rows_so_far(self) -> list[Row]:
        with self._lock:
            return list(self._rows.values())

    def _end_of(self, lane: Lane, row: Row) -> None:
        """Takes the row of a trial that ended."""
        self._has_new_rows.set()
        with self._lock:
            self._rows[row["trial"]] = row
            self._left.discard(row["trial"])
            if self._left and not Status(row["status"]).is_result:
                self._same_failure = same_failure(self._rows.values(), self._lanes)
        self._view.row(lane.number, row)

    def _order(self, pack: Pack) -> dict[str, Any]:
        return {
            "store": self._sweep.store.root,
            "sweep": self._sweep.id,
            "pack": pack.id,
            "trials": [str(trial) for trial in pack.trials],
            "retry": self._retry,
        }

    def _is_fit(self, lane: Lane) -> bool:
        return lane.failures < lane.may_fail

    def _take(self, lane: Lane) -> tuple[Pack, Lease] | None:
        """The next pack that no other runner trains, with its lease; waits while there is none. None: all is done."""
        while True:
            with self._lock:
                if self._same_failure or self._stopping.is_set():
                    return None
                pack = self._waiting.popleft() if self._waiting else None
                self._claims += pack is not None
            if pack is not None:
                try:
                    taken = self._share.claim(pack)
                finally:
                    with self._lock:
                        self._claims -= 1
                if taken:
                    return taken
            elif self._share.is_worth_waiting or self._claims:
                self._stopping.wait(self._pace.look)
                self._hear(lane)
            else:
                return None

    def _hear(self, lane: Lane) -> None:
        """Takes what became of the trials that other runners train."""
        news = self._share.news()
        for row in news.rows:
            self._end_of(lane, row)
        with self._lock:
            self._waiting.extend(news.free)

    def _retreat(self, lane: Lane, pack: Pack, why: str) -> None:
        """The store or the device failed a lane: the pack goes back on the list, and the process ends."""
        lane.failures += 1
        lane.stop()
        left = self._unfinished(pack)
        with self._lock:
            self._waiting.extend(left)  # behind the others, which may fare better
            self._failure = why
        self._view.say(f"lane {lane.number}: {why}" + ("" if self._is_fit(lane) else "; it ends"))

    def _lose(self, lane: Lane, pack: Pack, why: str, watch: Watch) -> None:
        """A lane died under a pack: what was in training is tried again alone, or given up after so many deaths."""
        left = self._unfinished(pack)
        self._note_unheard(lane, watch.training, left)
        suspects = [trial for trial in watch.training if trial in set(trials_of(left))]
        if not suspects and not watch.has_rows:
            # It died before it trained anything: that is no trial's doing.
            self._retreat(lane, pack, why)
            return
        with self._lock:
            for trial in suspects:
                self._deaths[trial] = self._deaths.get(trial, 0) + 1
            hopeless = [trial for trial in suspects if self._deaths[trial] >= self._tries]
        self._put_back(left, suspects, hopeless)
        for trial in hopeless:
            self._view.say(f"{trial}: {why}; given up" + ("" if self._gives_up else " here"))
        if self._gives_up:
            self._give_up(lane, pack, hopeless, f"given up after {self._tries} attempts: {why}", Status.FAILED)
        else:
            self._fatal |= dict.fromkeys(hopeless, why)
        if again := [str(trial) for trial in suspects if trial not in hopeless]:
            self._view.say(f"{why}; run again alone: {', '.join(again)}")
        elif not suspects:
            self._view.say(f"{pack.label}: {why}; the rest of it goes on")

    def _break_off(self, lane: Lane, pack: Pack, why: str, training: Sequence[Trial]) -> None:
        """A lane was ended since what it trained took too long; of several side by side, each is tried again alone."""
        left = self._unfinished(pack)
        self._note_unheard(lane, training, left)
        suspects = [trial for trial in training if trial in set(trials_of(left))]
        hopeless = suspects if len(training) == 1 else []
        self._put_back(left, suspects, hopeless)
        self._give_up(lane, pack, hopeless, why, Status.TIMED_OUT)
        if suspects and not hopeless:
            self._view.say(f"{pack.label}: {why}; run again alone: {', '.join(map(str, suspects))}")

    def _put_back(self, left: Sequence[Pack], alone: Sequence[Trial], hopeless: Sequence[Trial]) -> None:
        """Puts what is left of a pack back on the list: some trials alone, at its end, and the others first of all."""
        for pack in left:
            rest = tuple(trial for trial in pack.trials if trial not in alone)
            again = tuple(trial for trial in pack.trials if trial in alone and trial not in hopeless)
            with self._lock:
                if rest:
                    self._waiting.appendleft(pack.rest(rest))
                if again:
                    self._waiting.extend(pack.rest(again).apart())

    def _give_up(self, lane: Lane, pack: Pack, trials: Sequence[Trial], why: str, status: Status) -> None:
        for row in give_up(self._sweep, pack.id, trials, why, status):
            self._end_of(lane, row)

    def _note_unheard(self, lane: Lane, training: Sequence[Trial], left: Sequence[Pack]) -> None:
        """Takes the rows that a lane wrote just before it died, and could not tell of."""
        for trial in training:
            if trial not in set(trials_of(left)):
                with suppress(ValueError, InfrastructureError):
                    if (row := self._sweep.row(trial)) is not None:
                        self._end_of(lane, row)

    def _unfinished(self, pack: Pack) -> list[Pack]:
        """What has no row yet of a pack; all of it if the store cannot say: whoever runs it looks again."""
        try:
            return rounds.unfinished(self._sweep, [pack], retry=self._retry)
        except InfrastructureError:
            return [pack]


def _end(lanes: Sequence[Lane]) -> None:
    """Ends the processes of lanes; at once if somebody asks again."""
    asked = interrupts.requests()
    with interrupts.shielded():
        stop(lanes, in_a_hurry=lambda: interrupts.requests() > asked)


def _check_reach(sweep: Sweep, leases: Leases) -> None:
    """Raises UserError if this machine lacks what trials need; leaves the sweep stopped, unless others are at it."""
    try:
        reach.check(sweep.definition)
    except UserError:
        if not leases.look().others:
            sweep.ask_to_stop()
        raise


def _stop_if_asked(sweep: Sweep, view: View) -> None:
    """Raises KeyboardInterrupt if `hpt stop` asks for it."""
    if sweep.stop_is_asked():
        view.say(sweep.why_stopped() or "stopped by `hpt stop`")
        raise KeyboardInterrupt


def _devices() -> list[str]:
    """The GPUs to spread lanes over, as CUDA_VISIBLE_DEVICES names them; none where there is no driver."""
    if (visible := os.environ.get("CUDA_VISIBLE_DEVICES")) is not None:
        return [name for name in visible.split(",") if name and name != "-1"]
    if shutil.which("nvidia-smi") is None:
        return []
    command = ["nvidia-smi", "--query-gpu=uuid", "--format=csv,noheader"]
    listed = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    return listed.stdout.split() if listed.returncode == 0 else []
