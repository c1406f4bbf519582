"""Strategies, which choose the settings of the next experiments.

Here: strategies, the spaces that they search, the part of a space near a setting. Not here: the phases that ask them
(`plan/`).

A strategy is a function of (space, tried, seed, n). It keeps nothing between calls, so that any process on any machine
gets the same next round. `tried` are the experiments of earlier rounds, in the order of their numbers. The strategy
returns at most n settings of exactly the space's hyperparameters: all are allowed, none was tried, none comes twice.
There are fewer than n only if the space has no more. Heavy imports wait for the call of a strategy that needs them.
"""

from collections.abc import Callable, Sequence

from pipeline.search.gp import gp
from pipeline.search.grid import grid
from pipeline.search.random import random
from pipeline.search.search_space import SearchSpace
from pipeline.search.sobol import sobol
from pipeline.search.tpe import tpe
from pipeline.search.tried import Tried
from pipeline.space import Assignment

__all__ = ["ADAPTIVE", "STRATEGIES", "SearchSpace", "Strategy", "Tried"]

Strategy = Callable[[SearchSpace, Sequence[Tried], int, int], list[Assignment]]

STRATEGIES: dict[str, Strategy] = {"grid": grid, "random": random, "sobol": sobol, "tpe": tpe, "gp": gp}

ADAPTIVE: frozenset[str] = frozenset({"tpe", "gp"})
"""Strategies that learn from values. They are asked round by round, each round with another seed."""
