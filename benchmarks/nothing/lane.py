"""The lane of `pipeline/local/lane.py` with a trainer that returns at once; the rest of a trial runs as usual."""

from pipeline.local import lane
from pipeline.results import Status
from pipeline.training.job import Job, Trainer, TrainingResult
from pipeline.trials import pack


def do_nothing(job: Job) -> TrainingResult:
    x = float(job.hyperparameters["x"])
    return TrainingResult(Status.COMPLETE, metrics={"mse_valid": x, "mse_test": x})


def trainer(*_: object) -> Trainer:
    return do_nothing


if __name__ == "__main__":
    pack.OwnTrainer = trainer  # type: ignore[assignment,misc]
    lane.main()
