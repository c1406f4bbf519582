"""Output to odd terminals, pipes and log files: every verb prints, and none ends in a traceback."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import ROOT
from tests.support.terminal import on_a_terminal

HPT = [sys.executable, "-P", "-m", "pipeline.cli"]


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    path = tmp_path / "spec.json"
    content = {
        "command": ["sh", "-c", "echo valid {x} test {x}"],
        "metrics-pattern": r"valid (?P<mse_valid>\S+) test (?P<mse_test>\S+)",
        "hyperparameters": {"x": 0.1},
        "parameters": {"x": [0.1, 0.2]},
        "date-range": [["2024-01-01", "2024-03-01"]],
        "confirm": {"ranges": 0},
        "notes": "naïve → ▁▂",
    }
    path.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
    return path


def called(spec: Path, *arguments: str, shell: str = "", **environment: str) -> subprocess.CompletedProcess[bytes]:
    """Runs a verb where the spec lies; `shell` comes behind it."""
    command = [*HPT, *arguments]
    return subprocess.run(
        ["bash", "-c", f'"$@" {shell}; exit "${{PIPESTATUS[0]}}"', "bash", *command],
        cwd=spec.parent,
        env=os.environ | {"PYTHONPATH": str(ROOT), "HPT_STORE": "store"} | environment,
        capture_output=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "ascii:strict"])
def test_an_encoding_that_lacks_our_characters_gets_others(spec, encoding):
    done = called(spec, "run", "spec.json", "--lanes", "1", PYTHONIOENCODING=encoding)
    assert done.returncode == 0, done.stderr
    listed = called(spec, "list", PYTHONIOENCODING=encoding)
    assert (listed.returncode, listed.stderr) == (0, b"")
    assert b"the defaults" in listed.stdout
    for verb in (["results", "latest"], ["remove", "latest", "--dry-run"]):
        assert called(spec, *verb, PYTHONIOENCODING=encoding, TERM="dumb").returncode == 0
    wrong = called(spec, "validate", "größe…→.json", PYTHONIOENCODING=encoding)
    assert wrong.returncode == 2
    assert b"Traceback" not in wrong.stderr
    if encoding == "ascii":
        assert rb"gr\xf6\xdfe...->.json" in wrong.stderr


@pytest.mark.parametrize(
    ("shell", "code"),
    [("| true", 0), ("2>&1 | true", 0), (">&-", 0), ("2>&-", 0), ("<&- >&- 2>&-", 0), (">/dev/full", 3)],
)
def test_output_that_leads_nowhere_is_no_crash(spec, shell, code):
    done = called(spec, "schema", shell=shell)
    assert done.returncode == code
    assert b"Traceback" not in done.stderr
    assert b"Exception" not in done.stderr


def test_a_sweep_goes_on_when_nobody_reads_of_it_any_more(spec):
    done = called(spec, "run", "spec.json", "--lanes", "1", shell="2>&1 | true")
    assert done.returncode == 0
    (results,) = spec.parent.glob("store/sweeps/*/results.csv")
    assert len(results.read_text().splitlines()) == 3


@pytest.mark.parametrize("terminal", [{"TERM": "dumb"}, {"TERM": "xterm", "COLUMNS": "40"}, {"TERM": ""}])
def test_a_terminal_that_is_dumb_or_narrow_shows_each_trial_or_its_bar(spec, terminal):
    environment = os.environ | {"PYTHONPATH": str(ROOT), "HPT_STORE": "store", "PYTHONIOENCODING": "ascii"} | terminal
    code, output = on_a_terminal([*HPT, "run", "spec.json", "--lanes", "1"], spec.parent, environment)
    assert code == 0, output
    assert b"Traceback" not in output
    assert b"summary " in output
    if terminal["TERM"] == "dumb":
        assert b"[2/2] screen-e001-d0-s0" in output


def test_a_folder_that_is_gone_is_told(tmp_path):
    folder = tmp_path / "gone"
    folder.mkdir()
    command = ["bash", "-c", 'rmdir "$PWD"; exec "$@"', "bash", *HPT, "validate", "s.json"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
