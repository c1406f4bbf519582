"""A lane as `pipeline/lane.py` has it, with a trainer that returns at once on the other side of the seam."""

from pipeline import lane
from pipeline.results import Status
from pipeline.sweep import Definition
from pipeline.training.job import Job, Measured, Trainer
from pipeline.trial import Workbench


def nothing(job: Job) -> Measured:
    x = float(job.hyperparameters["x"])
    return Measured(Status.COMPLETE, metrics={"mse_valid": x, "mse_test": x})


def trainer(self: Workbench, definition: Definition) -> Trainer:
    return nothing


if __name__ == "__main__":
    Workbench.trainer = trainer  # type: ignore[method-assign]
    lane.main()
