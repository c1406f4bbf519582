"""The needs of trials are checked before any of them runs."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from pipeline.plan import reach
from pipeline.training.own.code import Own
from tests.support.in_process import hpt


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "train.py").write_text("")
    (tmp_path / "train.sh").write_text("#!/bin/sh\n")
    (tmp_path / "train.sh").chmod(0o755)
    (tmp_path / "team").mkdir()
    (tmp_path / "team" / "__init__.py").write_text("raise SystemExit('nothing is run')")
    (tmp_path / "team" / "model.py").write_text("")
    return tmp_path


HERE = [
    ["python", "train.py", "--lr", "{lr}"],
    ["{python}", "-u", "train.py"],
    ["python3", "-W", "ignore", "train.py"],
    ["python", "-m", "team.model"],
    ["python", "-mteam"],
    ["{python}", "-m", "json.tool"],
    ["python", "-c", "print(1)", "nosuch.py"],
    ["sh", "-c", "python nosuch.py"],
    ["bash", "-ec", "python nosuch.py"],
    ["bash", "-o", "pipefail", "train.sh"],
    ["./train.sh"],
    ["sh", "train.sh"],
    ["env", "A=1", "python", "elsewhere.py"],
    ["{trial}.sh"],
    ["python", "{parameters}"],
    ["python", "-"],
    ["printf", "valid"],
]


@pytest.mark.parametrize("command", HERE, ids=" ".join)
def test_existing_files_and_placeholders_are_not_missing(folder, command):
    assert list(reach.missing(Own(command=tuple(command), hyperparameters={}), folder)) == []


MISSING = [
    (["python", "nosuch.py", "{lr}"], "nosuch.py is not in", True),
    (["{python}", "-u", "nosuch.py"], "nosuch.py is not in", True),
    (["python", "src/nosuch.py"], "src/nosuch.py is not in", True),
    (["python", "/nowhere/train.py"], "/nowhere/train.py is not in place on this machine", False),
    (["python", "-m", "nosuch.train"], "no module nosuch.train", False),
    (["{python}", "-m", "team.nosuch"], "no module team.nosuch", False),
    (["bash", "nosuch.sh"], "nosuch.sh is not in", True),
    (["Rscript-nosuch", "a.R"], "Rscript-nosuch is not in PATH", False),
    (["./nosuch.sh"], "nosuch.sh is not in", True),
    (["./train.py"], "no file that can be executed", True),
]


@pytest.mark.parametrize(("command", "line", "everywhere"), MISSING, ids=[" ".join(case[0]) for case in MISSING])
def test_a_missing_program_module_or_script_is_named(folder, command, line, everywhere):
    (missing,) = reach.missing(Own(command=tuple(command), hyperparameters={}), folder)
    assert line in missing.line
    assert missing.everywhere is everywhere


@pytest.mark.parametrize(
    ("trainer", "is_here"),
    [
        ("team.model:train", True),
        ("team:train", True),
        ("json:dumps", True),
        ("an-entry-point", True),
        ("team.nosuch:train", False),
        ("nosuch:train", False),
        ("nosuch.deep.er:train", False),
    ],
)
def test_a_module_is_looked_for_and_not_run(folder, trainer, is_here):
    assert (list(reach.missing(Own(trainer=trainer, hyperparameters={}), folder)) == []) is is_here
    assert "team" not in sys.modules


@pytest.fixture
def spec(tmp_path: Path) -> dict[str, Any]:
    return {
        "command": ["sh", "train.sh", "{x}"],
        "metrics-pattern": r"valid (?P<mse_valid>\S+) test (?P<mse_test>\S+)",
        "hyperparameters": {"x": 0.1},
        "parameters": {"x": [0.2, 0.3]},
        "date-range": [["2024-01-01", "2024-03-01"]],
        "confirm": {"ranges": 0},
        "store": str(tmp_path / "store"),
    }


def test_validate_reports_a_missing_script_and_no_sweep_is_made(tmp_path, spec):
    (tmp_path / "spec.json").write_text(json.dumps(spec))
    for verb in ("validate", "plan", "run"):
        assert "command: train.sh is not in" in hpt(verb, "spec.json", cwd=tmp_path, code=2).err
    assert not (tmp_path / "store").exists()


def test_a_module_that_only_other_machines_may_have_is_a_warning(tmp_path, spec):
    (tmp_path / "spec.json").write_text(json.dumps(spec | {"command": ["{python}", "-m", "nosuch", "{x}"]}))
    assert "warning: command: " in hpt("validate", "spec.json", cwd=tmp_path).err
    assert "no module nosuch" in hpt("run", "spec.json", cwd=tmp_path, code=2).err


@pytest.mark.usefixtures("quick_lanes")
def test_going_on_elsewhere_says_what_is_missing_and_fails_no_trial(tmp_path, spec):
    home, elsewhere = tmp_path / "home", tmp_path / "elsewhere"
    home.mkdir()
    elsewhere.mkdir()
    (home / "spec.json").write_text(json.dumps(spec))
    (home / "train.sh").write_text("echo valid $1 test $1")
    store = ("--store", tmp_path / "store", "--lanes", 1)
    id = hpt("run", "spec.json", *store, cwd=home).out.splitlines()[0]
    trials = tmp_path / "store" / "sweeps" / id / "trials"
    deleted = sorted(trials.iterdir())[1]
    before = (trials.parent / "results.csv").read_text()
    for file in deleted.rglob("*"):
        if file.is_file():
            file.unlink()

    errors = hpt("run", "--sweep", id, *store, cwd=elsewhere, code=2).err
    assert f"command: train.sh is not in {elsewhere}" in errors
    assert "stopped at 2 of 3 trials" in hpt("list", "--store", tmp_path / "store", cwd=elsewhere).out

    # A trial that was deleted runs again, though its sweep was done.
    hpt("run", "--sweep", id, *store, cwd=home)
    assert (deleted / "result.csv").exists()
    assert len((trials.parent / "results.csv").read_text().splitlines()) == len(before.splitlines())
