"""What a lane's process is training, as its events tell, and until when it may: kept from outside of that process.

A training keeps its own limit between two batches, an own trainer's is kept beside its program. What stands still where
nobody looks, in native code or in a system that does not answer, is found here, and its process ended.
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
    """How long trials may take before their process is ended. Seconds, but for the factor."""

    beyond_limit: float = 60.0
    """After the time limit of the spec: a training ends itself at that, and is measured and saved then."""
    saving: float = 600.0
    """For what a training leaves: a store may be slow."""
    silence: float = 600.0
    """Without a limit: from one sign of life to the next, at least. Data are loaded without any."""
    factor: float = 10.0
    """Without a limit: so often the time of the slowest trial so far, if that is longer."""


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
        """`rows` are those of the sweep so far."""
        self.training: list[Trial] = []
        """The trials in training, side by side; empty between two groups."""
        self.has_rows = False
        """Whether a trial of the pack has ended."""
        self.deadline = math.inf
        """Time of the clock at which what is in training has taken too long."""
        self._definition, self._rows, self._patience, self._clock = definition, rows, patience, clock
        self._until = self._silence = math.inf
        self._saving: dict[str, float] = {}
        """The trials that are being saved, and until when that may take."""

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
        """Until when a group that begins now may take, and how many seconds without a sign of life."""
        definition, patience, size = self._definition, self._patience, len(self.training)
        if limit := definition.training.time_limit_minutes:
            # Of a group, the limit is the share of each.
            return now + 60 * limit * size + patience.beyond_limit, math.inf
        slowest = self._slowest(self.training[0].phase)
        if slowest is None:
            return math.inf, math.inf
        return math.inf, max(patience.factor * slowest * size, patience.silence)

    def _slowest(self, phase: str) -> float | None:
        """Seconds of the slowest trial so far of those like the phase's; None if there was none."""
        its = packing.rows_like(self._definition, phase, self._rows())
        took = [packing.seconds_from_start_to_end(row) for row in its if Status(row["status"]).is_result]
        return max((seconds for seconds in took if seconds is not None), default=None)

    def why_ended(self) -> str:
        """Why what is in training was ended at the deadline, in words."""
        limit = self._definition.training.time_limit_minutes
        if limit:
            return f"took longer than {limit:g} minutes and did not end by itself"
        return f"no sign of life for {self._silence / 60:.3g} minutes, and all trials before took a tenth of it or less"
