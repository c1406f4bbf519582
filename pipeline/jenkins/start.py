"""Makes an environment below `.hpt/` with the `hpt` that hpt.toml names, and prints the folder that holds its `bin/`.

It is a part of `start.sh`, which a build brings to machines without hpt, so it uses only the standard library. The
requirements of `hpt` and of the team are installed later, by `fill.py` of that version. The exit status is never 1,
which means that trials failed.
"""

import contextlib
import errno
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NoReturn

FOLDER = Path(".hpt").absolute()
PACKAGE_LISTS = (
    "requirements*.txt",
    "requirements/**/*.txt",
    "constraints*.txt",
    "pyproject.toml",
    "setup.py",
    "setup.cfg",
)
"""Files of the team that name packages: a change makes another environment."""
_UNUSED_FOR_S = 14 * 24 * 3600
"""Environments that were not used for so long are removed."""


def main() -> None:
    requirement = pinned()
    packages = os.environ.get("HPT_PACKAGES", "")
    folder = FOLDER / f"venv-{fingerprint(requirement, packages)}"
    with locked(FOLDER / "lock"):
        if not (folder / "home").is_dir():
            make(folder, requirement, packages)
    os.utime(folder)
    for other in FOLDER.glob("venv-*"):
        if time.time() - other.stat().st_mtime > _UNUSED_FOR_S:
            shutil.rmtree(other, ignore_errors=True)
    print(folder / "home")


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Holds a lock among executors and agents that share a folder: one makes the environment, the others wait."""
    with path.open("a") as lock:
        with contextlib.suppress(OSError):  # some file systems have no locks
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def pinned() -> str:
    """The requirement of hpt in hpt.toml."""
    try:
        requirement = tomllib.loads(Path("hpt.toml").read_text(encoding="utf-8-sig")).get("hpt")
    except (OSError, ValueError) as error:
        fail(2, f"not ready: hpt.toml cannot be read: {error}")
    if not isinstance(requirement, str) or not requirement.strip() or requirement.strip().startswith("-"):
        fail(2, 'not ready: hpt.toml names no version of hpt: hpt = "hpt==…", or a wheel, or its address')
    return requirement.strip()


def fingerprint(requirement: str, packages: str) -> str:
    """A hash of all that an environment is made of, its place included: it cannot be moved."""
    digest = hashlib.sha256(f"{requirement}\0{packages}\0{FOLDER}\0{sys.version}\0".encode())
    files = {path for pattern in PACKAGE_LISTS for path in Path().glob(pattern) if path.is_file()}
    # Lists of requirements may name wheels of the repository, which can change under the same name.
    lists = (path.read_text(encoding="utf-8", errors="replace") for path in files if path.suffix == ".txt")
    words = [requirement.partition("[")[0], *(word for text in lists for word in text.split())]
    for path in sorted(files | {Path(word) for word in words if os.path.isfile(word)}):
        digest.update(f"{path}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:12]


def make(folder: Path, requirement: str, packages: str) -> None:
    """Makes an environment with `hpt` alone; `home/` in it, made last, marks it as complete."""
    shutil.rmtree(folder, ignore_errors=True)
    python = folder / "bin/python"
    venv = [sys.executable, "-I", "-m", "venv", *(["--without-pip"] if packages else []), str(folder)]
    run(venv, 3, "not fit: no virtual environment can be made; on Debian and Ubuntu: apt install python3-venv")
    if packages:
        path = Path(packages_of(python), "packages.pth")
        path.write_text(f"{packages_of(Path(packages, 'bin/python3'))}\n", encoding="utf-8")
    pip = [str(python), "-P", "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--no-deps"]
    pip += ["--no-build-isolation"] if packages else []
    run([*pip, requirement], 3, f"not ready: pip cannot install {requirement}")
    find = [str(python), "-I", "-c", "from hpt.provenance import home; print(home())"]
    home = run(find, 3, f"not ready: {requirement} is no hpt that installs itself on machines").strip()
    unfinished = folder / "home.unfinished"
    shutil.copytree(home, unfinished)
    unfinished.replace(folder / "home")


def packages_of(python: Path) -> str:
    """The folder of a Python's packages."""
    command = [str(python), "-I", "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    return run(command, 3, f"not fit: {python} does not start").strip()


def run(command: Sequence[str], status: int, reason: str) -> str:
    """The output of a program. If it fails, this program ends with `status` and `reason`."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    print(done.stderr, end="", file=sys.stderr)
    if done.returncode != 0:
        if "No space left on device" in done.stderr:
            fail(3, "not fit: No space left on device")
        fail(status, reason)
    return done.stdout


def fail(status: int, reason: str) -> NoReturn:
    """Writes the reason into the file that `start.sh` reads, and ends this program."""
    (FOLDER / "why").write_text(f"{reason}\n", encoding="utf-8")
    sys.exit(status)


if __name__ == "__main__":
    try:
        main()
    except OSError as problem:
        is_full = problem.errno == errno.ENOSPC
        fail(3, f"not {'fit' if is_full else 'ready'}: {problem}")
