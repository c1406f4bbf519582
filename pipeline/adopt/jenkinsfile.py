"""The pipeline in a team's repository: which file it is, and whether `hpt` or the team wrote it."""

import re
from pathlib import Path

from pipeline.adopt.texts import read
from pipeline.errors import UserError

USUAL, BESIDE = "Jenkinsfile", "Jenkinsfile.hpt"
"""What it is called, and what it may be called where a team has a Jenkinsfile of its own."""
_NAME = re.compile(r"\w[\w.-]*(/\w[\w.-]*)*", re.ASCII)
_SCRIPT_PATH = re.compile(rf"(?m)^\s*script-path:\s*['\"]?({_NAME.pattern})['\"]?\s*$", re.ASCII)
_SAYS_PROTOCOL = re.compile(r"settings\.protocol != '(\d+)'")
_OUR_JOBS = re.compile(r"`hpt init`|^\s*id: (sweep|nightly)\s*$", re.MULTILINE)


def file_of(folder: Path, name: str | None) -> str:
    """The path of the pipeline: `name`, else the one that our `jobs/sweep.yaml` runs, else `Jenkinsfile`.

    Raises UserError if `name` is no path in the repository, or that of a pipeline that the team wrote.
    """
    if name is None:
        job = read(folder / "jobs/sweep.yaml")
        said = None if are_foreign_jobs(job) else _SCRIPT_PATH.search(job)
        return said[1] if said else USUAL
    if not _NAME.fullmatch(name):
        raise UserError(f"--jenkinsfile: {name!r} is no path in this repository: write one like {BESIDE}")
    if is_foreign(read(folder / name)):
        raise UserError(f"--jenkinsfile: {name} is a file of your own: write a name that nothing has, like {BESIDE}")
    return name


def is_foreign(text: str) -> bool:
    """Whether a file that is there is none of ours."""
    return bool(text.strip()) and not (calls_library(text) or is_standalone(text))


def is_standalone(text: str) -> bool:
    """Whether it is the whole pipeline, as `hpt init --standalone` writes it."""
    return "Written by `hpt init" in text or bool(protocols(text))


def calls_library(text: str) -> bool:
    """Whether it runs the step of the shared library."""
    return bool(re.search(r"\bhptSweep\b", text))


def protocols(text: str) -> set[str]:
    """The numbers of the protocol that a pipeline speaks, as it says itself."""
    return set(_SAYS_PROTOCOL.findall(text))


def are_foreign_jobs(text: str) -> bool:
    """Whether a file of jobs that is there is none of ours."""
    return bool(text.strip()) and not _OUR_JOBS.search(text)
