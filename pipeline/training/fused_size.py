"""How many networks should train side by side on a device: as many as were fastest when it was tried.

Whether K networks are faster together than one after another depends on the device and on the shapes. A few steps of
them tell, at the price of a few steps. On a CPU their number changes no result: `fused.py` says why.
"""

from pipeline.data.dataset import Dataset
from pipeline.space import Assignment
from pipeline.training.loop import OutOfMemory, seconds_per_step

_WORTH_IT = 0.95
"""Where twice as many are hardly faster, fewer take less memory."""


def best_size(architecture: str, hyperparameters: Assignment, dataset: Dataset, device: str, most: int) -> int:
    """1, 2, 4, … up to `most`: doubled while a step takes less time per network, and memory lasts.

    Raises OutOfMemory if there is too little for one.
    """

    def per_network(size: int) -> float:
        return seconds_per_step(architecture, [hyperparameters] * size, dataset, device=device) / size

    best, fastest = 1, per_network(1)
    while best < most:
        size = min(2 * best, most)
        try:
            seconds = per_network(size)
        except OutOfMemory:
            break
        if seconds > _WORTH_IT * fastest:
            break
        best, fastest = size, seconds
    return best
