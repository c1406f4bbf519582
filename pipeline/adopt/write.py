"""Writes files that are not there yet, and shows what would change of those that are. Nothing is ever overwritten."""

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from pipeline.adopt.files import Wanted, read
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
            self.there.splitlines(keepends=True),
            self.file.text.splitlines(keepends=True),
            before,
            f"b/{self.file.path}",
        )
        for line in lines:
            yield line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"


def write(folder: Path, files: Sequence[Wanted], *, dry: bool) -> list[Outcome]:
    """Writes what is missing, unless `dry`. Raises UserError if a file cannot be written; those before it stay."""
    outcomes = [_outcome(folder, file) for file in files]
    for outcome in outcomes:
        if not dry and outcome.fate in (Fate.WRITTEN, Fate.EXTENDED):
            _put(folder / outcome.file.path, outcome)
    return outcomes


def _outcome(folder: Path, file: Wanted) -> Outcome:
    path = folder / file.path
    if not path.exists() and not path.is_symlink():
        return Outcome(file, Fate.WRITTEN, "")
    there = read(path)
    if there == file.text:
        return Outcome(file, Fate.SAME, there)
    return Outcome(file, Fate.EXTENDED if file.adds else Fate.DIFFERS, there)


def _put(path: Path, outcome: Outcome) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if outcome.fate is Fate.EXTENDED:
            with path.open("a", encoding="utf-8", newline="") as file:
                file.write(outcome.file.text.removeprefix(outcome.there))
        else:
            # Only if it is not there: somebody may have made it since.
            with path.open("x", encoding="utf-8", newline="") as file:
                file.write(outcome.file.text)
    except OSError as error:
        raise UserError(f"{path}: cannot be written: {error.strerror}") from None
