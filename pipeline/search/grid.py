"""Every combination of the values, in the order in which the spec lists them, the last name running fastest."""

import itertools
from collections.abc import Sequence

from pipeline.space import Assignment, Space, identity


def grid(space: Space, taken: Sequence[Assignment], seed: int, n: int) -> list[Assignment]:
    """The first `n` combinations that are not taken; the seed is of no use here.

    Raises ValueError if a range has no end of values.
    """
    known = {identity(space, assignment) for assignment in taken}
    combinations = itertools.product(*(domain.grid() for domain in space.values()))
    every = (dict(zip(space, values, strict=True)) for values in combinations)
    return list(itertools.islice((one for one in every if identity(space, one) not in known), n))
