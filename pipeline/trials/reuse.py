"""Copies rows of trainings that were exactly the same, so that nothing is trained twice.

A phase begins with the best setting of the phase before, and so may repeat a training of its own sweep. The row of such
a training is always copied. Rows of other sweeps are found by a hash of all that determines a training: architecture,
hyperparameters, date range, fidelity, seed, data and their encoding, training code, torch and device. The commit is no
part of it. Every finished training of a built-in architecture is remembered under its hash; only sweeps with `reuse`
copy.
"""

import functools
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pipeline import results
from pipeline.results import RESERVED, Row, Status
from pipeline.store import Store
from pipeline.sweep import Definition, Sweep, Trial
from pipeline.sweep.layout import remembered_row_key
from pipeline.training.saved import WEIGHTS

_FINAL = (Status.COMPLETE, Status.DIVERGED)
"""Statuses of finished trainings."""
_COPIED = ("training_time", "model_url", "status", "error", "epochs", "device", "data_fingerprint")

_OURS = re.compile(rb"\b(pipeline|hpt)\b")
"""Name of the package in a checkout and in a wheel; left out of the hash, which is to be equal in both."""


def cells_of_earlier_phase(sweep: Sweep, trial: Trial, row: Row) -> Row | None:
    """The cells that complete `row`, copied from the same training in an earlier phase; None if there was none."""
    definition = sweep.definition
    phase = definition.phase(trial.phase)
    for other in definition.phases[: definition.phases.index(phase)]:
        if other.fidelity != phase.fidelity or phase.ranges[trial.range] not in other.ranges:
            continue
        twin = replace(trial, phase=other.name, range=other.ranges.index(phase.ranges[trial.range]))
        earlier = sweep.row(twin)
        if earlier is not None and earlier["status"] in _FINAL:
            return _copy(row, earlier)
    return None


def cells_of_earlier_sweep(sweep: Sweep, row: Row, code: str | None = None) -> Row | None:
    """The cells that complete `row`, copied from the same training in another sweep; None if there is none.

    None, too, if the files of that training are gone. `row` must have the fingerprint of its data and its device.
    `code` is the hash of the training code, by default that of this installation.
    """
    try:
        earlier = results.read_csv(sweep.store.read(_key(sweep.definition, row, code or training_code())))[0]
        origin, trial = Sweep(sweep.store, earlier["sweep"]), Trial.parse(earlier["trial"])
        attempt = earlier["attempt"]
    except (FileNotFoundError, ValueError, LookupError):
        return None
    if earlier["sweep"] == sweep.id or not sweep.store.exists(origin.attempt_key(trial, attempt, WEIGHTS)):
        return None
    return _copy(row, earlier)


def _copy(row: Row, earlier: Row) -> Row:
    metrics = {name: value for name, value in earlier.items() if name not in RESERVED and name not in row}
    copied = {name: earlier[name] for name in _COPIED if name in earlier}
    origin = earlier.get("reused_from") or f"{earlier['sweep']}/{earlier['trial']}"
    return metrics | copied | {"reused_from": origin}


def epochs_of(store: Store, reused_from: str) -> bytes:
    """The learning curve behind a copied row; empty if it is gone."""
    id, _, name = reused_from.partition("/")
    origin, trial = Sweep(store, id), Trial.parse(name)
    row = origin.row(trial)
    return origin.epochs_csv(trial, row["attempt"]) if row else b""


def remember(sweep: Sweep, row: Row) -> None:
    """Writes a finished training's row under its hash, for later sweeps, unless it is a copy itself."""
    if row["status"] in _FINAL and not row.get("reused_from"):
        sweep.store.create(
            _key(sweep.definition, row, training_code()), results.write_csv([row], results.row_columns(row))
        )


def _key(definition: Definition, row: Mapping[str, Any], code: str) -> str:
    fidelity, training = definition.phase(row["phase"]).fidelity, definition.training
    identity = {
        "architecture": row["architecture"],
        "hyperparameters": {name: results.to_cell(row.get(name)) for name in sorted(definition.incumbent)},
        "date-range": row["date-range"],
        "format": definition.format,
        # Left out: epochs are below, and a time limit changes no training that ended within it.
        "training": training.model_dump(exclude={"max_epochs", "time_limit_minutes"}),
        "epochs": fidelity.max_epochs,
        "train-days": fidelity.train_days,
        "seed": row["seed"],
        "data": row["data_fingerprint"],
        # Columns and code together determine the encoding of the rows. The path does not matter: the fingerprint does.
        "columns": definition.data and definition.data.model_dump(mode="json", exclude={"path"}),
        "device": row["device"],
        "torch": version("torch"),
        "code": code,
    }
    return remembered_row_key(hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:32])


@functools.cache
def training_code(pipeline: Path = Path(__file__).parents[1]) -> str:
    """Hash of the code that a training's result may depend on: reading and encoding data, training a network."""
    digest = hashlib.sha256()
    for path in sorted(path for room in ("data", "training") for path in (pipeline / room).rglob("*.py")):
        digest.update(f"{path.relative_to(pipeline)}\0".encode() + _OURS.sub(b"", path.read_bytes()))
    return digest.hexdigest()
