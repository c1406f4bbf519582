"""Runs a whole sweep on this machine: plan a round, drain it, plan again, until a round is empty; then merge.

Several runners may run one sweep: each leases the trials that it trains, and waits for those of the others before it
plans the next round. A round is drained by `drain.py`. The callers of `run` make the page and the summary.
"""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from pipeline.analysis.failures import same_failure
from pipeline.errors import InfrastructureError, UserError
from pipeline.local import interrupts, process
from pipeline.local.drain import PACE, Drain, Pace, SameFailureError, View, end_lanes, raise_if_stopped
from pipeline.local.process import Lane
from pipeline.local.share import Share
from pipeline.plan import reach, rounds
from pipeline.sweep import Sweep, merge
from pipeline.sweep.leases import Leases, Runner


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
    """Runs the remaining trials of a sweep (`retry`: failed ones, too) and returns its merged rows.

    `lanes`: how many lanes to start; by default one per GPU, or one per core without a GPU. A trial that has killed
    `tries` lanes is given up; so is a lane that the store or the device failed `tries` times in a row. `program` is the
    command of a lane's process, by default `process.PROGRAM`.

    Raises KeyboardInterrupt, after a last merge, if a person stops it (Ctrl-C, SIGTERM or `hpt stop`). Raises
    SameFailureError if all trials fail alike, and UserError if this machine lacks what they need. Raises
    InfrastructureError if lanes fail and their trials are not at fault.
    """
    devices = _devices()
    has_run = False
    count = lanes or len(devices) or len(os.sched_getaffinity(0))
    leases = Leases(sweep, Runner.of_this_process(count), pace=pace.leases, say=view.say)
    with leases, tempfile.TemporaryDirectory(prefix="hpt-lanes-") as folder:
        crew = [
            Lane(
                number,
                devices[number % len(devices)] if devices else None,
                Path(folder, f"lane-{number}.log"),
                program or process.PROGRAM,
                pace.grace,
                may_fail=tries,
            )
            for number in range(count)
        ]
        try:
            while packs := rounds.plan_packs(sweep, retry=retry, lanes=count + leases.look().lanes):
                raise_if_stopped(sweep, view)
                if not has_run:
                    _check_reach(sweep, leases)
                rows = merge.refresh(sweep).rows
                if has_run and (cause := same_failure(rows, count)):
                    raise SameFailureError(cause)
                view.round(packs, rows)
                share = Share(sweep, leases, view.say, retry=retry, every=pace.leases.look)
                Drain(sweep, packs, crew, view, share, retry=retry, pace=pace, tries=tries, rows=rows).run()
                has_run, retry = True, False  # a trial that fails again stays failed, and the next rounds follow
        except BaseException:
            end_lanes(crew)
            if interrupts.requests() <= 1:
                with suppress(InfrastructureError):
                    merge.merge(sweep)
            raise
        end_lanes(crew)
        return merge.merge(sweep)


def _check_reach(sweep: Sweep, leases: Leases) -> None:
    """Raises UserError if this machine lacks what trials need; marks the sweep as stopped, unless others run it."""
    try:
        reach.check(sweep.definition)
    except UserError:
        if not leases.look().others:
            sweep.ask_to_stop()
        raise


def _devices() -> list[str]:
    """The GPUs for lanes, as CUDA_VISIBLE_DEVICES names them; empty without a driver."""
    if (visible := os.environ.get("CUDA_VISIBLE_DEVICES")) is not None:
        return [name for name in visible.split(",") if name and name != "-1"]
    if shutil.which("nvidia-smi") is None:
        return []
    command = ["nvidia-smi", "--query-gpu=uuid", "--format=csv,noheader"]
    listed = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    return listed.stdout.split() if listed.returncode == 0 else []
