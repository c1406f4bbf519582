"""The summary of predictions agrees with the measured errors and the days of the rows."""

import json
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.data.dataset import Dataset
from pipeline.training import predictions, references
from pipeline.training.builtin import Builtin
from pipeline.training.job import TrainingResult
from tests.support.jobs import job_of
from tests.training.test_references import DAYS, EACH, RANGE, data, job

__all__ = ["data"]


@pytest.fixture
def dataset(data: Callable[..., Dataset]) -> Dataset:
    """A target that is a linear function of the other column."""
    size = np.random.default_rng(1).normal(size=DAYS * EACH)
    return data({"x": size, "y": 100 + 20 * size}, numeric=["x"])


def summary(result: TrainingResult) -> dict[str, Any]:
    return json.loads(result.files[predictions.FILE].read_text())


def test_the_weeks_of_a_reference_add_up_to_its_error(dataset: Dataset, tmp_path: Path) -> None:
    result = references.measure("constant", dataset, _keeping(tmp_path))
    weeks = summary(result)["weeks"]
    assert sum(rows for _, _, rows in weeks) == len(dataset.test)
    mean = sum(error * rows for _, error, rows in weeks) / len(dataset.test)
    assert mean == pytest.approx(result.metrics["mse_test"], rel=1e-4)
    mondays = [date.fromisoformat(monday) for monday, _, _ in weeks]
    assert {monday.weekday() for monday in mondays} == {0}
    test = RANGE.split().test
    assert mondays[0] <= test.start < mondays[0] + timedelta(days=7)
    assert mondays[-1] < test.end


def test_a_model_that_is_right_has_its_predictions_on_the_truth_in_the_targets_units(
    dataset: Dataset, tmp_path: Path
) -> None:
    bins = summary(references.measure("linear", dataset, _keeping(tmp_path)))["bins"]["y"]
    assert len(bins) == predictions.BINS
    assert bins == sorted(bins)
    assert [predicted for predicted, _, _ in bins] == pytest.approx([true for _, true, _ in bins], abs=1)
    assert 50 < bins[0][0] < 90 < 110 < bins[-1][0] < 150


def test_without_a_request_no_predictions_are_kept(dataset: Dataset, tmp_path: Path) -> None:
    assert references.measure("linear", dataset, job()).files == {}


def test_a_network_notes_the_same_as_a_reference(tiny_spec: dict[str, Any], tmp_path: Path) -> None:
    from pipeline.data.source import FilesSource

    source = FilesSource.model_validate(tiny_spec["data"])
    fields = {
        "architecture": "bag-of-words",
        "data": source,
        "hyperparameters": {},
        "folder": tmp_path,
        "max_epochs": 1,
        "epoch_steps": 1,
    }
    result = Builtin()(job_of(**fields, keeps_predictions=True))
    weeks = summary(result)["weeks"]
    mean = sum(error * rows for _, error, rows in weeks) / sum(rows for _, _, rows in weeks)
    assert mean == pytest.approx(result.metrics["mse_test"], rel=1e-4)


def _keeping(folder: Path) -> Any:
    from dataclasses import replace

    return replace(job(), folder=folder, keeps_predictions=True)
