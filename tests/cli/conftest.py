"""A finished sweep on which verbs are tested, and an `hpt` that starts fast."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.support import commands
from tests.support.lanes import Nursery


@pytest.fixture(scope="session", autouse=True)
def forked_hpt(nursery: Nursery) -> None:
    """From now on, `commands.hpt` forks from a process that has imported everything."""
    commands.fork_from(nursery)


@pytest.fixture(scope="session")
def finished(
    forked_hpt: None, tmp_path_factory: pytest.TempPathFactory, tiny_csv: Path
) -> tuple[Path, "subprocess.CompletedProcess[str]"]:
    """A folder in which `hpt run` has finished a sweep, and the output and exit code of that `hpt run`."""
    folder = tmp_path_factory.mktemp("cli")
    spec = {
        "architecture": "bag-of-words",
        "date-range": [["2024-01-01", "2024-03-01"], ["2024-02-01", "2024-04-01"]],
        "training": {"max-epochs": 2, "epoch-steps": 1},
        "parameters": {"learning_rate": [0.01, 0.1]},
        "search": {"strategy": "grid"},
        "confirm": {"ranges": 0},
        "references": False,
        "notes": "<b>notes</b>",
    }
    (folder / "spec.json").write_text(json.dumps(spec))
    (folder / "hpt.toml").write_text(
        f'[data]\npath = "{tiny_csv}"\ndate = "day"\ncategorical = ["place"]\nnumeric = ["size"]\ntarget = "value"\n'
    )
    result = commands.hpt("run", "spec.json", "--lanes", 2, cwd=folder)
    assert result.returncode == 0, result.stderr
    return folder, result
