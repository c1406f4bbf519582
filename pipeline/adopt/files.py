"""The files that make a repository tune: what each is for, its text, and whose it is after it was written."""

import os
import re
import shlex
from dataclasses import dataclass, replace
from pathlib import Path

from pipeline import places
from pipeline.adopt import jenkinsfile, origin, project_file
from pipeline.adopt.answers import Answers
from pipeline.adopt.first_spec import First
from pipeline.adopt.texts import read
from pipeline.errors import UserError
from pipeline.jenkins import render
from pipeline.jenkins.job_yaml import job_yaml
from pipeline.jenkins.render import FIRST_SPEC
from pipeline.provenance import __version__, home
from pipeline.spec import project
from pipeline.spec.project import DEFAULT_STORE

_TEMPLATES = Path(__file__).with_name("templates")
_IGNORED = (".hpt/", f"{DEFAULT_STORE}/")


@dataclass(frozen=True)
class Wanted:
    """A file as this version of hpt would write it."""

    path: str
    purpose: str
    text: str
    adds: bool = False
    """Whether it is what is there with lines added, so that nothing of it is lost."""


@dataclass(frozen=True)
class Adoption:
    """What a repository needs to tune."""

    files: tuple[Wanted, ...]
    remarks: tuple[str, ...]
    """What a person should look at."""
    store: str
    """Where results will go, as hpt.toml says it."""


def wanted(folder: Path, answers: Answers, first: First | None, *, standalone: bool, name: str | None) -> Adoption:
    """The files of a repository. What is the team's to change is no part of it once it is there.

    `first` is the first spec, None where the repository has specs; `name` what a person calls the Jenkinsfile. Raises
    UserError if a file cannot be read, hpt.toml is none, or the name is that of another file.
    """
    script, jobs, of_jenkins = _jenkins(folder, standalone, name)
    project_files, of_project = _project(folder, answers, first)
    files = [*script, *project_files]
    if first is not None:
        files.append(Wanted(FIRST_SPEC, "the first sweep", _spec(folder, first)))
    files += jobs
    if not (folder / "docker/Dockerfile").exists():
        files.append(Wanted("docker/Dockerfile", "the image of your trials, if they run in containers", _image()))
    store = _store(folder, answers)
    files += _gitignore(folder, store)
    if name in {file.path for file in files if file not in script}:
        raise UserError(f"--jenkinsfile: {name} is another file of hpt: write a name that nothing has")
    return Adoption(tuple(files), (*of_jenkins, *of_project), store)


def _jenkins(folder: Path, standalone: bool, name: str | None) -> tuple[list[Wanted], list[Wanted], list[str]]:
    """The pipeline, its jobs, and remarks. Neither, where a team's own pipeline has the name: jobs would run that."""
    path = jenkinsfile.file_of(folder, name)
    there = read(folder / path)
    if jenkinsfile.is_foreign(there):
        remark = (
            f"{path} is a pipeline of your own and stays as it is: `hpt init --jenkinsfile {jenkinsfile.BESIDE}` "
            "writes hpt's beside it, and the jobs that run it"
        )
        return [], [], [remark]
    is_whole = standalone or jenkinsfile.is_standalone(there)
    text = render.standalone() if is_whole else _template("Jenkinsfile")
    jobs, remarks = [], list[str]()
    for job in (
        Wanted("jobs/sweep.yaml", "the job that runs a sweep", _job(path)),
        Wanted("jobs/nightly.yaml", "the jobs that start one every night", _template("nightly.yaml")),
    ):
        if jenkinsfile.are_foreign_jobs(read(folder / job.path)):
            remarks.append(f"{job.path} is a file of your own and stays as it is: {job.purpose} is left out")
        else:
            jobs.append(job)
    if not (folder / "jobs/settings.yaml").exists():
        settings, of_settings = _settings(folder)
        jobs.append(Wanted("jobs/settings.yaml", "what is yours to set of the jobs", settings))
        remarks += of_settings
    return [Wanted(path, "the pipeline that Jenkins runs", text)], jobs, remarks


def _project(folder: Path, answers: Answers, first: First | None) -> tuple[list[Wanted], list[str]]:
    """`hpt.toml`, if there is something to change, and remarks."""
    purpose = "which data, where results go, which hpt"
    requirement = answers.requirement or origin.installed_requirement(folder)
    if not (folder / places.PROJECT_FILE).exists():
        text, remarks = project_file.written(answers, first.data if first else None, requirement), list[str]()
    else:
        text, remarks = project_file.changed(read(folder / places.PROJECT_FILE), answers, requirement)
        remarks += _kept(folder, answers, first)
    if text == read(folder / places.PROJECT_FILE):
        return [], remarks
    pinned = str(project_file.content(text).get("hpt"))
    if not answers.requirement and not origin.is_of_an_index() and origin.names_only_a_version(pinned):
        remarks.append(
            f"{places.PROJECT_FILE}: machines will install {pinned}, which must be on their own index of packages: if "
            f"it is not, keep the wheel in the repository: --hpt vendor/hpt-{__version__}-py3-none-any.whl"
        )
    if (wheel := origin.wheel_of(pinned)) and _git(folder, "check-ignore", wheel):
        remarks.append(f"git ignores {wheel}, which machines install: `git add --force {shlex.quote(wheel)}`")
    return [Wanted(places.PROJECT_FILE, purpose, text)], remarks


def _kept(folder: Path, answers: Answers, first: First | None) -> list[str]:
    """What an hpt.toml says otherwise than a person now."""
    said, remarks = project.load(folder), []
    if answers.store and said.store not in (None, places.below(folder.resolve(), answers.store)):
        remarks.append(f"--store {answers.store} is not taken: hpt.toml says {said.store}: change it there")
    if answers.store and said.store is None:
        remarks.append(f"--store {answers.store} is not taken yet: hpt.toml names no store: add the line that is shown")
    if first is not None and _has_other_data(folder, first):
        says = "names no data" if said.data is None else "names other data"
        remarks.append(f"hpt.toml {says}: {FIRST_SPEC} names those that you named")
    return remarks


def _spec(folder: Path, first: First) -> str:
    """The text of the first spec; its data stand in it where an hpt.toml that is there has not these."""
    if not _has_other_data(folder, first):
        return first.text
    return replace(first, spec=first.spec | {"data": first.data}).text


def _has_other_data(folder: Path, first: First) -> bool:
    if first.data is None or not (folder / places.PROJECT_FILE).exists():
        return False
    return project.Project.model_validate({"data": first.data}).data != project.load(folder).data


def _store(folder: Path, answers: Answers) -> str:
    """Where results will go, as hpt.toml says it."""
    return str(project_file.content(read(folder / places.PROJECT_FILE)).get("store", answers.store or DEFAULT_STORE))


def is_relative(store: str) -> bool:
    """Whether a store lies in the repository's folder, wherever that is."""
    place = places.canonical(store)
    return "://" not in place and not place.startswith("~") and not os.path.isabs(place)


def _settings(folder: Path) -> tuple[str, list[str]]:
    """The text, and a remark where the remote's address holds a password."""
    remote = _git(folder, "remote", "get-url", "origin")
    repository = origin.without_secrets(remote)
    branch = _git(folder, "symbolic-ref", "--short", "HEAD") or "main"
    name = re.sub(r"[^\w.-]", "-", folder.resolve().name) or "tuning"
    values = {"repository": repository or "https://git.example.com/team/repository.git", "branch": branch}
    text = _template("settings.yaml")
    for key, value in {**values, "folder": name}.items():
        text = text.replace(f"<<{key}>>", _yaml(value))
    remark = (
        "jobs/settings.yaml: the address of the repository is without the user and password of your remote: name a "
        "credential of Jenkins as repository-credentials"
    )
    return text, [remark] if repository != remote else []


def _job(script_path: str) -> str:
    written = "Made by `hpt init`; what is yours to set is in settings.yaml."
    return job_yaml(render.parameters_of_a_team(), written, script_path)


def _image() -> str:
    """What `docker/image` would build without this file: for a team to add to."""
    _, begin, rest = (home() / "docker/team/Dockerfile").read_text(encoding="utf-8").partition("ARG ")
    head = (
        "# The image of this repository's trials: hpt's, and what requirements.txt and pyproject.toml ask for.\n"
        "# Made by `hpt init`, which leaves it alone from now on: add what else your code needs.\n"
    )
    return head + begin + rest


def _gitignore(folder: Path, store: str) -> list[Wanted]:
    there = read(folder / ".gitignore")
    lines = [*_IGNORED, *_ignored(folder, store)]
    known = {line.strip().strip("/") for line in there.splitlines()}
    missing = [line for line in lines if line.strip("/") not in known]
    if not missing:
        return []
    before = there + ("" if there.endswith("\n") or not there else "\n")
    lines = ["# Of hpt: its environment on a machine, and results that are kept here.", *missing]
    text = before + "\n".join(lines) + "\n"
    return [Wanted(".gitignore", "keeps environments and results out of commits", text, adds=True)]


def place_in_git(folder: Path) -> str:
    """Where the folder lies in its git repository; empty if that is its root, or there is none."""
    return _git(folder, "rev-parse", "--show-prefix").rstrip("/")


def _ignored(folder: Path, store: str) -> list[str]:
    """The line for a store that lies in the repository, below its top."""
    place, top = places.canonical(store), str(folder.resolve())
    if "://" in place or place.startswith("~"):
        return []
    path = os.path.relpath(os.path.join(top, place), top)
    if path in (".", DEFAULT_STORE) or path.split(os.sep)[0] == os.pardir or "\n" in path:
        return []
    # Only there: a folder of code may have the same name elsewhere.
    return ["/" + re.sub(r"([*?\[\\])", r"\\\1", Path(path).as_posix()) + "/"]


def _git(folder: Path, *arguments: str) -> str:
    import subprocess

    try:
        command = ["git", "-C", str(folder), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=20).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""


def _template(name: str) -> str:
    return (_TEMPLATES / name).read_text(encoding="utf-8")


def _yaml(text: str) -> str:
    """A string of YAML; its braces are not for Jenkins Job Builder."""
    return "'" + text.replace("'", "''").replace("{", "{{").replace("}", "}}") + "'"
