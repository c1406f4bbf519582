"""The job that runs sweeps, as its controller describes it: its parameters, and the build or queue item of a request.

Nothing here starts a build.
"""

import difflib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from pipeline.errors import UserError
from pipeline.jenkins.client import Controller, NotFound

DEFAULT_JOB = "tuning/sweep"
REQUEST_ID = "REQUEST_ID"
PARAMETERS = "parameters[name,value]"


@dataclass(frozen=True)
class Parameter:
    """A parameter in the controller's description of the job."""

    name: str
    kind: str
    choices: tuple[str, ...] = ()

    def problem_of(self, value: str) -> str | None:
        """The reason why Jenkins would refuse this value or silently change it; None if it takes the value."""
        if self.choices and value not in self.choices:
            return f"{json.dumps(value)} is not possible: one of {', '.join(map(json.dumps, self.choices))}"
        if self.kind == "BooleanParameterDefinition" and value not in ("true", "false"):
            return f"{json.dumps(value)} is not possible: true or false"
        return None


@dataclass(frozen=True)
class Accepted:
    """An accepted request: an item in the queue, or already a build."""

    item: int | None = None
    number: int | None = None


class Job:
    """One job of a controller, by its full name like `tuning/sweep`."""

    def __init__(self, controller: Controller, name: str) -> None:
        self.controller = controller
        steps = name.strip("/").split("/")
        if any(step in ("", ".", "..") for step in steps):
            raise UserError(f"{json.dumps(name)} is not the name of a job, like {DEFAULT_JOB}")
        self.name = "/".join(steps)
        self.path = "".join(f"job/{quote(step, safe='')}/" for step in steps)

    def build_path(self, number: int) -> str:
        return f"{self.path}{number}/"

    def build_url(self, number: int) -> str:
        return self.controller.url + self.build_path(number)

    def item_url(self, item: int) -> str:
        return f"{self.controller.url}queue/item/{item}/"

    def parameters(self) -> dict[str, Parameter]:
        """The parameters of the job by name. Raises UserError if the job cannot be built with parameters."""
        url = self.controller.url
        tree = "_class,buildable,property[parameterDefinitions[name,type,choices]]"
        try:
            job = self.controller.get(self.path, tree)
        except NotFound:
            if not self.controller.is_jenkins():
                raise UserError(
                    f"{url} is not the address of a Jenkins: it may lack a last part, like /jenkins"
                ) from None
            raise UserError(
                f"{url} has no job {self.name}, or {self.controller.user} may not see it: install it from jobs/, "
                "or name another one with --job or JENKINS_JOB"
            ) from None
        if "buildable" not in job:
            raise UserError(f"{self.name} is a folder of {url}, no job: name the job in it, like {self.name}/sweep")
        if not job["buildable"]:
            raise UserError(f"the job {self.name} of {url} is disabled: enable it in Jenkins")
        defined = [each for part in job.get("property") or [] for each in part.get("parameterDefinitions") or []]
        if not defined:
            raise UserError(
                f"the job {self.name} of {url} has no parameters: build it once in Jenkins, or install it from jobs/"
            )
        return {
            each["name"]: Parameter(each["name"], each.get("type", ""), tuple(each.get("choices") or ()))
            for each in defined
        }

    def item(self, item: int) -> dict[str, Any]:
        """A queue item: `cancelled`, `why` it waits, and the `executable` that it became."""
        return self.controller.get(f"queue/item/{item}/", "cancelled,why,executable[number]")

    def build(self, number: int) -> dict[str, Any]:
        """A build: `building`, its `result`, and its `duration` in milliseconds."""
        return self.controller.get(self.build_path(number), "building,result,duration")

    def find(self, request: str) -> Accepted | None:
        """The queue item of a request, or its build among the last hundred; None if there is neither."""
        # Search the queue first: an item that leaves it meanwhile is then found as a build.
        queue = self.controller.get("queue/", f"items[id,task[url],actions[{PARAMETERS}]]")
        for item in queue.get("items") or []:
            if _has_request(item, request) and self._is_mine((item.get("task") or {}).get("url", "")):
                return Accepted(item=item["id"])
        builds = self.controller.get(self.path, f"builds[number,actions[{PARAMETERS}]]{{0,100}}")
        for build in builds.get("builds") or []:
            if _has_request(build, request):
                return Accepted(number=build["number"])
        return None

    def _is_mine(self, task_url: str) -> bool:
        # Jenkins writes its configured address, which may differ from the one that we use.
        return unquote(urlsplit(task_url).path).endswith("/" + unquote(self.path))


def check_parameters(job: str, defined: Mapping[str, Parameter], values: Mapping[str, str]) -> None:
    """Raises UserError, a line per mistake, if the job would drop, refuse or change a value."""
    lines = []
    for name, value in values.items():
        if name not in defined:
            lines.append(f"the job {job} has no parameter {name}; {_nearest(name, defined)}")
        elif problem := defined[name].problem_of(value):
            lines.append(f"{name}: {problem}")
    if lines:
        raise UserError("\n".join(lines))


def _nearest(name: str, defined: Iterable[str]) -> str:
    names = sorted(defined)
    folded = {valid.upper().replace("-", "_"): valid for valid in names}
    near = difflib.get_close_matches(re.sub(r"[\s-]", "_", name.upper()), folded, n=1, cutoff=0.6)
    return f'did you mean "{folded[near[0]]}"?' if near else f"it has {', '.join(names)}"


def _has_request(thing: Mapping[str, Any], request: str) -> bool:
    return any(
        parameter.get("name") == REQUEST_ID and parameter.get("value") == request
        for action in thing.get("actions") or []
        for parameter in (action or {}).get("parameters") or []
    )
