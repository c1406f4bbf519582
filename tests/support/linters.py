"""Linters of files in other languages than Python."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest


def lint(tool: str, path: Path) -> None:
    # A linter may be installed as a Python package, beside this Python, or in the system.
    program = shutil.which(tool, path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    if program is None:
        pytest.skip(f"{tool} is not installed")
    done = subprocess.run([program, str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
