"""Processes of this machine, as tests look for those that should have gone."""

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path


def nap(seconds: int) -> str:
    """An argument for `sleep` by which `running` finds this test run's process: others may run on the same machine."""
    return f"{seconds}.{os.getpid()}"


def running(argument: str) -> list[int]:
    """The processes with this argument."""
    return [pid for pid, _, arguments in _processes() if argument in arguments]


def children(parent: int, argument: str) -> list[int]:
    """The processes with this argument that another one started."""
    return [pid for pid, of, arguments in _processes() if of == parent and argument in arguments]


def _processes() -> Iterator[tuple[int, int, list[str]]]:
    """Process id, parent and arguments of each process but those that only wait to be reaped."""
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            try:
                command = Path(entry.path, "cmdline").read_bytes().decode(errors="replace").split("\0")
                state, parent = Path(entry.path, "stat").read_text().rpartition(")")[2].split()[:2]
            except OSError:
                continue
            if state != "Z":
                yield int(entry.name), int(parent), command


def is_soon(true: Callable[[], bool]) -> bool:
    """Whether the condition comes true within a time that is long even for a busy machine."""
    until = time.monotonic() + 60
    while not true() and time.monotonic() < until:
        time.sleep(0.05)
    return true()
