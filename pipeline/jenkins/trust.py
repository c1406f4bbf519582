"""Limits what a build's parameters may name: code, images, stores, data.

Anyone who may start a build writes parameters. So code comes only from committed specs, and images only from the
repository where builds put theirs. An administrator changes these limits in the environment of the controller, never by
a parameter. The form of values is checked by `check.py`.
"""

import glob
import hashlib
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from pipeline.data.source import DataSource, FilesSource
from pipeline.errors import UserError
from pipeline.places import project_folder
from pipeline.spec import Spec
from pipeline.sweep import Definition

INLINE_CODE, STORES, DATA_ROOTS = "HPT_ALLOW_INLINE_CODE", "HPT_STORES", "HPT_DATA_ROOTS"
FORGED = "HPT_FORGED"
"""The Jenkinsfile's variable with the values of parameters that have one of these three names: `null` for none.

Any other value means that somebody tried to set a limit by a parameter."""
_NONE_FORGED = "null null null"
CODE = ("trainer", "command", "describe")
"""Keys of a spec that name code."""
MARKS = "HPT_CODE"
"""The variable with the marks (hashes) of the code and images that a build may run; empty: `sweep.json` is trusted."""
_NO_CODE = "none"
"""The value of HPT_CODE for a build that may run none."""
IMAGES = "hpt-trainer"
"""The repository of the images that `docker/image` makes."""


@dataclass(frozen=True)
class Place:
    """A directory or `gs://bucket/prefix`, with everything below it."""

    address: str

    def holds(self, address: str) -> bool:
        """True if an address without wildcards is this place or lies below it, also after following links."""
        if _is_bucket(address) != _is_bucket(self.address) or not (_is_bucket(address) or address.startswith("/")):
            return False
        parts, top = _parts(address), _parts(self.address)
        if {"..", "."} & set(parts) or parts[: len(top)] != top:
            return False
        return _is_bucket(address) or self.holds_target(address)

    def holds_target(self, path: str) -> bool:
        """True if a path of this machine, with all links followed, lies below this place."""
        top = _parts(os.path.realpath(self.address))
        return _parts(os.path.realpath(path))[: len(top)] == top


@dataclass(frozen=True)
class Trust:
    """The limits that an administrator sets for parameters."""

    inline_code: bool
    """True if specs in parameters may bring their own code and images."""
    images: str
    """The repository whose images parameters may name."""
    stores: tuple[Place, ...]
    """The places of stores; empty: anywhere."""
    own_stores: tuple[Place, ...]
    """The stores that the administrator or the repository names."""
    data_roots: tuple[Place, ...]
    """The places of data; empty: anywhere."""

    def notes(self) -> Iterator[str]:
        """Notes about the limits for the build's log."""
        if self.inline_code:
            yield f"{INLINE_CODE}=1: specs in parameters may bring code and images of their own"
        settings = ((STORES, self.stores, "any store"), (DATA_ROOTS, self.data_roots, "any data"))
        if unset := [(name, freedom) for name, places, freedom in settings if not places]:
            names, freedoms = (" and ".join(words) for words in zip(*unset, strict=True))
            yield f"not set: {names}; parameters may name {freedoms} that the machines can reach"

    def problems_of_spec(self, spec: Spec) -> Iterator[tuple[str, str]]:
        """Refused keys of a spec that is not committed, each with the reason."""
        if not self.inline_code:
            for key in CODE:
                if getattr(spec, key) is not None:
                    yield (
                        key,
                        "is code, which only a committed spec may name: commit this one under specs/ and name it in "
                        f"SPEC (an administrator can allow it, by {INLINE_CODE}=1)",
                    )
        if spec.image and (problem := self.problem_of_image(spec.image)):
            yield "image", problem
        if spec.store and (problem := self.problem_of_store(spec.store)):
            yield "store", problem
        if problem := self.problem_of_data(spec.data):
            yield "data.path", problem

    def knows(self, store: str) -> bool:
        """True if the administrator or the repository names the store, and so decides who may write it."""
        return any(place.holds(store) for place in (*self.own_stores, *self.stores))

    def marks(self, store: str, runs: Sequence[Spec | Definition], image: str | None) -> str:
        """The value of HPT_CODE for a build that runs these in a store; `image` is that of the machine that plans.

        If only a parameter names the store, anyone may be able to write it, and could change a sweep while the build
        runs.
        """
        if self.inline_code or self.knows(store):
            return ""
        marks = {mark for each in runs for mark in _marks(each, each.image)} | ({_mark(image)} if image else set())
        return " ".join(sorted(marks)) or _NO_CODE

    def problems_of_sweep(self, definition: Definition, store: str) -> Iterator[str]:
        """The reasons why a sweep in a store that only a parameter names must not go on.

        None for any other store, whose `sweep.json` is trusted.
        """
        if self.knows(store):
            return
        if definition.own is not None and not self.inline_code:
            yield (
                f"{definition.id} runs code, and who may write {store} is not known: an administrator can name that "
                f"store in {STORES}"
            )
        if definition.image and (problem := self.problem_of_image(definition.image)):
            yield f"{definition.id}: image {problem}"
        if problem := self.problem_of_data(definition.data):
            yield f"{definition.id}: data.path {problem}"

    def problem_of_image(self, image: str) -> str | None:
        """The reason why parameters may not name an image; None if they may."""
        if self.inline_code or re.fullmatch(rf"{re.escape(self.images)}(:[\w.-]+)?(@sha256:[0-9a-f]+)?", image):
            return None
        return (
            f"is not this repository's code: possible is {self.images}, as docker/image makes it; name any other "
            f"in a committed spec (an administrator can allow it, by {INLINE_CODE}=1)"
        )

    def problem_of_store(self, store: str) -> str | None:
        """The reason why parameters may not name a store; None if they may."""
        if not self.stores or self.knows(store):
            return None
        return f"is outside of what the administrator allows: {_listed(self.stores)} ({STORES})"

    def problem_of_data(self, data: DataSource | None) -> str | None:
        """The reason why parameters may not name data; None if they may, as always for files of the repository."""
        if not self.data_roots or not isinstance(data, FilesSource):
            return None
        if "\0" in data.path:
            return "has a character that no path can have"
        if ".." in PurePosixPath(data.path).parts:
            return "has a part `..`, which could lead anywhere"
        path = data.path if _is_bucket(data.path) else re.sub("/+", "/", os.path.expanduser(data.path))
        if _is_bucket(path) or path.startswith("/"):
            places: Sequence[Place] = self.data_roots
        else:
            # Hidden folders of the checkout hold git's files and the environment.
            if any(part.startswith(".") for part in PurePosixPath(path).parts):
                places = ()
            else:
                folder = str(project_folder())
                places, path = (Place(folder),), f"{folder}/{PurePosixPath(path)}"
        for place in places:
            if place.holds(_before_wildcard(path)) and (
                _is_bucket(path) or all(map(place.holds_target, glob.iglob(path, recursive=True)))
            ):
                return None
        return f"is outside of what the administrator allows: {_listed(self.data_roots)} ({DATA_ROOTS})"


def trust(environment: Mapping[str, str], project_store: str | None) -> Trust:
    """The limits in the environment of a build. Raises UserError if one is wrong, or was set by a parameter."""
    if environment.get(FORGED, _NONE_FORGED) != _NONE_FORGED:
        raise UserError(f"{INLINE_CODE}, {STORES}, {DATA_ROOTS}: are an administrator's to set, and no parameters")
    registry = environment.get("HPT_REGISTRY", "").strip().rstrip("/")
    own_stores = [store for store in (environment.get("HPT_STORE", "").strip(), project_store) if store]
    return Trust(
        inline_code=environment.get(INLINE_CODE, "").strip() == "1",
        images=f"{registry}/{IMAGES}" if registry else IMAGES,
        stores=_places(environment, STORES),
        own_stores=tuple(Place(os.path.abspath(store) if not _is_bucket(store) else store) for store in own_stores),
        data_roots=_places(environment, DATA_ROOTS),
    )


def check_code(definition: Definition, images: Iterable[str | None], environment: Mapping[str, str]) -> None:
    """Raises UserError if a sweep has code, or its packs have images, that the check of its build did not see."""
    checked = environment.get(MARKS, "").split()
    if checked and not {mark for image in (None, *images) for mark in _marks(definition, image)} <= set(checked):
        raise UserError(
            f"{definition.id} runs other code or another image than when the build began: who writes its store?"
        )


def _marks(run: Spec | Definition, image: str | None) -> Iterator[str]:
    code = run.own if isinstance(run, Definition) else run
    if code is not None and (code.trainer is not None or code.command is not None):
        yield _mark([code.trainer, code.command])
    if image:
        yield _mark(image)


def _mark(value: object) -> str:
    # A conditional argument of a command is a pydantic model, not a text.
    text = json.dumps(value, default=lambda word: word.model_dump(by_alias=True))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _places(environment: Mapping[str, str], name: str) -> tuple[Place, ...]:
    text = environment.get(name, "").strip()
    addresses = [address for each in re.split(r"[,\n]", text) if (address := each.strip())]
    for address in addresses:
        is_place = re.fullmatch(r"gs://[a-z0-9][a-z0-9._-]+(/[^*?\[]*)?|/[^*?\[]*", address)
        if not is_place or {"..", "."} & set(_parts(address)):
            raise UserError(
                f'{name}: "{address[:80]}" is no gs://bucket/prefix and no absolute path; commas separate several'
            )
    if text and not addresses:
        raise UserError(f"{name}: names nothing: leave it empty, or name places with commas between them")
    return tuple(map(Place, addresses))


def _is_bucket(address: str) -> bool:
    return address.startswith("gs://")


def _parts(address: str) -> list[str]:
    """The bucket and folders, or the folders. Several slashes count as one in a path, but not in an object's name."""
    if _is_bucket(address):
        return address.removeprefix("gs://").rstrip("/").split("/")
    return [part for part in address.split("/") if part]


def _before_wildcard(pattern: str) -> str:
    """The folder before the first wildcard of a pattern; the whole pattern if it has none."""
    start = re.split(r"[*?\[]", pattern, maxsplit=1)[0]
    return pattern if start == pattern else start[: start.rfind("/") + 1]


def _listed(places: Sequence[Place]) -> str:
    return ", ".join(place.address for place in places)
