"""A lane as `pipeline/local/lane.py` has it, with a trainer that returns at once on the other side of the seam."""

from pipeline.local import lane
from pipeline.results import Status
from pipeline.training.job import Job, Trainer, TrainingResult
from pipeline.trials import pack


def nothing(job: Job) -> TrainingResult:
    x = float(job.hyperparameters["x"])
    return TrainingResult(Status.COMPLETE, metrics={"mse_valid": x, "mse_test": x})


def trainer(*_: object) -> Trainer:
    return nothing


if __name__ == "__main__":
    pack.OwnTrainer = trainer  # type: ignore[assignment,misc]
    lane.main()
