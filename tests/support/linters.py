"""Linters of files that are no Python."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest


def lint(tool: str, path: Path) -> None:
    # Both come from package registries as Python packages, beside this Python, or from the system.
    found = shutil.which(tool, path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    if found is None:
        pytest.skip(f"{tool} is not installed")
    done = subprocess.run([found, str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
