"""A job for a trainer, with what a test does not care about filled in."""

from datetime import date
from pathlib import Path
from typing import Any

from pipeline.dates import DateRange
from pipeline.training.job import Job


def job_of(**changes: Any) -> Job:
    """A job whose log and epochs nobody keeps; `changes` are fields of it."""
    fields: dict[str, Any] = {
        "trial": "screen-e003-d0-s0",
        "architecture": "mine",
        "hyperparameters": {},
        "data": None,
        "date_range": DateRange(date(2024, 1, 1), date(2024, 4, 1)),
        "validation_share": 0.15,
        "test_share": 0.15,
        "train_days": None,
        "seed": 7,
        "max_epochs": 5,
        "epoch_steps": 1,
        "deadline": None,
        "folder": Path(),
        "say": lambda line: None,
        "note": lambda epoch, metrics: None,
        "goes_on": lambda epoch: True,
    }
    return Job(**fields | changes)
