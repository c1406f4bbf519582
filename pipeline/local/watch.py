"""Follows the events of a lane's process, and sets the deadline at which the runner ends it.

A training checks its time limit itself, between two batches; a lane ends a team's own program at the limit. This watch
catches what both miss: a process that hangs in native code, or in a call to the system that does not return.
"""

import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from pipeline.plan import packing
from pipeline.results import Row, Status
from pipeline.sweep import Definition, Trial


@dataclass(frozen=True)
class Patience:
    """Times that the runner waits before it ends a lane's process, in seconds."""

    beyond_limit: float = 60.0
    """Time after the spec's time limit. At the limit a training ends itself; then it is measured and saved."""
    saving: float = 600.0
    """Time to save a training's files: a store may be slow."""
    silence: float = 600.0
    """Without a time limit: time between two events that is always allowed. Loading data sends no event."""
    factor: float = 10.0
    """Without a time limit: a silence of this many times the slowest trial so far is allowed, if that is longer."""


PATIENCE = Patience()


class Watch:
    """Follows the events of a lane while it runs a pack."""

    def __init__(
        self,
        definition: Definition,
        rows: Callable[[], Iterable[Row]],
        patience: Patience = PATIENCE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`rows` gives the rows of the sweep so far."""
        self.training: list[Trial] = []
        """The trials in training, side by side; empty between two groups."""
        self.has_rows = False
        """True if a trial of the pack has ended."""
        self.deadline = math.inf
        """Time of the clock at which the process is to be ended."""
        self._definition, self._rows, self._patience, self._clock = definition, rows, patience, clock
        self._until = self._silence = math.inf
        """Deadline of the group in training, and the seconds that may pass without an event; `_allowed` sets both."""
        self._saving: dict[str, float] = {}
        """{trial that is being saved: deadline}."""

    def see(self, event: dict[str, Any]) -> None:
        """Takes an event of the lane."""
        now = self._clock()
        if "training" in event:
            self.training, self._saving = [Trial.parse(trial) for trial in event["training"]], {}
            self._until, self._silence = self._allowed(now)
        elif "saving" in event:
            self._saving[event["saving"]] = now + self._patience.saving
        elif "row" in event:
            self.has_rows, ended = True, event["row"]["trial"]
            self._saving.pop(ended, None)
            self.training = [trial for trial in self.training if str(trial) != ended]
        until = max([min(self._until, now + self._silence), *self._saving.values()])
        self.deadline = until if self.training else math.inf

    def _allowed(self, now: float) -> tuple[float, float]:
        """The deadline of a group that begins now, and the seconds that may pass without an event."""
        definition, patience, size = self._definition, self._patience, len(self.training)
        if limit := definition.training.time_limit_minutes:
            # The limit is that of a single trial.
            return now + 60 * limit * size + patience.beyond_limit, math.inf
        slowest = self._slowest(self.training[0].phase)
        if slowest is None:
            return math.inf, math.inf
        return math.inf, max(patience.factor * slowest * size, patience.silence)

    def _slowest(self, phase: str) -> float | None:
        """Seconds of the slowest trial so far among those like the phase's; None if there was none."""
        rows = packing.rows_like(self._definition, phase, self._rows())
        times = [packing.seconds_from_start_to_end(row) for row in rows if Status(row["status"]).is_result]
        return max((seconds for seconds in times if seconds is not None), default=None)

    def why_ended(self) -> str:
        """A line that says why the process was ended at its deadline."""
        limit = self._definition.training.time_limit_minutes
        if limit:
            return f"took longer than {limit:g} minutes and did not end by itself"
        return f"no sign of life for {self._silence / 60:.3g} minutes, and all trials before took a tenth of it or less"
