"""Compares training on this device with training on the CPU, in float32 and bfloat16, and arrays with single ones."""

import contextlib
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import replace
from statistics import fmean, stdev
from unittest.mock import patch

import torch

from benchmarks.gpu.parts import Bench
from benchmarks.gpu.steps import dataset, fuses, settings
from pipeline.data.dataset import Dataset
from pipeline.training import architectures
from pipeline.training.loop import Epoch, train, train_array
from pipeline.training.outcome import Outcome
from pipeline.training.state import TrainState, private_random_numbers

EPOCHS, SEEDS, ROWS, ROWS_IN_SMALL = 2, 3, 10_000, 4000
ARRAY_RATES = (0.5, 1.0, 1.5, 2.0)
"""Learning rates of the array's members, in units of the default."""


@contextlib.contextmanager
def in_float32() -> Iterator[None]:
    """Turns off autocast, which the loop uses on every GPU."""
    with patch("torch.autocast", lambda *_, **__: contextlib.nullcontext()):
        yield


def agreement(bench: Bench) -> None:
    """Writes relative differences from the CPU: of the mean error over seeds (`off_…`) and of a gradient.

    `noise` is the standard error of the difference of two such means, from the spread between seeds. The differences
    should be about as large, since another device shuffles the rows in another order.
    """
    data = dataset(bench)
    data = replace(data, train=data.train.thinned(ROWS_IN_SMALL if bench.is_small else ROWS))
    for name in architectures.names():
        if not bench.check_time(10):
            return
        on_cpu = errors(name, data, "cpu")
        with in_float32():
            gradient_32, float32 = gradient_difference(bench, name, data), errors(name, data, bench.device)
        gradient_16, bfloat16 = gradient_difference(bench, name, data), errors(name, data, bench.device)
        mean = fmean(on_cpu)
        bench.write(
            architecture=name,
            mse_valid=mean,
            off_float32=fmean(float32) / mean - 1,
            off_bfloat16=fmean(bfloat16) / mean - 1,
            noise=stdev(on_cpu) * (2 / SEEDS) ** 0.5 / mean,
            gradient_off_float32=gradient_32,
            gradient_off_bfloat16=gradient_16,
            array_off=array_difference(bench, name, data) if fuses(name, bench.device) else None,
        )


def errors(architecture: str, data: Dataset, device: str) -> list[float]:
    """`mse_valid` of each seed after the last epoch."""
    threads = torch.get_num_threads()
    torch.set_num_threads(4 if device == "cpu" else 1)
    outcomes = [
        train(architecture, settings(architecture), data, seed=seed, device=device, max_epochs=EPOCHS)
        for seed in range(SEEDS)
    ]
    torch.set_num_threads(threads)
    return [outcome.metrics["mse_valid"] for outcome in outcomes]


def gradient_difference(bench: Bench, architecture: str, data: Dataset) -> float:
    """Relative difference between the first gradient on the device and in double precision on a CPU.

    Both come from the same weights and rows.
    """
    setting = settings(architecture) | {"dropout": 0.0}
    with private_random_numbers(torch.device(bench.device)):
        state = TrainState(architecture, [setting], data, 0, torch.device("cpu"))
        network = state.members[0].network
        tokens, dense, targets = (tensor[:1024] for tensor in state.train)
        exact = deepcopy(network).double()
        exact.train().loss(tokens, dense.double(), targets.double())[0].backward()  # type: ignore[operator]
        network.to(bench.device).train()
        on_device = [tensor.to(bench.device) for tensor in (tokens, dense, targets)]
        with torch.autocast(bench.device, dtype=torch.bfloat16, enabled=bench.device == "cuda"):
            loss, _ = network.loss(*on_device)  # type: ignore[operator]
        loss.backward()
    pairs = [(a.grad, b.grad) for a, b in zip(network.parameters(), exact.parameters(), strict=True)]
    flat, flat_exact = (
        torch.cat([pair[at].double().cpu().flatten() for pair in pairs if pair[0] is not None])  # type: ignore[union-attr]
        for at in (0, 1)
    )
    return float((flat - flat_exact).norm() / flat_exact.norm())


class _Losses:
    """Callback that keeps the last validation error of each network."""

    def __init__(self) -> None:
        self.errors: dict[int, float] = {}

    def on_epoch_end(self, index: int, epoch: Epoch) -> None:
        self.errors[index] = epoch.metrics["mse_valid"]

    def should_stop(self, index: int, epoch: int) -> bool:
        return False

    def on_train_end(self, index: int, outcome: Outcome) -> None:
        pass


def array_difference(bench: Bench, architecture: str, data: Dataset) -> float:
    """Largest relative difference in error after an epoch between a member of an array and the same network alone."""
    default = settings(architecture)
    members = [default | {"learning_rate": factor * float(default["learning_rate"])} for factor in ARRAY_RATES]
    array = _Losses()
    train_array(architecture, members, data, seed=0, device=bench.device, max_epochs=1, callback=array)
    worst = 0.0
    for index, setting in enumerate(members):
        alone = _Losses()
        train_array(architecture, [setting], data, seed=0, device=bench.device, max_epochs=1, callback=alone)
        worst = max(worst, abs(array.errors[index] / alone.errors[0] - 1))
    return worst
