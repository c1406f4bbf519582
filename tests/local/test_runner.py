"""Lanes are processes that are killed, stopped and started again; a sweep loses nothing by it."""

import json
import os
import random
import re
import signal
import subprocess
import sys
import threading
from typing import Any

import pytest

from pipeline import results
from pipeline.errors import InfrastructureError
from pipeline.local.drain import Drain, Pace, SameFailureError
from pipeline.local.process import Lane
from pipeline.local.share import Share
from pipeline.plan import rounds
from pipeline.results import Row
from pipeline.sweep import Sweep, Trial, merge, trials_of
from pipeline.sweep.leases import Leases, Runner
from pipeline.trials.pack import give_up
from tests.support import processes
from tests.support.in_process import hpt
from tests.support.lanes import Lanes, Recorder
from tests.support.processes import is_soon

EAGER = Pace(look=0.05, refresh=0.0)


def table(sweep: Sweep) -> list[Row]:
    """results.csv as it stands."""
    try:
        return results.read_csv(sweep.store.read(sweep.key("results.csv")))
    except FileNotFoundError:
        return []


def trials(sweep: Sweep) -> list[str]:
    return sorted(str(t) for n in range(sweep.rounds()) for t in trials_of(sweep.round(n)))


@pytest.fixture
def program_spec() -> dict[str, Any]:
    """Two trials of a program that ends at once, so that no lane imports torch."""
    return {
        "command": ["printf", "valid {x} test {x}\\n"],
        "metrics-pattern": r"valid (?P<mse_valid>\S+) test (?P<mse_test>\S+)",
        "hyperparameters": {"x": 0.1},
        "parameters": {"x": [0.1, 0.2]},
        "date-range": [["2024-01-01", "2024-03-01"]],
        "confirm": {"ranges": 0},
    }


def test_a_sweep_runs_to_its_end_on_several_lanes(new_sweep, tiny_spec):
    sweep = new_sweep(tiny_spec)
    view, lanes = Recorder(), Lanes()
    merged = lanes.run(sweep, view, lanes=2)
    assert [row["trial"] for row in merged.rows] == trials(sweep)
    assert {row["status"] for row in merged.rows} == {"complete"}
    assert len(view.rows) == 6
    assert lanes.pids() == []
    assert rounds.plan_packs(sweep) == []


def test_one_bad_trial_does_not_stop_the_sweep(new_sweep, tiny_spec, warm_lanes):
    sweep = new_sweep(tiny_spec | {"date-range": [["2025-01-01", "2025-03-01"], ["2024-01-01", "2024-03-01"]]})
    merged = warm_lanes.run(sweep, lanes=2)
    assert sorted(row["status"] for row in merged.rows) == ["complete"] * 3 + ["failed"] * 3


def test_lanes_killed_at_random_moments_lose_nothing(new_sweep, tiny_spec, warm_lanes):
    sweep = new_sweep(
        tiny_spec | {"training": {"max-epochs": 60, "epoch-steps": 1}, "incumbent": {"early_stopping_patience": 1000}}
    )
    luck = random.Random(3)
    killed, over = [], threading.Event()

    def kill() -> None:
        while not over.wait(luck.uniform(0.0, 0.5)) and len(killed) < 4:
            for pid in warm_lanes.pids()[:1]:
                os.kill(pid, signal.SIGKILL)
                killed.append(pid)

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        merged = warm_lanes.run(sweep, lanes=2, tries=100)
    finally:
        over.set()
        killer.join()
    assert killed
    assert [row["trial"] for row in merged.rows] == trials(sweep)
    assert {row["status"] for row in merged.rows} == {"complete"}
    assert warm_lanes.pids() == []


def test_a_trial_that_kills_three_lanes_is_given_up_by_a_row_that_says_so(new_sweep, tiny_spec, nursery, trouble):
    sweep = new_sweep(
        tiny_spec | {"parameters": {"learning_rate": [0.001, 0.01]}, "date-range": [["2024-01-01", "2024-03-01"]]}
    )
    lanes = nursery.troubled_lanes
    begun = trouble({"e000": "segfault"})
    merged = lanes.run(sweep, lanes=1)
    assert [row["status"] for row in merged.rows] == ["failed", "complete"]
    assert "given up after 3 attempts: its process ended with -11" in merged.rows[0]["error"]
    assert begun() == ["e000", "e001", "e000", "e000"]
    trouble({})
    retried = lanes.run(sweep, lanes=1, retry=True)
    assert [row["status"] for row in retried.rows] == ["complete", "complete"]


def test_a_stop_keeps_what_is_finished_and_the_sweep_goes_on_later(new_sweep, tiny_spec, warm_lanes):
    sweep = new_sweep(tiny_spec)

    def stop(row: Row) -> None:
        sweep.ask_to_stop()
        assert is_soon(lambda: view.said == ["stopped by `hpt stop`"])

    view = Recorder(on_row=stop)
    with pytest.raises(KeyboardInterrupt):
        warm_lanes.run(sweep, view, lanes=1, pace=EAGER)
    assert warm_lanes.pids() == []
    finished = table(sweep)
    assert 1 <= len(finished) < 6
    sweep.forget_stop()
    later = Recorder()
    merged = warm_lanes.run(sweep, later, lanes=2)
    assert [row["trial"] for row in merged.rows] == trials(sweep)
    assert {row["trial"] for row in later.rows}.isdisjoint(row["trial"] for row in finished)
    assert [row for row in merged.rows if row["trial"] == finished[0]["trial"]] == finished[:1]


def test_a_stop_ends_a_training_at_once(new_sweep, tiny_spec, warm_lanes):
    sweep = new_sweep(
        tiny_spec
        | {"training": {"max-epochs": 1_000_000, "epoch-steps": 1}, "incumbent": {"early_stopping_patience": 1_000_000}}
    )
    with pytest.raises(KeyboardInterrupt):
        warm_lanes.run(sweep, Recorder(on_epoch=lambda *_: sweep.ask_to_stop()), lanes=2, pace=EAGER)
    assert warm_lanes.pids() == []
    assert table(sweep) == []


def test_a_lane_that_starts_while_the_sweep_is_stopped_runs_nothing(new_sweep, program_spec, tmp_path):
    sweep = new_sweep(program_spec)
    is_stopped = threading.Event()

    class SlowToStart(Lane):
        def start(self) -> None:
            sweep.ask_to_stop()
            assert is_stopped.wait(60)
            super().start()

        def terminate(self) -> None:
            is_stopped.set()
            super().terminate()

    view, lane = Recorder(), SlowToStart(0, None, tmp_path / "log.txt")
    packs = rounds.plan_packs(sweep)
    share = Share(sweep, Leases(sweep, Runner.of_this_process(1)), view.say)
    with pytest.raises(KeyboardInterrupt):
        Drain(sweep, packs, [lane], view, share, retry=False, pace=EAGER, tries=3).run()
    lane.stop()
    assert view.rows == []
    assert rounds.unfinished(sweep, packs) == packs


def test_a_run_in_the_background_that_ignores_ctrl_c_is_ended_by_sigterm(program_spec, tmp_path):
    """A shell starts a job in the background with SIGINT ignored, which its children inherit."""
    spec = tmp_path / "spec.json"
    spec.write_text(json.dumps(program_spec | {"command": ["sleep", "4817", "{x}"]}))
    with subprocess.Popen(
        [sys.executable, "-m", "pipeline.cli", "run", str(spec), "--store", str(tmp_path / "s"), "--lanes", "1"],
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert is_soon(lambda: bool(processes.running("4817")))
        process.send_signal(signal.SIGINT)
        process.terminate()
        _, output = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "stopped; what is finished is kept" in output
    assert is_soon(lambda: not processes.running("4817"))


def test_the_results_grow_while_the_sweep_runs(new_sweep, tiny_spec, warm_lanes):
    sweep = new_sweep(tiny_spec)
    lengths = []

    def look(row: Row) -> None:
        assert is_soon(lambda: row["trial"] in {before["trial"] for before in table(sweep)})
        lengths.append(len(table(sweep)))

    warm_lanes.run(sweep, Recorder(on_row=look), lanes=1, pace=EAGER)
    assert len(lengths) == 6
    assert 0 < lengths[0] < 6


def test_a_store_that_fails_under_one_trial_writes_no_row_and_stops_no_other(new_sweep, tiny_spec, warm_lanes):
    sweep = new_sweep(tiny_spec)
    sweep.store.write(sweep.trial_key(Trial("screen", "e001", 0, 0), "attempts"), b"in the way")
    view = Recorder()
    with pytest.raises(InfrastructureError, match="1 trials could not be run"):
        warm_lanes.run(sweep, view, lanes=2)
    assert sorted(row["trial"] for row in table(sweep)) == [
        trial for trial in trials(sweep) if trial != "screen-e001-d0-s0"
    ]
    assert {row["status"] for row in table(sweep)} == {"complete"}
    assert warm_lanes.pids() == []


def test_a_store_that_is_away_for_a_moment_stops_no_training(new_sweep, tiny_spec, warm_lanes, monkeypatch):
    sweep = new_sweep(tiny_spec)
    view = Recorder()
    refresh, failed = merge.refresh, []

    def away_once_it_trains(sweep):
        if view.rows and not failed:
            failed.append(True)
            raise InfrastructureError("the network is away")
        return refresh(sweep)

    monkeypatch.setattr(merge, "refresh", away_once_it_trains)
    assert len(warm_lanes.run(sweep, view, lanes=1, pace=EAGER).rows) == 6
    assert failed
    assert any("the network is away; it will be tried again" in line for line in view.said)


def test_a_folder_called_pipeline_where_the_user_stands_is_not_ours(new_sweep, program_spec, tmp_path, monkeypatch):
    sweep = new_sweep(program_spec)
    (tmp_path / "pipeline").mkdir()
    (tmp_path / "pipeline" / "__init__.py").write_text("")
    monkeypatch.chdir(tmp_path)
    assert {row["status"] for row in Lanes().run(sweep, lanes=1).rows} == {"complete"}


def test_a_damaged_row_is_run_again_by_a_retry(new_sweep, tiny_spec, warm_lanes):
    sweep = new_sweep(tiny_spec)
    warm_lanes.run(sweep, lanes=2)
    damaged = Trial("screen", "e001", 0, 0)
    sweep.store.write(sweep.trial_key(damaged, "result.csv"), b"damaged")
    assert len(merge.merge(sweep).rows) == 5
    merged = warm_lanes.run(sweep, lanes=1, retry=True)
    assert (len(merged.rows), merged.skipped) == (6, [])
    assert [file.number for file in sweep.results_of(damaged)] == [1, 2]


def test_a_sweep_that_is_retried_is_judged_after_all(new_sweep, tiny_spec, warm_lanes):
    sweep = new_sweep(tiny_spec | {"confirm": {"ranges": 1}})
    screen = [pack.trials[0] for pack in rounds.plan_packs(sweep)]
    give_up(sweep, "p", screen, "no driver")
    assert {row["phase"] for row in warm_lanes.run(sweep, lanes=2).rows} == {"screen"}
    merged = warm_lanes.run(sweep, lanes=2, retry=True)
    assert {row["status"] for row in merged.rows} == {"complete"}
    assert {row["phase"] for row in merged.rows} == {"screen", "confirm"}


def test_after_a_death_the_rest_of_a_pack_comes_first_and_its_suspects_run_alone(
    new_sweep, tiny_spec, nursery, trouble
):
    sweep, packs = new_sweep(tiny_spec), []
    lanes = nursery.troubled_lanes
    trouble({"e001": "exit"})
    view = Recorder(on_start=packs.append)
    lanes.run(sweep, view, lanes=1, tries=2)
    assert [[str(trial) for trial in pack.trials] for pack in packs] == [
        ["screen-e000-d0-s0", "screen-e001-d0-s0", "screen-e002-d0-s0"],
        ["screen-e002-d0-s0"],
        ["screen-e000-d1-s0", "screen-e001-d1-s0", "screen-e002-d1-s0"],
        ["screen-e002-d1-s0"],
        ["screen-e001-d0-s0"],
        ["screen-e001-d1-s0"],
    ]
    assert sum("run again alone" in line for line in view.said) == 2
    assert sum("given up" in line for line in view.said) == 2


def test_the_death_of_a_lane_that_trained_nothing_fails_no_trial(new_sweep, tiny_spec):
    sweep = new_sweep(tiny_spec)
    with pytest.raises(InfrastructureError, match="6 trials could not be run: its process ended with 1"):
        Lanes((sys.executable, "-c", "raise SystemExit(1)")).run(sweep, lanes=2)
    assert table(sweep) == []


class TestTheSameFailure:
    """A sweep whose trials all fail for one reason is stopped, and says it."""

    @pytest.fixture
    def failing(self, program_spec: dict[str, Any], tmp_path) -> dict[str, Any]:
        """Ten trials of a program that is broken."""
        (tmp_path / "train.sh").write_text("echo no module named foo >&2; exit 1")
        return program_spec | {
            "command": ["sh", str(tmp_path / "train.sh"), "{x}"],
            "parameters": {"x": [n / 10 for n in range(10)]},
            "search": {"strategy": "grid"},
        }

    def test_the_same_failure_stops_the_sweep_after_the_first_trials(self, new_sweep, failing):
        sweep = new_sweep(failing)
        with pytest.raises(SameFailureError, match="no module named foo"):
            Lanes().run(sweep, lanes=1)
        assert 3 <= len(table(sweep)) <= 4

    def test_adaptive_rounds_are_counted_together(self, new_sweep, failing):
        search = {"strategy": "tpe", "experiments": 10, "batch": 2}
        space = {"x": {"low": 0.0, "high": 1.0}}
        sweep = new_sweep(failing | {"parameters": space, "search": search})
        with pytest.raises(SameFailureError):
            Lanes().run(sweep, lanes=2)
        assert 4 <= len(table(sweep)) <= 6

    def test_going_on_runs_the_rest_and_a_retry_all(self, new_sweep, failing, tmp_path):
        sweep = new_sweep(failing)
        with pytest.raises(SameFailureError):
            Lanes().run(sweep, lanes=1)
        failed = len(table(sweep))
        (tmp_path / "train.sh").write_text("echo valid $1 test $1")
        merged = Lanes().run(sweep, lanes=1)
        assert [row["status"] for row in merged.rows].count("failed") == failed
        assert len(merged.rows) == 10
        assert {row["status"] for row in Lanes().run(sweep, lanes=1, retry=True).rows} == {"complete"}

    def test_one_result_is_enough_to_go_on(self, new_sweep, failing, tmp_path):
        (tmp_path / "train.sh").write_text('[ "$1" = 0.1 ] && echo valid $1 test $1')
        merged = Lanes().run(new_sweep(failing), lanes=1)
        assert [row["status"] for row in merged.rows].count("failed") == 9

    def test_the_verb_says_so_and_the_store_keeps_the_cause(self, failing, tmp_path, spec_file):
        spec = spec_file(failing)
        done = hpt("run", spec, "--store", "store", "--lanes", 1, cwd=tmp_path, code=1)
        assert "failed alike" in done.err
        assert "hpt retry" in done.err
        listed = hpt("list", "--store", "store", cwd=tmp_path)
        assert re.search("stopped at [34] of 10 trials", listed.out)
        page = next((tmp_path / "store").glob("sweeps/*/report/index.html")).read_text()
        assert "all trials failed alike" in page
