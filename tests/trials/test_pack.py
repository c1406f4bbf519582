import json
import math
import time

import pandas as pd
import pytest

from pipeline.data import load
from pipeline.errors import UserError
from pipeline.plan import rounds
from pipeline.store.directory import DirectoryStore
from pipeline.sweep import Sweep, Trial, training_seed, trials_of
from pipeline.training import model
from pipeline.training.builtin import Builtin
from pipeline.trials import pack
from tests.support.sweeps import dataset_of, define


@pytest.fixture
def workbench() -> pack.Workbench:
    return pack.Workbench()


def run(sweep, trials, workbench, **options):
    events = []
    fine = pack.run_pack(sweep, "p", trials, workbench, on_event=events.append, **options)
    return fine, events


def planned(sweep):
    return list(trials_of(rounds.pending(sweep)))


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


# -- packs


def alike(sweep):
    """The three trials on the first range."""
    rounds.pending(sweep)
    return [trial for trial in sweep.planned() if trial.range == 0]


def timeless(row):
    passing = ("sweep", "attempt", "training_time", "examples_per_second", "peak_memory_mb", "started", "finished")
    return {name: value for name, value in row.items() if name not in (*passing, "model_url", "pack")}


class Together(Builtin):
    """Trains side by side whatever is allowed, so that no test depends on this machine's speed; remembers the sizes."""

    def __init__(self):
        super().__init__()
        self.sizes = []

    def at_once(self, job, most):
        return min(most, self._largest_sizes.get(self._shape(job), 32))

    def together(self, jobs, on_end):
        self.sizes.append(len(jobs))
        super().together(jobs, on_end)


def test_a_trial_in_a_pack_writes_the_same_row_and_files_as_alone(store, tiny_spec):
    alone, packed = (Sweep.create(store, define(tiny_spec, token)) for token in ("aaaa", "bbbb"))
    for trial in alike(alone):
        run(alone, [trial], pack.Workbench())
    bench = pack.Workbench(Together())
    fine, events = run(packed, alike(packed), bench)
    assert (fine, bench.builtin.sizes) == (True, [3])
    for trial in alike(packed):
        row, expected = packed.row(trial), alone.row(trial)
        assert timeless(row) == timeless(expected)
        attempt = packed.attempt_key(trial, row["attempt"])
        assert {entry.key.removeprefix(attempt) for entry in packed.store.entries(attempt)} == {
            "epochs.csv", "log.txt", "model.pt", "model.json",
        }  # fmt: skip
        for name in ("model.json", "model.pt"):
            assert packed.store.read(attempt + name) == alone.store.read(
                alone.attempt_key(trial, expected["attempt"], name)
            )
        assert [event["epoch"] for event in events if event.get("trial") == str(trial)] == [1, 2]
        assert any(packed.store.entries(packed.key(f"tensorboard/{trial}/")))


def test_the_times_of_a_pack_are_shares_of_its_duration(new_sweep, tiny_spec):
    sweep = new_sweep(tiny_spec)
    bench = pack.Workbench(Together())
    run(sweep, alike(sweep)[:1], bench)  # loads the data
    began = time.monotonic()
    run(sweep, alike(sweep), bench)
    took = time.monotonic() - began
    assert sum(sweep.row(trial)["training_time"] for trial in alike(sweep)[1:]) < took


def test_trials_that_are_not_alike_train_one_group_after_another(new_sweep, tiny_spec):
    sweep = new_sweep(tiny_spec)
    bench = pack.Workbench(Together())
    fine, _ = run(sweep, sorted(planned(sweep), key=lambda trial: trial.range), bench)
    assert (fine, bench.builtin.sizes) == (True, [3, 3])


def test_a_group_too_large_for_memory_trains_in_smaller_groups(new_sweep, tiny_spec, monkeypatch):
    from pipeline.training import loop
    from pipeline.training.memory import OutOfMemory

    original = loop.train_array

    def short(architecture, settings, *arguments, **options):
        if len(settings) > 1:
            raise OutOfMemory("2 GiB too little")
        original(architecture, settings, *arguments, **options)

    monkeypatch.setattr(loop, "train_array", short)
    sweep = new_sweep(tiny_spec)
    bench = pack.Workbench(Together())
    fine, _ = run(sweep, alike(sweep), bench)
    assert (fine, bench.builtin.sizes) == (True, [3, 1, 1, 1])
    assert {sweep.row(trial)["status"] for trial in alike(sweep)} == {"complete"}
    # What was learned holds for the packs after it.
    run(sweep, planned(sweep), bench)
    assert bench.builtin.sizes[4:] == [1, 1, 1]


def test_a_trial_too_large_for_memory_ends_as_out_of_memory(new_sweep, tiny_spec, monkeypatch):
    from pipeline.training import loop
    from pipeline.training.memory import OutOfMemory

    original = loop.train_array

    def short(architecture, settings, *arguments, **options):
        if any(setting["learning_rate"] == 0.01 for setting in settings):
            raise OutOfMemory("2 GiB too little")
        original(architecture, settings, *arguments, **options)

    monkeypatch.setattr(loop, "train_array", short)
    sweep = new_sweep(tiny_spec)
    fine, _ = run(sweep, alike(sweep), pack.Workbench(Together()))
    assert not fine
    statuses = {sweep.row(trial)["learning_rate"]: sweep.row(trial)["status"] for trial in alike(sweep)}
    assert statuses == {0.001: "complete", 0.01: "out-of-memory", 0.1: "complete"}


def test_trials_unfinished_when_memory_runs_out_are_tried_alone(new_sweep, tiny_spec, monkeypatch):
    """It may have been the others that held it."""
    from pipeline.training import loop
    from pipeline.training.memory import OutOfMemory

    original = loop.train_array

    def short(architecture, settings, *arguments, **options):
        if len(settings) == 1:
            original(architecture, settings, *arguments, **options)
        else:
            original(architecture, settings[:-1], *arguments, **options)
            raise OutOfMemory("2 GiB too little")

    monkeypatch.setattr(loop, "train_array", short)
    sweep = new_sweep(tiny_spec)
    bench = pack.Workbench(Together())
    fine, _ = run(sweep, alike(sweep), bench)
    assert (fine, bench.builtin.sizes) == (True, [3, 1])


def test_trials_that_another_runner_finished_meanwhile_are_not_trained(new_sweep, tiny_spec, monkeypatch):
    sweep = new_sweep(tiny_spec | {"architecture": "cnn"})
    bench = pack.Workbench()
    second = alike(sweep)[1]
    together, trained = bench.builtin.together, []

    def meanwhile(jobs, on_end):
        trained.extend(job.trial for job in jobs)
        if len(trained) == 1:
            run(sweep, [second], pack.Workbench())
        together(jobs, on_end)

    monkeypatch.setattr(bench.builtin, "together", meanwhile)
    fine, events = run(sweep, alike(sweep), bench)
    assert fine
    assert str(second) not in trained
    assert len(trained) == 2
    assert [event["row"]["trial"] for event in events if "row" in event] == list(map(str, alike(sweep)))


def test_notes_about_the_data_stand_in_the_log_of_each(new_sweep, tiny_spec):
    sweep = new_sweep(tiny_spec)
    run(sweep, alike(sweep), pack.Workbench(Together()))
    keys = [sweep.attempt_key(trial, sweep.row(trial)["attempt"], "log.txt") for trial in alike(sweep)]
    logs = [sweep.store.read(key) for key in keys]
    assert [log.decode().count("rows in [2024-01-01, 2024-03-01)") for log in logs] == [1, 1, 1]


def test_a_bug_that_one_trial_of_a_pack_meets_fails_only_that_trial(new_sweep, tiny_spec, monkeypatch):
    from pipeline.training import model

    original = model.save

    def save(folder, network, *, hyperparameters, **options):
        if hyperparameters["learning_rate"] == 0.01:
            raise RuntimeError("no way to save it")
        original(folder, network, hyperparameters=hyperparameters, **options)

    monkeypatch.setattr(model, "save", save)
    sweep = new_sweep(tiny_spec)
    fine, _ = run(sweep, alike(sweep), pack.Workbench(Together()))
    assert not fine
    errors = {sweep.row(trial)["learning_rate"]: sweep.row(trial).get("error") for trial in alike(sweep)}
    assert errors == {0.001: None, 0.01: "RuntimeError: no way to save it", 0.1: None}


def test_how_many_train_side_by_side_is_measured_once_for_a_shape(new_sweep, tiny_spec, workbench, monkeypatch):
    from pipeline.training import fused_size

    measured = []

    def best_size(architecture, hyperparameters, dataset, device, most):
        measured.append((architecture, most))
        return min(2, most)

    monkeypatch.setattr(fused_size, "best_size", best_size)
    sizes = []
    together = workbench.builtin.together
    monkeypatch.setattr(
        workbench.builtin, "together", lambda jobs, on_end: (sizes.append(len(jobs)), together(jobs, on_end))
    )
    sweep = new_sweep(tiny_spec)
    run(sweep, sorted(planned(sweep), key=lambda trial: trial.range), workbench)
    assert sizes == [2, 1, 2, 1]
    assert len(measured) == len(set(measured))


def test_an_architecture_without_arrays_trains_in_turn(new_sweep, tiny_spec, workbench):
    sweep = new_sweep(tiny_spec | {"architecture": "cnn"})
    job_sizes = []
    together = workbench.builtin.together
    workbench.builtin.together = lambda jobs, on_end: (job_sizes.append(len(jobs)), together(jobs, on_end))
    fine, _ = run(sweep, alike(sweep), workbench)
    assert (fine, job_sizes) == (True, [1, 1, 1])
