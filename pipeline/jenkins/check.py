"""Checks the parameters of a Jenkins build, read from its environment, and turns them into specs and a few settings.

Nothing here talks to Jenkins or plans: `hpt jenkins-check` writes files, and the Jenkinsfile reads them. Parameters are
not trusted: a value is refused if it could lead out of a folder, pass for an option, or begin a second line. `trust.py`
holds the rules that an administrator can change.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import chain
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

from pipeline.errors import UserError
from pipeline.jenkins.parameters import CHOICES
from pipeline.jenkins.trust import Trust, trust
from pipeline.places import project_folder
from pipeline.plan.create import Request, parse_data
from pipeline.plan.judging import code_specs
from pipeline.spec import Spec, from_json, parse_budget, project
from pipeline.spec.model import Budget
from pipeline.store import open_store
from pipeline.sweep import Definition, claims, find

AS_THE_SPEC_SAYS = "spec"
DUE = "due"
"""The value of JUDGE for all claims with a new date range."""
LANES_AT_MOST = 64
PROTOCOL = 2
"""Version of the files that the verbs and the rendered Groovy exchange: settings, lines of plans and of failures.

It rises when the form of one of these changes. A Jenkinsfile of another version fails in its Validate stage."""
SPECS = Path("specs")
_ONLY_FOR_NEW_SWEEPS = ("SPEC_JSON", "ARCHITECTURE", "DATA", "EXPERIMENTS", "BUDGET")
_T = TypeVar("_T")


@dataclass(frozen=True)
class Settings:
    """The settings that the Jenkinsfile reads, as lines `name=value`."""

    label: str
    lanes: int
    store: str
    sweeps: str
    """The ids of the existing sweeps that the build continues, separated by spaces; empty for new sweeps."""
    retry: str
    """`yes` if failed trials of these sweeps run again, else empty."""
    judge: str
    """The argument of `hpt judge`: `--due` or a claim's id; empty if no claim is judged."""
    code: str
    """The value of HPT_CODE on every machine: marks (hashes) of the code and images that may run. See `trust.py`."""

    def as_lines(self) -> str:
        return "".join(f"{name}={value}\n" for name, value in ({"protocol": PROTOCOL} | vars(self)).items())


def check(
    environment: Mapping[str, str], say: Callable[[str], None] = lambda line: None
) -> tuple[dict[str, Spec], Settings]:
    """The specs of a build, `{name: spec}`, and its settings.

    A build that continues sweeps or judges claims has no specs. `say` takes notes for the build's log. Raises
    UserError with a line per mistake, which names the parameter.
    """
    values, trusted = _Values(environment), trust(environment, project.load().store)
    for note in trusted.notes():
        say(note)

    # The checks of single parameters.
    label = values.checked("LABEL", _label)
    values.checked("LIGHT_LABEL", _label)
    lanes = values.checked("LANES", _number(1, LANES_AT_MOST))
    store = values.checked("STORE", lambda text: _store(text) or trusted.problem_of_store(text))
    goes_on, sweeps = bool(values.text("SWEEP")), values.checked("SWEEP", _sweeps).split()
    judges, judge = bool(values.text("JUDGE")), values.checked("JUDGE", _judge)
    in_containers = values.text("CONTAINER") != "none"
    image = values.checked(
        "IMAGE", lambda text: _image(text) or (trusted.problem_of_image(text) if in_containers else None)
    )
    for name, choices in (CHOICES | {"RETRY": ("true", "false")}).items():
        values.checked(name, _one_of(choices))
    values.checked("REQUEST_ID", _line)
    # HPT_IMAGE_MADE, from the Image stage, goes first: it names the exact image behind a tag, which may move.
    changes = _changes(values, trusted, environment.get("HPT_IMAGE_MADE") or image if image and in_containers else "")
    if not values.text("LABEL"):
        values.complain("LABEL", "is empty: name the label of the machines that run trials")
    _refuse_combinations(values)

    # The specs of new sweeps, or the sweeps and claims in the store.
    specs = {} if goes_on or judges else _specs(values, trusted, changes)
    values.raise_if_wrong()
    root = _shared_store(store, environment, list(specs.values()))
    if Path(root).is_relative_to(project_folder()):
        say(f"{root} is in this workspace, which no other machine sees: set HPT_STORE, or a shared place in hpt.toml")
    runs: Sequence[Spec | Definition] = list(specs.values())
    if goes_on:
        existing = [find(open_store(root), sweep) for sweep in sweeps]
        sweeps = list(dict.fromkeys(sweep.id for sweep in existing))
        definitions = [sweep.definition for sweep in existing]
        for problem in chain.from_iterable(trusted.problems_of_sweep(each, root) for each in definitions):
            values.complain("SWEEP", problem)
        runs = definitions
    elif judges:
        runs = _code_of_claims(values, trusted, root, judge)
    values.raise_if_wrong()
    code = trusted.marks(root, runs, environment.get("HPT_IMAGE"))
    retry = "yes" if values.text("RETRY") == "true" else ""
    to_judge = "--due" if judge == DUE else judge
    return specs, Settings(label, int(lanes or 1), root, " ".join(sweeps), retry, to_judge, code)


def _refuse_combinations(values: "_Values") -> None:
    """Notes a mistake for each parameter that another one excludes."""
    goes_on = bool(values.text("SWEEP"))
    if goes_on:
        values.refuse(
            ("JUDGE", *_ONLY_FOR_NEW_SWEEPS, "AS_OF"), "cannot change a sweep that exists: leave it or SWEEP empty"
        )
    elif values.text("JUDGE"):
        values.refuse((*_ONLY_FOR_NEW_SWEEPS, "NOTES"), "cannot change how a claim is judged: leave it or JUDGE empty")
    if values.text("RETRY") == "true" and not goes_on:
        values.complain("RETRY", "is for a sweep that exists: name it in SWEEP")


class _Values:
    """The values of the parameters as text. Collects the mistakes in them."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self._mistakes: list[str] = []

    def text(self, name: str) -> str:
        """The value of a parameter; empty if it is not set."""
        return self._environment.get(name, "").strip()

    def complain(self, name: str, message: str) -> None:
        """Notes a mistake in a parameter."""
        self._mistakes.append(f"{name}: {message}")

    def refuse(self, names: Iterable[str], message: str) -> None:
        """Notes the same mistake for each of these parameters that is set."""
        for name in names:
            if self.text(name):
                self.complain(name, message)

    def checked(self, name: str, problem_of: Callable[[str], str | None]) -> str:
        """The value of a parameter. If `problem_of` finds a problem in it, notes the problem and returns ""."""
        text = self.text(name)
        if text and (problem := problem_of(text)):
            self.complain(name, f"{json.dumps(text[:80])} {problem}")
            return ""
        return text

    def call(self, make: Callable[..., _T], *arguments: Any) -> _T | None:
        """Calls `make` and returns its result; None if it raises UserError, whose lines are then noted."""
        try:
            return make(*arguments)
        except UserError as error:
            self._mistakes.append(str(error))
            return None

    def raise_if_wrong(self) -> None:
        """Raises UserError with all mistakes, a line each."""
        if self._mistakes:
            raise UserError("\n".join(self._mistakes))


def _specs(values: _Values, trusted: Trust, changes: Mapping[str, Any]) -> dict[str, Spec]:
    """The specs of new sweeps: `{"spec": …}` from SPEC_JSON, from the file SPEC, or for the only name in ARCHITECTURE.

    Several names give a spec each: `{"cnn": …, "lstm": …}`.
    """
    text, architecture = values.text("SPEC_JSON"), values.text("ARCHITECTURE")
    if text and architecture:
        values.complain("ARCHITECTURE", "stands beside SPEC_JSON: leave one of them empty")
    if text:
        origin, request = "SPEC_JSON", Request(text=text, **changes)
        spec = values.call(from_json, text, origin)
        if spec is None:
            return {}
        for key, problem in trusted.problems_of_spec(spec):
            values.complain(origin, f"{key}: {problem}")
    elif architecture:
        if not values.text("DATA") and project.load().data is None:
            values.complain("DATA", "is empty, and the repository has no hpt.toml that names data")
        origin, request = "ARCHITECTURE", Request(architecture=architecture, **changes)
    else:
        content = _read_spec(values)
        if content is None:
            return {}
        origin, request = values.text("SPEC"), Request(text=content, **changes)
    requests = values.call(request.each, origin) or []
    specs = {
        str(each.architecture) if len(requests) > 1 else "spec": values.call(each.spec, origin) for each in requests
    }
    return {name: spec for name, spec in specs.items() if spec is not None}


def _code_of_claims(values: _Values, trusted: Trust, root: str, judge: str) -> list[Spec]:
    """The committed specs with the code that judges claims, which hold no code themselves.

    Notes claims whose data are not allowed. `hpt judge` reports all other mistakes in a claim.
    """
    store = open_store(root)
    selected = claims.all_stored(store) if judge == DUE else [claims.find(store, judge)]
    judged = [stored for stored in selected if isinstance(stored, claims.Stored)]
    for stored in judged:
        if not trusted.knows(root) and (problem := trusted.problem_of_data(stored.claim.data)):
            values.complain("JUDGE", f"{stored.claim.id}: data.path {problem}")
    return code_specs(judged)


def _read_spec(values: _Values) -> str | None:
    """The text of the file SPEC; None if it cannot be read, which is noted."""
    path = values.checked("SPEC", _spec_path)
    if not values.text("SPEC"):
        values.complain("SPEC", "is empty: name a spec, or give SPEC_JSON, ARCHITECTURE, SWEEP or JUDGE")
    if not path:
        return None
    try:
        return Path(path).read_text(encoding="utf-8-sig")
    except OSError:
        values.complain("SPEC", f"there is no {path} in this commit")
    except UnicodeDecodeError:
        values.complain("SPEC", f"{path} is not UTF-8")
    return None


def _changes(values: _Values, trusted: Trust, image: str) -> dict[str, Any]:
    """The fields of a Request that the other parameters set. A parameter with a mistake sets nothing."""
    mode, text = values.text("MODE"), values.text("DATA")
    data = values.call(parse_data, text, "DATA") if text else None
    if problem := trusted.problem_of_data(data):
        values.complain("DATA", f"data.path: {problem}")
    experiments = values.checked("EXPERIMENTS", _number(1, 1_000_000))
    budget, day, notes = values.checked("BUDGET", _line), values.checked("AS_OF", _day), values.checked("NOTES", _line)
    return {
        "mode": mode if mode in CHOICES["MODE"] and mode != AS_THE_SPEC_SAYS else None,
        "experiments": int(experiments) if experiments else None,
        "budget": values.call(_budget, budget) if budget else None,
        "data": data,
        "as_of": date.fromisoformat(day) if day else None,
        "notes": notes or None,
        "image": image or None,
    }


def _budget(text: str) -> Budget:
    return parse_budget(re.split(r"[\s,]+", text.strip(" ,")), "BUDGET")


def _shared_store(store: str, environment: Mapping[str, str], specs: Sequence[Spec]) -> str:
    root = store or environment.get("HPT_STORE") or (specs[0].store if specs else None) or project.load().store
    if not root:
        raise UserError("STORE: is empty, and neither HPT_STORE (set it in Jenkins) nor the spec names a store")
    if problem := _store(root):
        raise UserError(f"STORE: {json.dumps(root[:80])} {problem}")
    return root


# -- the problem of a value, as the end of a sentence like `"x" is no image`; None if there is none


def _line(text: str) -> str | None:
    return None if text.isprintable() and len(text) <= 1000 else "must be one line of at most 1000 characters"


def _spec_path(text: str) -> str | None:
    path = PurePosixPath(text)
    inside = path.parts[:1] == SPECS.parts and ".." not in path.parts and text.isprintable() and "\\" not in text
    # A symbolic link inside specs/ could still lead out of it.
    if not inside or not Path(text).resolve().is_relative_to(SPECS.resolve()):
        return "is not inside specs/: a spec has a path like specs/quickstart.json"
    return None if path.suffix == ".json" else "is no spec: its name must end in .json"


def _number(low: int, high: int) -> Callable[[str], str | None]:
    def problem_of(text: str) -> str | None:
        fits = re.fullmatch(r"[0-9]{1,9}", text) and low <= int(text) <= high
        return None if fits else f"is no whole number from {low} to {high}"

    return problem_of


def _one_of(choices: Sequence[str]) -> Callable[[str], str | None]:
    return lambda text: None if text in choices else f"is not possible: one of {', '.join(choices)}"


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
    return "is no sweep id like 20260614-0210-lstm-attention-3f9c; separate several by spaces"


def _judge(text: str) -> str | None:
    if text == DUE or re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", text):
        return None
    return f"is no claim: write {DUE} for all claims with a new date range, or an id like lstm-attention-3f9c1b2a4d5e"


def _image(text: str) -> str | None:
    form = r"[A-Za-z0-9][A-Za-z0-9._/:@-]*"
    return None if re.fullmatch(form, text) else "is no image: like registry.example.com/team/hpt:1.2"
