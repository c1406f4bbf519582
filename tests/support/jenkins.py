"""A fake Jenkins controller for tests of triggering and following a build: a real HTTP server in this process.

It follows the documentation of Jenkins and the team's notes on a real controller, LTS 2.479. That controller answers
303 for a coalesced request, and 500 for a job without parameters or an illegal choice. It drops unknown parameters
silently. tests/live checks all of this against a real controller.
No clock is involved: a queued item and a build make progress with each request for them.
"""

import base64
import contextlib
import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from tests.support.jenkins_state import SWEEP_PARAMETERS, Build, Fake, Item, Script, actions_of, parameter

__all__ = [
    "PASSWORD",
    "READER",
    "READERS_TOKEN",
    "SWEEP_PARAMETERS",
    "TOKEN",
    "USER",
    "Build",
    "Fake",
    "Item",
    "Script",
    "controller",
    "parameter",
]

USER, TOKEN, PASSWORD = "ada", "11d0c7e1b2a3948576secret", "letmein"
READER, READERS_TOKEN = "reader", "119999999999999secret"
PAGE = "<html><head><title>Jenkins</title></head><body><h1>Oops!</h1><p>{}</p></body></html>"


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
    """The listening server, which can restart on the same port."""

    def __init__(self, fake: Fake) -> None:
        self.fake, self.is_up = fake, False

    def up(self) -> None:
        server = _Server(self)
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


def pruned(value: Any, tree: str) -> Any:
    """An answer with only the fields that `?tree=` names, and `_class`."""
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


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, running: _Running) -> None:
        self.running = running
        super().__init__(("127.0.0.1", running.fake.port), _Handler)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    # Otherwise each answer waits 40 ms for an acknowledgement.
    wbufsize = -1
    disable_nagle_algorithm = True

    @property
    def fake(self) -> Fake:
        return self.server.running.fake

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        self._handle(b"")

    def do_POST(self) -> None:
        self._handle(self.rfile.read(int(self.headers.get("Content-Length") or 0)))

    def _handle(self, body: bytes) -> None:
        with self.fake.lock:
            self.fake.requests.append((self.command, self.path))
            if self.fake.restart_at is not None:
                self.fake.restart_at -= 1
                if self.fake.restart_at < 0:
                    self.fake.restart_at = None
                    self.server.running.restart()
            if not self.server.running.is_up:
                self.close_connection = True
                return
            if self.fake.starting > 0:
                self.fake.starting -= 1
                self._send(503, PAGE.format("Please wait while Jenkins is getting ready to work"))
                return
            self._route(body)

    def _route(self, body: bytes) -> None:
        parts = urlsplit(self.path)
        path, query = unquote(parts.path), dict(parse_qsl(parts.query))
        if self.fake.moved_to and path != "/login" and self.command in self.fake.moves:
            self._send(302, "", {"Location": self.fake.moved_to})
        elif path == "/login":
            self._send(200, PAGE.format("Please log in"))
        elif not path.startswith(self.fake.prefix + "/"):
            self._not_found()
        elif self._is_allowed():
            path = path[len(self.fake.prefix) :]
            if path.startswith(self.fake.job):
                self._route_of_job(path[len(self.fake.job) :], query, body)
            else:
                self._route_outside_of_job(path, query)

    def _route_outside_of_job(self, path: str, query: dict[str, str]) -> None:
        if path == "/crumbIssuer/api/json" and self.fake.crumbs:
            self._json({"crumb": "c0ffee", "crumbRequestField": "Jenkins-Crumb"}, query)
        elif path == "/api/json":
            self._json({"_class": "hudson.model.Hudson", "nodeName": "", "url": self.fake.believes_to_be}, query)
        elif path == "/queue/api/json":
            waiting = [item for item in self.fake.items.values() if item.is_waiting]
            self._json({"items": [self._item(item) for item in waiting]}, query)
        elif match := re.fullmatch(r"/queue/item/(\d+)/api/json", path):
            self._queue_item(int(match[1]), query)
        elif path == "/job/tuning/api/json":
            folder = "com.cloudbees.hudson.plugins.folder.Folder"
            self._json({"_class": folder, "name": "tuning", "jobs": [], "property": [{}]}, query)
        else:
            self._not_found()

    def _route_of_job(self, path: str, query: dict[str, str], body: bytes) -> None:
        if path == "api/json":
            self._job(query)
        elif path == "buildWithParameters":
            self._build(query | dict(parse_qsl(body.decode(), keep_blank_values=True)))
        elif (match := re.fullmatch(r"(\d+)/(api/json|logText/progressiveText)", path)) and (
            build := self.fake.builds.get(int(match[1]))
        ):
            if match[2] == "api/json":
                self._json(build.as_json(), query)
            else:
                self._log(build, int(query.get("start", "0")))
        else:
            self._not_found()

    def _not_found(self) -> None:
        self._send(404, PAGE.format("Not found"))

    def _is_allowed(self) -> bool:
        credentials = self.headers.get("Authorization", "")
        if not credentials:
            self._send(403, PAGE.format("Authentication required"))
            return False
        user, _, secret = base64.b64decode(credentials.removeprefix("Basic ")).decode().partition(":")
        if (user, secret) not in ((USER, TOKEN), (USER, PASSWORD), (READER, READERS_TOKEN)):
            self._send(401, PAGE.format("Invalid password/token for user: " + user))
            return False
        if self.command == "POST":
            if secret == PASSWORD and self.fake.crumbs and self.headers.get("Jenkins-Crumb") != "c0ffee":
                self._send(403, PAGE.format("No valid crumb was included in the request"))
                return False
            if user == READER:
                headers = {"X-Required-Permission": "hudson.model.Item.Build"}
                self._send(403, PAGE.format("reader is missing the Job/Build permission"), headers)
                return False
        return True

    def _item(self, item: Item) -> dict[str, Any]:
        content: dict[str, Any] = {
            "_class": "hudson.model.Queue$WaitingItem" if item.build is None else "hudson.model.Queue$LeftItem",
            "id": item.id,
            "task": {"name": "sweep", "url": self.fake.believes_to_be + item.job},
            "actions": actions_of(item.parameters),
            "why": "Waiting for next available executor" if item.build is None else None,
        }
        if item.cancelled:
            content["cancelled"] = True
        if item.build:
            url = f"{self.fake.believes_to_be}{self.fake.job}{item.build.number}/"
            content |= {"cancelled": False, "executable": {"number": item.build.number, "url": url}}
        return content

    def _queue_item(self, number: int, query: dict[str, str]) -> None:
        item = self.fake.items.get(number)
        if item and item.is_waiting:
            item.looks += 1
            item.cancelled = item.looks == self.fake.cancel_at_look
            if item.looks > self.fake.script.looks_in_queue:
                self.fake.start(item)
        if item is None or (item.build and self.fake.forgets_left_items):
            self._not_found()
        else:
            self._json(self._item(item), query)

    def _job(self, query: dict[str, str]) -> None:
        properties: list[dict[str, Any]] = [{"_class": "jenkins.model.BuildDiscarderProperty"}]
        if self.fake.parameters:
            kind = "hudson.model.ParametersDefinitionProperty"
            properties.append({"_class": kind, "parameterDefinitions": self.fake.parameters})
        content = {
            "_class": "org.jenkinsci.plugins.workflow.job.WorkflowJob",
            "name": "sweep",
            "url": self.fake.believes_to_be + self.fake.job,
            "buildable": self.fake.buildable,
            "property": properties,
            "builds": [build.as_json() for build in reversed(self.fake.builds.values())],
        }
        self._json(content, query)

    def _build(self, parameters: dict[str, str]) -> None:
        if self.command != "POST":
            self._send(405, PAGE.format("This URL requires POST"))
            return
        if not self.fake.parameters:
            self._send(500, PAGE.format("java.lang.IllegalStateException: This build is not parameterized!"))
            return
        values = {}
        for defined in self.fake.parameters:
            name = defined["name"]
            value = parameters.get(name, defined["defaultParameterValue"]["value"])
            if "choices" in defined and value not in defined["choices"]:
                self._send(500, PAGE.format(f"Illegal choice for parameter {name}: {value}"))
                return
            values[name] = value
        status, item = self.fake.queue(values)
        if self.fake.lose_answer_to_post:
            self.fake.lose_answer_to_post = False
            self.close_connection = True
            return
        self._send(status, "", {"Location": f"{self.fake.believes_to_be}/queue/item/{item.id}/"})

    def _log(self, build: Build, start: int) -> None:
        build.shown = min(build.shown + 1, len(build.script.log))
        whole = b"".join(build.script.log[: build.shown])
        headers = {"X-Text-Size": str(len(whole))} | ({"X-More-Data": "true"} if build.building else {})
        self._send(200, whole[start:], headers, "text/plain;charset=utf-8")

    def _json(self, value: dict[str, Any], query: dict[str, str]) -> None:
        content = pruned(value, query["tree"]) if "tree" in query else value
        self._send(
            200, json.dumps(content, separators=(",", ":")), {"X-Jenkins": "2.479.3"}, "application/json;charset=utf-8"
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
