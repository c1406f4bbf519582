"""Trials of a pack that train side by side."""

import time

import pytest

from pipeline.plan import rounds
from pipeline.sweep import Sweep
from pipeline.training import model
from pipeline.training.builtin import Builtin
from pipeline.trials import pack
from tests.support.packs import planned, run
from tests.support.sweeps import define


@pytest.fixture
def workbench() -> pack.Workbench:
    return pack.Workbench()


def alike(sweep):
    """The three trials on the first range."""
    rounds.plan_packs(sweep)
    return [trial for trial in sweep.planned() if trial.range == 0]


def timeless(row):
    passing = ("sweep", "attempt", "training_time", "examples_per_second", "peak_memory_mb", "started", "finished")
    return {name: value for name, value in row.items() if name not in (*passing, "model_url", "pack")}


class Together(Builtin):
    """Trains side by side whatever is allowed, so that no test depends on this machine's speed; remembers the sizes."""

    def __init__(self):
        super().__init__()
        self.sizes = []

    def best_group_size(self, job, most):
        return min(most, self._largest_sizes.get(self._shape(job), 32))

    def train_together(self, jobs, on_end):
        self.sizes.append(len(jobs))
        super().train_together(jobs, on_end)


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
    together, trained = bench.builtin.train_together, []

    def meanwhile(jobs, on_end):
        trained.extend(job.trial for job in jobs)
        if len(trained) == 1:
            run(sweep, [second], pack.Workbench())
        together(jobs, on_end)

    monkeypatch.setattr(bench.builtin, "train_together", meanwhile)
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
    together = workbench.builtin.train_together
    monkeypatch.setattr(
        workbench.builtin, "train_together", lambda jobs, on_end: (sizes.append(len(jobs)), together(jobs, on_end))
    )
    sweep = new_sweep(tiny_spec)
    run(sweep, sorted(planned(sweep), key=lambda trial: trial.range), workbench)
    assert sizes == [2, 1, 2, 1]
    assert len(measured) == len(set(measured))


def test_an_architecture_without_arrays_trains_in_turn(new_sweep, tiny_spec, workbench):
    sweep = new_sweep(tiny_spec | {"architecture": "cnn"})
    job_sizes = []
    together = workbench.builtin.train_together
    workbench.builtin.train_together = lambda jobs, on_end: (job_sizes.append(len(jobs)), together(jobs, on_end))
    fine, _ = run(sweep, alike(sweep), workbench)
    assert (fine, job_sizes) == (True, [1, 1, 1])
