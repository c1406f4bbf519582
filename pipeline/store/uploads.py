"""Keeps growing files up to date in a store, from a background thread.

Only the latest content of a key is written, and not too often: a bucket takes about one update of an object per second.
A failed write is retried later, and never blocks `put`. The first write comes after half a second, so that a short
run writes a file only once.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from pipeline.errors import InfrastructureError
from pipeline.store.interface import Store

EVERY_S = 2.0
"""Time between two writes of a file, unless `put` names another."""
_FIRST_AFTER_S = 0.5


@dataclass
class _File:
    every: float
    content: Callable[[], bytes] = field(default=bytes)
    dirty: bool = False
    """True if the store lacks the latest content."""
    due: float = field(default_factory=lambda: time.monotonic() + _FIRST_AFTER_S)
    """The time from which it may be written."""


class Uploads:
    """A context manager. At its end it writes the last content of every file.

    The end raises InfrastructureError if that fails, unless the context already ends with another error.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._files: dict[str, _File] = {}
        self._changed = threading.Condition()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="uploads", daemon=True)

    def put(self, key: str, content: Callable[[], bytes], every: float = EVERY_S) -> None:
        """Schedules a write of `content()` to `key`. Returns at once; `content` is called when the file is written."""
        with self._changed:
            file = self._files.setdefault(key, _File(every))
            file.content, file.dirty = content, True
            self._changed.notify()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join()
        try:
            for key, file in self._files.items():
                if file.dirty:
                    self._store.write(key, file.content())
        except InfrastructureError:
            if error is None:
                raise

    def _run(self) -> None:
        while True:
            with self._changed:
                if self._closing:
                    return
                now = time.monotonic()
                waiting = [(file.due, key) for key, file in self._files.items() if file.dirty]
                due, key = min(waiting, default=(now + 60, ""))
                if due > now:
                    self._changed.wait(due - now)
                    continue
                file = self._files[key]
                file.dirty, file.due = False, now + file.every
                content = file.content
            try:
                self._store.write(key, content())
            except Exception:  # of any kind: it is tried again, and the end of the context raises it
                with self._changed:
                    file.dirty, file.due = True, time.monotonic() + 10 * file.every
