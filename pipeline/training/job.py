"""The interface between a trial and its trainer: a trainer takes a job and returns a training result.

Trainers are the built-in architectures (`builtin.py`) and a team's own program (`own/trainer.py`). A trainer knows
nothing of sweeps, stores and rows.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.data.source import DataSource
from pipeline.dates import DateRange, Split
from pipeline.errors import UserError
from pipeline.results import Status
from pipeline.space import Assignment

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

TRAIN_SAMPLE = 20_000
"""Maximal number of rows, spread evenly over the training part, on which `mse_train` is measured."""


def mse_metrics(
    test: "NDArray[np.float64]", train: float, valid: float, target_names: Sequence[str]
) -> dict[str, float]:
    """The errors that networks and references report: `{"mse_test": 0.3, "mse_train": 0.2, "mse_valid": 0.3}`.

    `test`, `[T]`, is the error of each target, and `mse_test` their mean. With several targets, each adds a metric
    `mse_test_<target>`.
    """
    metrics = {"mse_test": float(test.mean()), "mse_train": train, "mse_valid": valid}
    if len(target_names) > 1:
        metrics |= {f"mse_test_{name}": float(mse) for name, mse in zip(target_names, test, strict=True)}
    return metrics


@dataclass(frozen=True)
class Job:
    """One training, as a trial asks for it."""

    trial: str
    architecture: str
    hyperparameters: Assignment
    """A value for every hyperparameter."""
    data: DataSource | None
    """None only for a team's own trainer that reads its own data."""
    date_range: DateRange
    validation_share: float
    test_share: float
    """Shares of the range's days."""
    train_days: int | None
    """Number of days at the end of the training part that are used; None: all of them."""
    seed: int
    max_epochs: int
    epoch_steps: int
    """An epoch of a built-in architecture is as many whole passes over the training rows as reach this many steps."""
    deadline: float | None
    """The `time.monotonic()` at which the training is ended, with the status `timed-out`; None: no limit."""
    folder: Path
    """A folder for files. It is removed afterwards; only the files that `TrainingResult.files` names are kept."""
    say: Callable[[str], None]
    """Adds lines to the attempt's log.txt."""
    note: Callable[[int, Mapping[str, float]], None]
    """Takes a finished epoch (counted from 1) and its metrics."""
    goes_on: Callable[[int], bool]
    """True if the training should go on after this epoch. Called after all jobs of a side-by-side group noted it."""
    keeps_predictions: bool = False
    """True if the trainer should save a summary of its predictions on the test part (`predictions.py`)."""

    def report(self, epoch: int, metrics: Mapping[str, float]) -> bool:
        """Notes a finished epoch. False if the training should stop now."""
        self.note(epoch, metrics)
        return self.goes_on(epoch)

    @property
    def split(self) -> Split:
        """The three parts of the date range. Raises UserError if the range is too short for them."""
        try:
            split = self.date_range.split(self.validation_share, self.test_share)
        except ValueError as error:
            raise UserError(f"date-range: {error}") from error
        return split if self.train_days is None else split.with_last_training_days(self.train_days)


@dataclass(frozen=True)
class TrainingResult:
    """The outcome of a job's training: status, metrics, files to keep."""

    status: Status
    error: str | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    """`<metric>_valid`, `<metric>_test` and others; each is a column of the results."""
    epochs: int = 0
    seconds: float = 0.0
    """Time of the training, without loading data."""
    files: Mapping[str, Path] = field(default_factory=dict)
    """Files to keep: `{name in the attempt's folder: path}`."""
    model: str | None = None
    """Name of the model among `files`."""
    device: str | None = None
    data_fingerprint: str | None = None


Trainer = Callable[[Job], TrainingResult]
