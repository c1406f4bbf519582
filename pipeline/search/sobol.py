"""Quasi-random search: scrambled Sobol' points (Sobol' 1967; Owen 1998), which leave no large gaps.

It learns nothing from the values, so it needs no rounds; on ranges it covers better than random search.
"""

from collections.abc import Iterator, Sequence

from pipeline.search.random import random, unlike
from pipeline.search.search_space import SearchSpace
from pipeline.search.tried import Tried
from pipeline.space import Assignment

# On a finite space the points come to the same settings again and again; after so many the rest is drawn at random.
_POINTS = 2**14


def sobol(space: SearchSpace, tried: Sequence[Tried], seed: int, n: int) -> list[Assignment]:
    """The next `n` settings of the seed's sequence, which every call goes through from its start.

    What is tried is passed over, so with one seed two calls for four give what one call for eight gives.
    """
    known = [one.assignment for one in tried]
    chosen = unlike(space, known, _points(space, seed), n)
    if len(chosen) < n:
        chosen += random(space, [*tried, *map(Tried, chosen)], seed, n - len(chosen))
    return chosen


def _points(space: SearchSpace, seed: int) -> Iterator[Assignment]:
    import numpy as np
    from scipy.stats import qmc

    sequence = qmc.Sobol(len(space.domains), scramble=True, rng=np.random.default_rng(seed))
    drawn = 0
    while drawn < _POINTS:
        # Whole powers of two, first 64 points, then as many again as there were: fewer have not the even spread.
        points = sequence.random_base2(6 if drawn == 0 else drawn.bit_length() - 1)
        drawn += len(points)
        for point in points:
            units = zip(space.domains.items(), point, strict=True)
            assignment = space.settle({name: domain.at(float(unit)) for (name, domain), unit in units})
            if space.allows(assignment):
                yield assignment
