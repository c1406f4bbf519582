"""Measures how many networks train fastest side by side on a device.

Whether K networks are faster together than one after another depends on the device and the shapes. A few steps show it.
On a CPU the number changes no result (`fused.py` says why).
"""

import time
from collections.abc import Sequence

import torch

from pipeline.data.dataset import Dataset
from pipeline.space import Assignment
from pipeline.training import fused
from pipeline.training.memory import OutOfMemory, memory_errors_as_out_of_memory
from pipeline.training.state import TrainState, private_random_numbers
from pipeline.training.step import Step

_TIME_OF_TWICE_AS_MANY = 0.95
"""Doubling the number must cut the time per network to this share. If not, the smaller number is best: less memory."""
_TIME_OF_ARRAY = 1 / 1.5
"""An array must cut the time per network to this share of one alone, because torch's own layers are better tested."""


def best_size(architecture: str, hyperparameters: Assignment, dataset: Dataset, device: str, most: int) -> int:
    """Number of networks with the shortest step per network: 1, 2, 4, … up to `most`, as far as memory lasts.

    Raises OutOfMemory if memory does not suffice for one network.
    """

    def per_network(size: int) -> float:
        return seconds_per_step(architecture, [hyperparameters] * size, dataset, device=device) / size

    alone = per_network(1)
    best, fastest = 1, alone
    while best < most:
        size = min(2 * best, most)
        try:
            seconds = per_network(size)
        except OutOfMemory:
            break
        if seconds > _TIME_OF_TWICE_AS_MANY * fastest:
            break
        best, fastest = size, seconds
    return 1 if device in fused.ARRAYS_ON and fastest > _TIME_OF_ARRAY * alone else best


def seconds_per_step(
    architecture: str, settings: Sequence[Assignment], dataset: Dataset, *, device: str | torch.device, steps: int = 6
) -> float:
    """Seconds of a training step with one network per setting. Raises OutOfMemory.

    The fastest of a few measurements, because other processes may use the machine.
    """
    device, seconds = torch.device(device), []
    with memory_errors_as_out_of_memory(), private_random_numbers(device):
        state = TrainState(architecture, settings, dataset, 0, device)
        state.module.train()
        step = Step(state)
        rows = torch.randperm(len(dataset.train), device=device)[: state.members[0].settings.batch_size]
        # The first step allocates what later steps use; on a GPU the second one is recorded.
        for _ in range(2 if device.type == "cuda" else 1):
            step(rows)
        # On a GPU, several steps without a wait between them, as in an epoch.
        at_once = 8 if device.type == "cuda" else 1
        _wait_for(device)
        for _ in range(steps):
            started = time.perf_counter()
            for _ in range(at_once):
                step(rows)
            _wait_for(device)
            seconds.append((time.perf_counter() - started) / at_once)
    del state, step
    if device.type == "cuda":
        torch.cuda.empty_cache()  # others may share the device
    return min(seconds)


def _wait_for(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
