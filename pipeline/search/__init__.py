"""How the next experiments are chosen.

A strategy is a function of (space, taken, seed, n): it keeps nothing between calls, so any process on any machine
can ask for the next round and gets the same one. It returns at most n assignments of exactly the space's
hyperparameters: none that is among `taken` (what the phase has already), none twice, fewer than n only where the
space has no more.
"""

from collections.abc import Callable, Sequence

from pipeline.search.grid import grid
from pipeline.search.random import random
from pipeline.space import Assignment, Space

Strategy = Callable[[Space, Sequence[Assignment], int, int], list[Assignment]]

STRATEGIES: dict[str, Strategy] = {"grid": grid, "random": random}
