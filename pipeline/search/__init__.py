"""Strategies, which choose the settings of the next experiments.

Here: strategies, the spaces that they search, the part of a space near a setting. Not here: phases and rounds, which
call the strategies (`plan/`).

A strategy is a function of (space, tried, seed, n). It keeps nothing between calls, so that any process on any machine
gets the same next round. `tried` are the experiments of earlier rounds, in the order of their numbers. The strategy
returns n settings, each a value for every hyperparameter of the space: all are allowed, none was tried, none comes
twice. They are fewer than n only if the space has no more. A strategy imports heavy packages when it is called.
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
"""Strategies that learn from the values of tried experiments. They choose round by round."""
