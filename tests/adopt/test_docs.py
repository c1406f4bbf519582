"""Follows docs/your-repository.md in a fresh directory: writes every file, runs every command."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import ROOT, environment
from tests.support.docs import blocks, read
from tests.support.git import git

DOCS = ROOT / "docs/your-repository.md"


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
    git(tmp_path, "init", "-q")
    output = ""
    for block in blocks(read(DOCS)):
        if block.file:
            (tmp_path / block.file).write_text(block.text)
        elif block.language == "sh":
            done = subprocess.run(
                ["bash", "-euo", "pipefail", "-c", block.text],
                cwd=tmp_path,
                env=environment(PATH=path, PYTHONPATH=str(ROOT), OMP_NUM_THREADS="1"),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                check=False,
            )
            output = done.stdout + done.stderr
            assert done.returncode == 0, f"{block.text}\n{output}"
        else:
            shown, printed = ({masked(line) for line in text.splitlines()} for text in (block.text, output))
            assert shown <= printed, output
    assert "weight" in output
    staged = git(tmp_path, "diff", "--cached", "--name-only")
    assert "hpt-store" not in staged
    assert "specs/first.json" in staged


def test_every_option_of_the_page_exists(tmp_path: Path) -> None:
    from tests.support.in_process import hpt

    text = read(DOCS)
    help_text = hpt("init", "--help", cwd=tmp_path).out
    for option in set(re.findall(r"`(--[a-z-]+)", text)) - {"--budget"}:
        assert option in help_text
