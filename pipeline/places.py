"""Addresses as people, shells and pathlib write them, in the one form that programs understand.

Nothing that begins like an address of the web, or with a `~`, may ever become the name of a folder. A relative path of
a spec or of `hpt.toml` starts at the project's folder, so that it means the same in every checkout.
"""

import os
import re
from pathlib import Path

from pipeline.errors import UserError

PROJECT_FILE = "hpt.toml"
_BUCKET = re.compile(r"gs:/*(.*)", re.IGNORECASE | re.DOTALL)
# One letter is a drive of Windows.
_SCHEME = re.compile(r"([a-z][a-z0-9+.-]+):(/+)(.*)", re.IGNORECASE | re.DOTALL)


def canonical(place: str) -> str:
    """`gs://bucket/folder` of `GS://bucket/folder`, and of `gs:/bucket/folder`, which pathlib makes of it; any other
    scheme with two slashes; everything else without blanks around it."""
    place = place.strip()
    if bucket := _BUCKET.fullmatch(place):
        return f"gs://{bucket[1]}"
    if address := _SCHEME.fullmatch(place):
        scheme, slashes = address[1].lower(), len(address[2])
        # After two slashes comes a host, which the address of a file may go without.
        return f"{scheme}://{'/' if scheme == 'file' and slashes != 2 else ''}{address[3]}"
    return place


def local(path: str) -> str:
    """A path of this machine, with the home folder for a `~`. Raises UserError where nobody knows that folder."""
    expanded = os.path.expanduser(path)
    if expanded.startswith("~"):
        raise UserError(f"{path}: no home folder is known here to put for the ~: write the whole path")
    return expanded


def output(path: Path) -> Path:
    """Where a person wants files, on this machine. Raises UserError if it is an address, or has an unknown `~`."""
    if "://" in (place := canonical(str(path))):
        raise UserError(f"{place} is no place on this machine: name a file or a folder")
    return Path(local(place))


def project_file(start: Path | None = None) -> Path | None:
    """The nearest `hpt.toml`, in `start` (the current directory) or above it; None if there is none."""
    start = (start or Path.cwd()).resolve()
    return next((path for folder in (start, *start.parents) if (path := folder / PROJECT_FILE).is_file()), None)


def project_folder() -> Path:
    """Where relative paths of specs start: at `hpt.toml`, or in the current directory where there is none."""
    file = project_file()
    return file.parent if file else Path.cwd()


def in_project(path: str) -> str:
    """Where a path of a spec lies on this machine. Raises UserError where nobody knows the home folder of a `~`."""
    path, folder = local(path), project_folder()
    return path if os.path.isabs(path) or folder == Path.cwd() else str(folder / path)


def as_typed(path: str) -> str:
    """What a spec would write for a path that somebody typed in the current directory."""
    if "://" in (place := canonical(path)) or place.startswith("~") or os.path.isabs(place):
        return place
    folder, here = project_folder(), Path.cwd().resolve()
    return place if folder == here else os.path.relpath(here / place, folder)


def portable(path: str) -> str:
    """A path of this checkout relative to it, as every other checkout has it too; any other as it is."""
    if not os.path.isabs(path) or (file := project_file()) is None or not Path(path).is_relative_to(file.parent):
        return path
    return str(Path(path).relative_to(file.parent))


def where_looked() -> str:
    """For messages: where a relative path was looked for, and what is missing if that may be the wrong place."""
    if file := project_file():
        return f"in {file.parent}, where hpt.toml is"
    return f"in {Path.cwd()}; a relative path starts at hpt.toml, and there is none here or above: go to the checkout"


def below(folder: Path, place: str) -> str:
    """What a file in `folder` means by a place: a relative path lies in that folder."""
    place = canonical(place)
    return place if "://" in place or place.startswith("~") else str(folder / place)
