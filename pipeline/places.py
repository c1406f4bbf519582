"""Addresses as people, shells and pathlib write them, in the one form that programs understand.

Nothing that begins like an address of the web, or with a `~`, may ever become the name of a folder.
"""

import os
import re
from pathlib import Path

from pipeline.errors import UserError

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


def below(folder: Path, place: str) -> str:
    """What a file in `folder` means by a place: a relative path lies in that folder."""
    place = canonical(place)
    return place if "://" in place or place.startswith("~") else str(folder / place)
