"""Random search (Bergstra & Bengio 2012, JMLR 13): uniform draws without replacement."""

import itertools
import math
import random as rng
from collections.abc import Iterable, Iterator, Sequence

from pipeline.search.search_space import SearchSpace
from pipeline.search.tried import Tried
from pipeline.space import Assignment

# `random.sample` takes a range no longer than a machine word; a space as large as that has no duplicates to fear.
_COUNTABLE = 2**62
# So many settings are listed within a tenth of a second.
_LISTED = 10_000
_LISTED_AT_LAST = 300_000
_DRAWS_PER_EXPERIMENT = 1000
# Enough to find what is allowed where that is a thousandth of the space.
_FEWEST_DRAWS = 20_000


def random(space: SearchSpace, tried: Sequence[Tried], seed: int, n: int) -> list[Assignment]:
    """`n` settings, each value of a list (each part of a range) equally likely, none twice."""
    source = rng.Random(seed)
    wanted = n + len(tried)
    draws: Iterable[Assignment]
    if space.is_plain and space.combinations <= _COUNTABLE:
        size = int(space.combinations)
        # Every tried one can cost a draw at most, so so many are always enough.
        draws = (_decode(space, index) for index in source.sample(range(size), min(size, wanted)))
    elif not space.is_plain and space.count(_LISTED) is not None:
        draws = _shuffled(space, source)
    else:
        draws = _independent(space, source, max(wanted * _DRAWS_PER_EXPERIMENT, _FEWEST_DRAWS))
        if not space.is_endless:
            # Where constraints leave too little for draws to find, what is left is listed.
            draws = itertools.chain(draws, space.settings(_LISTED_AT_LAST))
    return unlike(space, (one.assignment for one in tried), draws, n)


def unlike(space: SearchSpace, known: Iterable[Assignment], draws: Iterable[Assignment], n: int) -> list[Assignment]:
    """The first `n` of the draws that are like no known one, nor like each other."""
    seen = {space.identity(assignment) for assignment in known}
    chosen: list[Assignment] = []
    for assignment in draws if n > 0 else ():
        if (identity := space.identity(assignment)) not in seen:
            seen.add(identity)
            chosen.append(assignment)
            if len(chosen) == n:
                break
    return chosen


def _decode(space: SearchSpace, index: int) -> Assignment:
    assignment = {}
    for name, domain in reversed(space.domains.items()):
        index, at = divmod(index, int(domain.size))
        assignment[name] = domain.nth(at)
    return {name: assignment[name] for name in space.domains}


def _shuffled(space: SearchSpace, source: rng.Random) -> list[Assignment]:
    """All settings in the order in which independent draws would first meet them.

    A setting of an optimizer without options of its own is as likely as all the options of another one together. The
    order is that of Efraimidis & Spirakis 2006 (weighted sampling with a reservoir).
    """

    def waiting_time(setting: Assignment) -> float:
        unlikely = math.prod(int(space.domains[name].size) for name in space.active(setting))
        return -math.log(1 - source.random()) * unlikely

    return [
        setting for _, _, setting in sorted((waiting_time(one), at, one) for at, one in enumerate(space.settings()))
    ]


def _independent(space: SearchSpace, source: rng.Random, draws: int) -> Iterator[Assignment]:
    for _ in range(draws):
        assignment = space.settle({name: domain.at(source.random()) for name, domain in space.domains.items()})
        if space.allows(assignment):
            yield assignment
