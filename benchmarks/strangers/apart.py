"""What the others do, each in a fresh process, so that its time is its own; it imports what it needs there."""

import multiprocessing
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from pipeline.dates import DateRange


@dataclass(frozen=True)
class Asked:
    """What a process that only fits the others needs to know."""

    data: dict[str, Any]
    """A spec's `data`."""
    choosing: Sequence[DateRange]
    judging: Sequence[DateRange]
    validation_share: float
    test_share: float
    seed: int
    epochs: int


def _ranges(asked: Asked, date_ranges: Sequence[DateRange]) -> list[Any]:
    from benchmarks.strangers.ranges import read
    from pipeline.data.source import FilesSource, FlightsSource

    kind = FlightsSource if "source" in asked.data else FilesSource
    source = kind.model_validate(asked.data)
    return [read(source, one, asked.validation_share, asked.test_share) for one in date_ranges]


def study_network(asked: Asked) -> dict[str, Any]:
    import torch

    from benchmarks.strangers import network

    torch.set_num_threads(1)
    return network.study(_ranges(asked, asked.choosing), asked.seed, asked.epochs)


def judge_network(asked: Asked, setting: dict[str, Any]) -> float:
    import torch

    from benchmarks.strangers import network

    torch.set_num_threads(1)
    return fmean(network.judge(one, setting, asked.seed, asked.epochs) for one in _ranges(asked, asked.judging))


def study_trees(asked: Asked) -> dict[str, Any]:
    from benchmarks.strangers import others

    return others.tune_trees(_ranges(asked, asked.choosing), asked.seed)


def judge_trees(asked: Asked, setting: dict[str, Any]) -> float:
    from benchmarks.strangers import others

    return fmean(others.tuned_trees(one, setting) for one in _ranges(asked, asked.judging))


def judge_untuned(asked: Asked, name: str) -> float:
    from benchmarks.strangers import others

    return fmean(map(others.UNTUNED[name], _ranges(asked, asked.judging)))


def in_a_fresh_process(function: Callable[..., Any], *arguments: Any) -> tuple[Any, float]:
    """The function's answer, and the seconds that it took from the start of a new Python."""
    began = time.monotonic()
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result(), time.monotonic() - began
