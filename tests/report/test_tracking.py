"""Rows as runs in MLflow: what MLflow's own client reads afterwards, and what happens where there is no MLflow."""

import os
import socket
import sys
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from pipeline import results
from pipeline.plan import rounds
from pipeline.report.tracking import track
from pipeline.store import open_store
from pipeline.sweep import Sweep, trials_of
from pipeline.sweep.merge import merge
from tests.support.in_process import hpt
from tests.support.rows import planned_row
from tests.support.sweeps import define

EXPERIMENT = "bag-of-words: value"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """The current directory, whose hpt.toml has this below `[tracking]`."""
    monkeypatch.chdir(tmp_path)
    # The file store needs no server. MLflow advises against it, for what teams have in it for long.
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")

    def write(tracking: str) -> None:
        (tmp_path / "hpt.toml").write_text(f"[tracking]\n{tracking}\n")

    return write


@pytest.fixture
def sweep(tiny_csv: Path, tmp_path: Path) -> Sweep:
    """A finished sweep of two settings on two ranges: one trial diverged, one failed."""
    spec = {
        "architecture": "bag-of-words",
        "data": {"path": str(tiny_csv), "date": "day", "categorical": ["place"], "target": "value"},
        "date-range": [["2024-01-01", "2024-03-01"], ["2024-02-01", "2024-04-01"]],
        "incumbent": {"learning_rate": 0.1},
        "parameters": {"learning_rate": [0.01, 0.1]},
        "search": {"strategy": "grid"},
        "confirm": {"ranges": 0},
    }
    sweep = Sweep.create(open_store(str(tmp_path / "store")), define(spec))
    times = {"started": "2024-06-14T02:10:00Z", "finished": "2024-06-14T02:11:00Z", "training_time": 30.5, "epochs": 3}
    outcomes: list[dict[str, Any]] = [
        {"mse_test": 0.3, "mse_valid": 0.2, "model_url": "gs://bucket/model.pt", "mse_test_a/b:c": 1.0},
        {"mse_test": float("nan"), "mse_valid": float("inf"), "status": "diverged"},
        {"mse_test": 0.5, "mse_valid": 0.4},
        {"status": "failed", "error": "ran \ud800 away\x00"},
    ]
    for trial, cells in zip(trials_of(rounds.plan_packs(sweep)), outcomes, strict=True):
        sweep.create_row(trial, planned_row(sweep, trial, attempt="a", fidelity="full", seed=7, **times | cells))
        curve = [{"epoch": at, "mse_valid": 1 / at, "loss": 2 / at} for at in (1, 2, 3)]
        sweep.store.write(sweep.epochs_key(trial, "a"), results.write_csv(curve, ["epoch", "mse_valid", "loss"]))
    return sweep


def tracked(sweep: Sweep) -> list[str]:
    """The warnings of writing what MLflow lacks."""
    warnings: list[str] = []
    track(sweep, merge(sweep).rows, warnings.append)
    return warnings


@pytest.fixture
def client(project: Callable[[str], None], tmp_path: Path) -> Any:
    """MLflow's client, at the place that hpt.toml names."""
    mlflow = pytest.importorskip("mlflow", reason="the extra mlflow is not installed")
    project('mlflow = "mlruns"')
    return mlflow.MlflowClient(str(tmp_path / "mlruns"))


def runs_of(client: Any, experiment: str = EXPERIMENT) -> dict[str, Any]:
    """The runs by name, each of which exists once."""
    runs_found = client.search_runs([client.get_experiment_by_name(experiment).experiment_id])
    runs = {run.info.run_name: run for run in runs_found}
    assert len(runs) == len(runs_found)
    return runs


def test_each_row_is_a_run(sweep: Sweep, client: Any) -> None:
    assert tracked(sweep) == []
    runs = runs_of(client)
    assert sorted(runs) == [f"screen-e00{at}-d{of}-s0" for at in (0, 1) for of in (0, 1)]
    run = runs["screen-e000-d0-s0"]
    assert run.data.params["date-range"] == '["2024-01-01", "2024-03-01"]'
    assert run.data.params["seed"] == "7"
    assert run.data.params.items() >= {name: str(value) for name, value in sweep.definition.incumbent.items()}.items()
    row_metrics = {name: value for name, value in run.data.metrics.items() if not name.startswith("epoch/")}
    assert row_metrics == {
        "mse_test": 0.3,
        "mse_valid": 0.2,
        "training_time": 30.5,
        "epochs": 3.0,
        "mse_test_a_b_c": 1.0,
    }
    tags = {name: value for name, value in run.data.tags.items() if name.startswith("hpt.")}
    assert (
        tags.items()
        >= {
            "hpt.trial": f"{sweep.id}/screen-e000-d0-s0",
            "hpt.phase": "screen",
            "hpt.fidelity": "full",
            "hpt.status": "complete",
            "hpt.model_url": "gs://bucket/model.pt",
            "hpt.page": sweep.store.link(sweep.page_key),
        }.items()
    )
    assert run.info.end_time - run.info.start_time == 60_000


def test_a_run_has_the_learning_curve(sweep: Sweep, client: Any) -> None:
    tracked(sweep)
    history = client.get_metric_history(runs_of(client)["screen-e000-d0-s0"].info.run_id, "epoch/mse_valid")
    assert [(point.step, point.value) for point in history] == [(1, 1.0), (2, 0.5), (3, 1 / 3)]


def test_a_run_says_how_its_trial_ended(sweep: Sweep, client: Any) -> None:
    tracked(sweep)
    ended = {name: (run.info.status, run.data.tags["hpt.status"]) for name, run in runs_of(client).items()}
    assert sorted(ended.values()) == [
        ("FAILED", "failed"),
        ("FINISHED", "complete"),
        ("FINISHED", "complete"),
        ("FINISHED", "diverged"),
    ]
    assert {run.data.tags.get("hpt.error") for run in runs_of(client).values()} == {None, "ran ? away\ufffd"}


def test_another_summary_doubles_nothing_and_writes_what_is_missing(sweep: Sweep, client: Any) -> None:
    tracked(sweep)
    before = runs_of(client)
    lost, unfinished, *_ = before
    client.delete_run(before[lost].info.run_id)
    client.update_run(before[unfinished].info.run_id, status="RUNNING")  # whoever wrote it was killed
    assert tracked(sweep) == []
    after = runs_of(client)
    assert after.keys() == before.keys()
    assert {name for name in after if after[name].info.run_id != before[name].info.run_id} == {lost}
    assert all(run.info.status in ("FINISHED", "FAILED") for run in after.values())
    assert after[lost].data.metrics.keys() == before[lost].data.metrics.keys()


def test_a_retry_takes_the_place_of_the_attempt_before(sweep: Sweep, client: Any) -> None:
    tracked(sweep)
    failed = next(trial for trial in sweep.planned() if sweep.row(trial)["status"] == "failed")  # type: ignore[index]
    sweep.create_row(failed, planned_row(sweep, failed, attempt="b", mse_test=0.6, mse_valid=0.6), 2)
    assert tracked(sweep) == []
    run = runs_of(client)[str(failed)]
    assert (run.info.status, run.data.tags["hpt.attempt"], run.data.metrics["mse_test"]) == ("FINISHED", "b", 0.6)


def test_of_runs_that_two_made_at_once_one_stays(sweep: Sweep, client: Any) -> None:
    tracked(sweep)
    run = runs_of(client)["screen-e000-d0-s0"]
    double = client.create_run(run.info.experiment_id, tags=run.data.tags)
    client.set_terminated(double.info.run_id)
    tracked(sweep)
    assert len(client.search_runs([run.info.experiment_id])) == 4


def test_hpt_toml_may_name_the_experiment(sweep: Sweep, client: Any, project: Callable[[str], None]) -> None:
    project('mlflow = "mlruns"\nexperiment = "air times"')
    tracked(sweep)
    assert len(runs_of(client, "air times")) == 4
    assert client.get_experiment_by_name(EXPERIMENT) is None


def test_what_mlflow_refuses_keeps_nothing_else_from_it(sweep: Sweep, client: Any, monkeypatch: Any) -> None:
    from pipeline.report import tracking

    monkeypatch.setattr(tracking, "_name", lambda name: "?" if name == "mse_test_a/b:c" else name)
    (warning,) = tracked(sweep)
    assert "1 were refused, the first one: screen-e000-d0-s0: " in warning
    assert "\n" not in warning
    ended = [run.info.status for run in runs_of(client).values()]
    assert sorted(ended) == ["FAILED", "FINISHED", "FINISHED", "RUNNING"]


def test_long_curves_keep_their_shape(sweep: Sweep, client: Any) -> None:
    first = next(iter(sweep.planned()))
    curve = [{"epoch": at, "mse_valid": at, "loss": at} for at in range(1, 10_001)]
    sweep.store.write(sweep.epochs_key(first, "a"), results.write_csv(curve, ["epoch", "mse_valid", "loss"]))
    tracked(sweep)
    history = client.get_metric_history(runs_of(client)[str(first)].info.run_id, "epoch/loss")
    steps = [point.step for point in history]
    assert (steps[-1], 250 < len(steps) <= 500) == (10_000, True)
    assert len({after - before for before, after in pairwise(steps)}) == 1


@pytest.mark.parametrize("verb", ["report", "publish"])
def test_a_summary_writes_the_runs(sweep: Sweep, client: Any, tmp_path: Path, verb: str) -> None:
    for trial in sweep.planned():
        if trial.experiment == "e000" or trial.range == 0:  # there are pictures of results, which take seconds
            sweep.store.delete(sweep.result_key(trial))
    folder = ["summary"] if verb == "publish" else []
    done = hpt(verb, sweep.id, *folder, "--store", sweep.store.root, cwd=tmp_path, code=1)
    assert "warning" not in done.err
    assert [run.info.status for run in runs_of(client).values()] == ["FAILED"]


@pytest.fixture
def silent_server() -> Iterator[int]:
    """The port of a server that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_a_server_that_does_not_answer_is_one_warning(
    sweep: Sweep, client: Any, project: Callable[[str], None], silent_server: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    project(f'mlflow = "http://me:secret@127.0.0.1:{silent_server}"')
    (warning,) = tracked(sweep)
    assert warning.startswith(f"MLflow at http://127.0.0.1:{silent_server} lacks runs of {sweep.id}: ")
    assert warning.endswith(f"`hpt report {sweep.id}` writes what is missing")
    assert "secret" not in warning
    assert "\n" not in warning


def test_a_server_that_is_not_there_is_one_warning_and_changes_no_environment(
    sweep: Sweep, client: Any, project: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", "0")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    before = dict(os.environ)
    project(f'mlflow = "http://127.0.0.1:{port}"')
    (warning,) = tracked(sweep)
    assert str(port) in warning
    # A trainer that uses MLflow, too, finds its client as it was.
    assert dict(os.environ) == before


def test_a_missing_client_is_one_warning(
    sweep: Sweep, project: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "mlflow", None)
    project('mlflow = "mlruns"')
    (warning,) = tracked(sweep)
    assert 'pip install "hpt[mlflow]"' in warning


def test_a_broken_hpt_toml_is_a_warning_for_a_sweep_that_is_through(
    sweep: Sweep, project: Callable[[str], None]
) -> None:
    project('mflow = "mlruns"')
    (warning,) = tracked(sweep)
    assert "hpt.toml" in warning
    assert "\n" not in warning


def test_without_tracking_nothing_is_imported_or_said(
    sweep: Sweep, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "mlflow", None)
    assert tracked(sweep) == []
