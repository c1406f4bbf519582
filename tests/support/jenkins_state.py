"""The state of the fake Jenkins controller: its job, queue and builds. `jenkins.py` serves it."""

import threading
from dataclasses import dataclass, field
from typing import Any


def parameter(name: str, kind: str = "String", default: str = "", choices: tuple[str, ...] = ()) -> dict[str, Any]:
    defined: dict[str, Any] = {
        "_class": f"hudson.model.{kind}ParameterDefinition",
        "name": name,
        "type": f"{kind}ParameterDefinition",
        "description": "",
        "defaultParameterValue": {"name": name, "value": default},
    }
    return defined | ({"choices": list(choices)} if choices else {})


SWEEP_PARAMETERS = (
    parameter("SPEC", default="specs/quickstart.json"),
    parameter("SPEC_JSON", "Text"),
    parameter("ARCHITECTURE"),
    parameter("BUDGET"),
    parameter("SWEEP"),
    parameter("REQUEST_ID"),
    parameter("LANES", default="4"),
    parameter("CONTAINER", "Choice", "docker", ("docker", "none")),
    parameter("PUSH", "Boolean", "false"),
)


@dataclass
class Script:
    """The log of builds, which grows by a piece with each request, and their result."""

    log: tuple[bytes, ...] = (b"Started by user ada\n", b"Finished\n")
    result: str = "SUCCESS"
    looks_in_queue: int = 1


@dataclass
class Build:
    number: int
    parameters: dict[str, str]
    script: Script
    shown: int = 0

    @property
    def building(self) -> bool:
        return self.shown < len(self.script.log)

    def as_json(self) -> dict[str, Any]:
        return {
            "_class": "org.jenkinsci.plugins.workflow.job.WorkflowRun",
            "number": self.number,
            "actions": actions_of(self.parameters),
            "building": self.building,
            "result": None if self.building else self.script.result,
            "duration": 0 if self.building else 61_500,
        }


@dataclass
class Item:
    id: int
    parameters: dict[str, str]
    job: str
    looks: int = 0
    build: Build | None = None
    cancelled: bool = False

    @property
    def is_waiting(self) -> bool:
        return self.build is None and not self.cancelled


@dataclass
class Fake:
    """The state of the controller, which tests set and read."""

    prefix: str = "/jenkins"
    job: str = "/job/tuning/job/sweep/"
    believes_to_be: str = "https://jenkins.internal.example/jenkins"
    parameters: list[dict[str, Any]] = field(default_factory=lambda: list(SWEEP_PARAMETERS))
    buildable: bool = True
    crumbs: bool = True
    script: Script = field(default_factory=Script)
    items: dict[int, Item] = field(default_factory=dict)
    builds: dict[int, Build] = field(default_factory=dict)
    requests: list[tuple[str, str]] = field(default_factory=list)
    starting: int = 0
    """Number of coming requests that get a 503."""
    restart_at: int | None = None
    """Number of the coming request, from 0, at which the controller restarts without an answer."""
    lose_answer_to_post: bool = False
    cancel_at_look: int | None = None
    forgets_left_items: bool = False
    moved_to: str | None = None
    """Address to which all requests are redirected, as by a proxy that requires HTTPS or a login."""
    moves: tuple[str, ...] = ("GET", "POST")
    port: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}{self.prefix}"

    @property
    def accepted(self) -> list[dict[str, str]]:
        """The parameters of all items that were ever queued, in order."""
        return [item.parameters for item in self.items.values()]

    def queue(self, parameters: dict[str, str]) -> tuple[int, Item]:
        for item in self.items.values():
            if item.is_waiting and (item.job, item.parameters) == (self.job, parameters):
                return 303, item
        item = Item(len(self.items) + 41, parameters, self.job)
        self.items[item.id] = item
        return 201, item

    def start(self, item: Item) -> Build:
        item.build = Build(len(self.builds) + 7, item.parameters, self.script)
        self.builds[item.build.number] = item.build
        return item.build


def actions_of(parameters: dict[str, str]) -> list[dict[str, Any]]:
    # Real builds have empty actions, too.
    values = [{"_class": "hudson.model.StringParameterValue", "name": n, "value": v} for n, v in parameters.items()]
    return [
        {},
        {"_class": "hudson.model.ParametersAction", "parameters": values},
        {"_class": "hudson.model.CauseAction"},
    ]
