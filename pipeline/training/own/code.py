"""Which function or program a team's own trainer is, and which hyperparameters it has: as a sweep remembers it."""

from pipeline.base import Recorded
from pipeline.space import Hyperparameter


class Own(Recorded):
    """A team's own trainer, as a sweep remembers it."""

    trainer: str | None = None
    """`module:function`, or the name of an entry point."""
    command: tuple[str, ...] | None = None
    metrics_pattern: str | None = None
    hyperparameters: dict[str, Hyperparameter]
