"""Rows of earlier sweeps that trained exactly the same: found by what makes a training what it is, not by its commit.

The key is a hash of architecture, hyperparameters, date range, fidelity, seed, data, training code, torch and device.
Every finished training of a built-in architecture is remembered; only a sweep that asks for it copies.
"""

import functools
import hashlib
import json
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pipeline import results
from pipeline.results import RESERVED, Row, Status
from pipeline.store import Store
from pipeline.sweep import Definition, Sweep, Trial

_ROWS = "ledger/rows/"
_COPIED = ("training_time", "model_url", "status", "error", "epochs", "device", "data_fingerprint")


def find(sweep: Sweep, row: Row) -> Row | None:
    """What to fill `row` up with, from an earlier sweep's; None if nobody trained the same, or its files are gone.

    `row` says already on which data and device the training would run.
    """
    try:
        earlier = results.read_csv(sweep.store.read(_key(sweep.definition, row)))[0]
        origin, trial = Sweep(sweep.store, earlier["sweep"]), Trial.parse(earlier["trial"])
        attempt = earlier["attempt"]
    except (FileNotFoundError, ValueError, LookupError):
        return None
    if earlier["sweep"] == sweep.id or not sweep.store.exists(origin.attempt_key(trial, attempt, "model.pt")):
        return None
    metrics = {name: value for name, value in earlier.items() if name not in RESERVED and name not in row}
    copied = {name: earlier[name] for name in _COPIED if name in earlier}
    return metrics | copied | {"reused_from": f"{origin.id}/{trial}"}


def epochs_of(store: Store, reused_from: str) -> bytes:
    """The learning curve behind a copied row; empty if it is gone."""
    id, _, name = reused_from.partition("/")
    origin, trial = Sweep(store, id), Trial.parse(name)
    row = origin.row(trial)
    try:
        return store.read(origin.attempt_key(trial, row["attempt"], "epochs.csv")) if row else b""
    except FileNotFoundError:
        return b""


def remember(sweep: Sweep, row: Row) -> None:
    """Notes a finished training for later sweeps; what was copied, stopped early or failed is no finished training."""
    if row["status"] in (Status.COMPLETE, Status.DIVERGED) and not row.get("reused_from"):
        sweep.store.create(_key(sweep.definition, row), results.write_csv([row], results.row_columns(row)))


def _key(definition: Definition, row: Mapping[str, Any]) -> str:
    fidelity, training = definition.phase(row["phase"]).fidelity, definition.training
    identity = {
        "architecture": row["architecture"],
        "hyperparameters": {name: results.to_cell(row.get(name)) for name in sorted(definition.incumbent)},
        "date-range": row["date-range"],
        "shares": [training.validation_share, training.test_share],
        "epochs": fidelity.max_epochs,
        "train-days": fidelity.train_days,
        "seed": row["seed"],
        "data": row["data_fingerprint"],
        "device": row["device"],
        "torch": version("torch"),
        "code": _training_code(),
    }
    return f"{_ROWS}{hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:32]}.csv"


@functools.cache
def _training_code() -> str:
    folder = Path(__file__).parent / "training"
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        digest.update(f"{path.relative_to(folder)}\0".encode() + path.read_bytes())
    return digest.hexdigest()
