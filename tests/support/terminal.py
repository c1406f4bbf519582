"""Runs a program on a pseudo-terminal, as a person would run it."""

import os
import pty
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path


def on_a_terminal(
    command: Sequence[str], folder: Path, environment: Mapping[str, str], typed: bytes = b""
) -> tuple[int, bytes]:
    """Runs a program with `typed` as input. Returns its exit code and the output on the terminal."""
    controller, terminal = pty.openpty()
    process = subprocess.Popen(command, cwd=folder, env=environment, stdin=terminal, stdout=terminal, stderr=terminal)
    os.close(terminal)
    os.write(controller, typed)
    output = b""
    while True:
        try:
            output += os.read(controller, 4096)
        except OSError:
            break
    os.close(controller)
    return process.wait(), output
