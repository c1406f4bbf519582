"""Installs the requirements of `hpt` and of a team's repository into the environment of this Python.

`bin/environment` of a wheel calls it in a workspace. With `--packages`, for a team's image, it leaves out the team's
code, which comes with each checkout.
"""

import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.errors import FINE, INFRASTRUCTURE, WRONG
from pipeline.jenkins.start import locked
from pipeline.provenance import __version__

# The extras in `hpt[gpu]==0.1.0` or `vendor/hpt-0.1.0.whl[gpu]`.
_EXTRAS = re.compile(r"(?:^hpt\s*|\.whl)(\[[\w\s,.-]*\])")
_DONE = Path(sys.prefix, "filled")
"""The mark of a complete environment, written last. `bin/environment` looks for it."""


def requirements(folder: Path, *, with_code: bool) -> list[str]:
    """Arguments of pip: `hpt` with the extras in hpt.toml, requirements.txt, and the dependencies in pyproject.toml.

    If the team's code is a package (its pyproject.toml has a `build-system`), `with_code` installs it in place, with
    its dependencies. Raises ValueError if pyproject.toml cannot be read, or leaves its dependencies to the build.
    """
    pinned = str(_toml(folder / "hpt.toml").get("hpt", ""))
    extras = _EXTRAS.search(pinned)
    arguments = [f"hpt{extras[1] if extras else ''}=={__version__}"]
    if (folder / "requirements.txt").is_file():
        arguments += ["-r", "requirements.txt"]
    pyproject = _toml(folder / "pyproject.toml")
    project = pyproject.get("project", {})
    if "build-system" in pyproject and with_code:
        return [*arguments, "-e", "."]
    if "dependencies" in project.get("dynamic", ()) or ("build-system" in pyproject and not project):
        raise ValueError("pyproject.toml does not say itself what it depends on: list that in requirements.txt, too")
    return [*arguments, *project.get("dependencies", ())]


def _toml(path: Path) -> Mapping[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise ValueError(f"{path.name} cannot be read: {error}") from None


def fill(folder: Path, *, with_code: bool) -> int:
    """Installs all requirements with pip; returns the exit status. Never 1, which means that trials failed."""
    try:
        arguments = requirements(folder, with_code=with_code)
    except ValueError as error:
        print(f"bin/environment: not ready: {error}", file=sys.stderr)
        return WRONG
    if os.environ.get("HPT_PACKAGES"):
        arguments.append("--no-build-isolation")
    print("installs hpt and what this repository asks for; this takes some minutes, once", file=sys.stderr)
    pip = [sys.executable, "-P", "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    if subprocess.run([*pip, *arguments], cwd=folder, stdout=sys.stderr, check=False).returncode == 0:
        return FINE
    print("bin/environment: not ready: pip cannot install what is asked for, see above", file=sys.stderr)
    return INFRASTRUCTURE


def main() -> int:
    try:
        with locked(Path(sys.prefix, "lock")):
            if _DONE.exists():
                return FINE
            status = fill(Path.cwd(), with_code="--packages" not in sys.argv[1:])
            if status == FINE:
                _DONE.touch()
            return status
    except OSError as error:
        print(f"bin/environment: not ready: {error}", file=sys.stderr)
        return INFRASTRUCTURE


if __name__ == "__main__":
    sys.exit(main())
