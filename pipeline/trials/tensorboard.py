"""TensorBoard event files, in TensorBoard's own format (torch's wrapper costs seconds to import).

They are kept in memory: a training has few epochs, and what lies in the store is what counts.
"""

import io
import os
import socket
import time
from collections.abc import Mapping


class EventFile:
    """One event file; each epoch's metrics become scalars under their own names."""

    def __init__(self, suffix: str) -> None:
        self._began = time.time()
        self._epochs: list[tuple[float, int, dict[str, float]]] = []
        self.name = f"events.out.tfevents.{int(self._began):010d}.{socket.gethostname()}.{os.getpid()}.{suffix}"

    def add(self, epoch: int, scalars: Mapping[str, float]) -> None:
        self._epochs.append((time.time(), epoch, dict(scalars)))

    def content(self) -> bytes:
        """All that was added so far; may be called from another thread."""
        # Here, so that it takes no time of a training, and none at all if there are no epochs.
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary
        from tensorboard.summary.writer.record_writer import RecordWriter

        out = io.BytesIO()
        records = RecordWriter(out)
        records.write(Event(wall_time=self._began, file_version="brain.Event:2").SerializeToString())
        for at, epoch, scalars in list(self._epochs):
            values = [Summary.Value(tag=name, simple_value=value) for name, value in scalars.items()]
            records.write(Event(wall_time=at, step=epoch, summary=Summary(value=values)).SerializeToString())
        return out.getvalue()
