"""Quasi-random search: scrambled Sobol' points (Sobol' 1967; Owen 1998), which leave no large gaps.

It does not learn from values, and so needs no rounds. It covers ranges better than random search.
"""

from collections.abc import Iterator, Sequence

from pipeline.search.random import new_settings, random
from pipeline.search.search_space import SearchSpace
from pipeline.search.tried import Tried
from pipeline.space import Assignment

_POINTS = 2**14
"""Number of points after which the remaining settings are drawn at random: in a finite space points repeat."""


def sobol(space: SearchSpace, tried: Sequence[Tried], seed: int, n: int) -> list[Assignment]:
    """The next `n` settings of the seed's sequence.

    Every call goes through the sequence from its start and skips tried settings. So two calls for four settings give
    the same as one call for eight.
    """
    tried_settings = (experiment.assignment for experiment in tried)
    chosen = new_settings(space, tried_settings, _points(space, seed), n)
    if len(chosen) < n:
        chosen += random(space, [*tried, *map(Tried, chosen)], seed, n - len(chosen))
    return chosen


def _points(space: SearchSpace, seed: int) -> Iterator[Assignment]:
    import numpy as np
    from scipy.stats import qmc

    sequence = qmc.Sobol(len(space.domains), scramble=True, rng=np.random.default_rng(seed))
    drawn = 0
    while drawn < _POINTS:
        # First 64 points, then as many as were drawn so far: points are only spread evenly if a power of two is drawn.
        points = sequence.random_base2(6 if drawn == 0 else drawn.bit_length() - 1)
        drawn += len(points)
        for point in points:
            units = zip(space.domains.items(), point, strict=True)
            assignment = space.settle({name: domain.at(float(unit)) for (name, domain), unit in units})
            if space.allows(assignment):
                yield assignment
