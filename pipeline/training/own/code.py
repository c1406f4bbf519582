"""A team's own trainer as a sweep keeps it: its function or program, and its hyperparameters."""

from pipeline.base import Recorded
from pipeline.space import Hyperparameter


class Own(Recorded):
    """A function or a command, one of both, with the hyperparameters that it declares."""

    trainer: str | None = None
    """`module:function`, or the name of an entry point."""
    command: tuple[str, ...] | None = None
    metrics_pattern: str | None = None
    hyperparameters: dict[str, Hyperparameter]
