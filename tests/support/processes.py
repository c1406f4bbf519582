"""Processes of this machine, as tests look for those that should have gone."""

import os
import time
from collections.abc import Callable
from pathlib import Path


def nap(seconds: int) -> str:
    """An argument for `sleep` by which `running` finds this test run's process: others may run on the same machine."""
    return f"{seconds}.{os.getpid()}"


def running(argument: str) -> list[int]:
    """The processes with this argument."""
    found = []
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            try:
                command = Path(entry.path, "cmdline").read_bytes().split(b"\0")
                state = Path(entry.path, "stat").read_text().rpartition(")")[2].split()[0]
            except OSError:
                continue
            if argument.encode() in command and state != "Z":
                found.append(int(entry.name))
    return found


def is_soon(true: Callable[[], bool]) -> bool:
    until = time.monotonic() + 20
    while not true() and time.monotonic() < until:
        time.sleep(0.05)
    return true()
