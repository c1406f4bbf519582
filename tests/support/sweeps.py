"""Definitions of sweeps that start on a fixed day, and the data of their trials."""

from datetime import UTC, datetime
from typing import Any

from pipeline import spec
from pipeline.data.dataset import Dataset
from pipeline.data.load import load
from pipeline.plan.resolve import resolve
from pipeline.sweep import Definition, Sweep, Trial

NOW = datetime(2024, 6, 14, 2, 10, tzinfo=UTC)


def define(content: dict[str, Any], token: str = "3f9c") -> Definition:
    """The definition of a sweep with this spec. Without references, unless the spec names them."""
    return resolve(spec.from_dict({"references": False} | content), now=NOW, token=token)


def dataset_of(sweep: Sweep, trial: Trial | None = None) -> Dataset:
    """The data of a trial, by default of the first range."""
    definition = sweep.definition
    date_range = definition.phase(trial.phase).ranges[trial.range] if trial else definition.phases[0].ranges[0]
    return load(definition.data, date_range, definition.training.validation_share, definition.training.test_share)
