"""Sweeps in memory whose trials are measured by a formula: tests the planning of rounds without training."""

import heapq
import math
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from pipeline import results
from pipeline.analysis import spending
from pipeline.analysis.history import History
from pipeline.plan.rounds import next_round
from pipeline.results import Row
from pipeline.space import Assignment
from pipeline.sweep import Definition, Experiment, Trial, training_seed, trials_of
from tests.support.rows import row_of

Measure = Callable[[Assignment, Trial], dict[str, Any]]
FILES = {"path": "x.csv", "date": "d", "text": "t", "target": "y"}
AUTOMATIC = {"architecture": "bag-of-words", "tune": "automatic", "data": FILES}
ADAPTIVE = {
    "architecture": "bag-of-words",
    "data": FILES,
    "parameters": {"learning_rate": {"low": 1e-4, "high": 0.1, "log": True}, "hidden_size": {"low": 16, "high": 256}},
    "date-range": [["2024-01-01", "2024-03-01"]],
    "confirm": {"ranges": 0},
}


def bowl(assignment: Assignment, trial: Trial) -> dict[str, Any]:
    """An error with its minimum at a learning rate of 0.01 and 100 hidden units."""
    rate, hidden = assignment["learning_rate"], assignment["hidden_size"]
    assert isinstance(rate, float)
    assert isinstance(hidden, int)
    error = (0.1 + (math.log10(rate) + 2) ** 2 + math.log2(hidden / 100) ** 2 / 10) * (1 + trial.range)
    return {"mse_valid": error, "mse_test": error, "epochs": 10, "training_time": 10.0}


def row(definition: Definition, trial: Trial, assignment: Assignment, measured: dict[str, Any]) -> Row:
    """A row with the measured cells that are not None."""
    cells = {"seed": training_seed(definition, trial), **measured}
    return row_of(definition, trial, assignment, **{name: value for name, value in cells.items() if value is not None})


@dataclass
class Simulation:
    """A simulated sweep. With `luck`, its rows arrive in a random order."""

    definition: Definition
    measure: Measure = bowl
    luck: random.Random | None = None
    known: dict[str, Experiment] = field(default_factory=dict)
    rounds: list[list[Trial]] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)

    def planned(self) -> list[Trial]:
        return [trial for trials in self.rounds for trial in trials]

    def history(self, now: datetime) -> History:
        return History(self.definition, now, self.known, frozenset(self.planned()), self.rows)

    def plan(self, now: datetime | None = None) -> list[Trial]:
        """Plans the next round, and returns its trials."""
        new, packs = next_round(self.history(now or self.started), len(self.rounds))
        self.known |= {experiment.id: experiment for experiment in new}
        trials = list(trials_of(packs))
        if trials:
            self.rounds.append(trials)
        return trials

    @property
    def started(self) -> datetime:
        return datetime.fromisoformat(self.definition.created)

    def finish(self, trial: Trial) -> Row:
        assignment = self.known[trial.experiment].assignment
        finished = row(self.definition, trial, assignment, self.measure(assignment, trial))
        self.rows.append(finished)
        if self.luck is None:
            self.rows.sort(key=lambda row: results.trial_order(row["trial"]))
        return finished

    def step(self) -> list[Trial]:
        """Plans a round and finishes all of it."""
        trials = self.plan()
        for trial in self.luck.sample(trials, len(trials)) if self.luck else trials:
            self.finish(trial)
        return trials

    def to_the_end(self) -> "Simulation":
        while self.step():
            assert len(self.rounds) < 1000, "it never ends"
        return self

    def assignments(self, phase: str) -> list[Assignment]:
        """The assignments of a phase, in the order of planning."""
        ids = dict.fromkeys(trial.experiment for trial in self.planned() if trial.phase == phase)
        return [self.known[id].assignment for id in ids]


@dataclass
class Timed(Simulation):
    """A simulated sweep on several lanes, in which a training takes the `training_time` of its row."""

    lanes: int = 1
    now: datetime = field(init=False)
    left_out: list[Trial] = field(default_factory=list)
    """Trials that were planned, but not begun when the time or the budget ended."""
    running: list[tuple[datetime, int, Trial]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.now = self.started

    def to_the_end(self) -> "Timed":
        while waiting := self.plan(self.now):
            assert len(self.rounds) < 1000, "it never ends"
            for at, trial in enumerate(waiting):
                if len(self.running) == self.lanes:
                    self._next_ends()
                judging = self.definition.phase(trial.phase).judging
                if not judging and spending.choosing_is_over(self.history(self.now)):
                    self.left_out.append(trial)
                    continue
                seconds = self.measure(self.known[trial.experiment].assignment, trial).get("training_time") or 0.0
                heapq.heappush(self.running, (self.now + timedelta(seconds=seconds), at, trial))
            while self.running:
                self._next_ends()
        return self

    def _next_ends(self) -> None:
        self.now, _, trial = heapq.heappop(self.running)
        self.finish(trial)

    @property
    def device_seconds(self) -> float:
        return spending.device_seconds(self.rows)

    @property
    def hours(self) -> float:
        return (self.now - self.started).total_seconds() / 3600
