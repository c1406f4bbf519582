"""Writes new files, and shows changes to existing ones as a diff. Nothing is ever overwritten."""

import difflib
import errno
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from pipeline.adopt.files import PlannedFile
from pipeline.adopt.texts import read
from pipeline.errors import UserError


class Fate(StrEnum):
    """The outcome for a file."""

    WRITTEN = "written"
    EXTENDED = "extended"
    """Lines were added at its end."""
    SAME = "as it was"
    DIFFERS = "differs"
    """The existing file has another text, and stays."""


@dataclass(frozen=True)
class Outcome:
    """A planned file and its fate."""

    file: PlannedFile
    fate: Fate
    before: str
    """The text of the existing file; empty if there is none."""

    def diff(self) -> Iterator[str]:
        """The change from the existing file, as a diff for `git apply`."""
        path_before = "/dev/null" if self.fate is Fate.WRITTEN else f"a/{self.file.path}"
        lines = difflib.unified_diff(
            _lines(self.before),
            _lines(self.file.text),
            path_before,
            f"b/{self.file.path}",
        )
        for line in lines:
            yield line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"


def _lines(text: str) -> list[str]:
    """The lines as git counts them: they end only at \\n."""
    return re.findall(r"[^\n]*\n|[^\n]+", text)


def write(folder: Path, files: Sequence[PlannedFile], *, dry: bool) -> list[Outcome]:
    """Writes missing files and lines, unless `dry`.

    Raises UserError if a file cannot be written; the files before it are complete.
    """
    outcomes = [_outcome(folder, file) for file in files]
    contents = [_encoded(file) for file in files]
    for outcome, content in zip(outcomes, contents, strict=True):
        if not dry and outcome.fate in (Fate.WRITTEN, Fate.EXTENDED):
            _put(folder / outcome.file.path, outcome, content)
    return outcomes


def _outcome(folder: Path, file: PlannedFile) -> Outcome:
    path = folder / file.path
    if not path.exists() and not path.is_symlink():
        return Outcome(file, Fate.WRITTEN, "")
    before = read(path)
    if before == file.text:
        return Outcome(file, Fate.SAME, before)
    return Outcome(file, Fate.EXTENDED if file.adds else Fate.DIFFERS, before)


def _encoded(file: PlannedFile) -> bytes:
    try:
        return file.text.encode("utf-8")
    except UnicodeEncodeError as error:
        part = file.text[max(0, error.start - 20) : error.end].encode("ascii", "backslashreplace").decode()
        raise UserError(f"{file.path}: cannot be written: {part!r} is not valid UTF-8: look at the options") from None


def _put(path: Path, outcome: Outcome, content: bytes) -> None:
    try:
        if outcome.fate is Fate.EXTENDED:
            _append(path, content.removeprefix(outcome.before.encode()))
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            _create(path, content)
    except OSError as error:
        raise UserError(f"{path}: cannot be written: {error.strerror}") from None


def _create(path: Path, content: bytes) -> None:
    """Makes a file, complete or not at all. Raises FileExistsError if another process has made it meanwhile."""
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
    """Appends to a file, all of the content or nothing."""
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
