"""What a strategy is told of the experiments that a phase has had."""

from dataclasses import dataclass

from pipeline.space import Assignment


@dataclass(frozen=True)
class Tried:
    """An experiment of finished rounds: every hyperparameter, and how it went.

    `value` is to be minimised. It is infinite if the training diverged, None if there is nothing to compare: it failed,
    or was stopped early without a value.
    """

    assignment: Assignment
    value: float | None = None
