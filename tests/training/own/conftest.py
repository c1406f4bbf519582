"""A team's folder: the examples and their specs, and `hpt` in it."""

import os
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pipeline import results
from pipeline.store import open_store
from pipeline.sweep import Sweep
from tests.support import ROOT, in_process
from tests.support.lanes import Nursery


@dataclass(frozen=True)
class Team:
    folder: Path

    def hpt(self, *arguments: object, code: int = 0) -> in_process.Done:
        """Runs the verb in the tests' own process; the trainers that it starts are processes all the same."""
        return in_process.hpt(*arguments, cwd=self.folder, code=code)

    def run(self, *command: str, code: int = 0) -> "subprocess.CompletedProcess[str]":
        """Runs a program, which finds `hpt` as `bin/hpt`."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("HPT_")}
        # As with `bin/hpt`: nobody has activated the environment that it runs in.
        environment["PATH"] = "/usr/local/bin:/usr/bin:/bin"
        done = subprocess.run(
            command, cwd=self.folder, env=environment, capture_output=True, text=True, timeout=240, check=False
        )
        assert done.returncode == code, f"{command}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def sweep(self, id: str) -> Sweep:
        return Sweep(open_store(str(self.folder / "hpt-store")), id)

    def rows(self, sweep: Sweep) -> dict[str, dict[str, Any]]:
        rows = results.read_csv(sweep.store.read(sweep.key("results.csv")))
        return {row["trial"]: row for row in rows}

    def file(self, sweep: Sweep, row: dict[str, Any], name: str) -> str:
        """What an attempt left, as text."""
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
    # What the page installs is installed in the environment of the tests.
    (folder / ".venv").symlink_to(sys.prefix)
    shutil.copy(ROOT / "constraints.txt", folder)
    return Team(folder)
