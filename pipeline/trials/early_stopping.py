"""Early stopping without a server: trainings of one phase, date range and seed compare themselves through the store.

At each rung a trial writes one small object with its metric, and one listing of the rung gives the metrics of the
others. Only `<metric>_valid` is compared. The pace of trials may change which of them stop, never their metrics.
"""

import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from statistics import median

from pipeline.errors import InfrastructureError
from pipeline.spec.model import EarlyStopping
from pipeline.sweep import Sweep, Trial

FEWEST_FOR_MEDIAN = 4
"""The median rule stops no trial before this many others have reached the rung."""


@dataclass
class Rungs:
    """The rungs of one training. Trials that are never stopped, such as the incumbent's, have none."""

    sweep: Sweep
    trial: Trial
    best: float = math.inf
    """The best value so far, signed so that less is better."""

    def note(self, epoch: int, metrics: Mapping[str, float]) -> None:
        """Takes the metrics of a finished epoch; at a rung, writes the training's best value for the others to read."""
        objective = self.sweep.definition.objective
        value = metrics.get(objective.valid, math.nan)
        if math.isfinite(value):
            self.best = min(self.best, objective.sign * value)
        if self._rule_at(epoch):
            with suppress(InfrastructureError):  # others do without this value; a training must not fail for it
                self.sweep.create_rung(self.trial, epoch, self.best)

    def goes_on(self, epoch: int) -> bool:
        """True if the training is good enough after this epoch to go on, or if the store fails."""
        rule = self._rule_at(epoch)
        if rule is None:
            return True
        try:
            others = self.sweep.rung(self.trial, epoch)
        except InfrastructureError:  # a training that cannot be compared goes on
            return True
        others.pop(self.trial.experiment, None)
        return is_good_enough(rule, self.best, list(others.values()))

    def _rule_at(self, epoch: int) -> EarlyStopping | None:
        """The rule that compares trainings after this epoch; None if there is none."""
        phase = self.sweep.definition.phase(self.trial.phase)
        rule = phase.early_stopping
        # After the last epoch there is nothing to save.
        return rule if rule and epoch < phase.fidelity.max_epochs and is_rung(rule, epoch) else None


def is_rung(rule: EarlyStopping, epoch: int) -> bool:
    """True if trainings are compared after this epoch (counted from 1)."""
    if rule.rule == "median":
        return epoch >= rule.min_epochs
    rung = rule.min_epochs
    while rung < epoch:
        rung *= rule.reduction
    return rung == epoch


def is_good_enough(rule: EarlyStopping, value: float, others: Sequence[float]) -> bool:
    """True if a training with this value at a rung goes on. `others` are the values of others there; less is better.

    `halving` is the stopping variant of asynchronous successive halving (Li, Jamieson, Rostamizadeh, Gonina, Ben-tzur,
    Hardt, Recht, Talwalkar 2020, "A System for Massively Parallel Hyperparameter Tuning", MLSys). One in `reduction` of
    the trainings that have reached the rung goes on; while there are fewer than `reduction`, all do. `median` is the
    median stopping rule (Golovin et al. 2017, "Google Vizier", KDD), on the values at the same epoch.
    """
    if rule.rule == "median":
        return len(others) < FEWEST_FOR_MEDIAN or value <= median(others)
    if len(others) + 1 < rule.reduction:
        return True
    ahead = sum(1 for other in others if other < value)
    return ahead < (len(others) + 1) // rule.reduction
