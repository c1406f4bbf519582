"""Real lanes: processes that are killed, stopped and started again."""

import os
import random
import signal
import threading
import time
from collections.abc import Callable

import pytest

from pipeline import results
from pipeline.errors import InfrastructureError
from pipeline.local import runner
from pipeline.plan import rounds
from pipeline.results import Row
from pipeline.sweep import Pack, Sweep, Trial, merge, trials_of
from pipeline.trials.pack import give_up


class Recorder:
    """A view that remembers, and lets a test act when something is seen."""

    def __init__(self, on_row: Callable[[Row], None] = lambda row: None) -> None:
        self.rows: list[Row] = []
        self.said: list[str] = []
        self.on_row = on_row
        self.on_start: Callable[[Pack], None] = lambda pack: None

    def round(self, packs, done): ...
    def epoch(self, lane, epoch, of): ...
    def idle(self, lane): ...

    def started(self, lane, pack):
        self.on_start(pack)

    def say(self, text):
        self.said.append(text)

    def row(self, lane, row):
        self.rows.append(row)
        self.on_row(row)


def lane_pids() -> list[int]:
    """The lanes that this test process started."""
    found = []
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            try:
                with open(f"/proc/{entry.name}/stat") as stat, open(f"/proc/{entry.name}/cmdline") as command:
                    parent = int(stat.read().rsplit(")", 1)[1].split()[1])
                    if parent == os.getpid() and "pipeline.local.lane" in command.read():
                        found.append(int(entry.name))
            except (FileNotFoundError, ProcessLookupError):
                pass
    return found


def table(sweep: Sweep) -> list[Row]:
    """results.csv as it stands."""
    try:
        return results.read_csv(sweep.store.read(sweep.key("results.csv")))
    except FileNotFoundError:
        return []


def trials(sweep: Sweep) -> list[str]:
    return sorted(str(t) for n in range(sweep.rounds()) for t in trials_of(sweep.round(n)))


def test_a_sweep_runs_to_its_end_on_several_lanes(new_sweep, tiny_spec):
    sweep = new_sweep(tiny_spec)
    view = Recorder()
    merged = runner.run(sweep, view, lanes=2)
    assert [row["trial"] for row in merged.rows] == trials(sweep)
    assert {row["status"] for row in merged.rows} == {"complete"}
    assert len(view.rows) == 6
    assert lane_pids() == []
    assert rounds.pending(sweep) == []


def test_one_bad_trial_does_not_stop_the_sweep(new_sweep, tiny_spec):
    sweep = new_sweep(tiny_spec | {"date-range": [["2025-01-01", "2025-03-01"], ["2024-01-01", "2024-03-01"]]})
    merged = runner.run(sweep, Recorder(), lanes=2)
    assert sorted(row["status"] for row in merged.rows) == ["complete"] * 3 + ["failed"] * 3


def test_lanes_killed_at_random_moments_lose_nothing(new_sweep, tiny_spec):
    sweep = new_sweep(tiny_spec)
    view = Recorder()
    luck = random.Random(3)
    killed, over = [], threading.Event()

    def kill() -> None:
        while not over.wait(luck.uniform(0.0, 3.0)) and len(killed) < 4:
            for pid in lane_pids()[:1]:
                os.kill(pid, signal.SIGKILL)
                killed.append(pid)

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        merged = runner.run(sweep, view, lanes=2)
    finally:
        over.set()
        killer.join()
    assert killed
    assert [row["trial"] for row in merged.rows] == trials(sweep)
    assert lane_pids() == []


def test_a_pack_that_kills_three_lanes_is_given_up_by_a_row_that_says_so(new_sweep, tiny_spec):
    sweep = new_sweep(
        tiny_spec | {"parameters": {"learning_rate": [0.001, 0.01]}, "date-range": [["2024-01-01", "2024-03-01"]]}
    )
    view = Recorder()

    def kill_under_the_first(pack: Pack) -> None:
        if "e000" in pack.label:
            os.kill(lane_pids()[0], signal.SIGKILL)

    view.on_start = kill_under_the_first
    merged = runner.run(sweep, view, lanes=1)
    assert [row["status"] for row in merged.rows] == ["failed", "complete"]
    assert "given up after 3 attempts: its process ended with -9" in merged.rows[0]["error"]
    view.on_start = lambda pack: None
    again = runner.run(sweep, view, lanes=1, retry=True)
    assert [row["status"] for row in again.rows] == ["complete", "complete"]


def test_a_stop_keeps_what_is_finished_and_the_sweep_goes_on_later(new_sweep, tiny_spec, monkeypatch):
    monkeypatch.setattr(runner, "_REFRESH_EVERY_S", 0.0)
    sweep = new_sweep(tiny_spec | {"training": {"max-epochs": 200}, "incumbent": {"early_stopping_patience": 1000}})
    view = Recorder(on_row=lambda row: sweep.ask_to_stop())
    with pytest.raises(KeyboardInterrupt):
        runner.run(sweep, view, lanes=1)
    assert lane_pids() == []
    finished = table(sweep)
    assert 1 <= len(finished) < 6
    sweep.forget_stop()
    later = Recorder()
    merged = runner.run(sweep, later, lanes=2)
    assert [row["trial"] for row in merged.rows] == trials(sweep)
    assert {row["trial"] for row in later.rows}.isdisjoint(row["trial"] for row in finished)
    assert [row for row in merged.rows if row["trial"] == finished[0]["trial"]] == finished[:1]


def test_the_results_grow_while_the_sweep_runs(new_sweep, tiny_spec, monkeypatch):
    monkeypatch.setattr(runner, "_REFRESH_EVERY_S", 0.0)
    sweep = new_sweep(tiny_spec | {"training": {"max-epochs": 30}})
    seen = []

    def look(row: Row) -> None:
        time.sleep(0.5)
        seen.append(len(table(sweep)))

    runner.run(sweep, Recorder(on_row=look), lanes=1)
    assert any(0 < count < 6 for count in seen)


def test_a_store_that_fails_under_one_trial_writes_no_row_and_stops_no_other(new_sweep, tiny_spec):
    sweep = new_sweep(tiny_spec)
    sweep.store.write(sweep.trial_key(Trial("screen", "e001", 0, 0), "attempts"), b"in the way")
    view = Recorder()
    with pytest.raises(InfrastructureError, match="1 trials could not be run"):
        runner.run(sweep, view, lanes=2)
    assert sorted(row["trial"] for row in table(sweep)) == [one for one in trials(sweep) if one != "screen-e001-d0-s0"]
    assert {row["status"] for row in table(sweep)} == {"complete"}
    assert lane_pids() == []


def test_a_store_that_is_away_for_a_moment_stops_no_training(new_sweep, tiny_spec, monkeypatch):
    monkeypatch.setattr(runner, "_REFRESH_EVERY_S", 0.0)
    sweep = new_sweep(tiny_spec)
    view = Recorder()
    refresh, failed = merge.refresh, []

    def away_once_it_trains(sweep):
        if view.rows and not failed:
            failed.append(True)
            raise InfrastructureError("the network is away")
        return refresh(sweep)

    monkeypatch.setattr(merge, "refresh", away_once_it_trains)
    assert len(runner.run(sweep, view, lanes=1).rows) == 6
    assert failed
    assert any("the network is away; it will be tried again" in line for line in view.said)


def test_a_folder_called_pipeline_where_the_user_stands_is_not_ours(new_sweep, tiny_spec, tmp_path, monkeypatch):
    sweep = new_sweep(tiny_spec)
    (tmp_path / "pipeline").mkdir()
    (tmp_path / "pipeline" / "__init__.py").write_text("")
    monkeypatch.chdir(tmp_path)
    assert {row["status"] for row in runner.run(sweep, Recorder(), lanes=2).rows} == {"complete"}


def test_a_damaged_row_is_run_again_by_a_retry(new_sweep, tiny_spec):
    sweep = new_sweep(tiny_spec)
    runner.run(sweep, Recorder(), lanes=2)
    one = Trial("screen", "e001", 0, 0)
    sweep.store.write(sweep.trial_key(one, "result.csv"), b"damaged")
    assert len(merge.merge(sweep).rows) == 5
    merged = runner.run(sweep, Recorder(), lanes=1, retry=True)
    assert (len(merged.rows), merged.skipped) == (6, [])
    assert [file.number for file in sweep.results_of(one)] == [1, 2]


def test_what_is_retried_is_judged_after_all(new_sweep, tiny_spec):
    sweep = new_sweep(tiny_spec | {"confirm": {"ranges": 1}})
    screen = [pack.trials[0] for pack in rounds.pending(sweep)]
    give_up(sweep, "p", screen, "no driver")
    assert {row["phase"] for row in runner.run(sweep, Recorder(), lanes=2).rows} == {"screen"}
    merged = runner.run(sweep, Recorder(), lanes=2, retry=True)
    assert {row["status"] for row in merged.rows} == {"complete"}
    assert {row["phase"] for row in merged.rows} == {"screen", "confirm"}


def test_a_pack_whose_process_dies_runs_again_trial_by_trial(new_sweep, tiny_spec):
    """Whichever trial it was takes none along the next time."""
    sweep = new_sweep(tiny_spec | {"training": {"max-epochs": 40}})
    view, packs, killed = Recorder(), [], threading.Event()

    def start(pack: Pack) -> None:
        packs.append(pack)
        if not killed.is_set():
            killed.set()
            threading.Timer(0.0, lambda: [os.kill(pid, signal.SIGKILL) for pid in lane_pids()]).start()

    view.on_start = start
    merged = runner.run(sweep, view, lanes=1)
    assert {row["status"] for row in merged.rows} == {"complete"}
    assert [len(pack.trials) for pack in packs] == [3, 3, 1, 1, 1]
    assert sum("it will run again" in said for said in view.said) == 1
