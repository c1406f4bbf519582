"""Files that grow while something runs, kept up to date in a store by a thread of their own.

Only the latest content of a key is written, no oftener than the store bears (a bucket takes about one update per
second per object); a failed write is tried again later and never stalls whoever called `put`. What is over within half
a second is written once.
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
_FIRST_AFTER_S = 0.5


@dataclass
class _File:
    every: float
    content: Callable[[], bytes] = field(default=bytes)
    dirty: bool = False
    due: float = field(default_factory=lambda: time.monotonic() + _FIRST_AFTER_S)


class Uploads:
    """Use as a context: leaving it writes the last state of every file.

    Leaving raises InfrastructureError if a last state could not be written; an error on its way out goes first.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._files: dict[str, _File] = {}
        self._changed = threading.Condition()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="uploads", daemon=True)

    def put(self, key: str, content: Callable[[], bytes], every: float = EVERY_S) -> None:
        """Says that `key` should now hold `content()`, which is asked for when it is written. Returns at once."""
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
            except Exception:  # whatever it was, leaving the context tries once more and raises it
                with self._changed:
                    file.dirty, file.due = True, time.monotonic() + 10 * file.every
