"""Removal of sweeps and models: what other sweeps need stays, and verbs work after an interrupted removal."""

import threading
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from pipeline.compare.nights import series
from pipeline.errors import UserError
from pipeline.plan import judging, rounds
from pipeline.plan.judging import Judge
from pipeline.report.listing import listing
from pipeline.report.state import state_of
from pipeline.results import Row, write_csv
from pipeline.store import Store
from pipeline.sweep import Sweep, Trial, all_sweeps, find, ledger, removal, trials_of
from pipeline.sweep.claims import read as read_claim
from pipeline.sweep.folder import removed_sweeps
from pipeline.sweep.layout import digest_key, remembered_row_key, remembered_rows_key
from pipeline.sweep.leases import LeasePace, Leases, Runner
from tests.support import claims, nights
from tests.support.in_process import hpt
from tests.support.rows import planned_row
from tests.support.sweeps import define

FAST = LeasePace(beat=0.05, stale=0.3, look=0.02)


def silent(text: str) -> None:
    pass


def trained(store: Store, spec: dict[str, Any], token: str, origin: Sweep | None = None) -> Sweep:
    """A sweep with a model for each trial, remembered for reuse. Rows of range 0 point to models of `origin`."""
    sweep = Sweep.create(store, define(spec, token))
    while trials := list(trials_of(rounds.plan_packs(sweep))):
        for at, trial in enumerate(trials):
            from_origin = origin is not None and trial.range == 0
            owner = origin if origin is not None and from_origin else sweep
            row = nights.row(sweep, trial, nights.STEADY, "data-1") | {
                "attempt": "a1",
                "model_url": store.link(owner.attempt_key(trial, "a1", "model.pt")),
            }
            if from_origin:
                row["reused_from"] = f"{owner.id}/{trial}"
            else:
                for name in ("model.pt", "model.json", "epochs.csv", "log.txt"):
                    store.write(sweep.attempt_key(trial, "a1", name), name.encode() * 100)
                remember(store, row, f"{token}-{trial.phase}-{at}")
            sweep.create_row(trial, row)
    return sweep


def remember(store: Store, row: Row, name: str) -> None:
    store.create(remembered_row_key(name), write_csv([row], list(row)))


def remembered(store: Store) -> int:
    return sum(1 for _ in store.entries(remembered_rows_key()))


def keys(store: Store, sweep: Sweep) -> set[str]:
    return {entry.key for entry in store.entries(sweep.key(""))}


def models(store: Store, sweep: Sweep) -> set[str]:
    return {key for key in keys(store, sweep) if key.endswith(".pt")}


def trial_of(sweep: Sweep, range: int, experiment: str = "e001") -> Trial:
    return Trial("screen", experiment, range, 0)


@pytest.fixture
def first(store: Store, tiny_spec: dict[str, Any]) -> Sweep:
    return trained(store, tiny_spec, "aaaa")


def test_a_removed_sweep_is_gone_and_the_ledger_stays(store: Store, first: Sweep, tmp_path: Path) -> None:
    size = sum(entry.size for entry in store.entries(first.key("")))
    chosen = ledger.chosen_on(store, first.definition.architecture, first.definition.data)
    assert (
        hpt("remove", "aaaa", "--store", store.root, "--dry-run", cwd=tmp_path)
        .out.splitlines()[-1]
        .startswith("would free ")
    )
    assert sum(entry.size for entry in store.entries(first.key(""))) == size
    done = hpt("remove", "aaaa", "--store", store.root, "--yes", cwd=tmp_path)
    assert done.out.splitlines()[-1].startswith("freed ")
    assert not keys(store, first)
    assert not removed_sweeps(store)
    assert remembered(store) == 0
    assert ledger.chosen_on(store, first.definition.architecture, first.definition.data) == chosen != []
    # The removal has written the digest, from which later sweeps learn.
    assert "digests" in {entry.key.split("/")[1] for entry in store.entries("ledger/")}
    if not store.root.startswith("gs://"):
        assert not Path(store.root, "sweeps", first.id).exists()
    repeated = hpt("remove", first.id, "--store", store.root, "--yes", cwd=tmp_path, code=2)
    assert f"holds no sweep {first.id}" in repeated.err


def test_without_a_terminal_a_removal_needs_yes(store: Store, first: Sweep, tmp_path: Path) -> None:
    before = keys(store, first)
    refused = hpt("remove", "aaaa", "--store", store.root, cwd=tmp_path, code=2)
    assert "say --yes" in refused.err
    assert keys(store, first) == before


def test_models_stay_until_every_sweep_whose_rows_point_to_them_is_removed(
    store: Store, first: Sweep, tiny_spec: dict[str, Any], tmp_path: Path
) -> None:
    second = trained(store, tiny_spec, "bbbb", first)
    out = hpt("remove", "aaaa", "--store", store.root, "--yes", cwd=tmp_path).out
    assert f"  3 of its models stay: rows of {second.id} point to them" in out
    needed = {first.attempt_key(trial_of(first, 0, f"e00{n}"), "a1", "model.pt") for n in range(3)}
    assert models(store, first) == needed
    # Only their trials are still remembered for reuse.
    assert remembered(store) == 3 + 3
    assert all_sweeps(store) == [second.id]
    assert [sweep.id for sweep in listing(store)] == [second.id]
    assert all(sweep.id == second.id for nights in series(store) for sweep in nights.nights)
    with pytest.raises(UserError, match="it was removed"):
        find(store, first.id)
    hpt("fetch", "bbbb", "--model", str(trial_of(second, 0)), "--to", "model", "--store", store.root, cwd=tmp_path)
    assert (tmp_path / "model/model.pt").read_bytes() == b"model.pt" * 100

    hpt("remove", "bbbb", "--store", store.root, "--yes", cwd=tmp_path)
    assert not keys(store, first)
    assert not keys(store, second)
    assert not removed_sweeps(store)


def test_sweeps_that_need_only_each_other_are_removed_together(store: Store, first: Sweep, tiny_spec: Any) -> None:
    second = trained(store, tiny_spec, "bbbb", first)
    removal.remove(removal.plan(store, [first.id, second.id]), silent, FAST)
    assert not keys(store, first)
    assert not keys(store, second)


def test_with_keep_models_best_only_other_models_are_removed(
    store: Store, first: Sweep, tiny_spec: dict[str, Any], tmp_path: Path
) -> None:
    second = trained(store, tiny_spec, "bbbb", first)
    before = keys(store, second)
    hpt("remove", "bbbb", "--keep-models", "best", "--store", store.root, "--yes", cwd=tmp_path)
    best = second.attempt_key(trial_of(second, 1), "a1", "model.pt")
    assert models(store, second) == {best}
    removed = before - keys(store, second)
    assert {key.rpartition("/")[2] for key in removed} == {"model.pt", "model.json"}
    assert state_of(second).done
    hpt("fetch", "bbbb", "--to", "best", "--store", store.root, cwd=tmp_path)
    none = hpt("fetch", "bbbb", "--model", "screen-e000-d1-s0", "--store", store.root, cwd=tmp_path, code=2)
    assert "no longer" in none.err
    # The first sweep keeps its best model, and those to which rows of the second point.
    hpt("remove", "aaaa", "--keep-models", "best", "--store", store.root, "--yes", cwd=tmp_path)
    needed = {first.attempt_key(trial_of(first, 0, f"e00{n}"), "a1", "model.pt") for n in range(3)}
    assert models(store, first) == {*needed, first.attempt_key(trial_of(first, 1), "a1", "model.pt")}
    assert remembered(store) == 4 + 1


def test_keep_models_best_keeps_the_model_of_a_claim_and_passes_over_a_sweep_without_a_best(
    store: Store, tiny_spec: dict[str, Any], tmp_path: Path
) -> None:
    claim = claims.claim_of(store, claims.claim_spec(tiny_spec))
    judge = Judge(date(2024, 3, 15), trains_here=False)
    judges = judging.begin(store, read_claim(store, claim.id), judge)
    assert judges is not None
    for trial in trials_of(rounds.plan_packs(judges)):
        address = judges.attempt_key(trial, "a1", "model.pt")
        store.write(address, b"weights")
        cells = {"mse_valid": 0.1, "mse_test": 0.4, "epochs": 2, "training_time": 30.0}
        judges.create_row(trial, planned_row(judges, trial, attempt="a1", model_url=store.link(address), **cells))
    failed = Sweep.create(store, define(tiny_spec, "ffff"))
    while trials := list(trials_of(rounds.plan_packs(failed))):
        for trial in trials:
            failed.create_row(trial, planned_row(failed, trial, status="failed", error="boom"))
    rounds.plan_packs(judges)
    done = hpt(*("remove", failed.id, judges.id, "--keep-models", "best", "--store", store.root, "--yes"), cwd=tmp_path)
    assert f"{failed.id}: its best model is not known" in done.err
    assert "it is passed over" in done.err
    assert models(store, judges) == {judges.attempt_key(Trial("confirm", "e001", 1, 0), "a1", "model.pt")}


def test_a_sweep_that_runs_is_refused_and_one_whose_runner_died_is_not(store: Store, first: Sweep) -> None:
    planned = removal.plan(store, [first.id])
    before = keys(store, first)
    beating = threading.Event()
    with Leases(first, Runner.of_this_process(1, "somebody"), pace=FAST) as leases:
        leases.take([trial_of(first, 0)])
        with pytest.raises(UserError, match="is being run by somebody"):
            removal.remove(planned, lambda text: beating.set(), FAST)
    assert beating.is_set()
    assert keys(store, first) == before
    assert not removed_sweeps(store)
    # The lease of a dead machine is no longer renewed.
    runner = Runner.of_this_process(1).model_copy(update={"machine": ""})
    content = runner.model_dump_json(by_alias=True)[:-1] + ', "beat": 0}'
    store.write(first.runner_key(runner.id), content.encode())
    removal.remove(planned, silent, FAST)
    assert all_sweeps(store) == []


def test_a_sweep_neither_done_nor_stopped_is_refused(store: Store, tiny_spec: dict[str, Any], tmp_path: Path) -> None:
    sweep = Sweep.create(store, define(tiny_spec))
    rounds.plan_packs(sweep)
    refused = hpt("remove", sweep.id, "--store", store.root, "--yes", cwd=tmp_path, code=2)
    assert f"`hpt stop {sweep.id}` does" in refused.err
    best = hpt("remove", sweep.id, "--keep-models", "best", "--store", store.root, "--yes", cwd=tmp_path, code=2)
    assert "its best model is not known" in best.err
    sweep.ask_to_stop()
    hpt("remove", sweep.id, "--store", store.root, "--yes", cwd=tmp_path)
    assert not keys(store, sweep)


def test_a_damaged_sweep_can_be_removed(store: Store, first: Sweep, tmp_path: Path) -> None:
    store.write(first.definition_key, b"{}")
    hpt("remove", first.id, "--store", store.root, "--yes", cwd=tmp_path)
    assert not keys(store, first)


class KilledError(BaseException):
    pass


@pytest.mark.parametrize("deletions", [0, 3, 8, 20])
def test_verbs_work_after_an_interrupted_removal(
    store: Store, first: Sweep, tiny_spec: dict[str, Any], tmp_path: Path, monkeypatch: Any, deletions: int
) -> None:
    second = trained(store, tiny_spec, "bbbb", first)
    planned = removal.plan(store, [first.id])
    delete, lock, remaining = store.delete, threading.Lock(), [deletions]

    def dying(key: str) -> None:
        with lock:
            if not remaining[0]:
                raise KilledError
            remaining[0] -= 1
            delete(key)

    with monkeypatch.context() as patched:
        patched.setattr(store, "delete", dying)
        with pytest.raises(KilledError):
            removal.remove(planned, silent, FAST)
    assert all_sweeps(store) == [second.id]
    assert find(store, "latest").id == second.id
    assert [sweep.id for sweep in listing(store)] == [second.id]
    assert state_of(second).done
    hpt("fetch", "bbbb", "--model", str(trial_of(second, 0)), "--to", "model", "--store", store.root, cwd=tmp_path)
    # A remembered training has its model.
    for entry in store.entries(remembered_rows_key()):
        assert b"model.pt" in store.read(entry.key)
    # The second removal needs the full id.
    hpt("remove", first.id, "--store", store.root, "--yes", cwd=tmp_path)
    assert len(models(store, first)) == 3
    assert {key.rpartition("/")[2] for key in keys(store, first)} == {"model.pt", "model.json", "epochs.csv", "log.txt"}


def test_a_training_is_remembered_again_after_its_model_was_removed(
    store: Store, first: Sweep, tiny_spec: dict[str, Any]
) -> None:
    digest = digest_key("x")  # a removal touches only the remembered rows of the ledger
    store.write(f"{digest}note.json", b"{}")
    removal.remove(removal.plan(store, [first.id]), silent, FAST)
    assert store.exists(f"{digest}note.json")
    second = trained(store, tiny_spec, "aaaa")
    assert remembered(store) == len(state_of(second).rows)
