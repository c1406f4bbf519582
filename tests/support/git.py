"""Git repositories for tests, independent of the user's configuration of git."""

import subprocess
from pathlib import Path

_CONFIGURATION = ("-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "commit.gpgsign=false")


def git(folder: Path, *arguments: str) -> str:
    """Runs git in a folder and returns its output."""
    command = ["git", "-C", str(folder), *_CONFIGURATION, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def commit_all(folder: Path) -> str:
    """Makes the folder a repository with all of its files in one commit, and returns that commit."""
    git(folder, "init", "-q")
    git(folder, "add", ".")
    git(folder, "commit", "-q", "--allow-empty", "-m", "x")
    return git(folder, "rev-parse", "HEAD")
