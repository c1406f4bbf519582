"""A bench that trains as a trial does, and a team's folder with the examples, their specs and `hpt`."""

import shlex
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pipeline import results
from pipeline.store import open_store
from pipeline.sweep import Sweep
from pipeline.training.job import Job, TrainingResult
from pipeline.training.own.code import Own
from pipeline.training.own.trainer import OwnTrainer, Pace
from tests.support import ROOT, environment, in_process
from tests.support.jobs import job_of
from tests.support.lanes import Nursery

FINE = """echo '{"mse_valid": 1, "mse_test": 2}' >> "$HPT_METRICS"; """
"""Shell: reports a complete training."""


class Bench:
    """Runs trainers as a trial would, and keeps their epochs and log lines."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.lines: list[str] = []
        self.epochs: list[tuple[int, dict[str, float]]] = []
        self.stop_after = 10**9
        self.hyperparameters: dict[str, Any] = {"lr": 0.1, "kind": "a b", "wide": True}
        self.data = None
        self.pace = Pace()

    def shell(self, script: str, **options: Any) -> TrainingResult:
        return self.command(["sh", "-c", script.replace("{", "{{").replace("}", "}}")], **options)

    def command(self, argv: list[str], **options: Any) -> TrainingResult:
        return self.train(Own(command=tuple(argv), hyperparameters={}, **options))

    def function(self, code: str, name: str = "mine:train") -> TrainingResult:
        Path("mine.py").write_text(code)
        return self.train(Own(trainer=name, hyperparameters={}))

    def train(self, own: Own, seconds: float | None = None) -> TrainingResult:
        return OwnTrainer(own, "mse", self.pace)(self.job(seconds))

    def job(self, seconds: float | None = None) -> Job:
        self.folder.mkdir(exist_ok=True)
        return job_of(
            hyperparameters=self.hyperparameters,
            data=self.data,
            deadline=time.monotonic() + seconds if seconds else None,
            folder=self.folder,
            say=self.lines.append,
            note=self.note,
            goes_on=lambda epoch: len(self.epochs) < self.stop_after,
        )

    def note(self, epoch: int, metrics: Any) -> None:
        self.epochs.append((epoch, dict(metrics)))

    @property
    def log(self) -> str:
        return "\n".join(self.lines)


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return Bench(tmp_path / "files")


@dataclass(frozen=True)
class Team:
    folder: Path

    def hpt(self, *arguments: object, code: int = 0) -> in_process.Done:
        """Runs the verb in the tests' own process; its trainers are still processes."""
        return in_process.hpt(*arguments, cwd=self.folder, code=code)

    def run(self, *command: str, code: int = 0) -> "subprocess.CompletedProcess[str]":
        """Runs a program, which finds `hpt` as `bin/hpt`."""
        # As with `bin/hpt`: the environment that it runs in is not activated.
        variables = environment(PATH="/usr/local/bin:/usr/bin:/bin")
        done = subprocess.run(
            command, cwd=self.folder, env=variables, capture_output=True, text=True, timeout=240, check=False
        )
        assert done.returncode == code, f"{command}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def sweep(self, id: str) -> Sweep:
        return Sweep(open_store(str(self.folder / "hpt-store")), id)

    def rows(self, sweep: Sweep) -> dict[str, dict[str, Any]]:
        rows = results.read_csv(sweep.store.read(sweep.key("results.csv")))
        return {row["trial"]: row for row in rows}

    def file(self, sweep: Sweep, row: dict[str, Any], name: str) -> str:
        """Text of a file of an attempt."""
        return sweep.store.read(sweep.key(f"trials/{row['trial']}/attempts/{row['attempt']}/{name}")).decode()


@pytest.fixture(scope="module")
def team(tmp_path_factory: pytest.TempPathFactory, nursery: Nursery, quick_lanes: None) -> Team:
    folder = tmp_path_factory.mktemp("team")
    shutil.copytree(ROOT / "examples", folder / "examples", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "specs/examples", folder / "specs/examples")
    (folder / "bin").mkdir()
    hpt = folder / "bin/hpt"
    hpt.write_text(f'#!/bin/sh\nexec {shlex.join(nursery.command("hpt"))} "$@"\n')
    hpt.chmod(0o755)
    # The environment of the tests has what the page installs.
    (folder / ".venv").symlink_to(sys.prefix)
    shutil.copy(ROOT / "constraints.txt", folder)
    return Team(folder)
