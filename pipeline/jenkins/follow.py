"""Waits for a build that Jenkins accepted: in the queue until it has a number, then along its log until its result.

A controller that goes away for a while is waited for. Nothing here starts builds or decides about exit codes.
"""

import codecs
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Protocol, TypeVar

from pipeline.errors import InfrastructureError
from pipeline.jenkins.client import NotFound, Unreachable
from pipeline.jenkins.job import Accepted, Job

T = TypeVar("T")
LONGEST_PAUSE = 30.0
"""Seconds between two calls while the controller is away: at most."""
LAST_LOOKS = 5
"""Times that the log is read after the end, while Jenkins still reports that it goes on."""


class View(Protocol):
    """Shows notes and lines of the build's log while waiting."""

    def say(self, text: str) -> None: ...

    def log(self, lines: list[str]) -> None: ...


@dataclass(frozen=True)
class Patience:
    """Waiting times in seconds."""

    poll: float = 3.0
    """Between two requests."""
    outage: float = 600.0
    """For a controller that does not answer."""
    start: float = 30.0
    """For a build to leave the queue, if its end is not waited for."""


@dataclass(frozen=True)
class Ended:
    """The end of a build: its result as Jenkins names it, or CANCELLED if it ended in the queue."""

    result: str
    seconds: float


def patiently(call: Callable[[], T], view: View, patience: Patience) -> T:
    """The result of `call`, repeated while the controller is away.

    Raises InfrastructureError if it is away for longer than `patience.outage`.
    """
    pause, since = min(1.0, patience.poll), time.monotonic()
    is_away = False
    while True:
        try:
            answer = call()
        except Unreachable as error:
            if time.monotonic() - since >= patience.outage:
                raise InfrastructureError(f"{error}; waited {patience.outage:.0f} s for it to come back") from None
            if not is_away:
                view.say(f"{error}; waiting for it to come back")
                is_away = True
            time.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)
        else:
            if is_away:
                view.say("Jenkins is back")
            return answer


def wait_for_number(
    job: Job, accepted: Accepted, request: str, view: View, patience: Patience, *, wait: bool
) -> int | Ended | None:
    """The number of the accepted request's build; Ended if it was cancelled.

    None if it is still queued and `wait` is false. Raises InfrastructureError if the request is gone.
    """
    began, shown = time.monotonic(), ""
    while accepted.number is None:
        try:
            item = patiently(partial(job.item, accepted.item or 0), view, patience)
        except NotFound:
            # Jenkins forgets an item five minutes after it left the queue, or when it restarts.
            latest = patiently(lambda: job.find(request), view, patience)
            if latest is None or latest == accepted:
                raise InfrastructureError(f"{job.item_url(accepted.item or 0)} is gone and left no build") from None
            accepted = latest
            continue
        if item.get("cancelled"):
            return Ended("CANCELLED", 0.0)
        if item.get("executable"):
            return int(item["executable"]["number"])
        if not wait and time.monotonic() - began >= patience.start:
            return None
        reason = item.get("why") or ""
        if reason != shown:
            view.say(f"queued: {reason}")
            shown = reason
        time.sleep(min(1.0, patience.poll))
    return accepted.number


def wait_for_end(job: Job, build: int, view: View, patience: Patience) -> Ended:
    """Shows the build's log as it grows, and returns the build's end."""
    log = _Log(job, build)
    try:
        while True:
            status = patiently(partial(job.build, build), view, patience)
            may_grow = _show(log, view, patience)
            if not status.get("building") and status.get("result"):
                break
            time.sleep(patience.poll)
        for _ in range(LAST_LOOKS):
            if not may_grow:
                break
            time.sleep(min(1.0, patience.poll))
            may_grow = _show(log, view, patience)
    except NotFound:
        raise InfrastructureError(f"{job.build_url(build)} is gone: somebody deleted the build") from None
    view.log(log.unfinished_line())
    return Ended(status["result"], status.get("duration", 0) / 1000)


def _show(log: "_Log", view: View, patience: Patience) -> bool:
    lines, may_grow = patiently(log.read_on, view, patience)
    view.log(lines)
    return may_grow


class _Log:
    """A build's log by whole lines. Only complete pieces count, so that a broken connection repeats no line."""

    def __init__(self, job: Job, build: int) -> None:
        self._job, self._build = job, build
        self._start = 0
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._tail = ""

    def read_on(self) -> tuple[list[str], bool]:
        """The whole lines since the last call; and True if more may come."""
        part = self._job.controller.log(self._job.build_path(self._build), self._start)
        self._start = part.next
        *lines, self._tail = (self._tail + self._decoder.decode(part.content)).split("\n")
        return [line.rstrip("\r") for line in lines], part.more

    def unfinished_line(self) -> list[str]:
        """The last line, if the log ends without a line feed."""
        return [self._tail] if self._tail else []
