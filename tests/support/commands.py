"""`hpt` as a command: real processes, with their output and their exit codes."""

import subprocess
import sys
from pathlib import Path

from tests.support import environment
from tests.support.lanes import Nursery

HPT = [sys.executable, "-m", "pipeline.cli"]
"""Starts `hpt` from nothing, for tests of the start itself."""
_command = list(HPT)


def fork_from(nursery: Nursery) -> None:
    """From now on, `hpt` is forked from a process that has imported everything."""
    _command[:] = nursery.command("hpt")


def hpt(*arguments: object, cwd: Path, **changes: str) -> "subprocess.CompletedProcess[str]":
    """Runs a verb in `cwd`, without this machine's HPT_ variables; `changes` are those of its environment."""
    return subprocess.run(
        [*_command, *map(str, arguments)],
        cwd=cwd,
        env=environment(**changes),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
