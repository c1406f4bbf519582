"""A lane as `pipeline/lane.py` has it, with a trainer that returns at once on the other side of the seam."""

from pipeline import lane, trial
from pipeline.results import Status
from pipeline.training.job import Job, Measured, Trainer


def nothing(job: Job) -> Measured:
    x = float(job.hyperparameters["x"])
    return Measured(Status.COMPLETE, metrics={"mse_valid": x, "mse_test": x})


def trainer(*_: object) -> Trainer:
    return nothing


if __name__ == "__main__":
    trial.OwnTrainer = trainer  # type: ignore[assignment,misc]
    lane.main()
