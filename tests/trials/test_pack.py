"""One pack: its trials, one after another."""

import json
import math

import pandas as pd
import pytest

from pipeline.data import load
from pipeline.errors import UserError
from pipeline.store.directory import DirectoryStore
from pipeline.sweep import Sweep, Trial, training_seed
from pipeline.training import model
from pipeline.trials import pack
from tests.support.packs import planned, run
from tests.support.sweeps import dataset_of, define


@pytest.fixture
def workbench() -> pack.Workbench:
    return pack.Workbench()


def test_a_trial_leaves_one_row_and_its_files(new_sweep, tiny_spec, workbench):
    sweep = new_sweep(tiny_spec)
    first = planned(sweep)[0]
    fine, events = run(sweep, [first], workbench)
    assert fine
    row = sweep.row(first)
    assert row is not None
    assert row["status"] == "complete"
    assert row["date-range"] == ["2024-01-01", "2024-03-01"]
    assert row["learning_rate"] == 0.001
    assert row["seed"] == training_seed(sweep.definition, first)
    for column in (
        "mse_test", "mse_train", "mse_valid", "loss", "epochs", "examples_per_second", "peak_memory_mb", "weights",
        "steps", "passes", "best_epoch", "at_limit",
        "training_time", "model_url", "data_fingerprint", "host", "device", "started", "finished",
    ):  # fmt: skip
        assert row[column] is not None, column
    names = {entry.key.rsplit("/", 1)[-1] for entry in sweep.store.entries(sweep.attempt_key(first, row["attempt"]))}
    assert names == {"epochs.csv", "log.txt", "model.pt", "model.json"}
    assert [event["epoch"] for event in events if "epoch" in event] == [1, 2]
    assert events[-1] == {"row": row}


def test_an_epoch_of_a_trial_is_as_long_as_its_spec_says(new_sweep, tiny_spec, workbench):
    sweep = new_sweep(tiny_spec | {"training": {"max-epochs": 2, "epoch-steps": 9}})
    first = planned(sweep)[0]
    run(sweep, [first], workbench)
    row = sweep.row(first)
    # 40 training days of 6 rows in batches of 64: four steps a pass, three passes an epoch.
    assert {name: row[name] for name in ("epochs", "steps", "passes")} == {"epochs": 2, "steps": 24, "passes": 6}


def test_a_finished_trial_is_never_run_again(new_sweep, tiny_spec, workbench):
    sweep = new_sweep(tiny_spec)
    first = planned(sweep)[0]
    run(sweep, [first], workbench)
    before = list(sweep.store.entries(sweep.trial_key(first)))
    fine, events = run(sweep, [first], workbench, retry=True)
    assert fine
    assert events == [{"row": sweep.row(first)}]
    assert list(sweep.store.entries(sweep.trial_key(first))) == before


def test_the_same_trial_gives_the_same_errors(store, tiny_spec):
    rows = []
    for token in ("aaaa", "bbbb"):
        sweep = Sweep.create(store, define(tiny_spec, token))
        first = planned(sweep)[0]
        run(sweep, [first], pack.Workbench())
        rows.append(sweep.row(first))
    assert rows[0]["mse_test"] == rows[1]["mse_test"]
    assert rows[0]["data_fingerprint"] == rows[1]["data_fingerprint"]


def test_a_saved_model_gives_the_error_that_its_row_reports(new_sweep, tiny_spec, workbench, tmp_path):
    sweep = new_sweep(tiny_spec)
    first = planned(sweep)[0]
    run(sweep, [first], workbench)
    row = sweep.row(first)
    for name in ("model.pt", "model.json"):
        sweep.store.download(sweep.attempt_key(first, row["attempt"], name), tmp_path / "m" / name)
    loaded = model.load(tmp_path / "m")
    dataset = dataset_of(sweep)
    predicted = loaded.predict_encoded(dataset.test.tokens, dataset.test.dense)
    assert float(((predicted - dataset.test.targets) ** 2).mean()) == pytest.approx(row["mse_test"], rel=1e-5)
    frame = load.read_rows(sweep.definition.data, sweep.definition.phases[0].ranges[0]).frame
    assert list(loaded.predict(frame.head(3)).columns) == ["value"]


def test_a_range_without_data_fails_its_trials_and_says_which_days_there_are(new_sweep, tiny_spec, workbench):
    sweep = new_sweep(tiny_spec | {"date-range": [["2025-01-01", "2025-03-01"], ["2024-01-01", "2024-03-01"]]})
    trials = planned(sweep)[:2]
    fine, _ = run(sweep, trials, workbench)
    assert not fine
    failed, complete = sweep.row(trials[0]), sweep.row(trials[1])
    assert (failed["status"], complete["status"]) == ("failed", "complete")
    assert "2024-01-01" in failed["error"]
    assert "model_url" not in failed


def test_a_failure_runs_again_only_in_a_retry_and_gets_another_row(new_sweep, tiny_spec, workbench):
    sweep = new_sweep(tiny_spec)
    first = planned(sweep)[0]
    pack.give_up(sweep, "p", [first], "its machine died three times")
    assert sweep.row(first)["error"] == "its machine died three times"
    assert run(sweep, [first], workbench)[0] is False
    assert run(sweep, [first], workbench, retry=True)[0] is True
    assert [file.entry.key.rsplit("/", 1)[-1] for file in sweep.results_of(first)] == ["result.csv", "result-2.csv"]
    assert sweep.row(first)["status"] == "complete"


def test_giving_up_keeps_finished_trials(new_sweep, tiny_spec, workbench):
    sweep = new_sweep(tiny_spec)
    first = planned(sweep)[0]
    run(sweep, [first], workbench)
    assert pack.give_up(sweep, "p", [first], "why") == []
    assert sweep.row(first)["status"] == "complete"


def test_the_loser_of_a_race_reports_the_row_that_counts(new_sweep, tiny_spec, workbench, monkeypatch):
    sweep = new_sweep(tiny_spec)
    first = planned(sweep)[0]
    original = DirectoryStore.create

    def somebody_else_is_faster(self, key, content):
        if key.endswith("result.csv"):
            monkeypatch.setattr(DirectoryStore, "create", original)
            pack.give_up(sweep, "other", [first], "the other one")
        return original(self, key, content)

    monkeypatch.setattr(DirectoryStore, "create", somebody_else_is_faster)
    fine, events = run(sweep, [first], workbench)
    assert not fine
    assert events[-1]["row"]["error"] == "the other one"
    assert len(sweep.results_of(first)) == 1


def test_a_trial_keeps_its_time_limit_itself(new_sweep, tiny_spec, workbench):
    spec_json = tiny_spec | {"training": {"max-epochs": 100_000, "epoch-steps": 1, "time-limit-minutes": 0.005}}
    spec_json["incumbent"] = {"early_stopping_patience": 100_000, "batch_size": 64}
    sweep = new_sweep(spec_json)
    first = planned(sweep)[0]
    assert run(sweep, [first], workbench)[0] is False
    row = sweep.row(first)
    assert row["status"] == "timed-out"
    assert "0.005 minutes" in row["error"]
    assert row["model_url"]


def test_a_diverged_trial_is_a_result(new_sweep, tiny_spec, workbench):
    sweep = new_sweep(
        tiny_spec | {"incumbent": {"weight_decay": 1000.0}, "parameters": {"learning_rate": [0.001, 1000.0]}}
    )
    trials = planned(sweep)
    assert run(sweep, [trials[-1]], workbench)[0] is True
    row = sweep.row(trials[-1])
    assert row["status"] == "diverged"
    assert math.isnan(row["mse_test"])


def test_the_learning_curves_are_in_tensorboard_and_in_epochs_csv(new_sweep, tiny_spec, workbench, tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    sweep = new_sweep(tiny_spec)
    first = planned(sweep)[0]
    run(sweep, [first], workbench)
    (events,) = list(sweep.store.entries(sweep.key(f"tensorboard/{first}/")))
    sweep.store.download(events.key, tmp_path / "events" / events.key.rsplit("/", 1)[-1])
    curves = EventAccumulator(str(tmp_path / "events"))
    curves.Reload()
    epochs = pd.read_csv(tmp_path / "store" / sweep.attempt_key(first, sweep.row(first)["attempt"], "epochs.csv"))
    assert [event.step for event in curves.Scalars("mse_valid")] == list(epochs["epoch"]) == [1, 2]
    assert [event.value for event in curves.Scalars("mse_valid")] == pytest.approx(list(epochs["mse_valid"]))


def test_a_trial_of_another_sweep_is_refused(new_sweep, tiny_spec, workbench):
    sweep = new_sweep(tiny_spec)
    planned(sweep)
    for foreign in ("screen-e000-d7-s0", "confirm-e000-d0-s0", "screen-e999-d0-s0"):
        with pytest.raises(UserError):
            run(sweep, [Trial.parse(foreign)], workbench)


def test_a_bug_in_training_is_that_trials_failure_with_its_traceback_in_the_log(
    new_sweep, tiny_spec, workbench, monkeypatch
):
    from pipeline.training import loop

    sweep = new_sweep(tiny_spec)
    first, second = planned(sweep)[:2]
    original = loop.train_array

    def break_once(*arguments, **options):
        monkeypatch.setattr(loop, "train_array", original)
        raise RuntimeError("shapes do not fit\nat all")

    monkeypatch.setattr(loop, "train_array", break_once)
    assert run(sweep, [first, second], workbench)[0] is False
    row = sweep.row(first)
    assert row["status"] == "failed"
    assert row["error"].startswith("RuntimeError: shapes do not fit")
    log = sweep.store.read(sweep.attempt_key(first, row["attempt"], "log.txt")).decode()
    assert "Traceback" in log
    assert sweep.row(second)["status"] == "complete"
    assert json.dumps(row)


def test_a_trial_trains_on_one_thread(new_sweep, tiny_spec, workbench):
    import torch

    torch.set_num_threads(2)
    sweep = new_sweep(tiny_spec)
    run(sweep, planned(sweep)[:1], workbench)
    assert torch.get_num_threads() == 1


def test_a_damaged_row_is_told_and_what_made_an_error_is_one_line(new_sweep, tiny_spec, workbench):
    sweep = new_sweep(tiny_spec)
    first, second = planned(sweep)[:2]
    pack.give_up(sweep, "p", [first], "CUDA failed\r at 3\nand so on")
    assert sweep.row(first)["error"] == "CUDA failed at 3 and so on"
    sweep.store.write(sweep.trial_key(second, "result.csv"), b"damaged")
    with pytest.raises(UserError, match="hpt retry"):
        run(sweep, [second], workbench)
