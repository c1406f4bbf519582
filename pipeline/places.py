"""Brings paths and addresses, which people, shells and pathlib write in many ways, to one canonical form.

Without it, `gs:/bucket` or `~/data` would become a folder of that name in the current directory. A relative path in a
spec or in `hpt.toml` starts at the project's folder, so that it means the same in every checkout.
"""

import os
import re
from pathlib import Path

from pipeline.errors import UserError

PROJECT_FILE = "hpt.toml"
_BUCKET = re.compile(r"gs:/*(.*)", re.IGNORECASE | re.DOTALL)
# A scheme has at least two letters: a single letter is a drive of Windows, `C:/data`.
_SCHEME = re.compile(r"([a-z][a-z0-9+.-]+):(/+)(.*)", re.IGNORECASE | re.DOTALL)


def canonical(place: str) -> str:
    """The place without blanks around it and, if it is a URL, with a lower-case scheme and two slashes.

    >>> canonical(" GS://bucket/folder"), canonical("gs:/bucket/folder")  # the second is what pathlib makes of it
    ('gs://bucket/folder', 'gs://bucket/folder')
    """
    place = place.strip()
    if bucket := _BUCKET.fullmatch(place):
        return f"gs://{bucket[1]}"
    if address := _SCHEME.fullmatch(place):
        scheme, slashes = address[1].lower(), len(address[2])
        # A host follows two slashes. The address of a file may have no host: `file:///path`.
        return f"{scheme}://{'/' if scheme == 'file' and slashes != 2 else ''}{address[3]}"
    return place


def is_path(place: str) -> bool:
    """True if a canonical place is a path without `~`: neither a URL nor in a home folder."""
    return "://" not in place and not place.startswith("~")


def is_relative(place: str) -> bool:
    """True if a place, in any form, is a path that needs a folder to start from."""
    place = canonical(place)
    return is_path(place) and not os.path.isabs(place)


def local(path: str) -> str:
    """The path with its `~` replaced by the home folder. Raises UserError if that folder is unknown."""
    expanded = os.path.expanduser(path)
    if expanded.startswith("~"):
        raise UserError(f"{path}: no home folder is known here for the ~: write the whole path")
    return expanded


def output_path(path: Path) -> Path:
    """The path for output files on this machine. Raises UserError if it is a URL, or its `~` is unknown."""
    if "://" in (place := canonical(str(path))):
        raise UserError(f"{place} is no place on this machine: name a file or a folder")
    return Path(local(place))


def project_file(start: Path | None = None) -> Path | None:
    """The nearest `hpt.toml`, in `start` (by default the current directory) or above it; None if there is none."""
    start = (start or Path.cwd()).resolve()
    return next((path for folder in (start, *start.parents) if (path := folder / PROJECT_FILE).is_file()), None)


def project_folder() -> Path:
    """The folder of `hpt.toml`, where relative paths of specs start; without one, the current directory."""
    file = project_file()
    return file.parent if file else Path.cwd()


def in_project(path: str) -> str:
    """The path on this machine that a path in a spec stands for. Raises UserError if its `~` is unknown."""
    path, folder = local(path), project_folder()
    return path if os.path.isabs(path) or folder == Path.cwd() else str(folder / path)


def relative_to_project(path: str) -> str:
    """A path typed in the current directory, as a spec would write it: relative to the project's folder."""
    place = canonical(path)
    if not is_relative(place):
        return place
    folder, current = project_folder(), Path.cwd().resolve()
    return place if folder == current else os.path.relpath(current / place, folder)


def portable(path: str) -> str:
    """The path relative to this checkout, so that it is right in every other one, too; unchanged if it lies outside."""
    if not os.path.isabs(path) or (file := project_file()) is None or not Path(path).is_relative_to(file.parent):
        return path
    return str(Path(path).relative_to(file.parent))


def search_folder_in_words() -> str:
    """Part of a message: the folder where a relative path was looked for, and a hint if that may be the wrong one."""
    if file := project_file():
        return f"in {file.parent}, where hpt.toml is"
    return f"in {Path.cwd()}; a relative path starts at hpt.toml, and there is none here or above: go to the checkout"


def resolved_in(folder: Path, place: str) -> str:
    """A place written in a file of `folder`: a relative path starts at that folder."""
    place = canonical(place)
    return str(folder / place) if is_path(place) else place
