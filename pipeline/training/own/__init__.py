"""A team's own trainer: what its function is given, and what it returns.

Nothing of this has to be imported: a plain function `def train(hyperparameters, run)` will do. The types here are for
those who want their editor to know what `run` has. How the function is called is `call.py`'s work.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple, Protocol


class Days(NamedTuple):
    """The days from `start` up to, not including, `end`."""

    start: date
    end: date


class Run(Protocol):
    """One training, as your function is given it."""

    trial: str
    """Its id: `screen-e012-d2-s0`."""
    date_range: Days
    train: Days
    valid: Days
    test: Days
    """The parts of the date range, in order of time: what to learn from, what chooses, what judges."""
    seed: int
    max_epochs: int
    data: Mapping[str, Any] | None
    """The spec's `data`, as it stands there."""
    folder: Path
    """A place for files, empty at first. Of what is left in it at the end, the model is kept."""
    model: str | Path | Sequence[str | Path] | None
    """Set this to the model's file or folder, relative to `folder`, or to several; or return it as `"model"`."""

    def report(self, epoch: float, /, **metrics: float) -> bool:
        """Takes the metrics of an epoch, counted from 1. False: the training should stop now."""
        ...

    @property
    def should_stop(self) -> bool:
        """Whether the training should stop: the sweep knows enough about this setting."""
        ...


class Trainer(Protocol):
    """What `"trainer": "my_package.train:train"` names."""

    def __call__(self, hyperparameters: Any, run: Run, /) -> Mapping[str, Any] | None:
        """Trains once; returns the final metrics, `{"mse_valid": …, "mse_test": …}`, and `"model"` if there is one.

        `hyperparameters` is a dict, or an instance of the pydantic model that the parameter is annotated with.
        """
        ...
