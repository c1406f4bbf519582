"""Runs `hpt` as a user would, and reads from its store what it answers, what that is worth, and how long it took."""

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
    """A sweep without an answer; the message says why, in one line."""


@dataclass(frozen=True)
class Ours:
    """What a sweep came to."""

    definition: Definition
    setting: Assignment
    is_incumbent: bool
    """Whether the answer is to keep the defaults."""
    error: float
    """Of the answer, on the ranges that judge."""
    defaults: float
    """Of the incumbent, on the same ranges."""
    best_of_choosing: float | None
    """Of what choosing put first, if it is another setting than the answer; None if it is the same."""
    seconds: float
    """From the start of the process to the end of the last trial that chooses."""
    failed: int
    """Trials that are no results."""

    @property
    def choosing(self) -> list[DateRange]:
        """The ranges that chose, each once, in order of time."""
        return sorted({date_range for phase in self.definition.choosing for date_range in phase.ranges})

    @property
    def judging(self) -> list[DateRange]:
        """The ranges that judge."""
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
    """Raises RunFailed if the sweep has no answer."""
    spec = folder / "spec.json"
    spec.write_text(json.dumps(spec_of(data_set, architecture, seed)), encoding="utf-8")
    store = folder / "store"
    began = time.time()
    state = _swept(spec, store)
    judged = _judged(state, _judging(state.sweep.definition))
    return _outcome(state, judged, began, store)


def _swept(spec: Path, store: Path) -> State:
    """The sweep of a spec, run to its end. Raises RunFailed if that ends in an error."""
    command = [sys.executable, "-m", "pipeline.cli", "run", str(spec), "--store", str(store), "--lanes", "1"]
    process = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | {"COLUMNS": "200"})
    if process.returncode not in (0, 1):
        raise RunFailed(f"hpt run: exit {process.returncode}: {_last_line(process.stderr)}")
    return state_of(Sweep(open_store(str(store)), process.stdout.split()[0]))


def _outcome(state: State, judged: list[tuple[Assignment, float]], began: float, store: Path) -> Ours:
    definition = state.sweep.definition
    best = state.best
    if best is None:
        raise RunFailed(f"no setting finished on every date range, {len(state.failed)} trials failed")
    errors = {identity_of(setting): error for setting, error in judged}
    by_setting = {"answer": best.assignment, "defaults": definition.incumbent, "first": state.ranked[0].assignment}
    missing = [name for name, setting in by_setting.items() if identity_of(setting) not in errors and name != "first"]
    if missing:
        raise RunFailed(f"{' and '.join(missing)} not judged on every range, {len(state.failed)} trials failed")
    of = {name: errors.get(identity_of(setting)) for name, setting in by_setting.items()}
    phases = {phase.name for phase in definition.choosing}
    choosing = {row["trial"] for row in state.rows if row["phase"] in phases}
    # The file's own time: the cell `finished` has whole seconds.
    ends = [
        (store / file.entry.key).stat().st_mtime
        for trial, file in state.sweep.result_files().items()
        if trial in choosing
    ]
    answer, defaults = of["answer"], of["defaults"]
    assert answer is not None
    assert defaults is not None
    is_first = identity_of(by_setting["first"]) == identity_of(best.assignment)
    return Ours(
        definition=definition,
        setting=best.assignment,
        is_incumbent=identity_of(best.assignment) == identity_of(definition.incumbent),
        error=answer,
        defaults=defaults,
        best_of_choosing=None if is_first else of["first"],
        seconds=max(ends) - began,
        failed=len(state.failed),
    )


def _judged(state: State, phase: Phase) -> list[tuple[Assignment, float]]:
    """Settings with their test error, the mean over a phase's ranges of that over seeds; those that have all ranges."""
    definition = state.sweep.definition
    errors: dict[str, dict[DateRange, list[float]]] = {}
    settings: dict[str, Assignment] = {}
    for row in state.rows:
        if row["phase"] != phase.name or row["status"] != Status.COMPLETE:
            continue
        errors.setdefault(row["experiment"], {}).setdefault(range_of(row), []).append(row[definition.objective.test])
        settings[row["experiment"]] = {name: row.get(name) for name in definition.incumbent}
    return [
        (settings[experiment], fmean(map(fmean, by_range.values())))
        for experiment, by_range in errors.items()
        if len(by_range) == len(phase.ranges)
    ]


def _judging(definition: Definition) -> Phase:
    if definition.confirm is None:
        raise RunFailed("the sweep has no ranges that judge")
    return definition.confirm


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else ""
