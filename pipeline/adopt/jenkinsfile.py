"""Finds the pipeline in a team's repository, and distinguishes pipelines and jobs of `hpt` from those of the team."""

import re
from pathlib import Path

from pipeline.adopt.texts import read
from pipeline.errors import UserError

USUAL, BESIDE = "Jenkinsfile", "Jenkinsfile.hpt"
"""The usual name, and the name beside a Jenkinsfile of the team."""
_NAME = re.compile(r"\w[\w.-]*(/\w[\w.-]*)*", re.ASCII)
_SCRIPT_PATH = re.compile(rf"(?m)^\s*script-path:\s*['\"]?({_NAME.pattern})['\"]?\s*$", re.ASCII)
_PROTOCOL = re.compile(r"settings\.protocol != '(\d+)'")
_OUR_JOBS = re.compile(r"`hpt init`|^\s*id: (sweep|nightly)\s*$", re.MULTILINE)


def file_of(folder: Path, name: str | None) -> str:
    """The path of the pipeline: `name`, else the one that our `jobs/sweep.yaml` runs, else `Jenkinsfile`.

    Raises UserError if `name` is no path in the repository, or is a file that the team wrote.
    """
    if name is None:
        job = read(folder / "jobs/sweep.yaml")
        path = None if are_foreign_jobs(job) else _SCRIPT_PATH.search(job)
        return path[1] if path else USUAL
    if not _NAME.fullmatch(name):
        raise UserError(f"--jenkinsfile: {name!r} is no path in this repository: write one like {BESIDE}")
    if is_foreign(read(folder / name)):
        raise UserError(f"--jenkinsfile: {name} is a file of your own: choose another name, like {BESIDE}")
    return name


def is_foreign(text: str) -> bool:
    """True if the file has content, and `hpt init` did not write it."""
    return bool(text.strip()) and not (calls_library(text) or is_standalone(text))


def is_standalone(text: str) -> bool:
    """True for the whole pipeline that `hpt init --standalone` writes."""
    return "Written by `hpt init" in text or bool(protocols(text))


def calls_library(text: str) -> bool:
    """True if a pipeline calls the step of the shared library."""
    return bool(re.search(r"\bhptSweep\b", text))


def protocols(text: str) -> set[str]:
    """The protocol numbers in a whole pipeline: one, unless it was edited; none in one that calls the library."""
    return set(_PROTOCOL.findall(text))


def are_foreign_jobs(text: str) -> bool:
    """True if a file of jobs has content, and `hpt init` did not write it."""
    return bool(text.strip()) and not _OUR_JOBS.search(text)
