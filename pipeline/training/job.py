"""The seam between a trial and what trains its model: a trainer takes a job and returns a training result.

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
"""`mse_train` is measured on at most so many rows, spread evenly over the training part."""


def mse_metrics(
    test: "NDArray[np.float64]", train: float, valid: float, target_names: Sequence[str]
) -> dict[str, float]:
    """The errors that networks and references report alike, by name; `test`, `[T]`, is that of each target.

    `mse_test` is their mean; each has a metric of its own where there are several.
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
    """None only for a team's own trainer, which may know by itself where its data are."""
    date_range: DateRange
    validation_share: float
    test_share: float
    """Shares of the range's days."""
    train_days: int | None
    """Only so many days, the last ones, of the training part; None: all of them."""
    seed: int
    max_epochs: int
    epoch_steps: int
    """A built-in architecture's epoch is as many passes over the training rows as reach so many steps."""
    deadline: float | None
    """`time.monotonic()` at which the training ends as timed out."""
    folder: Path
    """A place for files. It is removed afterwards; only what `TrainingResult.files` names is kept."""
    say: Callable[[str], None]
    """Adds lines to the attempt's log.txt."""
    note: Callable[[int, Mapping[str, float]], None]
    """Takes a finished epoch (counted from 1) and its metrics."""
    goes_on: Callable[[int], bool]
    """Whether the training should go on after an epoch that it has noted. Of several jobs, all note theirs before."""
    keeps_predictions: bool = False
    """Whether a summary of what was predicted on the test part is kept (`predictions.py`)."""

    def report(self, epoch: int, metrics: Mapping[str, float]) -> bool:
        """Notes a finished epoch; False: the training should stop now."""
        self.note(epoch, metrics)
        return self.goes_on(epoch)

    @property
    def split(self) -> Split:
        """Raises UserError if the range is too short for three parts."""
        try:
            split = self.date_range.split(self.validation_share, self.test_share)
        except ValueError as error:
            raise UserError(f"date-range: {error}") from error
        return split if self.train_days is None else split.with_last_training_days(self.train_days)


@dataclass(frozen=True)
class TrainingResult:
    """How a job's training ended, and what is kept of it."""

    status: Status
    error: str | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    """`<metric>_valid`, `<metric>_test` and others; a column of the results each."""
    epochs: int = 0
    seconds: float = 0.0
    """Of training, without loading data."""
    files: Mapping[str, Path] = field(default_factory=dict)
    """Files to keep, by the name that each gets in the attempt's folder."""
    model: str | None = None
    """Name of the model among `files`."""
    device: str | None = None
    data_fingerprint: str | None = None


Trainer = Callable[[Job], TrainingResult]
