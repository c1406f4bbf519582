"""The parameters of a Jenkins build, read from its environment: checked, and turned into specs and a few settings.

Nothing here talks to Jenkins or plans: `hpt jenkins-check` writes files, and the Jenkinsfile carries on with them.
Every value is a stranger's: what could leave its place (a path, an option, a line) is refused here.
"""

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

from pipeline import spec as specs
from pipeline.errors import UserError
from pipeline.spec import Spec, project
from pipeline.store import open_store
from pipeline.sweep import find
from pipeline.training import architectures

AS_THE_SPEC_SAYS = "spec"
EVERY_ARCHITECTURE = "all"
LANES_AT_MOST = 64
SPECS = Path("specs")
_MODES = (AS_THE_SPEC_SAYS, "full", "short", "automatic")
_A_WEEK = 7 * 24 * 60
_T = TypeVar("_T")


@dataclass(frozen=True)
class Settings:
    """What the Jenkinsfile needs to know of the parameters."""

    label: str
    lanes: int
    store: str
    sweeps: str
    """The ids of the sweeps to go on with, with spaces between; empty for new ones."""
    retry: str
    """`yes` if trials of theirs that failed run again, else empty."""
    minutes: int
    """After so long, Jenkins takes a trial for hung. Well above the trial's own limit."""

    def as_lines(self) -> str:
        return "".join(f"{name}={value}\n" for name, value in vars(self).items())


def read(environment: Mapping[str, str]) -> tuple[dict[str, dict[str, Any]], Settings]:
    """The specs that a build runs, by a name for each (none: it goes on with sweeps), and its settings.

    Raises UserError, a line per mistake, each naming its parameter.
    """
    asked = _Asked(environment)
    label = asked.get("LABEL", _label)
    asked.get("LIGHT_LABEL", _label)
    lanes = asked.get("LANES", _number(1, LANES_AT_MOST))
    store = asked.get("STORE", _store)
    sweeps = asked.get("SWEEP", _sweeps).split()
    image = asked.get("IMAGE", _image)
    for name, possible in (("MODE", _MODES), ("CONTAINER", ("docker", "none")), ("RETRY", ("true", "false"))):
        asked.get(name, _one_of(possible))
    # The Image stage knows what the tag stands for today, and all machines should get that.
    changes = _changes(asked, environment.get("HPT_IMAGE_MADE") or image if image else "")
    if not label:
        asked.complain("LABEL", "is empty: name the label of the machines that run trials")
    if sweeps:
        for name in ("SPEC_JSON", "ARCHITECTURE", "DATA", "EXPERIMENTS", "BUDGET", "AS_OF"):
            if asked.text(name):
                asked.complain(name, "cannot change a sweep that exists: leave it empty, or SWEEP")
    retry = asked.text("RETRY") == "true"
    if retry and not sweeps:
        asked.complain("RETRY", "is for a sweep that exists: name it in SWEEP")
    wanted = {} if sweeps else {name: _with(spec, changes) for name, spec in asked.specs().items()}
    asked.raise_if_wrong()
    parsed = [specs.from_dict(spec, asked.origin) for spec in wanted.values()]
    root = _shared_store(store, environment, parsed)
    limits = [spec.training.time_limit_minutes for spec in parsed]
    if sweeps:
        folders = [find(open_store(root), sweep) for sweep in sweeps]
        sweeps = list(dict.fromkeys(folder.id for folder in folders))
        limits = [folder.definition.training.time_limit_minutes for folder in folders]
    minutes = max(math.ceil(2 * limit) + 30 if limit else _A_WEEK for limit in limits)
    return wanted, Settings(label, int(lanes or 1), root, " ".join(sweeps), "yes" if retry else "", minutes)


class _Asked:
    """The parameters' texts, and the mistakes found so far."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self._mistakes: list[str] = []
        self.origin = "SPEC"

    def text(self, name: str) -> str:
        return self._environment.get(name, "").strip()

    def complain(self, name: str, what: str) -> None:
        self._mistakes.append(f"{name}: {what}")

    def get(self, name: str, check: Callable[[str], str | None]) -> str:
        """The text of a parameter; `check` says what is wrong with one that is not empty."""
        text = self.text(name)
        if text and (problem := check(text)):
            self.complain(name, f"{json.dumps(text[:80])} {problem}")
        return text

    def told(self, read: Callable[[], _T]) -> _T | None:
        """What `read` returns; None where it raises a UserError, whose lines are then among the mistakes."""
        try:
            return read()
        except UserError as error:
            self._mistakes.append(str(error))
            return None

    def raise_if_wrong(self) -> None:
        if self._mistakes:
            raise UserError("\n".join(self._mistakes))

    def specs(self) -> dict[str, dict[str, Any]]:
        """The spec as it was asked for: inline, by an architecture's name, or by its path; or one per architecture."""
        inline, architecture = self.text("SPEC_JSON"), self.text("ARCHITECTURE")
        if inline and architecture:
            self.complain("ARCHITECTURE", "stands beside SPEC_JSON: leave one of them empty")
        if inline:
            self.origin = "SPEC_JSON"
            return self._parsed(inline)
        if architecture:
            return self._automatic(architecture)
        self.origin = path = self.get("SPEC", _spec_path)
        if not path:
            self.complain("SPEC", "is empty: name a spec, or give SPEC_JSON, ARCHITECTURE or SWEEP")
        if not path or _spec_path(path):
            return {}
        try:
            return self._parsed(Path(path).read_text(encoding="utf-8-sig"))
        except OSError:
            self.complain("SPEC", f"there is no {path} in this commit")
        except UnicodeDecodeError:
            self.complain("SPEC", f"{path} is not UTF-8")
        return {}

    def _automatic(self, architecture: str) -> dict[str, dict[str, Any]]:
        self.origin = "ARCHITECTURE"
        if not self.text("DATA") and project.load().data is None:
            self.complain("DATA", "is empty, and the repository has no hpt.toml that names data")
        if architecture == EVERY_ARCHITECTURE:
            return {name: {"architecture": name, "tune": "automatic"} for name in architectures.names()}
        return {"spec": {"architecture": architecture, "tune": "automatic"}}

    def _parsed(self, text: str) -> dict[str, dict[str, Any]]:
        try:
            # Parsed as any spec is, for its errors; the changes go into what was written, not into what it means.
            specs.from_json(text, self.origin)
        except UserError as error:
            self._mistakes.append(str(error))
            return {}
        return {"spec": json.loads(text)}


def _changes(asked: _Asked, image: str) -> dict[str, Any]:
    """What the other parameters say about the spec."""
    changes: dict[str, Any] = {}
    mode = asked.text("MODE")
    if mode == "automatic":
        changes["tune"] = mode
    elif mode in ("full", "short"):
        changes["mode"] = mode
    if (number := asked.get("EXPERIMENTS", _number(1, 1_000_000))).isdigit():
        changes["search"] = {"experiments": int(number)}
    if (budget := asked.get("BUDGET", _line)) and not _line(budget):
        changes["budget"] = asked.told(lambda: _budget(budget))
    if data := asked.text("DATA"):
        changes["data"] = asked.told(lambda: _data(data))
    if day := asked.get("AS_OF", _day):
        changes["as-of"] = day
    if notes := asked.get("NOTES", _line):
        changes["notes"] = notes
    if image and asked.text("CONTAINER") != "none":
        changes["image"] = image
    asked.get("REQUEST_ID", _line)
    return changes


def _with(spec: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    search = {**spec.get("search", {}), **changes.get("search", {})}
    # As with `--data`: for a spec that names none.
    data = {"data": spec["data"]} if spec.get("data") is not None else {}
    return {**spec, **changes, **data, **({"search": search} if search else {})}


def _budget(text: str) -> dict[str, Any]:
    budget = specs.parse_budget(re.split(r"[\s,]+", text.strip(" ,")), "BUDGET")
    return budget.model_dump(by_alias=True, exclude_none=True)


def _data(text: str) -> Any:
    try:
        data = json.loads(text) if text.startswith("{") else text
    except (ValueError, RecursionError):
        raise UserError('DATA: is not JSON: write "flights", or the JSON of a `data` key') from None
    # As a part of a spec, so that a mistake reads like any other.
    specs.from_dict({"architecture": "bag-of-words", "tune": "nothing", "data": data}, "DATA")
    return data


def _shared_store(asked: str, environment: Mapping[str, str], wanted: Sequence[Spec]) -> str:
    of_spec = wanted[0].store if wanted else None
    root = asked or environment.get("HPT_STORE") or of_spec or project.load().store
    if not root:
        raise UserError("STORE: is empty, and neither HPT_STORE (set it in Jenkins) nor the spec names a store")
    if problem := _store(root):
        raise UserError(f"STORE: {json.dumps(root[:80])} {problem}")
    return root


def _line(text: str) -> str | None:
    return None if text.isprintable() and len(text) <= 1000 else "must be one line of at most 1000 characters"


def _spec_path(text: str) -> str | None:
    path = PurePosixPath(text)
    inside = path.parts[:1] == SPECS.parts and ".." not in path.parts and text.isprintable() and "\\" not in text
    # A link could still lead out.
    if not inside or not Path(text).resolve().is_relative_to(SPECS.resolve()):
        return "is not inside specs/: a spec has a path like specs/quickstart.json"
    return None if path.suffix == ".json" else "is no spec: its name does not end in .json"


def _number(low: int, high: int) -> Callable[[str], str | None]:
    def check(text: str) -> str | None:
        fits = re.fullmatch(r"[0-9]{1,9}", text) and low <= int(text) <= high
        return None if fits else f"is no whole number from {low} to {high}"

    return check


def _one_of(possible: tuple[str, ...]) -> Callable[[str], str | None]:
    return lambda text: None if text in possible else f"is not possible: one of {', '.join(possible)}"


def _day(text: str) -> str | None:
    try:
        date.fromisoformat(text)
    except ValueError:
        return "is no day like 2026-06-14"
    return None if re.fullmatch(r"\d{4}-\d\d-\d\d", text, re.ASCII) else "is no day like 2026-06-14"


def _label(text: str) -> str | None:
    return None if re.fullmatch(r'[\w.()!&|" <>/-]+', text, re.ASCII) and text[0] != "-" else "is no label of Jenkins"


def _store(text: str) -> str | None:
    form = r"gs://[a-z0-9][a-z0-9._-]+(/[\w.=@+-]+)*/?|(/[\w.=@+ -]+)+/?"
    if re.fullmatch(form, text, re.ASCII) and not {"..", "."} & set(text.split("/")):
        return None
    return "is no gs://bucket/prefix and no absolute path of a directory that all machines share"


def _sweeps(text: str) -> str | None:
    if re.fullmatch(r"[a-z0-9][a-z0-9-]*( +[a-z0-9][a-z0-9-]*)*", text):
        return None
    return "is no sweep id: like 20260614-0210-lstm-attention-3f9c; several have spaces between them"


def _image(text: str) -> str | None:
    form = r"[A-Za-z0-9][A-Za-z0-9._/:@-]*"
    return None if re.fullmatch(form, text) else "is no image: like registry.example.com/team/hpt:1.2"
