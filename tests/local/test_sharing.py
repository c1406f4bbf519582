"""Several runners on one sweep share it: each trial is trained once, and one that dies or stalls costs nothing."""

import os
import signal
import subprocess
import threading
import time
from collections import Counter
from contextlib import ExitStack
from typing import Any

import pytest

from pipeline.local import alone, process
from pipeline.local.drain import Pace
from pipeline.plan import rounds
from pipeline.store import Store, open_store
from pipeline.sweep import Sweep, merge, trials_of
from pipeline.sweep.leases import LeasePace, Leases, Runner
from tests.support import faults
from tests.support.lanes import Lanes, Nursery, Recorder
from tests.support.processes import is_soon
from tests.support.sweeps import define

QUICK = Pace(look=0.05, refresh=0.1, leases=LeasePace(beat=0.2, stale=600.0, look=0.1))
SHORT = Pace(look=0.05, refresh=0.1, leases=LeasePace(beat=0.2, stale=2.0, look=0.1))


@pytest.fixture
def many(tiny_spec: dict[str, Any]) -> dict[str, Any]:
    """Twelve settings on two ranges, and a second round that judges the better ones on two more."""
    rates = [round(0.005 * number, 3) for number in range(1, 12)]
    return tiny_spec | {
        "parameters": {"learning_rate": rates},
        "training": {"max-epochs": 20, "epoch-steps": 1},
        "incumbent": {"batch_size": 64, "early_stopping_patience": 1000},
    }


def attempts(sweep: Sweep) -> Counter[str]:
    """Attempts per trial."""
    below = [entry.key.removeprefix(sweep.trials_key).split("/") for entry in sweep.store.entries(sweep.trials_key)]
    begun = {(parts[0], parts[2]) for parts in below if len(parts) > 3 and parts[1] == "attempts"}
    return Counter(trial for trial, _ in begun)


def planned(sweep: Sweep) -> list[str]:
    return sorted(str(trial) for number in range(sweep.rounds()) for trial in trials_of(sweep.round(number)))


def leases_of(sweep: Sweep) -> list[str]:
    return [entry.key for entry in sweep.store.entries(sweep.leases_key)]


class Runs(threading.Thread):
    """A runner in a thread of its own; its lanes are processes."""

    def __init__(self, kind: Lanes, sweep: Sweep, pace: Pace = QUICK, **options: Any) -> None:
        super().__init__(daemon=True)
        self.view = Recorder()
        self.merged: merge.Merged | None = None
        self.error: BaseException | None = None
        self._run = lambda: kind.run(sweep, self.view, pace=pace, **options)
        self.start()

    def run(self) -> None:
        try:
            self.merged = self._run()
        except BaseException as error:
            self.error = error

    def rows(self) -> list[dict[str, Any]]:
        self.join(timeout=200)
        assert not self.is_alive()
        if self.error is not None:
            raise self.error
        assert self.merged is not None
        return self.merged.rows


def hpt(nursery: Nursery, sweep: Sweep, *more: str) -> "subprocess.Popen[str]":
    """`hpt run` that goes on with the sweep, a process of its own."""
    command = [*nursery.command("hpt"), "run", "--sweep", sweep.id, "--store", sweep.store.root, "--lanes", "1", *more]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.fixture
def shared(any_store: Store, many: dict[str, Any]) -> Sweep:
    return Sweep.create(any_store, define(many))


def test_two_runs_of_one_sweep_train_each_trial_once(nursery: Nursery, shared: Sweep) -> None:
    with ExitStack() as stack:
        runs = [stack.enter_context(hpt(nursery, shared)) for _ in range(2)]
        for run in runs:
            out, output = run.communicate(timeout=200)
            assert run.returncode == 0, output
            assert "results " in out
    rows = merge.merge(shared).rows
    assert [row["trial"] for row in rows] == planned(shared)
    assert {row["status"] for row in rows} == {"complete"}
    assert set(attempts(shared).values()) == {1}
    assert leases_of(shared) == []


def test_two_runners_share_a_sweep(warm_lanes: Lanes, new_sweep: Any, many: dict[str, Any]) -> None:
    sweep = new_sweep(many)
    runs = [Runs(warm_lanes, sweep, lanes=1) for _ in range(2)]
    for run in runs:
        assert [row["trial"] for row in run.rows()] == planned(sweep)
    assert set(attempts(sweep).values()) == {1}
    # Each saw the end of every trial, whoever trained it, and none twice.
    assert all(max(Counter(row["trial"] for row in run.view.rows).values()) == 1 for run in runs)


@pytest.mark.parametrize("pace", [QUICK, SHORT], ids=["seen to have died", "stale"])
def test_the_remaining_runner_finishes_the_trials_of_a_killed_one(
    warm_lanes: Lanes, new_sweep: Any, many: dict[str, Any], pace: Pace, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep = new_sweep(many)
    if pace is SHORT:
        monkeypatch.setattr("pipeline.sweep.leases._machine", lambda: "")
    _killed_with_a_lease(sweep, is_known=pace is QUICK)
    merged = warm_lanes.run(sweep, lanes=2, pace=pace)
    assert [row["trial"] for row in merged.rows] == planned(sweep)
    assert set(attempts(sweep).values()) == {1}
    assert leases_of(sweep) == []


def _killed_with_a_lease(sweep: Sweep, *, is_known: bool) -> None:
    """Leaves the lease of a process that was killed on the first pack."""
    packs = rounds.plan_packs(sweep, lanes=2)
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            runner = Runner.of_this_process(1)
            runner = runner if is_known else runner.model_copy(update={"machine": ""})
            Leases(sweep, runner).take(packs[0].trials)
            os.write(write, b"taken")
            time.sleep(600)
        finally:
            os._exit(1)
    assert os.read(read, 5) == b"taken"
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


def test_a_runner_that_is_killed_costs_no_row(nursery: Nursery, new_sweep: Any, many: dict[str, Any]) -> None:
    sweep = new_sweep(many)
    with hpt(nursery, sweep) as first, hpt(nursery, sweep) as second:
        assert is_soon(lambda: len(attempts(sweep)) > 3)
        first.send_signal(signal.SIGTERM)
        first.wait(timeout=60)
        _, output = second.communicate(timeout=200)
        assert second.returncode == 0, output
    assert [row["trial"] for row in merge.merge(sweep).rows] == planned(sweep)
    assert leases_of(sweep) == []


def test_clocks_that_jump_by_hours_change_nothing(
    warm_lanes: Lanes, new_sweep: Any, many: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep, right, jumps = new_sweep(many), time.time, iter(range(1_000_000))
    monkeypatch.setattr(time, "time", lambda: right() + (-1) ** next(jumps) * 7200.0)
    runs = [Runs(warm_lanes, sweep, SHORT, lanes=1) for _ in range(2)]
    for run in runs:
        assert [row["trial"] for row in run.rows()] == planned(sweep)
    assert set(attempts(sweep).values()) == {1}


def test_a_store_that_takes_no_leases_stops_no_training(
    bucket: str, proxy: faults.Proxy, many: dict[str, Any], warm_lanes: Lanes
) -> None:
    """Neither heartbeats that stall for longer than everything else takes, nor leases that cannot be written."""
    sweep = Sweep.create(open_store(f"gs://{bucket}/hpt"), define(many))

    def rule(request: faults.Request) -> faults.Fault | None:
        if not request.is_write or "leases" not in request.path:
            return None
        return faults.Silence(60.0) if "runners" in request.path else faults.Status(403)

    proxy.rule = rule
    merged = Runs(warm_lanes, sweep, lanes=2).rows()
    assert [row["trial"] for row in merged] == planned(sweep)
    assert set(attempts(sweep).values()) == {1}


def test_a_retry_by_two_runners_runs_each_failure_once_more(
    warm_lanes: Lanes, new_sweep: Any, many: dict[str, Any]
) -> None:
    ranges = [["2024-01-01", "2024-03-01"], ["2025-01-01", "2025-03-01"]]
    sweep = new_sweep(many | {"date-range": ranges, "parameters": {"learning_rate": [0.01, 0.02]}})
    warm_lanes.run(sweep, lanes=1, pace=QUICK)
    runs = [Runs(warm_lanes, sweep, lanes=1, retry=True) for _ in range(2)]
    for run in runs:
        run.rows()
    assert {row["status"] for row in merge.merge(sweep).rows} == {"complete", "failed"}
    numbers = {trial: file.number for trial, file in sweep.result_files().items()}
    assert numbers == {trial: 2 if "-d1-" in trial else 1 for trial in planned(sweep)}


def test_a_stage_leaves_the_trials_of_another_runner_to_it(
    nursery: Nursery, new_sweep: Any, many: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "PROGRAM", nursery.command("lane"))
    sweep = new_sweep(many)
    (pack, *_) = rounds.plan_packs(sweep, lanes=4)
    with Leases(sweep, Runner.of_this_process(1)) as other:
        lease = other.take(pack.trials[1:])
        alone.run_pack(sweep, pack, view := Recorder(), owner="https://jenkins.test/7/")
        assert set(attempts(sweep)) == {str(pack.trials[0])}
        assert f"not run, since others train them: {pack.trials[1]}" in view.said[-1]
        other.give_back(lease)
    alone.run_pack(sweep, pack, Recorder(), owner="https://jenkins.test/7/")
    assert set(attempts(sweep)) == set(map(str, pack.trials))
