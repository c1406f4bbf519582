"""Grid search: every combination of the values, in the spec's order. The last hyperparameter varies fastest."""

from collections.abc import Sequence

from pipeline.search.random import new_settings
from pipeline.search.search_space import SearchSpace
from pipeline.search.tried import Tried
from pipeline.space import Assignment


def grid(space: SearchSpace, tried: Sequence[Tried], seed: int, n: int) -> list[Assignment]:
    """The first `n` settings that were not tried. The seed has no effect.

    Raises ValueError if a range has infinitely many values.
    """
    return new_settings(space, (experiment.assignment for experiment in tried), space.settings(), n)
