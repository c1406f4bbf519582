"""Data sets and baselines of `benchmarks/strangers`, small enough for seconds; `hpt` is tested elsewhere."""

import math
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks.strangers import data as data_sets
from benchmarks.strangers.__main__ import cells_of, line_of
from benchmarks.strangers.comparison import BASELINES, Outcome
from benchmarks.strangers.data import DataSet
from benchmarks.strangers.ours import spec_of
from benchmarks.strangers.ranges import Range, read
from pipeline import spec
from pipeline.data.load import load
from pipeline.data.source import FilesSource
from pipeline.dates import DateRange

pytest.importorskip("sklearn")


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """One thread, as in the benchmark: on busy cores, threads that wait for each other take minutes."""
    import torch
    from threadpoolctl import threadpool_limits

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with threadpool_limits(1):
        yield
    torch.set_num_threads(threads)


def source_of(data_set: DataSet) -> FilesSource:
    return FilesSource.model_validate(data_set.data)


def range_of(data_set: DataSet, days: int) -> Range:
    last = DateRange(data_set.as_of - timedelta(days=days), data_set.as_of)
    return read(source_of(data_set), last, 0.15, 0.15)


def written_bike(folder: Path) -> Path:
    path = folder / "hour.csv"
    hours = pd.date_range("2011-01-01", periods=24 * 90, freq="h")
    columns = ["season", "yr", "mnth", "holiday", "weekday", "workingday", "weathersit", "temp", "atemp", "hum"]
    frame = pd.DataFrame(dict.fromkeys(columns, 1), index=range(len(hours)))
    frame = frame.assign(instant=range(len(hours)), hr=hours.hour, windspeed=0.1, cnt=hours.hour, casual=0)
    frame.assign(registered=hours.hour, dteday=hours.strftime("%d/%m/%Y")).to_csv(path, index=False)
    return path


def written_titles(folder: Path) -> Path:
    path = folder / "titles.csv"
    days = pd.date_range("2016-01-01", periods=200, freq="D")
    words = ["good news", "bad news", "old news and new"] * 67
    frame = pd.DataFrame({"id": 1, "title": words[:200], "num_points": [9, 2, 4] * 66 + [9, 2], "num_comments": 0})
    frame.assign(created_at=days.strftime("%m/%d/%Y 4:05"), **{"Unnamed: 6": ""}).to_csv(path, index=False)
    return path


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> dict[str, DataSet]:
    folder = tmp_path_factory.mktemp("sets")
    return {
        "thin": data_sets.thin(folder, weeks=120),
        "wide": data_sets.wide(folder, rows=1500),
        "bike": data_sets.bike(folder, written_bike(folder)),
        "titles": data_sets.titles(folder, written_titles(folder)),
        "weather": data_sets.weather(folder),
    }


@pytest.mark.parametrize("name", ["thin", "wide", "bike", "titles", "weather"])
def test_a_short_spec_reads_every_data_set(name: str, small: dict[str, DataSet]) -> None:
    short_spec = spec_of(small[name], "bag-of-words", 0)
    assert spec.from_dict(short_spec).data == source_of(small[name])


@pytest.mark.parametrize("name", ["thin", "wide", "bike", "titles", "weather"])
def test_baselines_see_our_rows_and_our_target(name: str, small: dict[str, DataSet]) -> None:
    data_set = small[name]
    days = DateRange(data_set.as_of - timedelta(days=80), data_set.as_of)
    theirs, ours = read(source_of(data_set), days, 0.15, 0.15), load(source_of(data_set), days)
    for part, our_part in zip(theirs.parts, (ours.train, ours.valid, ours.test), strict=True):
        np.testing.assert_allclose(part.target, our_part.targets[:, 0], rtol=1e-4, atol=1e-5)


def test_days_are_read_in_the_formats_of_the_files(small: dict[str, DataSet]) -> None:
    assert small["bike"].as_of == date(2011, 4, 1)
    assert small["titles"].as_of == date(2016, 7, 19)


def test_generated_data_are_the_same_every_time(tmp_path: Path) -> None:
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder in folders:
        folder.mkdir()
        data_sets.wide(folder, rows=300)
        data_sets.thin(folder, weeks=20)
    for name in ("wide.parquet", "thin.parquet"):
        pd.testing.assert_frame_equal(*(pd.read_parquet(folder / name) for folder in folders))


@pytest.mark.parametrize("name", ["thin", "wide", "bike", "titles"])
def test_every_model_learns_something_from_every_kind_of_column(name: str, small: dict[str, DataSet]) -> None:
    from benchmarks.strangers import baselines, network

    data = range_of(small[name], 500 if name in ("thin", "wide") else 80)
    errors = {model: fit(data) for model, fit in baselines.UNTUNED.items()}
    errors["trees tuned"] = baselines.tuned_trees(data, baselines.tune_trees([data], seed=0, trials=2))
    errors["optuna"] = network.judge(data, network.tune([data], seed=0, epochs=15, trials=2), seed=0, epochs=15)
    assert all(map(math.isfinite, errors.values()))
    assert all(errors[model] < errors["constant"] for model in ("ridge", "trees tuned", "optuna")), errors


def test_a_training_of_the_network_is_repeatable(small: dict[str, DataSet]) -> None:
    from benchmarks.strangers import network

    data = range_of(small["thin"], 500)
    setting = {
        "learning_rate": 0.003,
        "width": 32,
        "depth": 2,
        "dropout": 0.1,
        "weight_decay": 0.01,
        "batch_size": 64,
    }
    assert network.judge(data, setting, 1, 5) == network.judge(data, setting, 1, 5)


def test_a_data_set_counts_by_the_mean_of_its_complete_seeds() -> None:
    errors = dict.fromkeys(BASELINES, 1.0) | {"trees": 0.5, "defaults": 2.0}
    seconds = {"ours": 10.0, "optuna": 20.0}
    complete = [Outcome("made", seed, errors | {"ours": ours}, seconds) for seed, ours in enumerate((0.4, 0.8))]
    failed = Outcome("made", 2, {"ours": 0.1}, seconds)
    line = line_of([*complete, failed])
    assert line is not None
    assert line.ratio == pytest.approx(1.2)
    assert line.by_seed == pytest.approx([0.8, 1.6])
    assert line.time_ratio == 0.5
    assert line_of([failed]) is None
    assert cells_of(line)[3:10] == ["0.5000*", "1.0000", "1.0000", "2.0000", "0.6000", "1.200", "0.80 1.60"]
