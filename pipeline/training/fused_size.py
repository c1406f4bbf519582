"""How many networks should train side by side on a device: as many as are fastest when it is tried.

Whether K networks are faster together than one after another depends on the device and on the shapes. A few steps of
them tell, at the price of a few steps. On a CPU their number changes no result: `fused.py` says why.
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

_WORTH_IT = 0.95
"""Where twice as many are hardly faster, fewer take less memory."""
_ARRAYS_WORTH_IT = 1 / 1.5
"""Where an array is hardly faster than its members in turn, their own layers are better known."""


def best_size(architecture: str, hyperparameters: Assignment, dataset: Dataset, device: str, most: int) -> int:
    """The number of networks with the least time of a step per network: 1, 2, 4, … up to `most`, as memory lasts.

    Raises OutOfMemory if there is too little for one.
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
        if seconds > _WORTH_IT * fastest:
            break
        best, fastest = size, seconds
    return 1 if device in fused.ARRAYS_ON and fastest > _ARRAYS_WORTH_IT * alone else best


def seconds_per_step(
    architecture: str, settings: Sequence[Assignment], dataset: Dataset, *, device: str | torch.device, steps: int = 6
) -> float:
    """Seconds of a training step with one network per setting; the fastest of a few, for others may be at work here.

    Raises OutOfMemory.
    """
    device, seconds = torch.device(device), []
    with memory_errors_as_out_of_memory(), private_random_numbers(device):
        state = TrainState(architecture, settings, dataset, 0, device)
        state.module.train()
        step = Step(state)
        rows = torch.randperm(len(dataset.train), device=device)[: state.members[0].settings.batch_size]
        # The first steps make ready what the others use; on a GPU the second one is recorded.
        for _ in range(2 if device.type == "cuda" else 1):
            step(rows)
        # One after another without a wait, as in an epoch.
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
