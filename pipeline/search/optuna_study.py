"""Asks a sampler of Optuna for settings: builds a study from the experiments, asks it, and throws it away.

This works for samplers that keep no state between studies: TPE and GP, but not Optuna's quasi-random, grid and CMA-ES
samplers. This module chooses nothing itself.
"""

import logging
import math
import random as rng
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from pipeline.search.random import new_settings, random
from pipeline.search.search_space import SearchSpace
from pipeline.search.tried import Tried
from pipeline.space import Assignment, Domain, Interval, Scalar, Values, is_equal

if TYPE_CHECKING:
    from optuna import Study
    from optuna.distributions import BaseDistribution
    from optuna.samplers import BaseSampler
    from optuna.trial import Trial

_SMALL = 10_000
"""A sweep may use up a space of at most this many settings."""
_DIVERGED = 1e100
"""From this value on a training counts as diverged: it has learned nothing, and the value's square overflows."""


def ask(
    make_sampler: Callable[[int], "BaseSampler"],
    space: SearchSpace,
    tried: Sequence[Tried],
    seed: int,
    n: int,
    *,
    asks_per_experiment: int,
) -> list[Assignment]:
    """`n` settings from the sampler that `make_sampler` makes of a seed.

    The study is asked for one experiment after another, and knows its earlier suggestions. A suggestion that was tried
    or is forbidden stays in the study as a running trial, which drives the sampler away from it. The study is asked
    at most `n` x `asks_per_experiment` times. If that gives too few settings, random ones fill the round.
    """
    tried_settings = [experiment.assignment for experiment in tried]
    chosen: list[Assignment] = []
    if not _will_be_used_up(space, tried_settings, n):
        # Each round has another seed: a sampler with the same seed would suggest the first round's points again.
        round_seed = rng.Random(f"{seed} {len(tried)}").getrandbits(31)
        with _quiet():
            study = _study(make_sampler(round_seed), space, tried)
            chosen = new_settings(space, tried_settings, _suggestions(study, space, n * asks_per_experiment), n)
    if len(chosen) < n:
        chosen += random(space, [*tried, *map(Tried, chosen)], seed, n - len(chosen))
    return chosen


def _will_be_used_up(space: SearchSpace, tried_settings: Sequence[Assignment], n: int) -> bool:
    """True if `n` settings are all that remain, so that there is no choice."""
    size = space.count(_SMALL)
    return size is not None and size - len({space.identity(setting) for setting in tried_settings}) <= n


@contextmanager
def _quiet() -> Iterator[None]:
    import optuna  # noqa: F401 (it sets its own level when it is first imported)

    logger = logging.getLogger("optuna")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)


def _study(sampler: "BaseSampler", space: SearchSpace, tried: Sequence[Tried]) -> "Study":
    import optuna
    from optuna.trial import TrialState, create_trial

    study = optuna.create_study(sampler=sampler)
    finite = [each.value for each in tried if each.value is not None and abs(each.value) < _DIVERGED]
    for experiment in tried:
        names = space.active(experiment.assignment)
        if any(experiment.assignment[name] not in space.domains[name] for name in names):
            continue  # an incumbent outside the space: no sampler can place it
        value = experiment.value
        if value is not None and abs(value) >= _DIVERGED:
            # As bad as the worst that did not diverge: beside a larger value, the others would hardly differ.
            value = max(finite, default=None)
        failed = value is None or math.isnan(value)
        study.add_trial(
            create_trial(
                state=TrialState.FAIL if failed else TrialState.COMPLETE,
                value=None if failed else value,
                params={name: _to_optuna(space.domains[name], experiment.assignment[name]) for name in names},
                distributions={name: _distribution(space.domains[name]) for name in names},
            )
        )
    return study


def _suggestions(study: "Study", space: SearchSpace, asks: int) -> Iterator[Assignment]:
    for _ in range(asks):
        trial = study.ask()
        assignment: Assignment = {}
        for name in space.order:
            if space.is_active(name, assignment):
                domain = space.domains[name]
                assignment[name] = _from_optuna(domain, _suggest(trial, name, _distribution(domain)))
        settled = space.settle(assignment)
        if space.allows(settled):
            yield settled


def _suggest(trial: "Trial", name: str, distribution: "BaseDistribution") -> Any:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if isinstance(distribution, CategoricalDistribution):
        return trial.suggest_categorical(name, distribution.choices)
    if isinstance(distribution, IntDistribution):
        return trial.suggest_int(name, distribution.low, distribution.high, log=distribution.log)
    assert isinstance(distribution, FloatDistribution)
    return trial.suggest_float(name, distribution.low, distribution.high, log=distribution.log)


# If a domain is finite, Optuna gets the index of a value in place of the value: it takes 1 and True for the same
# choice, and its steps of 0.1 end at 0.30000000000000004. Only a log range of integers is passed on unchanged.


def _ordered(domain: Values) -> Sequence[Scalar] | None:
    """The values from low to high if all are numbers, else None."""
    numbers = [value for value in domain.values if isinstance(value, (int, float)) and not isinstance(value, bool)]
    return sorted(numbers) if len(numbers) == len(domain.values) else None


def _distribution(domain: Domain) -> "BaseDistribution":
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if isinstance(domain, Values) and _ordered(domain) is None:
        return CategoricalDistribution(range(domain.size))
    if isinstance(domain, Interval) and domain.log and domain.integer:
        return IntDistribution(int(domain.low), int(domain.high), log=True)
    if math.isfinite(domain.size):
        return IntDistribution(0, int(domain.size) - 1)
    assert isinstance(domain, Interval)
    return FloatDistribution(domain.low, domain.high, log=domain.log)


def _to_optuna(domain: Domain, value: Scalar) -> int | float:
    if isinstance(domain, Values):
        values = _ordered(domain) or domain.values
        return next(at for at, candidate in enumerate(values) if is_equal(candidate, value))
    assert isinstance(value, (int, float))
    if math.isinf(domain.size) or domain.log:
        return value
    return round((value - domain.low) / (domain.step or 1))


def _from_optuna(domain: Domain, value: Any) -> Scalar:
    if isinstance(domain, Values):
        return (_ordered(domain) or domain.values)[int(value)]
    if math.isinf(domain.size):
        return domain.rounded(float(value))
    return int(value) if domain.log else domain.nth(int(value))
