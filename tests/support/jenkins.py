"""A Jenkins controller for tests, as far as triggering and following a build goes: a real HTTP server in this process.

There is no controller to test against here. What this one does follows the team's notes of what was seen on a real
one (LTS 2.479: 303 for a coalesced request, 500 for a job without parameters or an illegal choice, unknown parameters
dropped without a word, the progressive log's headers) and Jenkins' own documentation. tests/live is the judge.
Nothing here runs by the clock: a queued item and a build move on when somebody looks at them.
"""

import base64
import contextlib
import json
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

USER, TOKEN, PASSWORD = "ada", "11d0c7e1b2a3948576secret", "letmein"
READER, READERS_TOKEN = "reader", "119999999999999secret"
PAGE = "<html><head><title>Jenkins</title></head><body><h1>Oops!</h1><p>{}</p></body></html>"


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
    """What builds do: the pieces of their log, one shown at each look, and how they end."""

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
            "actions": _actions(self.parameters),
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
    """The controller. Tests set what they need and read what happened."""

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
    """So many requests more get a 503."""
    restart_at: int | None = None
    """The request, counted from now, at which the controller goes away, without an answer, and comes back."""
    lose_answer_to_post: bool = False
    cancel_at_look: int | None = None
    forgets_left_items: bool = False
    moved_to: str | None = None
    """Everything is answered with a redirect to there, as a proxy does that wants HTTPS or a login."""
    moves: tuple[str, ...] = ("GET", "POST")
    port: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}{self.prefix}"

    @property
    def accepted(self) -> list[dict[str, str]]:
        """The parameters of all that was ever queued, in order."""
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


@contextlib.contextmanager
def controller() -> Iterator[Fake]:
    fake = Fake()
    running = _Running(fake)
    running.up()
    try:
        yield fake
    finally:
        running.down()


class _Running:
    """The listening side, which can go away and come back at the same port."""

    def __init__(self, fake: Fake) -> None:
        self.fake, self.is_up = fake, False

    def up(self) -> None:
        server = ThreadingHTTPServer(("127.0.0.1", self.fake.port), _handler(self))
        server.daemon_threads = True
        self.fake.port, self.server, self.is_up = server.server_address[1], server, True
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def down(self) -> None:
        self.is_up = False
        self.server.shutdown()
        self.server.server_close()

    def restart(self) -> None:
        self.is_up = False

        def go() -> None:
            self.down()
            threading.Event().wait(0.05)
            self.fake.starting = 2
            self.up()

        threading.Thread(target=go, daemon=True).start()


def _actions(parameters: dict[str, str]) -> list[dict[str, Any]]:
    # Real builds have empty actions among theirs.
    told = [{"_class": "hudson.model.StringParameterValue", "name": n, "value": v} for n, v in parameters.items()]
    return [{}, {"_class": "hudson.model.ParametersAction", "parameters": told}, {"_class": "hudson.model.CauseAction"}]


def pruned(value: Any, tree: str) -> Any:
    """What `?tree=` leaves of an answer: only the fields it names, and `_class`."""
    names: dict[str, str] = {}
    for name, inner in re.findall(r"(\w+)(\[(?:[^\[\]]|\[(?:[^\[\]]|\[[^\[\]]*\])*\])*\])?(?:\{[\d,]*\})?", tree):
        names[name] = inner[1:-1]
    if isinstance(value, list):
        return [pruned(each, tree) for each in value]
    if isinstance(value, dict):
        return {
            key: pruned(inner, names[key]) if names.get(key) else inner
            for key, inner in value.items()
            if key == "_class" or key in names
        }
    return value


def _handler(running: _Running) -> type[BaseHTTPRequestHandler]:
    fake = running.fake

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # Else each answer waits 40 ms for an acknowledgement.
        wbufsize = -1
        disable_nagle_algorithm = True

        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            self._handle(b"")

        def do_POST(self) -> None:
            self._handle(self.rfile.read(int(self.headers.get("Content-Length") or 0)))

        def _handle(self, body: bytes) -> None:
            with fake.lock:
                fake.requests.append((self.command, self.path))
                if fake.restart_at is not None:
                    fake.restart_at -= 1
                    if fake.restart_at < 0:
                        fake.restart_at = None
                        running.restart()
                if not running.is_up:
                    self.close_connection = True
                    return
                if fake.starting > 0:
                    fake.starting -= 1
                    self._send(503, PAGE.format("Please wait while Jenkins is getting ready to work"))
                    return
                self._route(body)

        def _route(self, body: bytes) -> None:
            parts = urlsplit(self.path)
            if fake.moved_to and parts.path != "/login" and self.command in fake.moves:
                self._send(302, "", {"Location": fake.moved_to})
                return
            query = dict(parse_qsl(parts.query))
            path = unquote(parts.path)
            if path == "/login":
                self._send(200, PAGE.format("Please log in"))
                return
            if not path.startswith(fake.prefix + "/"):
                self._send(404, PAGE.format("Not found"))
                return
            path = path[len(fake.prefix) :]
            if not self._allowed(path):
                return
            if path == "/crumbIssuer/api/json":
                crumb = {"crumb": "c0ffee", "crumbRequestField": "Jenkins-Crumb"}
                self._json(crumb, query) if fake.crumbs else self._send(404, PAGE.format("Not found"))
            elif path == "/api/json":
                self._json({"_class": "hudson.model.Hudson", "nodeName": "", "url": fake.believes_to_be}, query)
            elif path == "/queue/api/json":
                waiting = [item for item in fake.items.values() if item.is_waiting]
                self._json({"items": [self._item(item) for item in waiting]}, query)
            elif match := re.fullmatch(r"/queue/item/(\d+)/api/json", path):
                self._queue_item(int(match.group(1)), query)
            elif path == "/job/tuning/api/json":
                folder = "com.cloudbees.hudson.plugins.folder.Folder"
                self._json({"_class": folder, "name": "tuning", "jobs": [], "property": [{}]}, query)
            elif path == f"{fake.job}api/json":
                self._job(query)
            elif path == f"{fake.job}buildWithParameters":
                self._build(query | dict(parse_qsl(body.decode(), keep_blank_values=True)))
            elif match := re.fullmatch(rf"{fake.job}(\d+)/(api/json|logText/progressiveText)", path):
                build = fake.builds.get(int(match.group(1)))
                if build is None:
                    self._send(404, PAGE.format("Not found"))
                elif match.group(2) == "api/json":
                    self._json(build.as_json(), query)
                else:
                    self._log(build, int(query.get("start", "0")))
            else:
                self._send(404, PAGE.format("Not found"))

        def _allowed(self, path: str) -> bool:
            given = self.headers.get("Authorization", "")
            if not given:
                self._send(403, PAGE.format("Authentication required"))
                return False
            user, _, secret = base64.b64decode(given.removeprefix("Basic ")).decode().partition(":")
            if (user, secret) not in ((USER, TOKEN), (USER, PASSWORD), (READER, READERS_TOKEN)):
                self._send(401, PAGE.format("Invalid password/token for user: " + user))
                return False
            if self.command == "POST":
                if secret == PASSWORD and fake.crumbs and self.headers.get("Jenkins-Crumb") != "c0ffee":
                    self._send(403, PAGE.format("No valid crumb was included in the request"))
                    return False
                if user == READER:
                    needed = {"X-Required-Permission": "hudson.model.Item.Build"}
                    self._send(403, PAGE.format("reader is missing the Job/Build permission"), needed)
                    return False
            return True

        def _item(self, item: Item) -> dict[str, Any]:
            told: dict[str, Any] = {
                "_class": "hudson.model.Queue$WaitingItem" if item.build is None else "hudson.model.Queue$LeftItem",
                "id": item.id,
                "task": {"name": "sweep", "url": fake.believes_to_be + item.job},
                "actions": _actions(item.parameters),
                "why": "Waiting for next available executor" if item.build is None else None,
            }
            if item.cancelled:
                told["cancelled"] = True
            if item.build:
                url = f"{fake.believes_to_be}{fake.job}{item.build.number}/"
                told |= {"cancelled": False, "executable": {"number": item.build.number, "url": url}}
            return told

        def _queue_item(self, number: int, query: dict[str, str]) -> None:
            item = fake.items.get(number)
            if item and item.is_waiting:
                item.looks += 1
                item.cancelled = item.looks == fake.cancel_at_look
                if item.looks > fake.script.looks_in_queue:
                    fake.start(item)
            if item is None or (item.build and fake.forgets_left_items):
                self._send(404, PAGE.format("Not found"))
            else:
                self._json(self._item(item), query)

        def _job(self, query: dict[str, str]) -> None:
            properties: list[dict[str, Any]] = [{"_class": "jenkins.model.BuildDiscarderProperty"}]
            if fake.parameters:
                kind = "hudson.model.ParametersDefinitionProperty"
                properties.append({"_class": kind, "parameterDefinitions": fake.parameters})
            told = {
                "_class": "org.jenkinsci.plugins.workflow.job.WorkflowJob",
                "name": "sweep",
                "url": fake.believes_to_be + fake.job,
                "buildable": fake.buildable,
                "property": properties,
                "builds": [build.as_json() for build in reversed(fake.builds.values())],
            }
            self._json(told, query)

        def _build(self, given: dict[str, str]) -> None:
            if self.command != "POST":
                self._send(405, PAGE.format("This URL requires POST"))
                return
            if not fake.parameters:
                self._send(500, PAGE.format("java.lang.IllegalStateException: This build is not parameterized!"))
                return
            values = {}
            for defined in fake.parameters:
                name = defined["name"]
                value = given.get(name, defined["defaultParameterValue"]["value"])
                if "choices" in defined and value not in defined["choices"]:
                    self._send(500, PAGE.format(f"Illegal choice for parameter {name}: {value}"))
                    return
                values[name] = value
            status, item = fake.queue(values)
            if fake.lose_answer_to_post:
                fake.lose_answer_to_post = False
                self.close_connection = True
                return
            self._send(status, "", {"Location": f"{fake.believes_to_be}/queue/item/{item.id}/"})

        def _log(self, build: Build, start: int) -> None:
            build.shown = min(build.shown + 1, len(build.script.log))
            whole = b"".join(build.script.log[: build.shown])
            headers = {"X-Text-Size": str(len(whole))} | ({"X-More-Data": "true"} if build.building else {})
            self._send(200, whole[start:], headers, "text/plain;charset=utf-8")

        def _json(self, value: dict[str, Any], query: dict[str, str]) -> None:
            told = pruned(value, query["tree"]) if "tree" in query else value
            self._send(
                200, json.dumps(told, separators=(",", ":")), {"X-Jenkins": "2.479.3"}, "application/json;charset=utf-8"
            )

        def _send(
            self, status: int, body: str | bytes, headers: dict[str, str] | None = None, kind: str = "text/html"
        ) -> None:
            content = body.encode() if isinstance(body, str) else body
            self.send_response(status)
            for name, value in ({"Content-Type": kind} | (headers or {})).items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    return Handler
