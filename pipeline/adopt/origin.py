"""The requirement with which pip installs this version of `hpt` on machines, and the upgrade of an older one."""

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
    """The requirement with which pip installs this version on other machines that have the repository in `folder`.

    It names a wheel of the repository, or the commit or address of this installation, or else the version, which then
    must be on an index.
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
    """True if this version was installed from an index, so that pip finds it again by its number."""
    return __name__.startswith("hpt.") and not _origin()


def is_of_elsewhere() -> bool:
    """True if this version was installed from a file, a folder or an address, except for an editable checkout."""
    origin = _origin()
    return bool(origin) and not origin.get("dir_info", {}).get("editable")


def names_only_a_version(requirement: str) -> bool:
    """True if pip would look for the requirement on an index."""
    return bool(_PINS.match(requirement))


def pins_nothing(requirement: str) -> bool:
    """True if the requirement allows several versions."""
    return bool(re.match(rf"hpt{_EXTRAS}\s*($|[<>~!;])", requirement))


def version_of(requirement: str) -> str | None:
    """The version that a requirement pins, by number or by the name of a file; None if it shows none."""
    pinned = _PINS.match(requirement)
    in_file_name = _NAMES_FILE.search(requirement)
    return pinned["version"] if pinned else in_file_name[1] if in_file_name else None


def wheel_of(requirement: str) -> str | None:
    """The path of the wheel in the repository that a requirement names, without extras; None for other requirements."""
    wheel = _WHEEL.fullmatch(requirement.strip())
    return wheel["path"] if wheel and "://" not in requirement else None


def upgraded(pinned: str, requirement: str) -> str:
    """The requirement of `hpt.toml` after an upgrade to `requirement`, with its extras.

    Unchanged if it is of a kind that the team maintains itself, like a commit.
    """
    if version := _PINS.match(pinned):
        if names_only_a_version(requirement):
            return pinned[: version.start("version")] + __version__ + pinned[version.end("version") :]
        extras = (version["extras"] or "").strip()
        return requirement + extras if wheel_of(requirement) else requirement.replace("hpt @", f"hpt{extras} @", 1)
    if (wheel := wheel_of(pinned)) and wheel_of(requirement):
        return requirement + pinned.strip().removeprefix(wheel).strip()
    return pinned


def without_secrets(url: str) -> str:
    """An address without its password, and without its user unless ssh needs it."""
    scheme, separator, address = url.partition("://")
    authority, slash, path = address.partition("/")
    user, at, host = authority.rpartition("@")
    if not separator or not at:
        return url
    name = user.partition(":")[0] if scheme.endswith("ssh") else ""
    return f"{scheme}://{name}{'@' if name else ''}{host}{slash}{path}"


def _origin() -> dict[str, Any]:
    """Pip's note about the source of this installation; empty if it was an index, or if there is no note."""
    try:
        note = json.loads(importlib.metadata.distribution("hpt").read_text("direct_url.json") or "{}")
    except (importlib.metadata.PackageNotFoundError, ValueError):
        return {}
    return note if isinstance(note, dict) else {}


def _within(folder: Path, wheel: Path) -> str | None:
    """The path of a wheel relative to the repository; None if it is elsewhere, or no wheel."""
    folder, wheel = folder.resolve(), wheel.resolve()
    is_within = wheel.suffix == ".whl" and wheel.is_file() and wheel.is_relative_to(folder)
    return wheel.relative_to(folder).as_posix() if is_within else None
