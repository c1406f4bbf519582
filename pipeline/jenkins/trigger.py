"""`hpt trigger`: starts exactly one build of the sweep job, and waits for its end on request.

Checks everything that Jenkins would drop, or refuse without a clear message. A request id makes it safe to repeat the
call after a crash. The Jenkinsfile decides what the build does with its parameters.
"""

import json
import os
import re
import subprocess
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath

from pipeline import spec as specs
from pipeline.errors import InfrastructureError, UserError
from pipeline.jenkins import follow
from pipeline.jenkins.client import Controller, login
from pipeline.jenkins.follow import Ended, Patience, View
from pipeline.jenkins.job import DEFAULT_JOB, REQUEST_ID, Accepted, Job, check_parameters
from pipeline.plan.create import Request

SPEC, SPEC_JSON, SWEEP, ARCHITECTURE, BUDGET = "SPEC", "SPEC_JSON", "SWEEP", "ARCHITECTURE", "BUDGET"
JUDGE = "JUDGE"
# A parameter becomes an environment variable, which Linux limits to 128 KiB.
INLINE_BYTES = 100 * 1024
EXIT_CODES = {None: 0, "SUCCESS": 0, "UNSTABLE": 1}
FAILED = 3


@dataclass(frozen=True)
class Outcome:
    """The result of a trigger.

    `number` is None while the build is queued. `result` and `seconds` are None if nobody waited for its end.
    """

    request_id: str
    job: str
    number: int | None
    url: str
    result: str | None
    seconds: float | None

    @property
    def exit_code(self) -> int:
        return EXIT_CODES.get(self.result, FAILED)

    def as_json(self) -> str:
        return json.dumps(asdict(self))

    def __str__(self) -> str:
        if self.result is None or self.seconds is None:
            return self.url
        return f"{self.result} after {round(self.seconds)} s: {self.url}"


def parameters_for(
    spec: Path | None, architecture: str | None, budget: Sequence[str], settings: Sequence[str], view: View
) -> dict[str, str]:
    """The parameters of a build, like `{"SPEC": "specs/quickstart.json", "LANES": "4"}`.

    The build is for a spec, for an architecture (or `all`), or for a SWEEP or JUDGE in `settings`. `settings` holds
    parameters like "LANES=4", `budget` items like "device-hours=2". Raises UserError for mistakes that can be found
    without Jenkins.
    """
    parameters = _settings(settings)
    if spec is not None and architecture:
        raise UserError("name either a SPEC or an --architecture to tune automatically")
    if spec is None and not architecture and not parameters.get(SWEEP) and not parameters.get(JUDGE):
        raise UserError("name a SPEC, an --architecture to tune automatically, or --set SWEEP=ID or JUDGE=CLAIM")
    if spec is not None:
        parameters |= spec_parameters(spec, view)
    if architecture:
        for request in Request(architecture=architecture).each():
            request.spec()
        parameters[ARCHITECTURE] = architecture
    if budget:
        specs.parse_budget(budget, "--budget")
        parameters[BUDGET] = " ".join(budget)
    return parameters


def trigger(
    parameters: Mapping[str, str],
    view: View,
    *,
    url: str | None = None,
    job: str | None = None,
    request_id: str | None = None,
    wait: bool = False,
    patience: Patience = Patience(),  # noqa: B008 (frozen)
) -> Outcome:
    """Starts a build with these parameters, or finds the one that `request_id` started before.

    Raises UserError if the controller, the job or a parameter is wrong. Raises InfrastructureError if the controller
    cannot be reached, or stays away for too long.
    """
    request = _request_id(request_id)
    parameters = {**parameters, REQUEST_ID: request}
    target = Job(Controller(login(url, os.environ)), job or os.environ.get("JENKINS_JOB") or DEFAULT_JOB)
    check_parameters(target.name, target.parameters(), parameters)
    view.say(f"request {request}: the same call with --request-id {request} finds it again")
    try:
        accepted = _accepted(target, parameters, view, patience, look_first=request_id is not None)
        build = follow.wait_for_number(target, accepted, request, view, patience, wait=wait)
        if not isinstance(build, int):
            ended, place = build, target.item_url(accepted.item or 0)
            return _outcome(target, request, None, place, ended)
        view.say(f"build {build}: {target.build_url(build)}")
        ended = follow.wait_for_end(target, build, view, patience) if wait else None
    except (InfrastructureError, KeyboardInterrupt):
        view.say(f"if Jenkins accepted it, it goes on: the same call with --request-id {request} finds it again")
        raise
    return _outcome(target, request, build, target.build_url(build), ended)


def spec_parameters(spec: Path, view: View) -> dict[str, str]:
    """The parameter for a spec: `{"SPEC": path}` if the job's repository has it, else `{"SPEC_JSON": text}`.

    Raises UserError if the spec is wrong or too large.
    """
    in_repository = _path_in_repository(spec)
    if in_repository and not spec.exists():
        return {SPEC: in_repository}
    Request(file=spec).spec()
    if in_repository and not _is_changed(spec):
        return {SPEC: in_repository}
    if in_repository:
        view.say(f"{spec} is new or changed since the last commit: its text is sent instead of its path")
    text = json.dumps(json.loads(spec.read_text(encoding="utf-8-sig")), ensure_ascii=False, separators=(",", ":"))
    if len(text.encode()) > INLINE_BYTES:
        raise UserError(f"{spec}: too large to be sent along; commit it under specs/ and trigger it from there")
    return {SPEC_JSON: text}


def _accepted(job: Job, parameters: Mapping[str, str], view: View, patience: Patience, *, look_first: bool) -> Accepted:
    request, looks = parameters[REQUEST_ID], look_first

    def find_or_start() -> Accepted:
        nonlocal looks
        if looks and (earlier := job.find(request)):
            view.say("found again")
            return earlier
        # If the answer is lost, the build may exist all the same: from now on, look for it before starting one.
        looks = True
        return Accepted(item=job.controller.build(job.path, parameters))

    return follow.patiently(find_or_start, view, patience)


def _outcome(job: Job, request: str, build: int | None, url: str, ended: Ended | None) -> Outcome:
    return Outcome(request, job.name, build, url, ended.result if ended else None, ended.seconds if ended else None)


def _request_id(option: str | None) -> str:
    if option is None:
        return uuid.uuid4().hex
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", option):
        raise UserError(f"--request-id {json.dumps(option)}: 1 to 64 letters, digits, dots, hyphens, underscores")
    return option


def _settings(settings: Iterable[str]) -> dict[str, str]:
    """The items NAME=VALUE as a mapping. Raises UserError for a name that has its own option."""
    parameters: dict[str, str] = {}
    options = {SPEC: "the argument SPEC", SPEC_JSON: "the argument SPEC", REQUEST_ID: "--request-id"}
    options |= {ARCHITECTURE: "--architecture", BUDGET: "--budget"}
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not equals or not name:
            raise UserError(f"--set {json.dumps(setting)}: must be NAME=VALUE, like LANES=4")
        if name in options:
            raise UserError(f"--set {name}: use {options[name]} instead")
        if name in parameters:
            raise UserError(f"--set {name}: is given twice")
        parameters[name] = value
    return parameters


def _path_in_repository(spec: Path) -> str | None:
    """The path `specs/…` by which a build finds the spec in the job's repository; None if the spec lies elsewhere."""
    if not spec.exists() and not Path("specs").exists():
        # There is no checkout here, so the path can only be one in the job's repository. The build will look it up.
        path = PurePosixPath(spec.as_posix())
        return str(path) if path.parts[:1] == ("specs",) and ".." not in path.parts else None
    whole = spec.resolve()
    for folder in whole.parents:
        if folder.name == "specs" and (folder.parent / "Jenkinsfile").exists():
            return whole.relative_to(folder.parent).as_posix()
    return None


def _is_changed(spec: Path) -> bool:
    """True if the file has changes that are not committed, or git does not know it; False if git cannot tell."""
    command = ["git", "status", "--porcelain", "--ignored", "--", spec.name]
    try:
        status = subprocess.run(command, cwd=spec.resolve().parent, capture_output=True, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError):
        return False
    return bool(status.stdout)
