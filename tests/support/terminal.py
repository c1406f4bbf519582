"""A program on a terminal of its own, as a person would run it."""

import os
import pty
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path


def on_a_terminal(
    command: Sequence[str], folder: Path, environment: Mapping[str, str], typed: bytes = b""
) -> tuple[int, bytes]:
    """Runs a program to its end, with `typed` at its terminal; its exit code, and what the terminal showed."""
    controller, terminal = pty.openpty()
    process = subprocess.Popen(command, cwd=folder, env=environment, stdin=terminal, stdout=terminal, stderr=terminal)
    os.close(terminal)
    os.write(controller, typed)
    said = b""
    while True:
        try:
            said += os.read(controller, 4096)
        except OSError:
            break
    os.close(controller)
    return process.wait(), said
