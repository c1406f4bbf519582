"""TensorBoard event files, written with TensorBoard's own writer (torch's wrapper costs seconds to import)."""

import threading
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self


class EventFile:
    """One event file in `folder`; each epoch's metrics become scalars under their own names."""

    def __init__(self, folder: Path, suffix: str) -> None:
        from tensorboard.summary.writer.event_file_writer import EventFileWriter

        self._writer = EventFileWriter(str(folder), filename_suffix=f".{suffix}")
        self.path = next(folder.glob(f"*tfevents*.{suffix}"))
        self._closed = False
        self._lock = threading.Lock()

    def add(self, epoch: int, scalars: Mapping[str, float]) -> None:
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary

        values = [Summary.Value(tag=name, simple_value=value) for name, value in scalars.items()]
        self._writer.add_event(Event(wall_time=time.time(), step=epoch, summary=Summary(value=values)))

    def content(self) -> bytes:
        """All that was added so far; may be called from another thread, and after the end."""
        with self._lock:
            if not self._closed:
                self._writer.flush()
            return self.path.read_bytes()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._writer.close()
            self._closed = True
