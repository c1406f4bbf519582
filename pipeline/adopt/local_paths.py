"""Paths of one machine in what a repository holds: another checkout lies elsewhere, and has no such path.

Here: paths into the repository made relative to it, and those told of that are not. Not here: whether what a path names
is there (`plan/reach.py`).
"""

import os
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from pipeline.adopt.answers import Answers, split
from pipeline.places import canonical

_EVERYWHERE = ("/bin/", "/usr/", "/dev/")
"""What a command names there is on all machines."""


def in_repository(path: str, folder: Path) -> str:
    """`data/rides.csv` of `/home/ada/team/data/rides.csv` in `/home/ada/team`; any other path as it is."""
    whole = Path(os.path.expanduser(path))
    if "://" in path or not whole.is_absolute():
        return path
    # From the end, as a link within the repository may lead out of it.
    for above in (whole, *whole.parents):
        if os.path.isdir(above) and os.path.samefile(above, folder):
            below = whole.relative_to(above)
            return path if ".." in below.parts else str(below)
    return path


def made_relative(answers: Answers, folder: Path) -> Answers:
    """The answers with all paths into the repository relative to it. Raises UserError if a command is none."""

    def path(text: str | None) -> str | None:
        return text and in_repository(canonical(text), folder)

    def command(text: str | None, option: str) -> str | None:
        words = split(text, option) if text else []
        relative = [_word_in_repository(word, folder) for word in words]
        return text if relative == words else shlex.join(relative)

    return replace(
        answers,
        data=path(answers.data),
        trainer=path(answers.trainer),
        command=command(answers.command, "--command"),
        describe=command(answers.describe, "--describe"),
        store=path(answers.store),
        requirement=answers.requirement and in_repository(answers.requirement, folder),
    )


def of_this_checkout(content: Mapping[str, Any], name: str, folder: Path) -> Iterator[str]:
    """A line for each absolute path into the repository in a spec or hpt.toml, called `name`."""
    for key, path in _paths(content):
        relative = in_repository(path, folder)
        if relative != path:
            yield f"{name}: {key}: {path} is a path of this checkout alone: write {relative}"
        elif f"{folder}/" in path:
            yield f"{name}: {key}: {path} names a path of this checkout alone: leave {folder}/ out"


def outside(content: Mapping[str, Any], name: str, folder: Path) -> Iterator[str]:
    """A line for each path that leaves the repository, in a spec or hpt.toml called `name`."""
    for key, path in _paths(content):
        is_elsewhere = path.startswith(("/", "~")) and in_repository(path, folder) == path
        is_everywhere = key != "data.path" and path.startswith(_EVERYWHERE)
        if (is_elsewhere and not is_everywhere) or os.path.normpath(path).split(os.sep)[0] == "..":
            yield f"{name}: {key}: {path} lies outside of the repository: every machine that trains needs it there"


def _word_in_repository(word: str, folder: Path) -> str:
    """A word of a command; of `--data=/home/ada/team/rides.csv` it is what follows the `=`."""
    option, equals, value = word.partition("=")
    if equals and option.startswith("-"):
        return f"{option}={in_repository(value, folder)}"
    return in_repository(word, folder)


def _paths(content: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What may be a path in a spec, or in hpt.toml, after the key that it stands at."""
    data = content.get("data")
    if isinstance(data, Mapping) and isinstance(path := data.get("path"), str):
        yield "data.path", canonical(path)
    if isinstance(wheel := content.get("hpt"), str) and "://" not in wheel and "@" not in wheel:
        yield "hpt", wheel
    for key in ("command", "describe"):
        for word in _words(content.get(key)):
            option, equals, value = word.partition("=")
            yield key, value if equals and option.startswith("-") else word


def _words(command: Any) -> Iterator[str]:
    """The words of a command, those included that stand under a condition."""
    if isinstance(command, str):
        yield command
    elif isinstance(command, Mapping):
        yield from _words(command.get("arguments"))
    elif isinstance(command, list):
        for part in command:
            yield from _words(part)
