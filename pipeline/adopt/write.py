"""Writes files that are not there yet, and shows what would change of those that are. Nothing is ever overwritten."""

import difflib
import errno
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from pipeline.adopt.files import Wanted
from pipeline.adopt.texts import read
from pipeline.errors import UserError


class Fate(StrEnum):
    """What becomes of a file."""

    WRITTEN = "written"
    EXTENDED = "extended"
    """By lines at its end."""
    SAME = "as it was"
    DIFFERS = "differs"
    """What is there is left as it is."""


@dataclass(frozen=True)
class Outcome:
    """A file and what became of it, or would."""

    file: Wanted
    fate: Fate
    there: str
    """Its text before."""

    def diff(self) -> Iterator[str]:
        """What would change, as `git apply` takes it."""
        before = "/dev/null" if self.fate is Fate.WRITTEN else f"a/{self.file.path}"
        lines = difflib.unified_diff(
            _lines(self.there),
            _lines(self.file.text),
            before,
            f"b/{self.file.path}",
        )
        for line in lines:
            yield line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"


def _lines(text: str) -> list[str]:
    """The lines as git counts them, which knows no other end than \\n."""
    return re.findall(r"[^\n]*\n|[^\n]+", text)


def write(folder: Path, files: Sequence[Wanted], *, dry: bool) -> list[Outcome]:
    """Writes what is missing, unless `dry`. Raises UserError if a file cannot be written; those before it are whole."""
    outcomes = [_outcome(folder, file) for file in files]
    contents = [_encoded(file) for file in files]
    for outcome, content in zip(outcomes, contents, strict=True):
        if not dry and outcome.fate in (Fate.WRITTEN, Fate.EXTENDED):
            _put(folder / outcome.file.path, outcome, content)
    return outcomes


def _outcome(folder: Path, file: Wanted) -> Outcome:
    path = folder / file.path
    if not path.exists() and not path.is_symlink():
        return Outcome(file, Fate.WRITTEN, "")
    there = read(path)
    if there == file.text:
        return Outcome(file, Fate.SAME, there)
    return Outcome(file, Fate.EXTENDED if file.adds else Fate.DIFFERS, there)


def _encoded(file: Wanted) -> bytes:
    try:
        return file.text.encode("utf-8")
    except UnicodeEncodeError as error:
        part = file.text[max(0, error.start - 20) : error.end].encode("ascii", "backslashreplace").decode()
        raise UserError(f"{file.path}: cannot be written: {part!r} is no text of UTF-8: look at the options") from None


def _put(path: Path, outcome: Outcome, content: bytes) -> None:
    try:
        if outcome.fate is Fate.EXTENDED:
            _append(path, content.removeprefix(outcome.there.encode()))
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            _create(path, content)
    except OSError as error:
        raise UserError(f"{path}: cannot be written: {error.strerror}") from None


def _create(path: Path, content: bytes) -> None:
    """Makes a file, whole or not at all, unless it is there: somebody may have made it since."""
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.unfinished")
    try:
        unfinished.write_bytes(content)
        try:
            os.link(unfinished, path)
        except FileExistsError:
            raise
        except OSError:  # some file systems have no links
            _copy(path, content)
    finally:
        unfinished.unlink(missing_ok=True)


def _copy(path: Path, content: bytes) -> None:
    with path.open("xb") as file:
        try:
            file.write(content)
            file.flush()
        except OSError:
            path.unlink()
            raise


def _append(path: Path, content: bytes) -> None:
    """Adds to a file, all of it or nothing."""
    with path.open("ab", buffering=0) as file:
        before = file.tell()
        try:
            whole = file.write(content) == len(content)
        except OSError:
            file.truncate(before)
            raise
        if not whole:
            file.truncate(before)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
