"""How the next experiments are chosen.

Here: strategies, the spaces they search, the part of a space near a setting. Not here: which phase asks, and when
(`plan/`).

A strategy is a function of (space, tried, seed, n): it keeps nothing between calls, so any process on any machine can
ask for the next round and gets the same one. `tried` are the experiments of the rounds before, in the order of their
numbers. It returns at most n settings of exactly the space's hyperparameters: all allowed, none that was tried, none
twice, fewer than n only where there are no more. Nothing heavy is imported before a strategy that needs it is called.
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
"""Those that learn from the values: they are asked round by round, each round with a seed of its own."""
