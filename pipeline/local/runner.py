"""Runs a whole sweep on this machine: plan a round, drain it, plan again, until a round is empty; merge, report.

Lanes are long-lived processes. One that dies is started again and its pack goes back on the list; a pack that kills
three lanes is given up by a row that says so.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from pipeline.errors import InfrastructureError
from pipeline.plan import rounds
from pipeline.report.conclude import show_progress
from pipeline.results import Row
from pipeline.sweep import Pack, Sweep, merge, trials_of
from pipeline.trials.pack import give_up

TRIES = 3
# -P: a folder called `pipeline` where the user stands is not ours.
LANE = [sys.executable, "-P", "-m", "pipeline.local.lane"]
_REFRESH_EVERY_S = 2.0
_SHOW_EVERY_S = 10.0
_LOOK_EVERY_S = 0.2
_TERM_GRACE_S = 5.0


class View(Protocol):
    """What a person sees of a running sweep."""

    def round(self, packs: Sequence[Pack], done: Sequence[Row]) -> None: ...
    def started(self, lane: int, pack: Pack) -> None: ...
    def epoch(self, lane: int, epoch: int, of: int) -> None: ...
    def row(self, lane: int, row: Row) -> None: ...
    def idle(self, lane: int) -> None: ...
    def say(self, text: str) -> None: ...


@dataclass
class _Lane:
    number: int
    device: str | None
    log: Path
    process: subprocess.Popen[str] | None = None
    failures: int = 0
    """How often in a row the store or the device failed it."""

    def start(self) -> subprocess.Popen[str]:
        if self.process is None or self.process.poll() is not None:
            # More threads than cores are many times slower when lanes share the cores.
            environment = os.environ | {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
            if self.device is not None:
                environment["CUDA_VISIBLE_DEVICES"] = self.device
            with self.log.open("ab") as errors:
                self.process = subprocess.Popen(
                    LANE,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=errors,
                    env=environment,
                    text=True,
                    bufsize=1,
                )
        return self.process

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(_TERM_GRACE_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


@dataclass
class _Drain:
    """One round being drained: the list that lanes pull from, and how often each pack killed its lane."""

    sweep: Sweep
    waiting: deque[Pack]
    view: View
    retry: bool
    lock: threading.Lock = field(default_factory=threading.Lock)
    deaths: dict[Pack, int] = field(default_factory=dict)
    stopping: bool = False
    fresh_rows: bool = False
    failure: str | None = None
    """The last thing that a lane could not help."""
    crash: str | None = None

    def take(self) -> Pack | None:
        with self.lock:
            return self.waiting.popleft() if self.waiting and not self.stopping else None

    def put_back(self, pack: Pack) -> None:
        left = self._unfinished(pack)
        with self.lock:
            self.waiting.extend(left)  # behind the others, which may fare better

    def _unfinished(self, pack: Pack) -> list[Pack]:
        try:
            return rounds.unfinished(self.sweep, [pack], retry=self.retry)
        except InfrastructureError:  # who runs it looks again
            return [pack]

    def lost(self, lane: int, pack: Pack, why: str) -> None:
        """A lane failed under a pack: back on the list with it, trial by trial, or given up after so many."""
        left = self._unfinished(pack)
        with self.lock:
            deaths = self.deaths.get(pack, 0) + 1
            again = deaths < TRIES
            # Of several, whoever it was should take nobody along the next time.
            parts = [part for left in left for part in left.apart()] if again else [pack]
            self.deaths |= dict.fromkeys(parts, deaths)
            if again:
                self.waiting.extend(parts)
        self.view.say(f"{pack.label}: {why}" + ("; it will run again" if again else "; given up"))
        if not again:
            for row in give_up(self.sweep, pack.id, pack.trials, f"given up after {TRIES} attempts: {why}"):
                self.view.row(lane, row)
            self.fresh_rows = True


def run(sweep: Sweep, view: View, *, lanes: int | None = None, retry: bool = False) -> merge.Merged:
    """Runs what is left of a sweep (`retry`: what failed, too) and returns its merged rows.

    Raises KeyboardInterrupt, after a last merge, if a person stops it (Ctrl-C, SIGTERM or `hpt stop`), and
    InfrastructureError if lanes fail for a reason that is not their trial's.
    """
    devices = _devices()
    wanted = lanes or len(devices) or len(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory(prefix="hpt-lanes-") as folder:
        crew = [
            _Lane(n, devices[n % len(devices)] if devices else None, Path(folder, f"lane-{n}.log"))
            for n in range(wanted)
        ]
        try:
            while packs := rounds.pending(sweep, retry=retry, lanes=wanted):
                _stop_if_asked(sweep, view)
                view.round(packs, merge.refresh(sweep).rows)
                _drain(sweep, packs, crew, view, retry)
                retry = False  # what failed again stays failed; the rounds that were to come follow
        finally:
            for lane in crew:
                lane.stop()
            merged = merge.merge(sweep)
    return merged


def _drain(sweep: Sweep, packs: Sequence[Pack], crew: Sequence[_Lane], view: View, retry: bool) -> None:
    drain = _Drain(sweep, deque(packs), view, retry)
    # Again, if a lane that failed put its pack back when the others had gone already.
    while drain.waiting and not drain.crash and (fit := [lane for lane in crew if lane.failures < TRIES]):
        _work(drain, fit[: len(packs)])
    if drain.crash:
        raise InfrastructureError(drain.crash)
    if drain.waiting:
        left = sum(1 for _ in trials_of(drain.waiting))
        raise InfrastructureError(f"{left} trials could not be run: {drain.failure}")


def _work(drain: _Drain, crew: Sequence[_Lane]) -> None:
    sweep, view = drain.sweep, drain.view
    threads = [threading.Thread(target=_guarded, args=(drain, lane), daemon=True) for lane in crew]
    for thread in threads:
        thread.start()
    looked, shown = time.monotonic(), -_SHOW_EVERY_S
    try:
        while running := [thread for thread in threads if thread.is_alive()]:
            running[0].join(_LOOK_EVERY_S)
            now = time.monotonic()
            if now - looked < _REFRESH_EVERY_S:
                continue
            looked = now
            try:
                _stop_if_asked(sweep, view)
                if drain.fresh_rows:
                    drain.fresh_rows = False
                    merged = merge.refresh(sweep)
                    if now - shown > _SHOW_EVERY_S:
                        shown = now
                        show_progress(sweep, merged)
            except InfrastructureError as error:
                # Lanes go on by themselves; what is missing in the table is there at the next look.
                drain.fresh_rows = True
                view.say(f"{error}; it will be tried again")
    finally:
        if any(thread.is_alive() for thread in threads):
            drain.stopping = True
            for lane in crew:
                lane.stop()
        for thread in threads:
            thread.join()


def _stop_if_asked(sweep: Sweep, view: View) -> None:
    if sweep.stop_is_asked():
        view.say("stopped by `hpt stop`")
        raise KeyboardInterrupt


def _guarded(drain: _Drain, lane: _Lane) -> None:
    try:
        while lane.failures < TRIES and (pack := drain.take()) is not None:
            _run_one(drain, lane, pack)
    except Exception as error:  # a lane's thread must not die in silence
        drain.crash = str(error) or type(error).__name__
    finally:
        drain.view.idle(lane.number)


def _run_one(drain: _Drain, lane: _Lane, pack: Pack) -> None:
    process = lane.start()
    assert process.stdin is not None
    assert process.stdout is not None
    drain.view.started(lane.number, pack)
    order = {
        "store": drain.sweep.store.root,
        "sweep": drain.sweep.id,
        "pack": pack.id,
        "trials": [str(one) for one in pack.trials],
        "retry": drain.retry,
    }
    done: dict[str, Any] = {}
    try:
        process.stdin.write(json.dumps(order) + "\n")
        for line in process.stdout:
            event = json.loads(line)
            if "epoch" in event:
                drain.view.epoch(lane.number, event["epoch"], event["of"])
            elif "row" in event:
                drain.fresh_rows = True
                drain.view.row(lane.number, event["row"])
            elif "done" in event:
                done = event
                break
    except (BrokenPipeError, ValueError):
        pass  # it died while it was spoken to, or in the middle of a line
    if drain.stopping:
        return
    if done.get("done"):
        lane.failures = 0
    elif done.get("infrastructure"):
        lane.failures += 1
        lane.stop()
        drain.put_back(pack)
        drain.failure = done["error"]
        drain.view.say(f"lane {lane.number}: {done['error']}" + ("; it ends" if lane.failures >= TRIES else ""))
    elif "error" in done:
        drain.lost(lane.number, pack, done["error"])
    else:
        with suppress(subprocess.TimeoutExpired):
            process.wait(_TERM_GRACE_S)  # it is on its way out; how it ended is what a person wants to know
        lane.stop()
        drain.lost(lane.number, pack, f"its process ended with {process.wait()}{_last_words(lane.log)}")


def _last_words(log: Path) -> str:
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    return f" ({lines[-1]})" if lines else ""


def _devices() -> list[str]:
    """The GPUs to spread lanes over, as CUDA_VISIBLE_DEVICES names them; none where there is no driver."""
    if (visible := os.environ.get("CUDA_VISIBLE_DEVICES")) is not None:
        return [name for name in visible.split(",") if name and name != "-1"]
    if shutil.which("nvidia-smi") is None:
        return []
    command = ["nvidia-smi", "--query-gpu=uuid", "--format=csv,noheader"]
    listed = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    return listed.stdout.split() if listed.returncode == 0 else []
