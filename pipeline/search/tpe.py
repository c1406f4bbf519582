"""Tree-structured Parzen estimators (Bergstra et al. 2011, NeurIPS) by Optuna, of all hyperparameters together.

Settings are random until ten experiments have a value. From then on, it draws settings that resemble the better
experiments more than the others.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pipeline.search import optuna_study
from pipeline.search.search_space import SearchSpace
from pipeline.search.tried import Tried
from pipeline.space import Assignment

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler


def tpe(space: SearchSpace, tried: Sequence[Tried], seed: int, n: int) -> list[Assignment]:
    """`n` promising settings, given the tried ones."""
    return optuna_study.ask(_sampler, space, tried, seed, n, asks_per_experiment=10)


def _sampler(seed: int) -> "BaseSampler":
    from optuna.samplers import TPESampler

    return TPESampler(seed=seed)
