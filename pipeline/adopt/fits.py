"""Checks that the files of `hpt init` still fit this version of hpt and the repository's code. Changes nothing."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipeline import spec as specs
from pipeline.adopt import jenkinsfile, local_paths, origin, project_file
from pipeline.adopt.texts import read
from pipeline.errors import UserError
from pipeline.jenkins.check import PROTOCOL
from pipeline.jenkins.parameters import PARAMETERS
from pipeline.places import PROJECT_FILE
from pipeline.provenance import __version__
from pipeline.spec import project, text, trainer

_KEYS = "|".join(
    {field.alias or name for name, field in specs.Spec.model_fields.items()}
    - {"data", "training", "parameters", "search", "store", "image", "notes", "mode", "short", "references"}
)
"""Keys by which a JSON file is known as a spec: without those that other tools use, too."""
_IS_KEY = re.compile(_KEYS)
_HAS_KEY = re.compile(rf'"(?:{_KEYS})"\s*:')


def misfits(folder: Path) -> Iterator[str]:
    """A line for each misfit in hpt.toml, Jenkinsfile, specs and jobs."""
    yield from _project_misfits(folder)
    yield from _jenkinsfile_misfits(folder)
    yield from _spec_misfits(folder)
    yield from _job_misfits(folder)
    for name, content in _contents(folder):
        yield from local_paths.of_this_checkout(content, name, folder)


def paths_outside(folder: Path) -> Iterator[str]:
    """A line for each path that leaves the repository, which may be on purpose."""
    for name, content in _contents(folder):
        yield from local_paths.outside(content, name, folder)


def specs_of(folder: Path) -> Iterator[Path]:
    """The specs of a repository, broken ones too. JSON without any key of a spec is another tool's: skipped."""
    for path in sorted((folder / "specs").rglob("*.json")):
        try:
            content = _text(path)
        except UserError:
            yield path
            continue
        try:
            value = text.parse(content)
            is_ours = isinstance(value, dict) and any(_IS_KEY.fullmatch(_hyphenated(key)) for key in value)
        except ValueError:
            is_ours = _HAS_KEY.search(content) is not None
        if is_ours:
            yield path


def _hyphenated(key: str) -> str:
    """A key in the spelling of specs."""
    return key.lower().replace("_", "-")


def _text(path: Path) -> str:
    return read(path).removeprefix("\ufeff")


def _contents(folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """(file name, content) of hpt.toml and the specs. Unreadable files are skipped; other checks report them."""
    for path in (folder / PROJECT_FILE, *specs_of(folder)):
        parse = project_file.content if path.suffix == ".toml" else text.parse
        try:
            content = parse(_text(path))
        except (UserError, ValueError):
            continue
        yield str(path.relative_to(folder)), content


def _project_misfits(folder: Path) -> Iterator[str]:
    if not (folder / PROJECT_FILE).is_file():
        yield "hpt.toml: is not there: `hpt init` writes it"
        return
    try:
        requirement = project.load(folder).hpt
    except UserError as error:
        yield from str(error).splitlines()
        return
    if requirement is None:
        yield f'hpt.toml: does not say which version machines install: write hpt = "hpt=={__version__}"'
        return
    pinned, wheel = origin.version_of(requirement), origin.wheel_of(requirement)
    if pinned and pinned != __version__:
        yield f"hpt.toml: machines install {requirement}, and this is hpt {__version__}: check with the same version"
    elif origin.pins_nothing(requirement):
        yield f"hpt.toml: {requirement} pins no version: hpt=={__version__}"
    elif origin.names_only_a_version(requirement) and origin.is_of_elsewhere():
        yield (
            f"hpt.toml: machines look for {requirement} on an index, but this hpt does not come from an index: keep "
            f'the wheel in the repository, and write hpt = "vendor/hpt-{__version__}-py3-none-any.whl"'
        )
    if wheel and not (folder / wheel).is_file():
        yield f"hpt.toml: there is no {wheel} in this repository"


def _jenkinsfile_misfits(folder: Path) -> Iterator[str]:
    path = jenkinsfile.file_of(folder, None)
    text = read(folder / path)
    protocols = jenkinsfile.protocols(text)
    if not text:
        yield f"{path}: is not there: `hpt init` writes it"
    elif protocols - {str(PROTOCOL)}:
        numbers = ", ".join(sorted(protocols))
        yield f"{path}: speaks protocol {numbers}, this hpt {PROTOCOL}: `hpt init --dry-run` shows what changed"
    elif not protocols and not jenkinsfile.calls_library(text):
        yield (
            f"{path}: neither calls hptSweep() nor is one that `hpt init --standalone` wrote: if it is your own, "
            f"`hpt init --jenkinsfile {jenkinsfile.BESIDE}` writes hpt's beside it"
        )


def _spec_misfits(folder: Path) -> Iterator[str]:
    paths = list(specs_of(folder))
    if not paths:
        yield "specs/: holds no spec: `hpt init` writes a first one"
    for path in paths:
        name = str(path.relative_to(folder))
        try:
            spec = specs.from_json(_text(path), name)
            yield from (
                f"{name}: {key}: {message}" for key, message in trainer.misfits(spec, trainer.hyperparameters(spec))
            )
        except UserError as error:
            yield from str(error).splitlines()


def _job_misfits(folder: Path) -> Iterator[str]:
    text = read(folder / "jobs/sweep.yaml")
    names = [parameter.name for parameter in PARAMETERS]
    missing = [name for name in names if not re.search(rf"(?m)^\s*name: '?{name}'?\s*$", text)]
    if text and missing and not jenkinsfile.are_foreign_jobs(text):
        yield f"jobs/sweep.yaml: lacks the parameters {', '.join(missing)}: `hpt init --dry-run` shows what changed"
