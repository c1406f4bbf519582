"""The cells of a trial's row that no training measures: those known beforehand, times, errors, statuses of errors."""

import sys
from datetime import UTC, datetime

from pipeline import provenance
from pipeline.errors import InfrastructureError
from pipeline.results import Row, Status
from pipeline.sweep import Experiment, Sweep, Trial
from pipeline.sweep.trial import training_seed

_ERROR_AT_MOST = 1000


def first_cells(sweep: Sweep, pack: str, trial: Trial, experiment: Experiment, *, attempt: str | None) -> Row:
    """The cells of a row that are known before the training."""
    definition = sweep.definition
    phase = definition.phase(trial.phase)
    row: Row = {
        "architecture": definition.architecture,
        "date-range": phase.ranges[trial.range].as_json(),
        **experiment.assignment,
        "sweep": sweep.id,
        "experiment": trial.experiment,
        "trial": str(trial),
        "attempt": attempt,
        "pack": pack,
        "phase": trial.phase,
        "fidelity": phase.fidelity.name,
        "seed": training_seed(definition, trial),
        "git_commit": provenance.checkout_commit() if definition.own else provenance.git_commit(),
        "image": provenance.image() or definition.image,
        "host": provenance.host(),
        "started": now(),
    }
    return {name: value for name, value in row.items() if value is not None or name in experiment.assignment}


def one_line(text: str) -> str:
    """An error text as a cell: one line of bounded length."""
    return " ".join(text.split())[:_ERROR_AT_MOST]


def now() -> str:
    """The time in the format of rows and logs, such as 2024-06-14T02:10:00Z."""
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def status_of(error: Exception) -> Status:
    """The status of a training that the error ended."""
    from pipeline.training.memory import OutOfMemory

    return Status.OUT_OF_MEMORY if isinstance(error, OutOfMemory | MemoryError) else Status.FAILED


def raise_infrastructure_failure(error: Exception) -> None:
    """Raises InfrastructureError if the store or the device failed.

    Then the setting is not at fault: its trial gets no row, and should run elsewhere.
    """
    if isinstance(error, InfrastructureError):
        raise error
    torch = sys.modules.get("torch")
    accelerator_error = getattr(torch, "AcceleratorError", None)
    if (accelerator_error and isinstance(error, accelerator_error)) or "NVML" in str(error):
        raise InfrastructureError(f"the device failed: {str(error).splitlines()[0]}") from error
