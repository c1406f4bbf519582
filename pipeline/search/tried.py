"""The input of a strategy: the experiments of earlier rounds and their values."""

from dataclasses import dataclass

from pipeline.space import Assignment


@dataclass(frozen=True)
class Tried:
    """An experiment of a finished round: its assignment of hyperparameters, and its score as `value`: lower is better.

    `value` is infinite if the training diverged. It is None if the training failed or was stopped early without a
    value.
    """

    assignment: Assignment
    value: float | None = None
