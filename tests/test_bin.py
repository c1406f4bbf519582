"""The scripts of `bin/` that a newcomer runs first, with a fake Python that only records its calls."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import ROOT

SCRIPTS = [*sorted(path for path in (ROOT / "bin").rglob("*") if path.is_file()), ROOT / ".ci" / "run"]

# Makes an "environment" whose pip and hpt only record their calls.
PYTHON = """#!/bin/sh
echo "python $*" >>"$CALLS"
case "$1" in
-c) exec {real} "$@" ;;
-V) echo "Python 3.12.1" ;;
-m)
    case "$2" in
    venv)
        mkdir -p .venv/bin && cp --remove-destination "$0" .venv/bin/python
        cp "$0" .venv/bin/pip && cp "$0" .venv/bin/hpt
        ;;
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


def test_an_interrupted_installation_is_repeated(checkout):
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


def test_an_old_python_is_an_error_that_names_the_needed_version(checkout):
    old = checkout.parent / "python3"
    old.write_text("#!/bin/sh\nexit 1\n")
    done, _ = call(checkout, "environment", PATH=f"{checkout.parent}:{_tools_without_python(checkout.parent)}")
    assert done.returncode == 2
    assert "no Python 3.11 or newer" in done.stderr


def _tools_without_python(folder: Path) -> str:
    tools = folder / "tools"
    tools.mkdir()
    for name in ("sh", "dirname", "cat", "sha256sum", "cut", "flock"):
        if tool := shutil.which(name):
            (tools / name).symlink_to(tool)
    return str(tools)


def other_python(checkout: Path) -> str:
    """PATH of cron, or of another user, with another python3 first."""
    folder = checkout.parent / "other"
    folder.mkdir()
    (folder / "python3").write_text(PYTHON.format(real=sys.executable).replace("3.12.1", "3.11.2"))
    (folder / "python3").chmod(0o755)
    return f"{folder}:/usr/bin:/bin"


def test_another_python_in_path_does_not_rebuild_the_environment(checkout):
    call(checkout, "hpt")
    cron = other_python(checkout)
    for path in (cron, f"{checkout.parent}:/usr/bin:/bin", cron):
        done, calls = call(checkout, "hpt", "list", PATH=path)
        assert done.returncode == 0
        assert calls == ["python list"]


def test_a_python_named_in_the_environment_rebuilds_it_once(checkout):
    call(checkout, "hpt")
    chosen = {"PYTHON": str(checkout.parent / "python3")}
    assert len(installs(call(checkout, "hpt", "list", **chosen)[1])) == 1
    assert installs(call(checkout, "hpt", "list", **chosen)[1]) == []
    assert installs(call(checkout, "hpt", "list")[1]) == []


def test_a_missing_interpreter_is_replaced(checkout):
    call(checkout, "hpt")
    (checkout / ".venv/bin/python").unlink()
    (checkout / ".venv/bin/python").symlink_to(checkout.parent / "gone")
    done, calls = call(checkout, "hpt", "list")
    assert done.returncode == 0, done.stderr
    assert len(installs(calls)) == 1


def test_a_link_to_the_command_leads_to_its_checkout(checkout):
    call(checkout, "hpt")
    link = checkout.parent / "my bin" / "hpt"
    link.parent.mkdir()
    link.symlink_to(checkout / "bin" / "hpt")
    environment = {"PATH": "/usr/bin:/bin", "CALLS": str(checkout.parent / "calls"), "CDPATH": str(checkout.parent)}
    done = subprocess.run([str(link), "list"], env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(os.getuid() != 0, reason="only root can run as another user")
def test_a_user_without_write_access_uses_the_environment_and_gets_an_error_if_it_is_outdated(checkout):
    call(checkout, "hpt")
    for folder in (*checkout.parent.parents, checkout.parent):
        if folder != Path("/") and folder.stat().st_uid == os.getuid() and folder.is_relative_to("/tmp/"):
            folder.chmod(folder.stat().st_mode | 0o055)
    (checkout.parent / "calls").chmod(0o666)
    other_user = {
        "user": 65534,
        "group": 65534,
        "extra_groups": [],
        "env": {"PATH": "/usr/bin:/bin", "CALLS": "/dev/null"},
    }
    command = [str(checkout / "bin" / "hpt"), "list"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, **other_user)
    assert (done.returncode, done.stderr) == (0, "")
    with (checkout / "pyproject.toml").open("a") as file:
        file.write("# changed\n")
    done = subprocess.run(command, capture_output=True, text=True, check=False, **other_user)
    assert done.returncode == 2
    assert "may not write there" in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_the_scripts_are_clean_for_shellcheck(script):
    shellcheck = Path(sys.executable).with_name("shellcheck")
    if not shellcheck.exists():
        pytest.skip("no shellcheck in this environment")
    done = subprocess.run([shellcheck, script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert os.access(script, os.X_OK)
