"""The files that make a repository tune: what each is for, its text, and whose it is after it was written."""

import importlib.metadata
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.adopt.answers import STORE, Answers
from pipeline.adopt.first_spec import First
from pipeline.jenkins import render
from pipeline.jenkins.job_yaml import job_yaml
from pipeline.jenkins.render import FIRST_SPEC
from pipeline.provenance import __version__, home

_TEMPLATES = Path(__file__).with_name("templates")
_IGNORED = (".hpt/", f"{STORE}/")
_PINNED = re.compile(r"(?m)^hpt\s*=\s*(\"[^\"\n]*\"|'[^'\n]*').*$")
PINS = "hpt=="
"""How a requirement begins that an upgrade changes."""


@dataclass(frozen=True)
class Wanted:
    """A file as this version of hpt would write it."""

    path: str
    purpose: str
    text: str
    adds: bool = False
    """Whether it is what is there with lines added, so that nothing of it is lost."""


def wanted(folder: Path, answers: Answers, first: First | None, standalone: bool) -> list[Wanted]:
    """The files of a repository. What is the team's to change is no part of it once it is there.

    `first` is the first spec, None where the repository has specs. Raises UserError if a file cannot be read.
    """
    requirement = answers.requirement or installed_requirement()
    files = [Wanted("Jenkinsfile", "the pipeline that Jenkins runs", jenkinsfile(standalone))]
    files += _project(folder, answers, first, requirement)
    if first is not None:
        files.append(Wanted(FIRST_SPEC, "the first sweep", first.text))
    files += [
        Wanted("jobs/sweep.yaml", "the job that runs a sweep", _job()),
        Wanted("jobs/nightly.yaml", "the jobs that start one every night", _template("nightly.yaml")),
    ]
    if not (folder / "jobs/settings.yaml").exists():
        files.append(Wanted("jobs/settings.yaml", "what is yours to set of the jobs", _settings(folder)))
    if not (folder / "docker/Dockerfile").exists():
        files.append(Wanted("docker/Dockerfile", "the image of your trials, if they run in containers", _image()))
    return [*files, *_gitignore(folder)]


def is_standalone(folder: Path) -> bool:
    """Whether a Jenkinsfile that is there needs no library."""
    return "pipeline {" in read(folder / "Jenkinsfile")


def installed_requirement() -> str:
    """What pip must be told to install this version: of an index, or the commit that it was installed from."""
    try:
        origin = json.loads(importlib.metadata.distribution("hpt").read_text("direct_url.json") or "{}")
    except (importlib.metadata.PackageNotFoundError, ValueError):
        origin = {}
    commit = origin.get("vcs_info", {}).get("commit_id")
    return f"hpt @ git+{origin['url']}@{commit}" if commit else f"{PINS}{__version__}"


def jenkinsfile(standalone: bool) -> str:
    """The pipeline: a call of the shared library, or all of it."""
    return render.standalone() if standalone else _template("Jenkinsfile")


def read(path: Path) -> str:
    """The text of a file; empty if there is none. Raises UserError if it is no text."""
    try:
        return path.read_bytes().decode("utf-8")
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        from pipeline.errors import UserError

        raise UserError(f"{path}: cannot be read: {error}") from None


def _project(folder: Path, answers: Answers, first: First | None, requirement: str) -> list[Wanted]:
    purpose = "which data, where results go, which hpt"
    there = read(folder / "hpt.toml")
    if not there:
        lines = [
            "# What sweeps of this repository need not say themselves. Made by `hpt init`.",
            "# The version that machines install; after an upgrade `hpt init` shows what else changes.",
            f"hpt = {_quoted(requirement)}",
            "# Where results go: gs://bucket/prefix, or a directory. On Jenkins HPT_STORE and STORE come first.",
            f"store = {_quoted(answers.store or STORE)}",
        ]
        if first is not None and first.data is not None:
            lines += ["", "[data]", *(f"{_key(name)} = {_value(value)}" for name, value in first.data.items())]
        return [Wanted("hpt.toml", purpose, "\n".join(lines) + "\n")]
    line = f"hpt = {_quoted(requirement)}"
    pinned = _PINNED.search(there)
    if pinned is None:
        return [Wanted("hpt.toml", purpose, f"{line}\n{there}")]
    if answers.requirement or pinned[1].strip("\"'").startswith(PINS):
        return [Wanted("hpt.toml", purpose, there[: pinned.start()] + line + there[pinned.end() :])]
    return []


def _settings(folder: Path) -> str:
    repository = _git(folder, "remote", "get-url", "origin") or "https://git.example.com/team/repository.git"
    branch = _git(folder, "symbolic-ref", "--short", "HEAD") or "main"
    name = re.sub(r"[^\w.-]", "-", folder.resolve().name) or "tuning"
    values = {"repository": repository, "branch": branch, "folder": name}
    text = _template("settings.yaml")
    for name, value in values.items():
        text = text.replace(f"<<{name}>>", _yaml(value))
    return text


def _job() -> str:
    return job_yaml(render.parameters_of_a_team(), "Made by `hpt init`; what is yours to set is in settings.yaml.")


def _image() -> str:
    """What `docker/image` would build without this file: for a team to add to."""
    _, begin, rest = (home() / "docker/team/Dockerfile").read_text(encoding="utf-8").partition("ARG ")
    head = (
        "# The image of this repository's trials: hpt's, and what requirements.txt and pyproject.toml ask for.\n"
        "# Made by `hpt init`, which leaves it alone from now on: add what else your code needs.\n"
    )
    return head + begin + rest


def _gitignore(folder: Path) -> list[Wanted]:
    there = read(folder / ".gitignore")
    missing = [line for line in _IGNORED if line not in there.split() and f"/{line}" not in there.split()]
    if not missing:
        return []
    before = there + ("" if there.endswith("\n") or not there else "\n")
    lines = ["# Of hpt: its environment on a machine, and results that are kept here.", *missing]
    text = before + "\n".join(lines) + "\n"
    return [Wanted(".gitignore", "keeps environments and results out of commits", text, adds=True)]


def place_in_git(folder: Path) -> str:
    """Where the folder lies in its git repository; empty if that is its root, or there is none."""
    return _git(folder, "rev-parse", "--show-prefix").rstrip("/")


def _git(folder: Path, *arguments: str) -> str:
    import subprocess

    try:
        command = ["git", "-C", str(folder), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=20).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""


def _template(name: str) -> str:
    return (_TEMPLATES / name).read_text(encoding="utf-8")


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else _quoted(name)


def _value(value: Any) -> str:
    """A value of TOML: text, or a list of texts."""
    return f"[{', '.join(map(_quoted, value))}]" if isinstance(value, list) else _quoted(str(value))


def _quoted(text: str) -> str:
    """A string of TOML: that of JSON, whose escapes are the same but for DEL."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _yaml(text: str) -> str:
    """A string of YAML; its braces are not for Jenkins Job Builder."""
    return "'" + text.replace("'", "''").replace("{", "{{").replace("}", "}}") + "'"
