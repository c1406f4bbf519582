"""Turns Ctrl-C, SIGTERM and the closing of a terminal into KeyboardInterrupt in the main thread, once per request.

Not here: what a verb does when it is interrupted.
"""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_SAME_REQUEST_S = 0.3
"""Signals within this time are one request: `timeout`, terminals and Jenkins signal a process and then its group."""


class TooLateError(BaseException):
    """The time of `within` is over. A BaseException, so that `except Exception` does not catch it."""


class _Requests:
    """Handler of the signals; counts the requests to end."""

    def __init__(self) -> None:
        self.count = 0
        self.is_shielded = False
        self.first = 0.0
        self._last = -_SAME_REQUEST_S

    def __call__(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        is_new, self._last = now - self._last >= _SAME_REQUEST_S, now
        if is_new:
            self.first = now if not self.count else self.first
            self.count += 1
            if not self.is_shielded:
                raise KeyboardInterrupt


_requests = _Requests()


def take_signals() -> None:
    """From now on, each request to end raises KeyboardInterrupt. A signal that is ignored stays ignored."""
    global _requests
    _requests = _Requests()
    for number in _SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _requests)


def ignore_signals() -> None:
    """Ignores all requests to end: a process that is ending anyway finishes its last steps."""
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)


@contextmanager
def shielded() -> Iterator[None]:
    """A context in which requests to end are counted (`requests`), but raise nothing."""
    requests = _requests
    before, requests.is_shielded = requests.is_shielded, True
    try:
        yield
    finally:
        requests.is_shielded = before


def requests() -> int:
    """Number of requests to end that this process got."""
    return _requests.count


def seconds_since_request() -> float:
    """Seconds since the first request to end; 0 without one."""
    return time.monotonic() - _requests.first if _requests.count else 0.0


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Raises TooLateError in the context after this many seconds. Works only in the main thread."""

    def too_late(*_: object) -> None:
        raise TooLateError

    before = signal.signal(signal.SIGALRM, too_late)
    signal.setitimer(signal.ITIMER_REAL, max(seconds, 0.001))
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
