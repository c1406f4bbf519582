"""Drains one round on this machine: lanes, a thread each, pull packs from one list until it is empty.

A lane that dies, or is ended since its trials take too long, is started again and goes on with the rest of its pack. A
trial that kills too many lanes is given up: it gets a row that says so, or is left to another machine.
"""

import math
import queue
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol

from pipeline.analysis.failures import same_failure
from pipeline.errors import InfrastructureError
from pipeline.local import interrupts
from pipeline.local.process import Lane, stop
from pipeline.local.share import Share
from pipeline.local.watch import PATIENCE, Patience, Watch
from pipeline.plan import rounds
from pipeline.report.conclude import show_progress
from pipeline.results import Row, Status
from pipeline.sweep import Pack, Sweep, Trial, merge, trials_of
from pipeline.sweep.leases import LEASE_PACE, Lease, LeasePace
from pipeline.trials.pack import give_up


class View(Protocol):
    """Display of a running sweep. Called from several threads."""

    def round(self, packs: Sequence[Pack], done: Sequence[Row]) -> None: ...
    def started(self, lane: int, pack: Pack) -> None: ...
    def epoch(self, lane: int, trial: str, epoch: int, of: int) -> None: ...
    def row(self, lane: int, row: Row) -> None: ...
    def idle(self, lane: int) -> None: ...
    def say(self, text: str) -> None: ...


class SameFailureError(Exception):
    """Ends a round before its last pack, for this reason: all trials fail alike, or somebody stopped the sweep."""


@dataclass(frozen=True)
class Pace:
    """Intervals of a runner's repeated work, in seconds."""

    look: float = 0.2
    """Between two checks that lanes still run."""
    refresh: float = 2.0
    """Between two looks at the store for a request to stop; new rows are written to results.csv then, too."""
    show: float = 10.0
    """Between two updates of a running sweep's page."""
    grace: float = 5.0
    """From a lane's SIGTERM to its SIGKILL."""
    patience: Patience = PATIENCE
    """Limits of trials."""
    leases: LeasePace = LEASE_PACE
    """Intervals of the leases between runners of one sweep."""


PACE = Pace()
_SIGNAL_COMES_WITHIN_S = 1.0
"""The most seconds between a signal to a lane and the same signal to this process, if both get it."""


class Drain:
    """A round, and the lanes that drain it, a thread each."""

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
        """`rows` are the rows of the sweep so far; `lanes` counts its lanes on all machines, by default the crew's.

        Without `gives_up`, a trial that killed too many lanes gets no row: another machine may fare better.
        """
        self._sweep, self._crew, self._view, self._share = sweep, crew, view, share
        self._retry, self._pace, self._tries = retry, pace, tries
        self._packs, self._lanes, self._gives_up = len(packs), lanes or len(crew), gives_up
        self._stopping = threading.Event()
        self._has_new_rows = threading.Event()
        self._ended: queue.SimpleQueue[Lane] = queue.SimpleQueue()
        """The lanes whose threads have ended."""

        self._lock = threading.Lock()
        """Held to write any of the attributes below, since the threads of lanes share them."""
        self._waiting = deque(packs)
        self._claims = 0
        """Number of packs that lanes have taken from the list, but not leased yet: another runner may train them."""
        self._deaths: dict[Trial, int] = {}
        """{trial: number of lanes that died while it trained}."""
        self._failure: str | None = None
        """The last failure of the store or a device under a lane."""
        self._fatal: dict[Trial, str] = {}
        """{trial that killed too many lanes and got no row: line about the last death}."""
        self._crash: str | None = None
        """The error that ended a lane's thread."""
        self._rows = {row["trial"]: row for row in rows}
        self._unfinished = {str(trial) for trial in trials_of(packs)}
        """The trials of this round that have not ended."""
        self._same_failure: str | None = None
        """The failure of all trials so far, while others are unfinished."""

    def run(self, check: Callable[[], None] | None = None) -> None:
        """Drains the round: returns when every pack has run or was given up.

        `check` is called at intervals, and may raise to end the round; by default it raises KeyboardInterrupt after
        `hpt stop`. Raises SameFailureError if all trials fail alike, and InfrastructureError if a lane's thread crashes
        or if packs are left that no lane could run.
        """
        check = check or (lambda: raise_if_stopped(self._sweep, self._view))
        # In a loop, since a lane that fails may put its pack back after the others have ended.
        while self._waiting and not self._crash and (fit := [lane for lane in self._crew if self._is_fit(lane)]):
            self._work(fit[: self._packs], check)
        if self._crash:
            raise InfrastructureError(self._crash)
        if self._waiting:
            trials = sum(1 for _ in trials_of(self._waiting))
            raise InfrastructureError(f"{trials} trials could not be run: {self._failure}")
        if self._fatal:
            trial, death = next(iter(self._fatal.items()))
            raise InfrastructureError(f"{len(self._fatal)} trials could not be run here, such as {trial}: {death}")

    # -- the main thread

    def _work(self, lanes: Sequence[Lane], check: Callable[[], None]) -> None:
        """Lets lanes work until the list is empty; ends them if an error or an interrupt comes first."""
        threads = [threading.Thread(target=self._run_lane, args=(lane,), daemon=True) for lane in lanes]
        try:
            for thread in threads:
                thread.start()
            self._watch(len(threads), check)
        except BaseException:
            self._stopping.set()
            end_lanes(lanes)
            raise
        finally:
            for thread in threads:
                if thread.ident is not None:
                    thread.join()

    def _watch(self, threads: int, check: Callable[[], None]) -> None:
        """Waits for so many threads; meanwhile calls `check`, and refreshes results.csv and the page."""
        last_look, last_page = time.monotonic(), -math.inf
        while threads:
            # No `join` here: before Python 3.13, a thread whose `join` was interrupted counts as ended from then on.
            with suppress(queue.Empty):
                self._ended.get(timeout=self._pace.look)
                threads -= 1
            if self._same_failure:
                raise SameFailureError(self._same_failure)
            now = time.monotonic()
            if not threads or now - last_look < self._pace.refresh:
                continue
            last_look = now
            try:
                check()
                if self._has_new_rows.is_set():
                    self._has_new_rows.clear()  # before the merge, so that a row that comes during it is not lost
                    merged = merge.refresh(self._sweep)
                    if now - last_page > self._pace.show:
                        last_page = now
                        show_progress(self._sweep, merged)
            except InfrastructureError as error:
                # Lanes go on; the next look writes the rows that results.csv lacks.
                self._has_new_rows.set()
                self._view.say(f"{error}; it will be tried again")

    # -- the threads of lanes

    def _run_lane(self, lane: Lane) -> None:
        # The lane's process inherits this mask: Ctrl-C must not end it before it has set up to ignore the signal.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            while self._is_fit(lane) and (claim := self._take(lane)) is not None:
                pack, lease = claim
                try:
                    self._run_pack(lane, pack)
                finally:
                    self._share.give_back(lease)
            self._view.idle(lane.number)
        except Exception as error:  # a lane's thread must not die silently
            with self._lock:
                self._crash = str(error) or type(error).__name__
        finally:
            self._ended.put(lane)

    def _run_pack(self, lane: Lane, pack: Pack) -> None:
        lane.start()
        # Checked after the start: a stop that comes later finds the process and ends it.
        if self._stopping.is_set():
            lane.kill()
            return

        # The pack, event by event.
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

        # The end of the pack: the process was ended at its deadline, died, or sent a last event.
        if end is None and lane.was_late:
            self._break_off(lane, pack, watch.why_ended(), watch.training)
        elif end is None:
            death = lane.wait_for_death()
            # A signal to the lanes usually goes to this process, too, which handles it a moment later.
            if not self._stopping.wait(_SIGNAL_COMES_WITHIN_S if lane.was_asked_to_end else 0.0):
                self._lose(lane, pack, death, watch)
        elif end["done"]:
            lane.failures = 0
        elif end.get("infrastructure"):
            self._retreat(lane, pack, end["error"])
        else:
            self._view.say(f"{pack.label}: {end['error']}")
            trials = list(trials_of(self._remaining(pack)))
            self._give_up(lane, pack, trials, end["error"], Status.FAILED)

    def _rows_so_far(self) -> list[Row]:
        with self._lock:
            return list(self._rows.values())

    def _end_of(self, lane: Lane, row: Row) -> None:
        """Takes the row of a trial that ended."""
        self._has_new_rows.set()
        with self._lock:
            self._rows[row["trial"]] = row
            self._unfinished.discard(row["trial"])
            if self._unfinished and not Status(row["status"]).is_result:
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
        """The next pack that no other runner trains, with its lease; None if no pack is left.

        Waits while packs may come back from other lanes or runners.
        """
        while True:
            with self._lock:
                if self._same_failure or self._stopping.is_set():
                    return None
                pack = self._waiting.popleft() if self._waiting else None
                self._claims += pack is not None
            if pack is not None:
                try:
                    claim = self._share.claim(pack)
                finally:
                    with self._lock:
                        self._claims -= 1
                if claim:
                    return claim
            elif self._share.is_worth_waiting or self._claims:
                self._stopping.wait(self._pace.look)
                self._take_news(lane)
            else:
                return None

    def _take_news(self, lane: Lane) -> None:
        """Takes rows of trials that other runners trained, and packs that they have left."""
        news = self._share.news()
        for row in news.rows:
            self._end_of(lane, row)
        with self._lock:
            self._waiting.extend(news.free)

    def _retreat(self, lane: Lane, pack: Pack, failure: str) -> None:
        """Handles a failure of the store or the device: ends the process, and puts the pack back on the list."""
        lane.failures += 1
        lane.stop()
        remaining = self._remaining(pack)
        with self._lock:
            self._waiting.extend(remaining)  # at the end: the packs before it may fare better
            self._failure = failure
        self._view.say(f"lane {lane.number}: {failure}" + ("" if self._is_fit(lane) else "; it ends"))

    def _lose(self, lane: Lane, pack: Pack, death: str, watch: Watch) -> None:
        """Handles the death of a lane: trials in training are tried again alone, and given up after `tries` deaths."""
        remaining = self._remaining(pack)
        self._take_unsent_rows(lane, watch.training, remaining)
        suspects = [trial for trial in watch.training if trial in set(trials_of(remaining))]
        if not suspects and not watch.has_rows:
            # It died before it trained anything: no trial is at fault.
            self._retreat(lane, pack, death)
            return
        with self._lock:
            for trial in suspects:
                self._deaths[trial] = self._deaths.get(trial, 0) + 1
            hopeless = [trial for trial in suspects if self._deaths[trial] >= self._tries]
        self._put_back(remaining, suspects, hopeless)
        for trial in hopeless:
            self._view.say(f"{trial}: {death}; given up" + ("" if self._gives_up else " here"))
        if self._gives_up:
            self._give_up(lane, pack, hopeless, f"given up after {self._tries} attempts: {death}", Status.FAILED)
        else:
            self._fatal |= dict.fromkeys(hopeless, death)
        if repeated := [str(trial) for trial in suspects if trial not in hopeless]:
            self._view.say(f"{death}; run again alone: {', '.join(repeated)}")
        elif not suspects:
            self._view.say(f"{pack.label}: {death}; the rest of it goes on")

    def _break_off(self, lane: Lane, pack: Pack, reason: str, training: Sequence[Trial]) -> None:
        """Handles a lane that was ended at its deadline. A single trial in training has timed out. The trials of a
        group are tried again alone."""
        remaining = self._remaining(pack)
        self._take_unsent_rows(lane, training, remaining)
        suspects = [trial for trial in training if trial in set(trials_of(remaining))]
        hopeless = suspects if len(training) == 1 else []
        self._put_back(remaining, suspects, hopeless)
        self._give_up(lane, pack, hopeless, reason, Status.TIMED_OUT)
        if suspects and not hopeless:
            self._view.say(f"{pack.label}: {reason}; run again alone: {', '.join(map(str, suspects))}")

    def _put_back(self, remaining: Sequence[Pack], suspects: Sequence[Trial], hopeless: Sequence[Trial]) -> None:
        """Puts the rest of a pack back on the list, without the hopeless trials. Suspects go to the end of the list, a
        pack for each, and the other trials to its beginning."""
        for pack in remaining:
            innocent = tuple(trial for trial in pack.trials if trial not in suspects)
            repeated = tuple(trial for trial in pack.trials if trial in suspects and trial not in hopeless)
            with self._lock:
                if innocent:
                    self._waiting.appendleft(pack.with_only(innocent))
                if repeated:
                    self._waiting.extend(pack.with_only(repeated).apart())

    def _give_up(self, lane: Lane, pack: Pack, trials: Sequence[Trial], error: str, status: Status) -> None:
        for row in give_up(self._sweep, pack.id, trials, error, status):
            self._end_of(lane, row)

    def _take_unsent_rows(self, lane: Lane, training: Sequence[Trial], remaining: Sequence[Pack]) -> None:
        """Takes the rows that a lane wrote just before it ended, too late to send an event."""
        for trial in training:
            if trial not in set(trials_of(remaining)):
                with suppress(ValueError, InfrastructureError):
                    if (row := self._sweep.row(trial)) is not None:
                        self._end_of(lane, row)

    def _remaining(self, pack: Pack) -> list[Pack]:
        """The unfinished trials of a pack; all if the store fails, since a lane skips finished trials anyway."""
        try:
            return rounds.unfinished(self._sweep, [pack], retry=self._retry)
        except InfrastructureError:
            return [pack]


def end_lanes(lanes: Sequence[Lane]) -> None:
    """Ends the processes of lanes. If another request to end comes meanwhile, kills them at once."""
    requests = interrupts.requests()
    with interrupts.shielded():
        stop(lanes, in_a_hurry=lambda: interrupts.requests() > requests)


def raise_if_stopped(sweep: Sweep, view: View) -> None:
    """Raises KeyboardInterrupt if `hpt stop` asked the sweep to stop."""
    if sweep.stop_is_asked():
        view.say(sweep.why_stopped() or "stopped by `hpt stop`")
        raise KeyboardInterrupt
