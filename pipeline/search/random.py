"""Random search (Bergstra & Bengio 2012, JMLR 13): uniform draws without replacement."""

import itertools
import math
import random as rng
from collections.abc import Iterable, Iterator, Sequence

from pipeline.search.search_space import SearchSpace
from pipeline.search.tried import Tried
from pipeline.space import Assignment

_COUNTABLE = 2**62
"""`random.sample` needs a range within a machine word. In larger spaces independent draws hardly ever repeat."""
_LISTED = 10_000
"""Number of settings that are listed within a tenth of a second."""
_LISTED_AT_LAST = 300_000
"""Number of settings that are listed in the end, after draws that were not allowed or not new."""
_DRAWS_PER_EXPERIMENT = 1000
_FEWEST_DRAWS = 20_000
"""Enough draws to find settings if constraints allow a thousandth of the space."""


def random(space: SearchSpace, tried: Sequence[Tried], seed: int, n: int) -> list[Assignment]:
    """`n` different settings. Each value of a list is equally likely, and each part of a range as its width."""
    source = rng.Random(seed)
    # Without repetition, each tried setting costs at most one draw.
    draws_at_most = n + len(tried)
    draws: Iterable[Assignment]
    if space.is_plain and space.combinations <= _COUNTABLE:
        size = int(space.combinations)
        draws = (_decode(space, index) for index in source.sample(range(size), min(size, draws_at_most)))
    elif not space.is_plain and space.count(_LISTED) is not None:
        draws = _shuffled(space, source)
    else:
        draws = _independent(space, source, max(draws_at_most * _DRAWS_PER_EXPERIMENT, _FEWEST_DRAWS))
        if not space.is_endless:
            # Draws may miss the few settings that constraints allow: then all settings are listed.
            draws = itertools.chain(draws, space.settings(_LISTED_AT_LAST))
    return new_settings(space, (experiment.assignment for experiment in tried), draws, n)


def new_settings(
    space: SearchSpace, tried_settings: Iterable[Assignment], draws: Iterable[Assignment], n: int
) -> list[Assignment]:
    """The first `n` draws that differ from all tried settings and from each other."""
    identities = {space.identity(setting) for setting in tried_settings}
    chosen: list[Assignment] = []
    for setting in draws if n > 0 else ():
        if (identity := space.identity(setting)) not in identities:
            identities.add(identity)
            chosen.append(setting)
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
    """Shuffles the settings into the order in which independent draws would first meet them.

    An optimizer without options is then as likely as another one with all its options together. The method is weighted
    sampling with a reservoir (Efraimidis & Spirakis 2006).
    """

    def waiting_time(setting: Assignment) -> float:
        draws_per_meeting = math.prod(int(space.domains[name].size) for name in space.active(setting))
        return -math.log(1 - source.random()) * draws_per_meeting

    return sorted(space.settings(), key=waiting_time)


def _independent(space: SearchSpace, source: rng.Random, draws: int) -> Iterator[Assignment]:
    for _ in range(draws):
        assignment = space.settle({name: domain.at(source.random()) for name, domain in space.domains.items()})
        if space.allows(assignment):
            yield assignment
