"""Where a row comes from: commit, image, host. What cannot be known is None, never a guess."""

import functools
import os
import socket
import subprocess
from pathlib import Path


@functools.cache
def git_commit() -> str | None:
    """The commit of this code, `+` behind it if files differ; HPT_GIT_COMMIT where there is no checkout."""
    if named := os.environ.get("HPT_GIT_COMMIT"):
        return named
    here = Path(__file__).parent

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(here), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=20).stdout.strip()

    try:
        return git("rev-parse", "HEAD") + ("+" if git("status", "--porcelain", "--untracked-files=no", ".") else "")
    except (OSError, subprocess.SubprocessError):
        return None


def image() -> str | None:
    """The container image that this process runs in, as its starter named it."""
    return os.environ.get("HPT_IMAGE")


def host() -> str:
    return socket.gethostname()
