"""Finds absolute paths in a repository's files, which are wrong in any other checkout, and makes paths relative.

Whether a path exists is checked in `plan/reach.py`.
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
"""Folders whose programs a command may name: all machines have them."""


def in_repository(path: str, folder: Path) -> str:
    """A path in the repository `folder`, made relative to it; any other path unchanged.

    `/home/ada/team/data/rides.csv` in `/home/ada/team` becomes `data/rides.csv`.
    """
    absolute = Path(os.path.expanduser(path))
    if "://" in path or not absolute.is_absolute():
        return path
    # The longest folders first, as a link within the repository may lead out of it.
    for above in (absolute, *absolute.parents):
        if os.path.isdir(above) and os.path.samefile(above, folder):
            below = absolute.relative_to(above)
            return path if ".." in below.parts else str(below)
    return path


def made_relative(answers: Answers, folder: Path) -> Answers:
    """The answers with all paths into the repository relative to it. Raises UserError if a command cannot be split."""

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
    """A line for each absolute path into the repository in the content of a spec or hpt.toml; `name` is the file's."""
    for key, path in _paths(content):
        relative = in_repository(path, folder)
        if relative != path:
            yield f"{name}: {key}: {path} is a path of this checkout alone: write {relative}"
        elif f"{folder}/" in path:
            yield f"{name}: {key}: {path} names a path of this checkout alone: leave {folder}/ out"


def outside(content: Mapping[str, Any], name: str, folder: Path) -> Iterator[str]:
    """A line for each path that leaves the repository in the content of a spec or hpt.toml; `name` is the file's."""
    for key, path in _paths(content):
        is_elsewhere = path.startswith(("/", "~")) and in_repository(path, folder) == path
        is_everywhere = key != "data.path" and path.startswith(_EVERYWHERE)
        if (is_elsewhere and not is_everywhere) or os.path.normpath(path).split(os.sep)[0] == "..":
            yield f"{name}: {key}: {path} lies outside of the repository: every machine that trains needs it there"


def _word_in_repository(word: str, folder: Path) -> str:
    """A word of a command with its path made relative; in `--data=/home/ada/team/rides.csv` it follows the `=`."""
    option, equals, value = word.partition("=")
    if equals and option.startswith("-"):
        return f"{option}={in_repository(value, folder)}"
    return in_repository(word, folder)


def _paths(content: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The possible paths in the content of a spec or hpt.toml, each after its key."""
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
    """The words of a command, conditional ones too."""
    if isinstance(command, str):
        yield command
    elif isinstance(command, Mapping):
        yield from _words(command.get("arguments"))
    elif isinstance(command, list):
        for part in command:
            yield from _words(part)
