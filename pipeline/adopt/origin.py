"""The requirement of pip by which machines install this version of `hpt`, and how an older one follows it."""

import importlib.metadata
import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from pipeline.provenance import __version__

_EXTRAS = r"(?P<extras>\s*\[[^\]]*\])?"
_PINS = re.compile(rf"hpt{_EXTRAS}\s*==\s*(?P<version>[\w.+!]+)")
_WHEEL = re.compile(rf"(?P<path>.+\.whl){_EXTRAS}")
_NAMES_FILE = re.compile(r"(?:^|/)hpt-([0-9][\w.+!]*?)(?=$|[\s;,#\[-]|\.tar|\.zip)")


def installed_requirement(folder: Path) -> str:
    """What pip must be told to install this version on other machines that have the repository in `folder`.

    A wheel of the repository, the commit or the address that it was installed from, or else its version, which then has
    to be on an index.
    """
    origin = _origin()
    url = str(origin.get("url", ""))
    if url.startswith("file:"):
        wheel = _within(folder, Path(unquote(urlsplit(url).path)))
        return wheel or f"hpt=={__version__}"
    if version := origin.get("vcs_info"):
        part = f"#subdirectory={origin['subdirectory']}" if origin.get("subdirectory") else ""
        return f"hpt @ {version['vcs']}+{without_secrets(url)}@{version['commit_id']}{part}"
    return f"hpt @ {without_secrets(url)}" if url else f"hpt=={__version__}"


def is_of_an_index() -> bool:
    """Whether this was installed from an index, so that its version is enough to find it again."""
    return __name__.startswith("hpt.") and not _origin()


def is_of_elsewhere() -> bool:
    """Whether this was installed from a file, a folder or an address; an editable checkout says nothing of that."""
    origin = _origin()
    return bool(origin) and not origin.get("dir_info", {}).get("editable")


def names_only_a_version(requirement: str) -> bool:
    """Whether pip would look for it on an index."""
    return bool(_PINS.match(requirement))


def pins_nothing(requirement: str) -> bool:
    """Whether pip would take whichever version it finds."""
    return bool(re.match(rf"hpt{_EXTRAS}\s*($|[<>~!;])", requirement))


def version_of(requirement: str) -> str | None:
    """The version that a requirement pins, if it says so."""
    found = _PINS.match(requirement)
    named = _NAMES_FILE.search(requirement)
    return found["version"] if found else named[1] if named else None


def wheel_of(requirement: str) -> str | None:
    """The path of the wheel in the repository that a requirement names, without extras; None if it names none."""
    wheel = _WHEEL.fullmatch(requirement.strip())
    return wheel["path"] if wheel and "://" not in requirement else None


def upgraded(pinned: str, requirement: str) -> str:
    """What a requirement of `hpt.toml` becomes, its extras kept; itself where it is of a kind that a team maintains."""
    if version := _PINS.match(pinned):
        if names_only_a_version(requirement):
            return pinned[: version.start("version")] + __version__ + pinned[version.end("version") :]
        extras = (version["extras"] or "").strip()
        return requirement + extras if wheel_of(requirement) else requirement.replace("hpt @", f"hpt{extras} @", 1)
    if (wheel := wheel_of(pinned)) and wheel_of(requirement):
        return requirement + pinned.strip().removeprefix(wheel).strip()
    return pinned


def without_secrets(url: str) -> str:
    """An address without its password, and without its user where that is no part of how ssh logs in."""
    scheme, separator, rest = url.partition("://")
    authority, slash, path = rest.partition("/")
    user, at, host = authority.rpartition("@")
    if not separator or not at:
        return url
    name = user.partition(":")[0] if scheme.endswith("ssh") else ""
    return f"{scheme}://{name}{'@' if name else ''}{host}{slash}{path}"


def _origin() -> dict[str, Any]:
    """What pip noted of where this was installed from; empty of an index, and where nobody noted anything."""
    try:
        noted = json.loads(importlib.metadata.distribution("hpt").read_text("direct_url.json") or "{}")
    except (importlib.metadata.PackageNotFoundError, ValueError):
        return {}
    return noted if isinstance(noted, dict) else {}


def _within(folder: Path, wheel: Path) -> str | None:
    """The path of a wheel in the repository; None if it lies elsewhere, or is none."""
    folder, wheel = folder.resolve(), wheel.resolve()
    is_there = wheel.suffix == ".whl" and wheel.is_file() and wheel.is_relative_to(folder)
    return wheel.relative_to(folder).as_posix() if is_there else None
