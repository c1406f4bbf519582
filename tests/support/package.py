"""`hpt` as a wheel: built from this checkout, and installed in an environment that cannot see the checkout."""

import fcntl
import os
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from shutil import copy, copytree, ignore_patterns

from setup import HOME
from tests.support import ROOT

_PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check", "-q")


@dataclass(frozen=True)
class Environment:
    """A virtual environment whose processes know nothing of the checkout."""

    folder: Path

    @property
    def python(self) -> Path:
        return self.folder / "bin/python"

    @property
    def packages(self) -> Path:
        return Path(sysconfig.get_path("purelib", vars={"base": str(self.folder)}))

    def run(
        self, *command: str | Path, cwd: Path, check: bool = True, **environment: str
    ) -> "subprocess.CompletedProcess[str]":
        """Runs a program of the environment."""
        program, *arguments = map(str, command)
        done = subprocess.run(
            [str(self.folder / "bin" / program), *arguments],
            cwd=cwd,
            env=outside() | environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done


def outside() -> dict[str, str]:
    """Environment variables without a trace of this checkout."""
    variables = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
    return variables | {"OMP_NUM_THREADS": "1", "PIP_NO_INDEX": "1", "PIP_NO_COMPILE": "1"}


def made_once(session: Path, name: str, make: Callable[[Path], None]) -> Path:
    """A folder that all processes of a test session share, and that the first of them makes.

    `session` is the base folder of this process.
    """
    shared = session.parent if "PYTEST_XDIST_WORKER" in os.environ else session
    folder, marker = shared / name, shared / f"{name}.made"
    with (shared / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not marker.exists():
            folder.mkdir()
            make(folder)
            marker.touch()
    return folder


def build_wheel(folder: Path) -> None:
    """Builds the wheel of this checkout, from a copy of it, into `folder`."""
    source = folder / "source"
    source.mkdir()
    for name in (*HOME, "README.md"):
        if (ROOT / name).is_dir():
            copytree(ROOT / name, source / name, ignore=ignore_patterns("__pycache__"))
        else:
            copy(ROOT / name, source / name)
    _pip("wheel", str(source), "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder))


def link_packages_without_ours(folder: Path) -> None:
    """Makes an environment with all packages of this one except `hpt`."""
    venv.create(folder, with_pip=False, symlinks=True)
    environment = Environment(folder)
    for path in Path(sysconfig.get_path("purelib")).iterdir():
        if path.suffix != ".pth" and not path.name.startswith(("hpt", "__editable__")):
            (environment.packages / path.name).symlink_to(path)


def install(wheel: Path, packages: Environment, folder: Path) -> None:
    """Makes an environment with the wheel, on top of the packages of another one."""
    venv.create(folder, with_pip=False, symlinks=True)
    environment = Environment(folder)
    (environment.packages / "packages.pth").write_text(f"{packages.packages}\n")
    _pip("--python", str(environment.python), "install", "--no-deps", "--no-index", "--no-compile", str(wheel))


def _pip(*arguments: str) -> None:
    done = subprocess.run([*_PIP, *arguments], env=outside(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
