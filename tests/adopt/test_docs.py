"""Follows docs/your-repository.md in a fresh directory: writes every file, runs every command."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import ROOT

BLOCKS = re.findall(
    r"^```(\w+) ?(\S*)\n(.*?)^```$", (ROOT / "docs/your-repository.md").read_text(), flags=re.MULTILINE | re.DOTALL
)


def masked(line: str) -> str:
    """The line without its numbers, which depend on the machine."""
    return re.sub(r"\d+(\.\d+)?", "N", line)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A PATH with `hpt` and `python3` as in an activated environment."""
    folder = tmp_path_factory.mktemp("bin")
    for name, call in {"hpt": "-m pipeline.cli", "python3": ""}.items():
        (folder / name).write_text(f'#!/bin/sh\nexec {sys.executable} {call} "$@"\n')
        (folder / name).chmod(0o755)
    return f"{folder}:/usr/local/bin:/usr/bin:/bin"


# A dozen trainings, each of which imports torch, take minutes on a busy machine.
@pytest.mark.timeout(900)
def test_every_command_of_the_page_runs_and_prints_its_output(tmp_path: Path, path: str) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HPT_")}
    environment |= {"PATH": path, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    output = ""
    for language, file, text in BLOCKS:
        if file:
            (tmp_path / file).write_text(text)
        elif language == "sh":
            done = subprocess.run(
                ["bash", "-euo", "pipefail", "-c", text],
                cwd=tmp_path,
                env=environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                check=False,
            )
            output = done.stdout + done.stderr
            assert done.returncode == 0, f"{text}\n{output}"
        else:
            assert {masked(line) for line in text.splitlines()} <= {masked(line) for line in output.splitlines()}, (
                output
            )
    assert "weight" in output
    staged = subprocess.run(
        ["git", "diff", "--cached", "--name-only"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert "hpt-store" not in staged.stdout
    assert "specs/first.json" in staged.stdout


def test_every_option_of_the_page_exists(tmp_path: Path) -> None:
    from tests.support.in_process import hpt

    text = (ROOT / "docs/your-repository.md").read_text()
    help_text = hpt("init", "--help", cwd=tmp_path).out
    for option in set(re.findall(r"`(--[a-z-]+)", text)) - {"--budget"}:
        assert option in help_text
