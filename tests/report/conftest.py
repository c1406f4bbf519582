"""A finished sweep with pictures, rendered once: real plans and rows, without the trainings."""

from pathlib import Path
from typing import Any

import pytest

from pipeline import results
from pipeline.plan import rounds
from pipeline.report.conclude import conclude
from pipeline.report.summary import Summary
from pipeline.store import open_store
from pipeline.sweep import Sweep, Trial, trials_of
from pipeline.sweep.merge import merge
from tests.support.rows import planned_row
from tests.support.sweeps import define

HOSTILE = "<script>alert(1)</script>\"'&\u202e{{ 7*7 }} 🚀 \ud800" + "long" * 2500


def row(sweep: Sweep, trial: Trial, valid: float, test: float, **cells: object) -> dict:
    measured = {"mse_test": test, "mse_valid": valid, "training_time": 30.0, "epochs": 2}
    return planned_row(sweep, trial, **measured | cells)


def spec_for(csv: Path, **keys: Any) -> dict[str, Any]:
    """Searches a range and two lists, chooses on two date ranges, judges nothing."""
    return {
        "architecture": "bag-of-words",
        "data": {"path": str(csv), "date": "day", "categorical": ["place"], "numeric": ["size"], "target": "value"},
        "date-range": [["2024-01-01", "2024-03-01"], ["2024-02-01", "2024-04-01"]],
        "parameters": {
            "learning_rate": {"low": 0.001, "high": 0.1, "log": True},
            "batch_size": [32, 64],
            "hidden_layers": [1, 2],
        },
        "confirm": {"ranges": 0},
    } | keys


def by_learning_rate(sweep: Sweep, trial: Trial) -> dict:
    """Only the learning rate matters, and 0.03 is best; the second range is twice as hard."""
    from math import log10

    setting = sweep.experiments()[trial.experiment].assignment
    value = (0.1 + (log10(float(setting["learning_rate"])) - log10(0.03)) ** 2) * (1 + trial.range)  # type: ignore[arg-type]
    number = int(trial.experiment[1:])
    finished = f"2024-06-14T02:{10 + number:02}:{trial.range:02}Z"
    return row(
        sweep, trial, value, 1.1 * value, finished=finished, training_time=10.0 + number, attempt="a", host="gpu1"
    )


def write_epochs(sweep: Sweep, trial: Trial, valid: float) -> None:
    lines = [{"epoch": at, "loss": valid / at, "mse_valid": valid * (1 + 1 / at)} for at in (1, 2, 3)]
    data = results.write_csv(lines, ["epoch", "loss", "mse_valid"])
    sweep.store.write(sweep.attempt_key(trial, "a", "epochs.csv"), data)


def concluded(sweep: Sweep) -> Summary:
    rounds.plan_packs(sweep)
    return conclude(sweep, merge(sweep))


@pytest.fixture(scope="session")
def rendered(tiny_csv: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Sweep, Summary]:
    """Hostile text wherever text can come from: notes, errors, values, the name of a metric, the place of a model."""
    store = open_store(str(tmp_path_factory.mktemp("store")))
    sweep = Sweep.create(store, define(spec_for(tiny_csv, notes=HOSTILE.replace("\ud800", ""))))
    for trial in trials_of(rounds.plan_packs(sweep)):
        cells: dict[str, object] = {}
        if trial.experiment == "e005":
            cells = {"batch_size": HOSTILE, "<b>bold</b>": 1.5, "model_url": "javascript:alert(1)"}
        if trial.experiment == "e006":
            cells = {"status": "failed", "error": HOSTILE}
        trial_row = by_learning_rate(sweep, trial) | cells
        sweep.create_row(trial, trial_row)
        write_epochs(sweep, trial, trial_row["mse_valid"])
    return sweep, concluded(sweep)


@pytest.fixture(scope="session")
def folder(rendered: tuple[Sweep, Summary]) -> Path:
    """The rendered `report/`."""
    sweep, _ = rendered
    return Path(sweep.store.root) / sweep.key("report")
