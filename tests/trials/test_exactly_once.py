"""Each trial gets one row: after kills of lanes, races of writers, lost answers, and failures of the store."""

import os
import random
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pipeline.errors import InfrastructureError
from pipeline.results import Row
from pipeline.store import open_store
from pipeline.store.bucket import BucketStore
from pipeline.sweep import Sweep, Trial, merge, trials_of
from pipeline.training import model
from pipeline.trials import pack
from tests.support import faults
from tests.support.lanes import Recorder
from tests.support.packs import planned, run
from tests.support.sweeps import dataset_of, define


def assert_its_model_reproduces(sweep: Sweep, row: Row, folder: Path) -> None:
    """`model_url` points to weights that load and have the error that the row reports."""
    trial = Trial.parse(row["trial"])
    assert row["model_url"] == sweep.store.link(sweep.attempt_key(trial, row["attempt"], "model.pt"))
    for name in ("model.pt", "model.json"):
        sweep.store.download(sweep.attempt_key(trial, row["attempt"], name), folder / row["trial"] / name)
    loaded = model.load(folder / row["trial"])
    test = dataset_of(sweep, trial).test
    error = ((loaded.predict_encoded(test.tokens, test.dense) - test.targets) ** 2).mean()
    assert float(error) == pytest.approx(row["mse_test"], rel=1e-5)


def result_files(sweep: Sweep) -> list[str]:
    return [e.key.rsplit("/", 2)[1] for e in sweep.store.entries(sweep.key("trials/")) if e.key.endswith("result.csv")]


def test_fifty_kills_over_a_sweep_leave_one_row_per_trial(bucket, tiny_spec, tmp_path, warm_lanes):
    spec_json = tiny_spec | {
        "training": {"max-epochs": 20, "epoch-steps": 1},
        "incumbent": {"early_stopping_patience": 1000},
        "parameters": {"learning_rate": [0.001, 0.002, 0.003, 0.004]},
        "search": {"strategy": "grid", "seeds-per-range": 2},
    }
    sweep = Sweep.create(open_store(f"gs://{bucket}/runs"), define(spec_json))
    luck, killed, one_at_a_time = random.Random(5), set(), threading.Lock()

    def strike(epoch: int, of: int) -> None:
        """Kills a lane at any moment: now and then, and often when a trial is about to write its row.

        Few trials survive that, however fast this machine is: the sweep does not end before there were fifty kills.
        """
        with one_at_a_time:
            if len(killed) < 50 and luck.random() < (0.5 if epoch == of else 0.2):
                time.sleep(luck.uniform(0, 0.05))
                if alive := [pid for pid in warm_lanes.pids() if pid not in killed]:
                    killed.add(pid := luck.choice(alive))
                    os.kill(pid, signal.SIGKILL)

    merged = warm_lanes.run(sweep, Recorder(on_epoch=strike), lanes=2, tries=1000)
    trials = [str(trial) for trial in trials_of(sweep.round(0))]
    assert len(killed) == 50
    assert sorted(result_files(sweep)) == sorted(trials)
    assert sorted(row["trial"] for row in merged.rows) == sorted(trials)
    for row in merged.rows:
        assert row["status"] == "complete"
        assert_its_model_reproduces(sweep, row, tmp_path)


def test_thirty_two_writers_of_one_trial_leave_one_row_that_all_of_them_report(bucket, tiny_spec, tmp_path):
    sweep = Sweep.create(open_store(f"gs://{bucket}"), define(tiny_spec))
    trial = planned(sweep)[0]
    workbench = pack.Workbench()
    workbench.experiment(sweep, trial)
    reported: list[Row] = []

    def race(_: int) -> None:
        events: list[dict] = []
        pack.run_pack(Sweep(sweep.store, sweep.id), "p", [trial], workbench, on_event=events.append)
        reported.append(events[-1]["row"])

    with ThreadPoolExecutor(32) as pool:
        list(pool.map(race, range(32)))
    assert result_files(sweep) == [str(trial)]
    row = sweep.row(trial)
    assert row is not None
    assert [other["attempt"] for other in reported] == [row["attempt"]] * 32
    assert_its_model_reproduces(sweep, row, tmp_path)


def test_answers_lost_after_a_write_leave_one_row_of_this_runner_each(proxy, bucket, tiny_spec, tmp_path):
    sweep = Sweep.create(BucketStore(f"gs://{bucket}", deadline=20), define(tiny_spec))
    trials = planned(sweep)[:2]
    luck = random.Random(1)
    proxy.first(10_000, faults.LostResponse(), lambda request: request.is_write and luck.random() < 0.4)
    workbench = pack.Workbench()
    fine, _ = run(sweep, trials, workbench)
    assert fine
    proxy.rule = lambda request: None
    merged = merge.merge(sweep)
    assert [row["trial"] for row in merged.rows] == [str(trial) for trial in trials]
    for row in merged.rows:
        attempts = {
            e.key.split("/")[5] for e in sweep.store.entries(sweep.trial_key(Trial.parse(row["trial"]), "attempts/"))
        }
        assert attempts == {row["attempt"]}
        assert_its_model_reproduces(sweep, row, tmp_path)


def test_a_failed_upload_writes_no_row_and_is_a_failure_of_the_store(proxy, bucket, tiny_spec):
    sweep = Sweep.create(BucketStore(f"gs://{bucket}", deadline=1), define(tiny_spec))
    trial = planned(sweep)[0]
    workbench = pack.Workbench()
    workbench.experiment(sweep, trial)
    proxy.rule = lambda request: faults.Status(503) if request.is_write else None
    with pytest.raises(InfrastructureError):
        run(sweep, [trial], workbench)
    proxy.rule = lambda request: None
    assert sweep.row(trial) is None
    fine, _ = run(sweep, [trial], workbench)
    assert fine


def test_a_slow_bucket_does_not_stall_training(proxy, bucket, tiny_spec):
    spec_json = tiny_spec | {
        "training": {"max-epochs": 300, "epoch-steps": 1},
        "incumbent": {"early_stopping_patience": 1000},
    }
    sweep = Sweep.create(BucketStore(f"gs://{bucket}"), define(spec_json))
    trial = planned(sweep)[0]
    proxy.latency = 0.2
    fine, _ = run(sweep, [trial], pack.Workbench())
    assert fine
    row = sweep.row(trial)
    assert row is not None
    assert row["epochs"] == 300
    uploads = [request for request in proxy.requests if request.is_write]
    # Each epoch changes two files; a write per change would be 600.
    assert len(uploads) < 60
    epochs = sweep.store.read(sweep.attempt_key(trial, row["attempt"], "epochs.csv")).decode().splitlines()
    assert len(epochs) == 301


def test_files_appear_in_the_bucket_while_a_trial_trains(bucket, tiny_spec):
    spec_json = tiny_spec | {"training": {"max-epochs": 1_000_000, "epoch-steps": 1}}
    spec_json["incumbent"] = {"early_stopping_patience": 1_000_000}
    sweep = Sweep.create(open_store(f"gs://{bucket}"), define(spec_json))
    trial = planned(sweep)[0]
    files: set[str] = set()

    def look(event: dict) -> None:
        if event.get("epoch", 1) % 200 == 0:
            files.update(entry.key.rsplit("/", 1)[1] for entry in sweep.store.entries(sweep.trial_key(trial)))
            if {"epochs.csv", "log.txt"} <= files:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pack.run_pack(sweep, "p", [trial], pack.Workbench(), on_event=look)
    assert "result.csv" not in files
