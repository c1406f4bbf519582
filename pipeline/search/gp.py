"""A Gaussian process with expected improvement (Jones et al. 1998) by Optuna, for few, expensive experiments.

Settings are random until ten experiments have a value. The first call imports torch, which takes seconds. After that a
suggestion takes a fraction of a second, after two hundred experiments a second. Hyperparameters with a condition
are drawn at random, because the process only models the others.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pipeline.search import optuna_study
from pipeline.search.search_space import SearchSpace
from pipeline.search.tried import Tried
from pipeline.space import Assignment

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler


def gp(space: SearchSpace, tried: Sequence[Tried], seed: int, n: int) -> list[Assignment]:
    """`n` promising settings, given the tried ones."""
    import torch

    # One thread: sums in another order would give other suggestions on machines with more cores.
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return optuna_study.ask(_sampler, space, tried, seed, n, asks_per_experiment=3)
    finally:
        torch.set_num_threads(threads)


def _sampler(seed: int) -> "BaseSampler":
    from optuna.samplers import GPSampler

    return GPSampler(seed=seed, warn_independent_sampling=False)
