"""The origin of a row: version, commit, image and host. An unknown value is None, never a guess."""

import functools
import os
from pathlib import Path

__version__ = "0.1.0"

_PACKAGE = Path(__file__).parent
_IS_INSTALLED = __name__.startswith("hpt.")
"""True in a wheel, whose package is called `hpt`. In a checkout it is `pipeline`, also if installed as editable."""


def home() -> Path:
    """The folder of `bin/`, `docker/` and `jobs/`: the checkout, or their folder in a wheel."""
    return _PACKAGE / "home" if _IS_INSTALLED else _PACKAGE.parent


def git_commit() -> str | None:
    """The commit of this code, with a `+` if files differ from it. HPT_GIT_COMMIT overrides it.

    An installed version has no commit. The result is then that of the team's repository, whose hpt.toml pins the
    version.
    """
    return os.environ.get("HPT_GIT_COMMIT") or (checkout_commit() if _IS_INSTALLED else _commit_of(_PACKAGE))


def checkout_commit() -> str | None:
    """The commit of the code in the current directory, where a user's own trainer lies.

    In a container, HPT_CHECKOUT_COMMIT holds it. HPT_GIT_COMMIT is not used there, as it is the commit of the image.
    """
    from_environment = os.environ.get("HPT_CHECKOUT_COMMIT") or ("" if image() else os.environ.get("HPT_GIT_COMMIT"))
    return from_environment or _commit_of(Path.cwd())


@functools.cache
def _commit_of(folder: Path) -> str | None:
    import subprocess

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(folder), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=20).stdout.strip()

    try:
        return git("rev-parse", "HEAD") + ("+" if git("status", "--porcelain", "--untracked-files=no", ".") else "")
    except (OSError, subprocess.SubprocessError):
        return None


def image() -> str | None:
    """The container image of this process, as named by the program that started it."""
    return os.environ.get("HPT_IMAGE")


def host() -> str:
    import socket

    return socket.gethostname()
