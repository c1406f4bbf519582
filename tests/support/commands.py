"""`hpt` as a command: real processes, with their output and their exit codes."""

import os
import subprocess
import sys
from pathlib import Path

from tests.support.lanes import Nursery

HPT = [sys.executable, "-m", "pipeline.cli"]
"""Starts `hpt` from nothing, for tests of the start itself."""
_command = list(HPT)


def fork_from(nursery: Nursery) -> None:
    """From now on, `hpt` is forked from a process that has imported everything."""
    _command[:] = nursery.command("hpt")


def hpt(*arguments: object, cwd: Path, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Runs a verb in `cwd`, without this machine's HPT_ variables."""
    return subprocess.run(
        [*_command, *map(str, arguments)],
        cwd=cwd,
        env={name: value for name, value in os.environ.items() if not name.startswith("HPT_")} | environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
