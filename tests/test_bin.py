"""The commands that a newcomer types first, with a Python that only notes what it is asked."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import ROOT

SCRIPTS = [*sorted((ROOT / "bin").iterdir()), ROOT / ".ci" / "run"]

# Makes an "environment" whose pip and hpt only write down how they were called.
PYTHON = """#!/bin/sh
echo "python $*" >>"$CALLS"
case "$1" in
-c) exec {real} "$@" ;;
-V) echo "Python 3.12.1" ;;
-m)
    case "$2" in
    venv) mkdir -p .venv/bin && cp "$0" .venv/bin/python && cp "$0" .venv/bin/pip && cp "$0" .venv/bin/hpt ;;
    esac
    ;;
esac
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    folder = tmp_path / "a checkout"
    (folder / "bin").mkdir(parents=True)
    for script in ("environment", "hpt"):
        shutil.copy(ROOT / "bin" / script, folder / "bin" / script)
    for name in ("pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, folder / name)
    python = tmp_path / "python3"
    python.write_text(PYTHON.format(real=sys.executable))
    python.chmod(0o755)
    return folder


def call(checkout: Path, *command: str, **environment: str) -> tuple[subprocess.CompletedProcess[str], list[str]]:
    calls = checkout.parent / "calls"
    calls.write_text("")
    done = subprocess.run(
        [str(checkout / "bin" / command[0]), *command[1:]],
        env={"PATH": f"{checkout.parent}:/usr/bin:/bin", "CALLS": str(calls)} | environment,
        cwd=checkout.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    return done, calls.read_text().splitlines()


def installs(calls: list[str]) -> list[str]:
    return [line for line in calls if "pip install" in line]


def test_the_first_call_installs_and_the_second_does_not(checkout):
    first, calls = call(checkout, "hpt", "validate", "a spec.json")
    assert first.returncode == 0, first.stderr
    assert len(installs(calls)) == 1
    assert "-c constraints.txt -e .[flights]" in installs(calls)[0]
    assert calls[-1] == "python validate a spec.json"
    second, calls = call(checkout, "hpt", "list")
    assert second.returncode == 0
    assert installs(calls) == []


def test_other_requirements_install_again(checkout):
    call(checkout, "environment")
    with (checkout / "pyproject.toml").open("a") as file:
        file.write("# changed\n")
    _, calls = call(checkout, "environment")
    assert len(installs(calls)) == 1


def test_the_tests_environment_serves_the_command_too(checkout):
    call(checkout, "environment", "flights,test")
    _, calls = call(checkout, "hpt", "list")
    assert installs(calls) == []


def test_an_installation_that_breaks_off_is_done_again(checkout):
    broken = (
        (checkout.parent / "python3")
        .read_text()
        .replace('case "$1"', 'case "$*" in *install*) exit 1 ;; esac\ncase "$1"')
    )
    good = (checkout.parent / "python3").read_text()
    (checkout.parent / "python3").write_text(broken)
    first, _ = call(checkout, "environment")
    assert first.returncode != 0
    (checkout.parent / "python3").write_text(good)
    shutil.rmtree(checkout / ".venv")
    _, calls = call(checkout, "environment")
    assert len(installs(calls)) == 1


def test_a_machine_without_a_new_enough_python_is_told_so(checkout):
    old = checkout.parent / "python3"
    old.write_text("#!/bin/sh\nexit 1\n")
    done, _ = call(checkout, "environment", PATH=f"{checkout.parent}:{_tools_without_python(checkout.parent)}")
    assert done.returncode == 2
    assert "no Python 3.11 or newer" in done.stderr


def _tools_without_python(folder: Path) -> str:
    tools = folder / "tools"
    tools.mkdir()
    for name in ("sh", "dirname", "cat", "sha256sum", "cut", "flock"):
        if found := shutil.which(name):
            (tools / name).symlink_to(found)
    return str(tools)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_the_scripts_are_clean_for_shellcheck(script):
    shellcheck = Path(sys.executable).with_name("shellcheck")
    if not shellcheck.exists():
        pytest.skip("no shellcheck in this environment")
    done = subprocess.run([shellcheck, script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert os.access(script, os.X_OK)
