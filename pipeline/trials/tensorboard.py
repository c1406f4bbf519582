"""TensorBoard event files: the learning curve of an attempt and, for the HPARAMS tab, its setting and result.

The files are written with TensorBoard's own package, since torch's wrapper takes seconds to import. A file is kept in
memory until it is uploaded: a training has few epochs.
"""

import io
import os
import socket
import sys
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pipeline.results import Status, encodable, to_cell
from pipeline.space import Scalar

if TYPE_CHECKING:
    from tensorboard.compat.proto.summary_pb2 import Summary

RESULT = "result/"
"""Prefix of the tags of a training's result: the best epoch's metrics, which rank it, not those at the curve's end."""


class EventFile:
    """One event file; each epoch's metrics become scalars under their own names.

    The HPARAMS tab shows attempts of one `group`, which share their setting, as one line with their mean metrics.
    """

    def __init__(self, suffix: str, group: str, setting: Mapping[str, Scalar]) -> None:
        self._began = time.time()
        self._group, self._setting = group, dict(setting)
        self._epochs: list[tuple[float, int, dict[str, float]]] = []
        self._end: tuple[float, Status] | None = None
        self.name = f"events.out.tfevents.{int(self._began):010d}.{socket.gethostname()}.{os.getpid()}.{suffix}"

    def add(self, epoch: int, scalars: Mapping[str, float]) -> None:
        self._epochs.append((time.time(), epoch, dict(scalars)))

    def end(self, status: Status, metrics: Mapping[str, float]) -> None:
        """Adds the status and the final metrics of the training."""
        last = self._epochs[-1][1] if self._epochs else 0
        self.add(last, {RESULT + name: value for name, value in metrics.items()})
        self._end = time.time(), status

    def content(self) -> bytes:
        """The bytes of the file so far; may be called from another thread."""
        # Imported here, so that a training need not wait for it, and a trial without epochs never loads it.
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary
        from tensorboard.summary.writer.record_writer import RecordWriter

        out = io.BytesIO()
        records = RecordWriter(out)
        records.write(Event(wall_time=self._began, file_version="brain.Event:2").SerializeToString())
        records.write(Event(wall_time=self._began, summary=self._start_summary()).SerializeToString())
        end = self._end
        for at, epoch, scalars in list(self._epochs):
            values = [Summary.Value(tag=encodable(name), simple_value=value) for name, value in scalars.items()]
            records.write(Event(wall_time=at, step=epoch, summary=Summary(value=values)).SerializeToString())
        if end is not None:
            records.write(Event(wall_time=end[0], summary=_end_summary(*end)).SerializeToString())
        return out.getvalue()

    def _start_summary(self) -> "Summary":
        from tensorboard.plugins.hparams import metadata
        from tensorboard.plugins.hparams.plugin_data_pb2 import SessionStartInfo

        start = SessionStartInfo(group_name=self._group, start_time_secs=self._began)
        for name, value in self._setting.items():
            cell = start.hparams[encodable(name)]
            if isinstance(value, bool):
                cell.bool_value = value
            elif isinstance(value, int | float) and abs(value) <= sys.float_info.max:
                cell.number_value = value
            else:
                cell.string_value = encodable(to_cell(value))
        return _summary(metadata.SESSION_START_INFO_TAG, session_start_info=start)


def _end_summary(at: float, status: Status) -> "Summary":
    from tensorboard.plugins.hparams import metadata
    from tensorboard.plugins.hparams.api_pb2 import Status as Outcome
    from tensorboard.plugins.hparams.plugin_data_pb2 import SessionEndInfo

    outcome = Outcome.Value("STATUS_SUCCESS" if status.is_result else "STATUS_FAILURE")
    return _summary(metadata.SESSION_END_INFO_TAG, session_end_info=SessionEndInfo(status=outcome, end_time_secs=at))


def _summary(tag: str, **content: Any) -> "Summary":
    """A summary that holds only data for the HPARAMS tab."""
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.plugins.hparams import metadata
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

    about = metadata.create_summary_metadata(HParamsPluginData(**content))
    return Summary(value=[Summary.Value(tag=tag, metadata=about, tensor=metadata.NULL_TENSOR)])
