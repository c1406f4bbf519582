"""References learn what their kind of model can learn, from columns of every kind."""

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pipeline.data.dataset import Dataset
from pipeline.data.inputs import Inputs
from pipeline.data.load import load
from pipeline.data.source import FilesSource
from pipeline.dates import DateRange
from pipeline.results import Status
from pipeline.training import references
from pipeline.training.job import Job, TrainingResult
from tests.support.jobs import job_of

RANGE = DateRange(date(2024, 1, 1), date(2024, 4, 10))
DAYS = RANGE.days
EACH = 12


@pytest.fixture
def data(tmp_path: Path) -> Callable[..., Dataset]:
    """Makes a dataset of columns `{name: values}` with twelve rows a day; `kinds` is `{kind: [columns]}`."""

    def of(columns: dict[str, Any], target: str | list[str] = "y", **kinds: list[str]) -> Dataset:
        days = np.repeat([str(RANGE.start + timedelta(days=day)) for day in range(DAYS)], EACH)
        pd.DataFrame({"day": days} | columns).to_csv(tmp_path / "data.csv", index=False)
        source = {"path": str(tmp_path / "data.csv"), "date": "day", "target": target} | kinds
        return load(FilesSource.model_validate(source), RANGE)

    return of


def job(log: list[str] | None = None, deadline: float | None = None) -> Job:
    return job_of(
        trial="reference-trees-d0-s0",
        architecture="bag-of-words",
        date_range=RANGE,
        seed=3,
        max_epochs=1,
        deadline=deadline,
        say=(log if log is not None else []).append,
    )


def errors(dataset: Dataset, metric: str = "mse_test") -> dict[str, float]:
    return {name: references.measure(name, dataset, job()).metrics[metric] for name in references.NAMES}


def noise(scale: float, seed: int = 9) -> np.ndarray:
    return scale * np.random.default_rng(seed).normal(size=DAYS * EACH)


def test_the_constant_is_the_mean_of_the_training_part(make_dataset):
    dataset = make_dataset(Inputs(vocabulary=30, length=5, dense=3, targets=2))
    measured = references.measure("constant", dataset, job()).metrics
    mean = dataset.train.targets.mean(axis=0)
    assert measured["mse_valid"] == pytest.approx(((dataset.valid.targets - mean) ** 2).mean())
    assert measured["mse_train"] == pytest.approx(dataset.train.targets.var(axis=0).mean())
    by_target = [measured["mse_test_y0"], measured["mse_test_y1"]]
    assert measured["mse_test"] == pytest.approx(np.mean(by_target))
    assert by_target == pytest.approx(list(((dataset.test.targets - mean) ** 2).mean(axis=0)))


def test_a_sum_of_columns_is_found_by_the_linear_model_to_the_noise(data):
    random = np.random.default_rng(0)
    place, size = random.integers(6, size=DAYS * EACH), random.normal(size=DAYS * EACH)
    mse = errors(
        data(
            {"place": [f"p{at}" for at in place], "size": size, "y": place + 2 * size + noise(0.1)},
            categorical=["place"],
            numeric=["size"],
        )
    )
    assert mse["linear"] < 0.005
    assert mse["linear"] < mse["trees"] < 0.1 < 0.5 < mse["constant"]


def test_an_interaction_of_two_columns_is_found_by_trees_alone(data):
    random = np.random.default_rng(0)
    place, size = random.integers(2, size=DAYS * EACH), random.normal(size=DAYS * EACH)
    y = np.where(place == 0, size, -size) + noise(0.1)
    mse = errors(
        data({"place": [f"p{at}" for at in place], "size": size, "y": y}, categorical=["place"], numeric=["size"])
    )
    assert mse["trees"] < 0.1
    assert mse["linear"] == pytest.approx(mse["constant"], rel=0.1)


def test_words_are_read_by_both_models(data):
    random = np.random.default_rng(0)
    words = np.array(["red", "green", "blue", "old", "new", "large", "small", "fast"])
    texts = [random.choice(words, size=4, replace=False) for _ in range(DAYS * EACH)]
    y = np.array([("red" in text) - ("old" in text) for text in texts]) + noise(0.1)
    mse = errors(data({"text": [" ".join(text) for text in texts], "y": y}, text=["text"]))
    assert mse["linear"] < 0.1 * mse["constant"]
    assert mse["trees"] < 0.3 * mse["constant"]


def test_a_column_of_more_values_than_trees_tell_apart_is_still_used(data):
    random = np.random.default_rng(0)
    of_id = random.normal(size=270)
    ids = np.arange(DAYS * EACH) % 270
    dataset = data({"id": [f"i{at}" for at in ids], "y": of_id[ids] + noise(0.1)}, categorical=["id"])
    assert len(np.unique(dataset.train.tokens[:, 0])) > 255
    mse = errors(dataset)
    assert mse["linear"] < 0.4 * mse["constant"]
    assert mse["trees"] < 0.6 * mse["constant"]


def test_parts_of_the_date_are_read_by_both_models(data):
    rows = np.arange(DAYS * EACH)
    days = [f"{RANGE.start + timedelta(days=int(row) // EACH)} {2 * (row % EACH):02d}:00" for row in rows]
    open_at = (rows % EACH >= 4) & (rows // EACH % 7 < 5)
    mse = errors(data({"day": days, "y": open_at + noise(0.05)}, **{"date-parts": ["hour", "weekday"]}))
    assert mse["trees"] < 0.05
    assert mse["linear"] < 0.5 < mse["constant"]


def test_values_that_training_has_not_seen_do_no_harm(data):
    days = np.repeat(np.arange(DAYS), EACH)
    size = np.random.default_rng(0).normal(size=DAYS * EACH)
    months = [f"m{day // 30}" for day in days]
    mse = errors(data({"month": months, "size": size, "y": size + noise(0.1)}, categorical=["month"], numeric=["size"]))
    assert mse["linear"] < 0.02
    assert mse["trees"] < 0.2


def test_test_rows_decide_nothing(make_dataset):
    dataset = make_dataset(Inputs(vocabulary=30, length=5, dense=3, targets=1, categorical=3))
    other = replace(dataset, test=replace(dataset.test, targets=dataset.test.targets[::-1].copy()))
    assert errors(dataset, "mse_valid") == errors(other, "mse_valid")
    assert errors(dataset)["trees"] != errors(other)["trees"]


def test_the_same_data_give_the_same_errors(data):
    random = np.random.default_rng(0)
    ids, texts = random.integers(300, size=DAYS * EACH), random.integers(50, size=(DAYS * EACH, 5))
    dataset = data(
        {"id": ids, "text": [" ".join(f"w{at}" for at in text) for text in texts], "y": ids + texts[:, 0]},
        categorical=["id"],
        text=["text"],
    )
    assert errors(dataset) == errors(dataset)


def test_many_rows_are_thinned_and_the_log_says_so(make_dataset, monkeypatch):
    monkeypatch.setattr(references, "ROWS_AT_MOST", 100)
    log: list[str] = []
    measured = references.measure("linear", make_dataset(Inputs(30, 5, 3, 1)), job(log))
    assert measured.status is Status.COMPLETE
    assert "fitted to 100 of 300 training rows, spread evenly" in log


def test_thinned_rows_are_spread_over_all_of_them(make_dataset):
    part = make_dataset(Inputs(30, 2, 1, 1)).train
    assert part.thinned(300) is part
    assert part.thinned(7).targets.tolist() == part.targets[[0, 42, 85, 128, 171, 214, 257]].tolist()


def test_the_log_says_what_was_chosen_on_validation(make_dataset):
    log: list[str] = []
    for name in ("linear", "trees"):
        references.measure(name, make_dataset(Inputs(30, 5, 3, 1, categorical=5)), job(log))
    linear, trees = log
    assert " columns; mse_valid by penalty: 1000: " in linear
    assert trees.startswith("y0: mse_valid by trees: ")


@pytest.mark.parametrize("name", ["linear", "trees"])
def test_a_deadline_that_has_passed_ends_it(make_dataset, name):
    measured = references.measure(name, make_dataset(Inputs(30, 5, 3, 1)), job(deadline=time.monotonic() - 1))
    assert (measured.status, dict(measured.metrics)) == (Status.TIMED_OUT, {})


def test_errors_that_are_not_finite_are_a_divergence(make_dataset):
    dataset = make_dataset(Inputs(30, 5, 3, 1))
    targets = dataset.test.targets.copy()
    targets[0] = np.inf
    measured = references.measure("constant", replace(dataset, test=replace(dataset.test, targets=targets)), job())
    assert measured.status is Status.DIVERGED
    assert np.isnan(measured.metrics["mse_test"])


def test_no_model_is_saved(make_dataset):
    measured = references.measure("trees", make_dataset(Inputs(30, 5, 3, 1)), job())
    assert isinstance(measured, TrainingResult)
    assert (measured.model, dict(measured.files), measured.device, measured.epochs) == (None, {}, "cpu", 0)
    assert measured.data_fingerprint == "made-up"
