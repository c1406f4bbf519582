"""Runs `hpt` as a user would, and reads its answer, the answer's error and its time from the store."""

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from benchmarks.strangers.data import DataSet
from pipeline.dates import DateRange
from pipeline.report.state import State, state_of
from pipeline.results import Status, range_of
from pipeline.space import Assignment, identity_of
from pipeline.store import open_store
from pipeline.sweep import Definition, Phase, Sweep

EXPERIMENTS = 16


class RunFailed(Exception):
    """The sweep has no answer. The message is one line with the reason."""


@dataclass(frozen=True)
class Ours:
    """Result of a sweep."""

    definition: Definition
    setting: Assignment
    """The answer."""
    is_incumbent: bool
    """True if the answer is to keep the defaults."""
    error: float
    """Error of the answer on the ranges that judge."""
    defaults: float
    """Error of the incumbent on the same ranges."""
    best_of_choosing: float | None
    """Error of the best setting of choosing on the same ranges; None if it is the answer or was not judged."""
    seconds: float
    """From the start of the process to the end of the last trial that chooses."""
    failed: int
    """Number of failed trials."""

    @property
    def choosing(self) -> list[DateRange]:
        """The ranges that choose, without duplicates, in order of time."""
        return sorted({date_range for phase in self.definition.choosing for date_range in phase.ranges})

    @property
    def judging(self) -> list[DateRange]:
        """The ranges that judge, in order of time. Raises RunFailed if there is none."""
        return sorted(_judging(self.definition).ranges)


def spec_of(data_set: DataSet, architecture: str, seed: int) -> dict[str, Any]:
    """The shortest spec that the docs suggest."""
    return {
        "architecture": architecture,
        "tune": "automatic",
        "data": data_set.data,
        "as-of": data_set.as_of.isoformat(),
        "search": {"experiments": EXPERIMENTS, "seed": seed},
        "references": False,
    }


def run(data_set: DataSet, architecture: str, seed: int, folder: Path) -> Ours:
    """Runs a sweep of the data set to its end. Raises RunFailed if it has no answer."""
    spec = folder / "spec.json"
    spec.write_text(json.dumps(spec_of(data_set, architecture, seed)), encoding="utf-8")
    store = folder / "store"
    began = time.time()
    state = _run_sweep(spec, store)
    return _result(state, _judged_errors(state), began, store)


def _run_sweep(spec: Path, store: Path) -> State:
    """Runs `hpt run`. Raises RunFailed if it exits with an error."""
    command = [sys.executable, "-m", "pipeline.cli", "run", str(spec), "--store", str(store), "--lanes", "1"]
    process = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | {"COLUMNS": "200"})
    if process.returncode not in (0, 1):
        raise RunFailed(f"hpt run: exit {process.returncode}: {_last_line(process.stderr)}")
    return state_of(Sweep(open_store(str(store)), process.stdout.split()[0]))


def _result(state: State, errors: dict[str, float], began: float, store: Path) -> Ours:
    """The result of a sweep that began at `began`; `errors` are those of the judged settings, by identity."""
    definition = state.sweep.definition
    if state.best is None:
        raise RunFailed(f"no setting finished on every date range, {len(state.failed)} trials failed")
    answer, first = state.best.assignment, state.ranked[0].assignment
    required = {"answer": answer, "defaults": definition.incumbent}
    missing = [name for name, setting in required.items() if identity_of(setting) not in errors]
    if missing:
        raise RunFailed(f"{' and '.join(missing)} not judged on every range, {len(state.failed)} trials failed")
    phases = {phase.name for phase in definition.choosing}
    choosing = {row["trial"] for row in state.rows if row["phase"] in phases}
    # The time of the file is exact, while the cell `finished` has whole seconds.
    ends = [
        (store / file.entry.key).stat().st_mtime
        for trial, file in state.sweep.result_files().items()
        if trial in choosing
    ]
    return Ours(
        definition=definition,
        setting=answer,
        is_incumbent=identity_of(answer) == identity_of(definition.incumbent),
        error=errors[identity_of(answer)],
        defaults=errors[identity_of(definition.incumbent)],
        best_of_choosing=None if identity_of(first) == identity_of(answer) else errors.get(identity_of(first)),
        seconds=max(ends) - began,
        failed=len(state.failed),
    )


def _judged_errors(state: State) -> dict[str, float]:
    """Test error of each setting that is complete on all ranges that judge, by the setting's identity.

    It is the mean over ranges of the means over seeds.
    """
    definition = state.sweep.definition
    phase = _judging(definition)
    errors: dict[str, dict[DateRange, list[float]]] = {}
    settings: dict[str, Assignment] = {}
    for row in state.rows:
        if row["phase"] != phase.name or row["status"] != Status.COMPLETE:
            continue
        errors.setdefault(row["experiment"], {}).setdefault(range_of(row), []).append(row[definition.objective.test])
        settings[row["experiment"]] = {name: row.get(name) for name in definition.incumbent}
    return {
        identity_of(settings[experiment]): fmean(map(fmean, by_range.values()))
        for experiment, by_range in errors.items()
        if len(by_range) == len(phase.ranges)
    }


def _judging(definition: Definition) -> Phase:
    if definition.confirm is None:
        raise RunFailed("the sweep has no ranges that judge")
    return definition.confirm


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else ""
