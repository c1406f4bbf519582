"""Random search (Bergstra & Bengio 2012, JMLR 13): uniform draws without replacement."""

import math
import random as rng
from collections.abc import Iterator, Sequence

from pipeline.space import Assignment, Space, identity

# `random.sample` takes a range no longer than a machine word; a space as large as that has no duplicates to fear.
_COUNTABLE = 2**62
_DRAWS_PER_EXPERIMENT = 1000


def random(space: Space, taken: Sequence[Assignment], seed: int, n: int) -> list[Assignment]:
    """`n` assignments, each value of a list (each part of a range) equally likely, none twice."""
    source = rng.Random(seed)
    size = math.prod(domain.size for domain in space.values())
    if size <= _COUNTABLE:
        # Every taken one can cost a draw at most, so so many are always enough.
        order = source.sample(range(int(size)), min(int(size), n + len(taken)))
        draws = iter([_decode(space, index) for index in order])
    else:
        draws = _independent(space, source, (n + len(taken)) * _DRAWS_PER_EXPERIMENT)
    known = {identity(space, assignment) for assignment in taken}
    chosen: list[Assignment] = []
    for assignment in draws:
        if len(chosen) == n:
            break
        if identity(space, assignment) not in known:
            known.add(identity(space, assignment))
            chosen.append(assignment)
    return chosen


def _decode(space: Space, index: int) -> Assignment:
    assignment = {}
    for name, domain in reversed(space.items()):
        index, at = divmod(index, int(domain.size))
        assignment[name] = domain.nth(at)
    return {name: assignment[name] for name in space}


def _independent(space: Space, source: rng.Random, draws: int) -> Iterator[Assignment]:
    for _ in range(draws):
        yield {name: domain.at(source.random()) for name, domain in space.items()}
