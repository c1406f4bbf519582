"""Tree-structured Parzen estimators (Bergstra et al. 2011, NeurIPS), as Optuna has them: all hyperparameters at once.

The first ten experiments with a value are random; then settings are drawn that are more likely among the better
experiments than among the others.
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
    """`n` settings that look promising after what is tried."""
    return optuna_study.ask(_sampler, space, tried, seed, n, asks_per_experiment=10)


def _sampler(seed: int) -> "BaseSampler":
    from optuna.samplers import TPESampler

    return TPESampler(seed=seed)
