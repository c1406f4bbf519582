"""Types of a team's own training function: its arguments and its result.

Importing these types is optional: a plain function `def train(hyperparameters, run)` works, too. With them an editor
knows the attributes of `run`. `call.py` calls the function.
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
    """One training: the second argument of your function."""

    trial: str
    """Id of the trial: `screen-e012-d2-s0`."""
    date_range: Days
    train: Days
    valid: Days
    test: Days
    """The parts of the date range, in order of time: to train on, to choose the best setting, to measure its error."""
    seed: int
    max_epochs: int
    data: Mapping[str, Any] | None
    """The spec's `data`, unchanged."""
    folder: Path
    """A folder for files, empty at first. At the end the model in it is kept; all other files are removed."""
    model: str | Path | Sequence[str | Path] | None
    """File or folder of the trained model, or several of them, relative to `folder`.

    Set this attribute, or return `"model"`. Without either, everything in `folder` is the model.
    """

    def report(self, epoch: float, /, **metrics: float) -> bool:
        """Reports the metrics of an epoch, counted from 1. False if the training should stop now."""
        ...

    @property
    def should_stop(self) -> bool:
        """True if the training should stop, because other settings were better after as many epochs."""
        ...


class Trainer(Protocol):
    """The function that `"trainer": "my_package.train:train"` names."""

    def __call__(self, hyperparameters: Any, run: Run, /) -> Mapping[str, Any] | None:
        """Trains once. Returns the final metrics, `{"mse_valid": …, "mse_test": …}`, and `"model"` if there is one.

        None is enough if `run.report` got these metrics.

        `hyperparameters` is a dict, or an instance of the pydantic model that annotates the parameter.
        """
        ...
