"""Every combination of the values, in the order in which the spec lists them, the last name running fastest."""

import itertools
from collections.abc import Sequence

from pipeline.search.search_space import SearchSpace
from pipeline.search.tried import Tried
from pipeline.space import Assignment


def grid(space: SearchSpace, tried: Sequence[Tried], seed: int, n: int) -> list[Assignment]:
    """The first `n` settings that are not tried; the seed is of no use here.

    Raises ValueError if a range has no end of values.
    """
    known = {space.identity(one.assignment) for one in tried}
    return list(itertools.islice((one for one in space.settings() if space.identity(one) not in known), n))
