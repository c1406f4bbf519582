"""Tunes and fits each baseline in a fresh process, which imports only what it needs, so that times are comparable."""

import multiprocessing
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from pipeline.dates import DateRange


@dataclass(frozen=True)
class Task:
    """Data, date ranges, seed and epochs for a process that fits a baseline."""

    data: dict[str, Any]
    """The spec's `data`."""
    choosing: Sequence[DateRange]
    judging: Sequence[DateRange]
    validation_share: float
    test_share: float
    seed: int
    epochs: int


def _ranges(task: Task, date_ranges: Sequence[DateRange]) -> list[Any]:
    from benchmarks.strangers.ranges import read
    from pipeline.data.source import FilesSource, FlightsSource

    kind = FlightsSource if "source" in task.data else FilesSource
    source = kind.model_validate(task.data)
    return [read(source, date_range, task.validation_share, task.test_share) for date_range in date_ranges]


def tune_network(task: Task) -> dict[str, Any]:
    import torch

    from benchmarks.strangers import network

    torch.set_num_threads(1)
    return network.tune(_ranges(task, task.choosing), task.seed, task.epochs)


def judge_network(task: Task, setting: dict[str, Any]) -> float:
    import torch

    from benchmarks.strangers import network

    torch.set_num_threads(1)
    return fmean(network.judge(data, setting, task.seed, task.epochs) for data in _ranges(task, task.judging))


def tune_trees(task: Task) -> dict[str, Any]:
    from benchmarks.strangers import baselines

    return baselines.tune_trees(_ranges(task, task.choosing), task.seed)


def judge_trees(task: Task, setting: dict[str, Any]) -> float:
    from benchmarks.strangers import baselines

    return fmean(baselines.tuned_trees(data, setting) for data in _ranges(task, task.judging))


def judge_untuned(task: Task, name: str) -> float:
    from benchmarks.strangers import baselines

    return fmean(map(baselines.UNTUNED[name], _ranges(task, task.judging)))


def in_a_fresh_process(function: Callable[..., Any], *arguments: Any) -> tuple[Any, float]:
    """The function's result, and the seconds from the start of a new Python to its end."""
    began = time.monotonic()
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result(), time.monotonic() - began
