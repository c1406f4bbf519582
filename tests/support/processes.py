"""Finds processes of this machine, so that tests can check that they have ended."""

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path


def nap(seconds: int) -> str:
    """An argument for `sleep` by which `running` finds the process of this test run among those of others."""
    return f"{seconds}.{os.getpid()}"


def running(argument: str) -> list[int]:
    """Ids of the processes with this argument."""
    return [pid for pid, _, arguments in _processes() if argument in arguments]


def children(parent: int, argument: str) -> list[int]:
    """Ids of the children of a process that have this argument."""
    return [pid for pid, its_parent, arguments in _processes() if its_parent == parent and argument in arguments]


def _processes() -> Iterator[tuple[int, int, list[str]]]:
    """Process id, parent and arguments of each process, without zombies."""
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            try:
                command = Path(entry.path, "cmdline").read_bytes().decode(errors="replace").split("\0")
                state, parent = Path(entry.path, "stat").read_text().rpartition(")")[2].split()[:2]
            except OSError:
                continue
            if state != "Z":
                yield int(entry.name), int(parent), command


def is_soon(condition: Callable[[], bool]) -> bool:
    """True if the condition becomes true within a minute, which is long even for a busy machine."""
    until = time.monotonic() + 60
    while not condition() and time.monotonic() < until:
        time.sleep(0.05)
    return condition()
