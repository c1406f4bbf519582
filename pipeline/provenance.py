"""Where a row comes from: version, commit, image, host. What cannot be known is None, never a guess."""

import functools
import os
from pathlib import Path

__version__ = "0.1.0"


_PACKAGE = Path(__file__).parent
_IS_INSTALLED = __name__.startswith("hpt.")
"""Whether this is what a wheel holds; a checkout's code is `pipeline`, also where it is installed as editable."""


def home() -> Path:
    """Where `bin/`, `docker/` and `jobs/` are: the checkout, or the folder that a wheel has for them."""
    return _PACKAGE / "home" if _IS_INSTALLED else _PACKAGE.parent


def git_commit() -> str | None:
    """The commit of this code, `+` behind it if files differ; HPT_GIT_COMMIT where there is no checkout.

    Of an installed version it is that of the repository that is tuned, which pins the version.
    """
    return os.environ.get("HPT_GIT_COMMIT") or (commit_here() if _IS_INSTALLED else _commit_of(_PACKAGE))


def commit_here() -> str | None:
    """The same of the code in the current directory, which is where a trainer of the user's own lies.

    In a container that is the mounted checkout, HPT_CHECKOUT_COMMIT, while HPT_GIT_COMMIT is the image's.
    """
    named = os.environ.get("HPT_CHECKOUT_COMMIT") or ("" if image() else os.environ.get("HPT_GIT_COMMIT"))
    return named or _commit_of(Path.cwd())


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
    """The container image that this process runs in, as its starter named it."""
    return os.environ.get("HPT_IMAGE")


def host() -> str:
    import socket

    return socket.gethostname()
