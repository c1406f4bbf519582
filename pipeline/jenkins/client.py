"""Talks to one Jenkins controller over HTTP. Each request has a time-out; each failure is a line with a remedy.

Uses python-jenkins for session, login and sending, but not its verbs. They report 401, 403 and 500 alike, take a 503
for "does not exist", follow a POST's redirect, and put parameters into the address. Nothing here waits or retries.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import jenkins
import requests

from pipeline.errors import InfrastructureError, UserError

CONNECT_SECONDS, READ_SECONDS = 10.0, 60.0
STARTING = (502, 503, 504)
"""Statuses of a controller that starts, or of the proxy before it."""
CERTIFICATE = "CERTIFICATE_VERIFY_FAILED"


class Unreachable(InfrastructureError):
    """No answer, or the answer of a starting controller or of a proxy: the same call may soon succeed."""


class NotFound(InfrastructureError):
    """A job, build or queue item does not exist, or the user may not see it: Jenkins answers both alike."""


class NotJenkins(UserError):
    """The address answers, but not like Jenkins."""


@dataclass(frozen=True)
class Login:
    """A user of a controller at `url`, which ends in a slash."""

    url: str
    user: str
    token: str = field(repr=False)


@dataclass(frozen=True)
class LogPart:
    """A piece of a build's log, and the byte at which the next one begins."""

    content: bytes
    next: int
    more: bool
    """True if the log may still grow."""


def login(url: str | None, environment: Mapping[str, str]) -> Login:
    """The login of JENKINS_URL (or `url`), JENKINS_USER and JENKINS_TOKEN. Raises UserError if one is missing."""
    values = {"JENKINS_URL": url or environment.get("JENKINS_URL", "")}
    values |= {name: environment.get(name, "") for name in ("JENKINS_USER", "JENKINS_TOKEN")}
    values = {name: value.strip() for name, value in values.items()}
    missing = [name for name, value in values.items() if not value]
    if missing:
        raise UserError(
            f"{' and '.join(missing)} must be set in the environment: the address of Jenkins, and a user's name and "
            "API token (made on the user's page under Security)"
        )
    return Login(_address(values["JENKINS_URL"]), values["JENKINS_USER"], values["JENKINS_TOKEN"])


class Controller:
    """The REST API of one controller. Paths are relative to its address.

    Requests raise UserError for problems that only a person can solve, InfrastructureError for all others.
    """

    def __init__(self, login: Login) -> None:
        self.url = login.url
        self.user = login.user
        self._timeout = (CONNECT_SECONDS, READ_SECONDS)
        self._auth = requests.auth.HTTPBasicAuth(login.user.encode(), login.token.encode())
        self._jenkins = _RawJenkins(login.url, login.user, login.token, timeout=self._timeout)

    def get(self, path: str, tree: str) -> dict[str, Any]:
        """The JSON at `path`, with the keys that `tree` selects."""
        response = self._get(f"{path}api/json", {"tree": tree})
        try:
            answer = response.json()
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            raise NotJenkins(
                f"{self.url} answers with something else than Jenkins' JSON: is the address right, "
                "or does a login page stand before it?"
            )
        return answer

    def log(self, build: str, start: int) -> LogPart:
        """The log of the build at path `build`, from byte `start` to its present end."""
        response = self._get(f"{build}logText/progressiveText", {"start": str(start)})
        size = response.headers.get("X-Text-Size", "")
        return LogPart(
            response.content,
            int(size) if size.isdigit() else start + len(response.content),
            response.headers.get("X-More-Data") == "true",
        )

    def build(self, job: str, parameters: Mapping[str, str]) -> int:
        """Queues a build of the job at path `job`; returns the number of its item in the queue."""
        # Parameters go in the body, as an address is too short for a spec. Redirects are not followed: the first one
        # names the queue item. An API token needs no crumb. Jenkins' quiet period would only delay the build.
        path = f"{job}buildWithParameters"
        try:
            response = self._jenkins._session.post(
                self.url + path,
                params={"delay": "0sec"},
                data=dict(parameters),
                auth=self._auth,
                timeout=self._timeout,
                allow_redirects=False,
            )
        except requests.RequestException as error:
            raise self._no_answer(error) from None
        self._raise_for_status(response, path)
        target = response.headers.get("Location", "")
        # 201 is a new item; 303 is one already queued with exactly these parameters.
        if item := re.search(r"/queue/item/(\d+)", target):
            return int(item.group(1))
        if 300 <= response.status_code < 400:
            raise UserError(f"{self.url} redirects to {_without_query(target)}: set JENKINS_URL to the final address")
        raise InfrastructureError(f"{self.url}{path}: Jenkins answers {response.status_code} and names no queue item")

    def is_jenkins(self) -> bool:
        """True if a Jenkins answers at the address."""
        try:
            self.get("", "nodeName")
        except (NotFound, NotJenkins):
            return False
        return True

    def _get(self, path: str, query: Mapping[str, str]) -> requests.Response:
        request = requests.Request("GET", self.url + path, params=dict(query))
        try:
            response: requests.Response = self._jenkins.jenkins_request(request, add_crumb=False)
        except (requests.RequestException, jenkins.JenkinsException) as error:
            raise self._no_answer(error) from None
        self._raise_for_status(response, path)
        return response

    def _raise_for_status(self, response: requests.Response, path: str) -> None:
        status, url = response.status_code, f"{self.url}{path}"
        if status < 400:
            return
        if status == 401:
            raise UserError(f"{self.url}: 401: Jenkins does not accept JENKINS_USER ({self.user}) with JENKINS_TOKEN")
        if status == 403 and "crumb" in response.text:
            raise UserError(f"{self.url}: 403: JENKINS_TOKEN must be an API token of {self.user}, not the password")
        if status == 403:
            permission = response.headers.get("X-Required-Permission", "")
            needs = f"needs the permission {permission}" if permission else "lacks a permission"
            raise UserError(f"{url}: 403: {self.user} {needs}: ask an administrator of Jenkins")
        if status == 404:
            raise NotFound(f"{url}: 404: there is no such thing, or {self.user} may not see it")
        if status in STARTING:
            raise Unreachable(f"{self.url}: {status}: Jenkins is starting, or is down behind its proxy")
        if message := re.search(r"Illegal choice[^<\n]*|[^>\n]*not parameterized[^<\n]*", response.text):
            raise UserError(f"{url}: {status}: {message.group().strip()}")
        raise InfrastructureError(f"{url}: Jenkins answers {status} {response.reason}: its own log says why")

    def _no_answer(self, error: Exception) -> Exception:
        cause = _cause(error)
        if CERTIFICATE in cause:
            return UserError(f"{self.url}: its certificate is not trusted: name your CA's file in REQUESTS_CA_BUNDLE")
        if isinstance(error, (requests.TooManyRedirects, requests.exceptions.InvalidURL)):
            return UserError(f"{self.url}: {cause}: is the address right?")
        return Unreachable(f"{self.url} cannot be reached: {cause}")


class _RawJenkins(jenkins.Jenkins):
    """python-jenkins without its handling of errors, which loses the status."""

    def _response_handler(self, response: requests.Response) -> requests.Response:
        return response


def _address(text: str) -> str:
    try:
        parts = urlsplit(text)
        has_host = parts.scheme in ("http", "https") and parts.hostname and (parts.port is None or parts.port > 0)
    except ValueError:
        has_host = False
    # Checked before the rest, whose messages repeat the address and so a password in it.
    if "@" in text:
        raise UserError("the address of Jenkins holds a user or password: they belong in JENKINS_USER, JENKINS_TOKEN")
    if not has_host or parts.query or parts.fragment or re.search(r"\s", text):
        raise UserError(f"{json.dumps(text)} is not the address of a Jenkins, like https://jenkins.example.com/")
    return text.rstrip("/") + "/"


def _without_query(url: str) -> str:
    # The query of a login page's address can hold secrets.
    return url.split("?")[0] or "nowhere"


def _cause(error: BaseException) -> str:
    """The innermost reason: the messages around it are long and repeat the request."""
    if isinstance(error, (requests.Timeout, jenkins.TimeoutException)):
        return "no answer in time"
    chain: list[BaseException] = []
    inner: BaseException | None = error
    while inner is not None and inner not in chain:
        chain.append(inner)
        inner = inner.__cause__ or inner.__context__
    for reason in reversed(chain):
        if CERTIFICATE in str(reason):
            return CERTIFICATE
        if isinstance(reason, OSError) and reason.strerror:
            return reason.strerror
    return f"{type(error).__name__}: the connection broke"
