"""Plans the files with which a repository tunes: path, purpose and text of each, and remarks for a person.

`write.py` writes them. A file that belongs to the team once it exists is planned only if it does not.
"""

import os
import re
import shlex
from dataclasses import dataclass, replace
from pathlib import Path

from pipeline import places
from pipeline.adopt import jenkinsfile, origin, project_file
from pipeline.adopt.answers import Answers
from pipeline.adopt.first_spec import FirstSpec
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
class PlannedFile:
    """A file, with the text that this version of hpt writes."""

    path: str
    purpose: str
    text: str
    adds: bool = False
    """True if the text only adds lines to the existing file."""


@dataclass(frozen=True)
class Adoption:
    """The planned files of a repository."""

    files: tuple[PlannedFile, ...]
    remarks: tuple[str, ...]
    """Lines about things that a person should check."""
    store: str
    """The store in hpt.toml."""


def plan_files(
    folder: Path, answers: Answers, first: FirstSpec | None, *, standalone: bool, name: str | None
) -> Adoption:
    """The planned files of a repository, without existing ones that belong to the team.

    `first` is the first spec, None if the repository has specs. `name` is the name of the Jenkinsfile that a person
    chose. Raises UserError if a file cannot be read, hpt.toml is invalid, or another file has that name.
    """
    script, jobs, jenkins_remarks = _jenkins(folder, standalone, name)
    project_files, project_remarks = _project(folder, answers, first)
    files = [*script, *project_files]
    if first is not None:
        files.append(PlannedFile(FIRST_SPEC, "the first sweep", _spec(folder, first)))
    files += jobs
    if not (folder / "docker/Dockerfile").exists():
        files.append(PlannedFile("docker/Dockerfile", "the image of your trials, if they run in containers", _image()))
    store = _store(folder, answers)
    files += _gitignore(folder, store)
    if name in {file.path for file in files if file not in script}:
        raise UserError(f"--jenkinsfile: {name} is another file of hpt: choose another name")
    return Adoption(tuple(files), (*jenkins_remarks, *project_remarks), store)


def _jenkins(
    folder: Path, standalone: bool, name: str | None
) -> tuple[list[PlannedFile], list[PlannedFile], list[str]]:
    """The pipeline, its jobs, and remarks.

    If a pipeline of the team has the name of ours, only a remark, as our jobs would run theirs.
    """
    path = jenkinsfile.file_of(folder, name)
    existing = read(folder / path)
    if jenkinsfile.is_foreign(existing):
        remark = (
            f"{path} is a pipeline of your own and stays as it is: `hpt init --jenkinsfile {jenkinsfile.BESIDE}` "
            "writes hpt's beside it, and the jobs that run it"
        )
        return [], [], [remark]
    is_whole = standalone or jenkinsfile.is_standalone(existing)
    text = render.standalone() if is_whole else _template("Jenkinsfile")
    jobs, remarks = [], list[str]()
    for job in (
        PlannedFile("jobs/sweep.yaml", "the job that runs a sweep", _job(path)),
        PlannedFile("jobs/nightly.yaml", "the jobs that start one every night", _nightly()),
    ):
        if jenkinsfile.are_foreign_jobs(read(folder / job.path)):
            remarks.append(f"{job.path} is a file of your own and stays as it is: {job.purpose} is left out")
        else:
            jobs.append(job)
    if not (folder / "jobs/settings.yaml").exists():
        settings, settings_remarks = _settings(folder)
        jobs.append(PlannedFile("jobs/settings.yaml", "the settings of the jobs, which are yours", settings))
        remarks += settings_remarks
    return [PlannedFile(path, "the pipeline that Jenkins runs", text)], jobs, remarks


def _project(folder: Path, answers: Answers, first: FirstSpec | None) -> tuple[list[PlannedFile], list[str]]:
    """`hpt.toml`, if it is new or changes, and remarks."""
    purpose = "which data, where results go, which hpt"
    requirement = answers.requirement or origin.installed_requirement(folder)
    if not (folder / places.PROJECT_FILE).exists():
        text, remarks = project_file.written(answers, first.data if first else None, requirement), list[str]()
    else:
        text, remarks = project_file.changed(read(folder / places.PROJECT_FILE), answers, requirement)
        remarks += _contradictions(folder, answers, first)
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
    return [PlannedFile(places.PROJECT_FILE, purpose, text)], remarks


def _contradictions(folder: Path, answers: Answers, first: FirstSpec | None) -> list[str]:
    """Remarks about answers that differ from hpt.toml, whose values stay."""
    existing, remarks = project.load(folder), []
    if answers.store and existing.store not in (None, places.resolved_in(folder.resolve(), answers.store)):
        remarks.append(f"--store {answers.store} is not taken: hpt.toml says {existing.store}: change it there")
    if answers.store and existing.store is None:
        remarks.append(f"--store {answers.store} is not taken yet: hpt.toml names no store: add the line that is shown")
    if first is not None and _has_other_data(folder, first):
        difference = "names no data" if existing.data is None else "names other data"
        remarks.append(f"hpt.toml {difference}: the data that you named go into {FIRST_SPEC}")
    return remarks


def _spec(folder: Path, first: FirstSpec) -> str:
    """The text of the first spec. It contains its data if an existing hpt.toml has other data."""
    if not _has_other_data(folder, first):
        return first.text
    return replace(first, spec=first.spec | {"data": first.data}).text


def _has_other_data(folder: Path, first: FirstSpec) -> bool:
    if first.data is None or not (folder / places.PROJECT_FILE).exists():
        return False
    return project.Project.model_validate({"data": first.data}).data != project.load(folder).data


def _store(folder: Path, answers: Answers) -> str:
    """The store in hpt.toml, or the one that it will have."""
    return str(project_file.content(read(folder / places.PROJECT_FILE)).get("store", answers.store or DEFAULT_STORE))


def _settings(folder: Path) -> tuple[str, list[str]]:
    """The text of settings.yaml, and a remark if the address of the git remote contains a password."""
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


def _nightly() -> str:
    """The jobs of this repository's nightly sweeps without their list, which a team has in settings.yaml."""
    ours = (home() / "jobs/nightly.yaml").read_text(encoding="utf-8")
    head = (
        "# Starts the sweeps of specs/ every night: one thin job a spec, listed in settings.yaml. Made by `hpt init`.\n"
    )
    return head + ours[ours.index("- job-template:") : ours.index("\n- project:")].replace("specs/nightly/", "specs/")


def _image() -> str:
    """The Dockerfile that `docker/image` uses where a repository has none, as a start to which a team can add."""
    _, begin, commands = (home() / "docker/team/Dockerfile").read_text(encoding="utf-8").partition("ARG ")
    head = (
        "# The image of this repository's trials: hpt's, and what requirements.txt and pyproject.toml ask for.\n"
        "# Made by `hpt init`, which leaves it alone from now on: add what else your code needs.\n"
    )
    return head + begin + commands


def _gitignore(folder: Path, store: str) -> list[PlannedFile]:
    existing = read(folder / ".gitignore")
    lines = [*_IGNORED, *_ignored(folder, store)]
    present = {line.strip().strip("/") for line in existing.splitlines()}
    missing = [line for line in lines if line.strip("/") not in present]
    if not missing:
        return []
    before = existing + ("" if existing.endswith("\n") or not existing else "\n")
    lines = ["# Of hpt: its environment on a machine, and results that are kept here.", *missing]
    text = before + "\n".join(lines) + "\n"
    return [PlannedFile(".gitignore", "keeps environments and results out of commits", text, adds=True)]


def place_in_git(folder: Path) -> str:
    """The path of the folder in its git repository; empty if it is the root, or if there is none."""
    return _git(folder, "rev-parse", "--show-prefix").rstrip("/")


def _ignored(folder: Path, store: str) -> list[str]:
    """The line of .gitignore for a store inside the repository; none for any other store."""
    place, top = places.canonical(store), str(folder.resolve())
    if "://" in place or place.startswith("~"):
        return []
    path = os.path.relpath(os.path.join(top, place), top)
    if path in (".", DEFAULT_STORE) or path.split(os.sep)[0] == os.pardir or "\n" in path:
        return []
    # With a leading slash: a folder of code may have the same name elsewhere.
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
    """A quoted YAML string, with braces escaped for Jenkins Job Builder."""
    return "'" + text.replace("'", "''").replace("{", "{{").replace("}", "}}") + "'"
