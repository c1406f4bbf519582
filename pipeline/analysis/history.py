"""The state of a sweep at one moment, as one value, from which planners plan and budgets are counted.

Nothing here reads a store or a clock: callers pass what they read.
"""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Self

from pipeline.results import Row, trainings
from pipeline.space import Assignment
from pipeline.sweep import Definition, Experiment, Phase, Trial


@dataclass(frozen=True, eq=False)
class History:
    """A sweep up to `now`.

    The rows are enough to count what a sweep has spent. To plan its next round, pass `experiments` and `planned`, too.
    """

    definition: Definition
    now: datetime
    experiments: Mapping[str, Experiment] = field(default_factory=dict)
    """By id, in the order in which the rounds added them."""
    planned: Set[Trial] = frozenset()
    """The trials of all rounds so far."""
    rows: Sequence[Row] = ()
    """Rows of the finished trials. Those of references are dropped: no planner and no budget may count them."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "rows", trainings(self.rows))

    @classmethod
    def at_start(cls, definition: Definition) -> Self:
        """A new sweep, before anything is planned."""
        return cls(definition, datetime.fromisoformat(definition.created))

    # -- finished trials

    def rows_of(self, phase: Phase) -> list[Row]:
        return [row for row in self.rows if row["phase"] == phase.name]

    @cached_property
    def choosing_rows(self) -> list[Row]:
        choosing = {phase.name for phase in self.definition.choosing}
        return [row for row in self.rows if row["phase"] in choosing]

    # -- planned trials

    def assignments_of(self, phase: Phase) -> list[Assignment]:
        """The settings that earlier rounds planned in a phase, the incumbent first."""
        ids = self._planned_ids.get(phase.name, set())
        return [experiment.assignment for experiment in self.experiments.values() if experiment.id in ids]

    def has_begun(self, phase: Phase) -> bool:
        return phase.name in self._planned_ids

    def is_past(self, phase: Phase) -> bool:
        """True if a later phase has begun. Then this phase is never reopened, even after a retry."""
        phases = self.definition.of_settings
        return any(map(self.has_begun, phases[phases.index(phase) + 1 :]))

    @cached_property
    def _planned_ids(self) -> dict[str, set[str]]:
        """{phase: ids of the experiments planned in it}."""
        ids: dict[str, set[str]] = {}
        for trial in self.planned:
            ids.setdefault(trial.phase, set()).add(trial.experiment)
        return ids

    # -- time

    @property
    def seconds_passed(self) -> float:
        """Wall-clock seconds since the sweep was created."""
        return (self.now - datetime.fromisoformat(self.definition.created)).total_seconds()
