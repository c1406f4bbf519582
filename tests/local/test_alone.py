"""One pack, seen through from outside of the process that trains it: what ends that process ends one trial at most."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import InfrastructureError, UserError
from pipeline.local import alone, process
from pipeline.local.drain import Pace
from pipeline.local.watch import Patience
from pipeline.plan import rounds
from pipeline.results import Row
from pipeline.sweep import Pack, Sweep, Trial
from tests.support import ROOT, environment, processes
from tests.support.lanes import Nursery, Recorder
from tests.support.processes import is_soon
from tests.support.trouble import Trouble

PACE = Pace(look=0.05, grace=0.5, patience=Patience(beyond_limit=0.5, silence=1.5, factor=1.0))


@pytest.fixture
def eight(tiny_spec: dict[str, Any]) -> dict[str, Any]:
    """Eight settings on one range."""
    rates = [0.01, 0.02, 0.03, 0.04, 0.05, 0.06, 0.07]
    return tiny_spec | {"date-range": tiny_spec["date-range"][:1], "parameters": {"learning_rate": rates}}


class Runs:
    """Runs the first pack of a sweep, whose trainings have trouble."""

    def __init__(self, nursery: Nursery, trouble: Trouble) -> None:
        self._nursery, self._trouble = nursery, trouble
        self.view = Recorder()

    def __call__(self, sweep: Sweep, trouble: dict[str, str], at_once: int = 1, **options: Any) -> dict[str, Row]:
        self._begun = self._trouble(trouble, at_once)
        alone.run_pack(sweep, whole(sweep), self.view, **{"pace": PACE, **options})
        rows = {trial.experiment: sweep.row(trial) for trial in whole(sweep).trials}
        return {experiment: row for experiment, row in rows.items() if row is not None}

    def attempts(self) -> Counter[str]:
        """Attempts per experiment."""
        return Counter(self._begun())

    def lanes(self) -> list[int]:
        return processes.children(self._nursery.pid, self._nursery.name)


@pytest.fixture
def run(nursery: Nursery, trouble: Trouble, monkeypatch: pytest.MonkeyPatch) -> Runs:
    monkeypatch.setattr(process, "PROGRAM", nursery.troubled_lanes.program)
    return Runs(nursery, trouble)


def whole(sweep: Sweep) -> Pack:
    """One pack of all trials of the first round."""
    if not sweep.rounds():
        rounds.plan_packs(sweep, lanes=1)
    packs = sweep.round(0)
    return Pack(packs[0].id, packs[0].label, None, tuple(trial for pack in packs for trial in pack.trials))


@pytest.mark.parametrize(("kind", "code"), [("segfault", -11), ("exit", 7)])
def test_a_trial_that_kills_its_process_is_tried_again_alone_and_the_rest_runs_on(new_sweep, eight, run, kind, code):
    sweep = new_sweep(eight)
    with pytest.raises(InfrastructureError, match=f"could not be run here, such as .*its process ended with {code}"):
        run(sweep, {"e002": kind})
    begun = run.attempts()
    assert begun.pop("e002") == 2
    assert set(begun.values()) == {1}
    assert len(run.view.rows) == 7, "that of e002 is for another machine to write"
    assert {row["status"] for row in run.view.rows} == {"complete"}


def test_of_those_that_train_side_by_side_only_the_culprit_fails(new_sweep, eight, run):
    with pytest.raises(InfrastructureError, match="1 trials could not be run here"):
        run(new_sweep(eight), {"e002": "segfault"}, at_once=4)
    assert len(run.view.rows) == 7
    assert {row["status"] for row in run.view.rows} == {"complete"}


@pytest.mark.parametrize("kind", ["hang", "stop"])
@pytest.mark.parametrize("limit", [0.02, None])
def test_a_hang_ends_alone_as_timed_out(new_sweep, eight, run, kind, limit):
    sweep = new_sweep(eight | {"training": eight["training"] | ({"time-limit-minutes": limit} if limit else {})})
    rows = run(sweep, {"e002": kind})
    assert len(rows) == 8
    assert {experiment for experiment, row in rows.items() if row["status"] != "complete"} == {"e002"}
    assert rows["e002"]["status"] == "timed-out"
    assert ("took longer than 0.02 minutes" if limit else "no sign of life") in rows["e002"]["error"]
    assert set(run.attempts().values()) == {1}
    assert run.lanes() == []


def test_a_hang_side_by_side_times_out_alone(new_sweep, eight, run):
    rows = run(new_sweep(eight | {"training": eight["training"] | {"time-limit-minutes": 0.01}}), {"e002": "stop"}, 4)
    assert {experiment for experiment, row in rows.items() if row["status"] == "timed-out"} == {"e002"}
    assert len(rows) == 8


def test_a_process_that_is_killed_in_the_middle_of_a_pack_loses_nothing(new_sweep, eight, run):
    sweep = new_sweep(eight)
    killed = []

    def kill(row: Row) -> None:
        if row["experiment"] == "e003" and not killed:
            killed.extend(run.lanes())
            for pid in killed:
                os.kill(pid, signal.SIGKILL)

    run.view = Recorder(on_row=kill)
    rows = run(sweep, {})
    assert killed
    assert [row["status"] for row in rows.values()] == ["complete"] * 8
    assert all(run.attempts()[experiment] == 1 for experiment in ("e000", "e001", "e002", "e003"))
    assert sorted(Counter(row["trial"] for row in run.view.rows).values()) == [1] * 8


def test_events_tell_of_each_epoch_and_of_the_end_of_each_trial(new_sweep, eight, run):
    events = []
    run.view = Recorder(on_row=lambda row: events.append(row["experiment"]), on_epoch=lambda *_: events.append("epoch"))
    run(new_sweep(eight), {})
    assert events[:4] == ["epoch", "e000", "epoch", "e001"]
    assert len(events) == 16


def test_if_the_store_fails_trials_are_left_to_another_machine_and_rows_stand(new_sweep, eight, run):
    sweep = new_sweep(eight)
    with pytest.raises(InfrastructureError, match="5 trials could not be run: the store is away"):
        run(sweep, {"e003": "store"})
    assert len(run.view.rows) == 3
    assert len(run(sweep, {})) == 8


def test_a_pack_ends_early_where_all_trials_fail_alike(new_sweep, eight, run):
    rows = run(new_sweep(eight), {f"e00{n}": "error" for n in range(8)}, lanes=2)
    assert 4 <= len(rows) < 8
    assert "some trials of this pack did not run: RuntimeError: it cannot be trained" in run.view.said[-1]


def test_a_trial_of_another_sweep_is_refused_before_a_process_starts(new_sweep, eight, run):
    sweep = new_sweep(eight)
    pack = whole(sweep)
    with pytest.raises(UserError):
        alone.run_pack(sweep, Pack(pack.id, "", None, (Trial.parse("screen-e000-d7-s0"),)), Recorder())


# -- `hpt trial` itself


@pytest.fixture
def sleeping(tmp_path: Path) -> dict[str, Any]:
    """A program that sleeps, so that nothing imports torch."""
    return {
        "command": ["sleep", "4823", "{x}"],
        "metrics-pattern": r"valid (?P<mse_valid>\S+) test (?P<mse_test>\S+)",
        "hyperparameters": {"x": 0.1},
        "parameters": {"x": [0.1, 0.2]},
        "date-range": [["2024-01-01", "2024-03-01"]],
        "confirm": {"ranges": 0},
    }


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_ending_hpt_trial_leaves_nothing_running(new_sweep, sleeping, number):
    sweep = new_sweep(sleeping)
    trials = ",".join(str(trial) for trial in whole(sweep).trials)
    command = [sys.executable, "-P", "-m", "pipeline.cli", "trial", sweep.id, trials, "--store", sweep.store.root]
    with subprocess.Popen(command, env=environment(PYTHONPATH=str(ROOT)), stderr=subprocess.PIPE) as hpt:
        assert is_soon(lambda: bool(processes.running("4823")))
        lanes = processes.children(hpt.pid, "pipeline.local.lane")
        assert len(lanes) == 1
        requested_at = time.monotonic()
        hpt.send_signal(number)
        code = hpt.wait(20)
    assert code == (130 if number == signal.SIGTERM else -9)
    assert time.monotonic() - requested_at < 5
    assert is_soon(lambda: not processes.running("4823"))
    assert is_soon(lambda: not Path(f"/proc/{lanes[0]}").exists())
    assert sweep.result_files() == {}
