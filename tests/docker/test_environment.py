"""bin/environment makes one environment for all users of a folder, and never takes an unfinished one for complete."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.docker.conftest import ROOT, Machine

# Makes environments and installs nothing; counts both in files of the test.
PYTHON = """#!/bin/sh
case "$*" in
"-m venv --clear .venv")
    echo venv >>{state}/made
    rm -rf .venv && mkdir -p .venv/bin && cp "$0" .venv/bin/python && cp "$0" .venv/bin/pip && exit ;;
"-m pip --version") exit 0 ;;
"-m pip install"*)
    echo installing >>{state}/pip
    while [ -e {state}/pip-waits ]; do sleep 0.01; done
    exit "$(cat {state}/pip-status 2>/dev/null || echo 0)" ;;
esac
exec {python} "$@"
"""


@pytest.fixture
def script(machine: Machine) -> Path:
    """bin/environment in a checkout, on a machine whose Python only pretends to install."""
    (machine.workspace / "bin").mkdir()
    shutil.copy(ROOT / "bin/environment", machine.workspace / "bin")
    (machine.workspace / "pyproject.toml").write_text("one")
    (machine.workspace / "constraints.txt").write_text("")
    machine.has("python3", PYTHON.format(state=machine.state, python=sys.executable))
    for tool in ("readlink", "stat"):
        path = shutil.which(tool)
        assert path
        (machine.bin / tool).symlink_to(path)
    return machine.workspace / "bin/environment"


def count(machine: Machine, name: str) -> int:
    path = machine.state / name
    return len(path.read_text().splitlines()) if path.exists() else 0


def is_made(machine: Machine) -> bool:
    return (machine.workspace / ".venv/made-with-flights").exists()


def test_a_second_call_makes_nothing(machine: Machine, script: Path) -> None:
    assert machine.run(script).returncode == 0
    assert machine.run(script).returncode == 0
    assert (count(machine, "made"), count(machine, "pip")) == (1, 1)


def test_two_agents_that_share_a_folder_make_one_environment(machine: Machine, script: Path) -> None:
    machine.set("pip-waits")
    first = machine.start(script)
    machine.wait_for("pip")
    second = machine.start(script)
    assert second.stderr is not None
    assert "waits for another one" in second.stderr.readline()
    (machine.state / "pip-waits").unlink()
    assert [process.wait(timeout=60) for process in (first, second)] == [0, 0]
    assert (count(machine, "made"), count(machine, "pip")) == (1, 1)
    for process in (first, second):
        process.communicate()


def kill_while_installing(machine: Machine, script: Path) -> None:
    """Kills the script and all its processes, as Jenkins does."""
    machine.set("pip-waits")
    process = subprocess.Popen(
        [str(script)], cwd=machine.workspace, env=machine.environment, stderr=subprocess.DEVNULL, start_new_session=True
    )
    machine.wait_for("pip", count(machine, "pip") + 1)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait(timeout=60)
    (machine.state / "pip-waits").unlink()


def test_after_a_kill_the_environment_is_made_anew_and_the_lock_is_free(machine: Machine, script: Path) -> None:
    kill_while_installing(machine, script)
    assert not is_made(machine)
    began = time.monotonic()
    assert machine.run(script).returncode == 0
    assert time.monotonic() - began < 30
    assert is_made(machine)
    assert (count(machine, "made"), count(machine, "pip")) == (2, 2)


def test_a_half_changed_environment_does_not_fit_its_former_requirements(machine: Machine, script: Path) -> None:
    machine.run(script)
    requirements = machine.workspace / "pyproject.toml"
    requirements.write_text("two")
    kill_while_installing(machine, script)
    requirements.write_text("one")
    machine.run(script)
    assert (count(machine, "made"), count(machine, "pip")) == (2, 3)


def test_after_a_failure_of_the_index_a_later_call_goes_on(machine: Machine, script: Path) -> None:
    machine.set("pip-status", "1")
    assert machine.run(script).returncode == 1
    assert not is_made(machine)
    machine.set("pip-status", "0")
    assert machine.run(script).returncode == 0
    assert (count(machine, "made"), count(machine, "pip")) == (1, 2)


def test_a_machine_without_python_says_that_it_is_not_fit(machine: Machine, script: Path) -> None:
    (machine.bin / "python3").unlink()
    done = machine.run(script)
    assert done.returncode == 2
    assert "bin/environment: not fit: no Python 3.11 or newer" in done.stderr


def test_an_image_that_has_the_packages_needs_no_index_and_runs_the_checkouts_code(tmp_path: Path) -> None:
    """Makes a real environment, as in a pod with the trainer image. The packages are those of the tests."""
    for name in ("bin", "pipeline"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "constraints.txt", "LICENSE", "README.md"):
        shutil.copy(ROOT / name, tmp_path / name)
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PIP_NO_INDEX": "1", "HPT_PACKAGES": sys.prefix}
    done = subprocess.run([tmp_path / "bin/environment"], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    command = [tmp_path / ".venv/bin/python", "-c", "import numpy, pipeline; print(numpy.__file__, pipeline.__file__)"]
    output = subprocess.run(
        command, env=environment, cwd="/", capture_output=True, text=True, check=True
    ).stdout.split()
    assert not output[0].startswith(str(tmp_path))
    assert output[1] == str(tmp_path / "pipeline/__init__.py")
