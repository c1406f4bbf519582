"""Importance of hyperparameters, their best values, and the interaction of two of them.

Computed from plain values: settings, their scores, and the domains that were searched. The numbers describe the trials
that chose and judge nothing. What the next sweep should search is decided in `suggestion.py`.
"""

import math
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.search.search_space import SearchSpace
from pipeline.space import Assignment, Domain, Interval, Scalar, Space, key

FEWEST = 12
"""With fewer experiments it is not clear which hyperparameter made the difference."""
FEWEST_BEST = 5
"""The best quarter of the experiments, but at least so many, are compared with all.

Optuna takes the best tenth. In sweeps of 40 experiments and six hyperparameters, one of which mattered, the best tenth
found that one in two sweeps of five, the best quarter in nearly all.
"""
PARTS = 5
"""Number of equal parts that a range is cut into."""
MOST_VALUES = 12
"""A list of more numbers is treated as a range."""
ALPHA = 0.05
_F_LEVEL = 0.01
_SHUFFLES = (19, 99)
"""Fewest and most shuffles of the scores. Nineteen are just enough for a level of 5 %."""
_SHUFFLED_EXPERIMENTS = 20_000
"""Shuffles times experiments. Many experiments need fewer shuffles, because chance does little among them, so a report
of 10,000 trials stays fast."""


@dataclass(frozen=True)
class Part:
    """A value of a hyperparameter, or a part of its range, and the experiments that have it."""

    value: Scalar
    """None for a part of a range."""
    low: float | None
    high: float | None
    """The ends of the part; None for a single value."""
    members: tuple[int, ...]
    """Indices of the experiments."""


@dataclass(frozen=True)
class Experiments:
    """Settings and their scores."""

    assignments: Sequence[Assignment]
    values: Sequence[float]
    """Scores, to be minimised; infinite where a training diverged, or was stopped early."""
    domains: Space
    """The hyperparameters that were searched."""

    @cached_property
    def finite(self) -> list[int]:
        """Indices of the experiments with a finite score."""
        return [at for at, value in enumerate(self.values) if math.isfinite(value)]

    @cached_property
    def _active(self) -> dict[str, list[int]]:
        everywhere = range(len(self.assignments))
        if not any(domain.when for domain in self.domains.values()):
            return {name: list(everywhere) for name in self.domains}
        # A hyperparameter that is not searched has the same value in every setting.
        space = SearchSpace(dict(self.domains), otherwise=self.assignments[0] if self.assignments else {})
        active: dict[str, list[int]] = {name: [] for name in self.domains}
        for at in everywhere:
            for name in space.active(self.assignments[at]):
                active[name].append(at)
        return active

    def active(self, name: str) -> list[int]:
        """Indices of the experiments in which a hyperparameter was active: its condition, if it has one, held."""
        return self._active[name]

    def interval(self, name: str) -> Interval | None:
        """The range that holds a hyperparameter's values; None if it has a few single values."""
        return interval_of(self.domains[name], [self.assignments[at][name] for at in self.active(name)])

    def parts(self, name: str) -> list[Part]:
        """The experiments by value, in the order of an axis. A range is cut into equal parts; some may be empty."""
        interval = self.interval(name)
        if interval is None:
            return self._by_value(name)
        scale, back = scale_of(interval)
        low, high = scale(interval.low), scale(interval.high)
        inside: list[list[int]] = [[] for _ in range(PARTS)]
        for at in self.active(name):
            value = self.assignments[at][name]
            if isinstance(value, int | float):
                inside[min(int((scale(value) - low) / (high - low) * PARTS), PARTS - 1)].append(at)
        edges = [back(low + at * (high - low) / PARTS) for at in range(PARTS + 1)]
        return [Part(None, edges[at], edges[at + 1], tuple(members)) for at, members in enumerate(inside)]

    def _by_value(self, name: str) -> list[Part]:
        by_value: dict[tuple[str, str], list[int]] = {}
        for at in self.active(name):
            by_value.setdefault(key(self.assignments[at][name]), []).append(at)
        parts = [Part(self.assignments[members[0]][name], None, None, tuple(members)) for members in by_value.values()]
        return sorted(parts, key=lambda part: _axis_order(part.value))

    def median(self, part: Part) -> float:
        """Median score of the experiments of a part."""
        return median(self.values[at] for at in part.members)


@dataclass(frozen=True)
class Importance:
    """Importance of a hyperparameter: how well it separates the best experiments from the others."""

    name: str
    share: float
    """Share of the total importance of all hyperparameters, after subtracting chance. The shares add up to less than 1;
    the rest is chance."""
    clear: bool
    """True if it is more than chance. If nothing matters, one sweep in twenty has a clear hyperparameter."""
    experiments: int
    """Experiments in which it was active."""


@dataclass(frozen=True)
class BestValue:
    """The value of a hyperparameter, or the part of its range, with the best median."""

    name: str
    part: Part
    median: float
    of: int
    """Experiments in which the hyperparameter was active. The median is over `part.members`."""


@dataclass(frozen=True)
class Interaction:
    """Joint effect of two hyperparameters, as a table of medians."""

    names: tuple[str, str]
    parts: tuple[tuple[Part, ...], tuple[Part, ...]]
    """For each of the two, the parts in which some experiment lies."""
    cells: Mapping[tuple[int, int], tuple[float, int]]
    """{indices in `parts`: (median score, experiments)}."""
    share: float
    """Share of the scores' variance that the pair explains beyond the two alone, less what chance explains. If all
    scores are positive, their logarithms are taken."""
    clear: bool
    """True if it is more than chance."""


def importances(experiments: Experiments) -> list[Importance]:
    """The hyperparameters, the most important first; empty if there are too few experiments.

    Optuna's PED-ANOVA (Watanabe, Bansal & Hutter, "PED-ANOVA: efficiently quantifying hyperparameter importance in
    arbitrary subspaces", IJCAI 2023). It measures how far the density of a hyperparameter's values among the best
    experiments is from the density among all. So it explains what makes a setting good, not what makes a bad one
    bad. Each hyperparameter is taken alone.

    With few experiments the densities are mostly luck. So the same is computed for shuffled scores, and the mean of
    these importances is subtracted. A hyperparameter is clear if in at most 5 % of the shuffles any hyperparameter is
    as important, after each was scaled by its own spread (the maximum of Westfall & Young, "Resampling-based multiple
    testing", 1993).
    """
    names = [name for name in experiments.domains if len(experiments.parts(name)) > 1]
    if len(experiments.values) < FEWEST or len(experiments.finite) < FEWEST_BEST or not names:
        return []
    # The ranks of the experiments, then random ones.
    count = len(experiments.values)
    ranks = np.unique(np.asarray(experiments.values, dtype=float), return_inverse=True)[1].astype(float)
    best = min(max(math.ceil(count / 4), FEWEST_BEST), len(experiments.finite))
    random = np.random.default_rng(0)
    shuffles = min(max(_SHUFFLED_EXPERIMENTS // count, _SHUFFLES[0]), _SHUFFLES[1])
    orders = [ranks, *(random.permutation(ranks) for _ in range(shuffles))]
    raw = _ped_anova(experiments, names, orders, best / count)
    actual, shuffled = raw[0], raw[1:]

    # How far each is above chance, as a share of the total.
    total = actual.sum()
    excess = np.maximum(actual - shuffled.mean(axis=0), 0)
    shares = excess / total if total > 0 else excess

    # How often chance gets as far with any hyperparameter, each on its own scale.
    spread = raw.std(axis=0)
    scaled = (raw - raw.mean(axis=0)) / np.where(spread > 0, spread, np.inf)
    highest = scaled[1:].max(axis=1)
    result = [
        Importance(
            name=name,
            share=float(shares[at]),
            clear=bool(shares[at] > 0 and 1 + (highest >= scaled[0, at]).sum() <= ALPHA * (shuffles + 1)),
            experiments=len(experiments.active(name)),
        )
        for at, name in enumerate(names)
    ]
    return sorted(result, key=lambda importance: -importance.share)


def best_values(experiments: Experiments) -> list[BestValue]:
    """For each hyperparameter the value, or the part of the range, with the best median score.

    Values that only one experiment has count only if no value has several: the median of one score is mostly luck.
    """
    bests = []
    for name in experiments.domains:
        parts = [part for part in experiments.parts(name) if part.members]
        parts = [part for part in parts if len(part.members) > 1] or parts
        if parts:
            best = min(parts, key=experiments.median)
            bests.append(BestValue(name, best, experiments.median(best), len(experiments.active(name))))
    return bests


def interaction(experiments: Experiments, first: str, second: str) -> Interaction | None:
    """Interaction of two hyperparameters; None if too few cells of the table are filled.

    The sum of a row effect and a column effect explains part of the variance between the cells of the table. `share`
    is the part that this sum leaves unexplained, less what it would leave by chance, as in Kelley's epsilon squared
    ("An unbiased correlation ratio measure", 1935). `clear` is an F test at 1 %. It assumes the same spread in every
    cell; where spreads differ, false alarms are in fact about 5 %.
    """
    # The table: experiments with a score in which both were active, by the value of either.
    active = set(experiments.active(second))
    members = [at for at in experiments.active(first) if at in active and math.isfinite(experiments.values[at])]
    member_set = set(members)
    sides = tuple(
        tuple(part for part in experiments.parts(name) if member_set.intersection(part.members))
        for name in (first, second)
    )
    places = [{at: place for place, part in enumerate(side) for at in part.members} for side in sides]
    by_cell: dict[tuple[int, int], list[int]] = {}
    for at in members:
        by_cell.setdefault((places[0][at], places[1][at]), []).append(at)
    if min(map(len, sides)) < 2 or len(by_cell) < 4 or len(members) < FEWEST:
        return None
    cells = {
        cell: (median(experiments.values[at] for at in inside), len(inside)) for cell, inside in sorted(by_cell.items())
    }

    # What the pair explains beyond either alone.
    positive = min(experiments.values[at] for at in members) > 0
    values = np.array([math.log(experiments.values[at]) if positive else experiments.values[at] for at in members])
    share, clear = _joint_effect(values, [places[0][at] for at in members], [places[1][at] for at in members])
    return Interaction((first, second), (sides[0], sides[1]), cells, share, clear)


def _joint_effect(values: NDArray[np.float64], rows: Sequence[int], columns: Sequence[int]) -> tuple[float, bool]:
    """Share of the variance that cells explain beyond rows and columns, and True if that is more than chance."""
    from scipy import stats

    def dummies(places: Sequence[Any]) -> NDArray[np.float64]:
        numbers = {place: at for at, place in enumerate(dict.fromkeys(places))}
        return np.eye(len(numbers))[[numbers[place] for place in places]]

    total = float(((values - values.mean()) ** 2).sum())
    additive = np.hstack([dummies(rows), dummies(columns)])
    effects, _, rank, _ = np.linalg.lstsq(additive, values, rcond=None)
    alone = float(((values - additive @ effects) ** 2).sum())
    cells = dummies(list(zip(rows, columns, strict=True)))
    within = float(((values - cells @ (cells.T @ values / cells.sum(axis=0))) ** 2).sum())
    # Degrees of freedom of the interaction, and of the experiments within a cell.
    df, df_within = cells.shape[1] - int(rank), len(values) - cells.shape[1]
    if df <= 0 or df_within <= 0 or total <= 0:
        return 0.0, False
    beyond = max(0.0, alone - within)
    if within <= 1e-12 * total:
        return beyond / total, beyond > 1e-9 * total
    p = float(stats.f.sf(beyond / df / (within / df_within), df, df_within))
    return max(0.0, beyond - df * within / df_within) / total, p <= _F_LEVEL


def interval_of(domain: Domain, values: Sequence[Scalar]) -> Interval | None:
    """The range that holds a domain and the tried values, since an incumbent's value may lie outside the domain.

    None for a list, unless it holds numbers only and more than `MOST_VALUES` of them were tried.
    """
    numbers = [value for value in values if isinstance(value, int | float) and not isinstance(value, bool)]
    if isinstance(domain, Interval):
        low, high = min([domain.low, *numbers]), max([domain.high, *numbers])
        return Interval(low=low, high=high, log=domain.log and low > 0)
    if len(set(values)) <= MOST_VALUES or len(numbers) < len(values):
        return None
    low, high = min(numbers), max(numbers)
    return Interval(low=low, high=high, log=low > 0 and high / low > 30)


def scale_of(interval: Interval) -> tuple[Callable[[float], float], Callable[[float], float]]:
    """Functions to the scale of a range, linear or logarithmic, and back."""
    return (math.log, math.exp) if interval.log else (float, float)


def _ped_anova(
    experiments: Experiments, names: Sequence[str], orders: Sequence[NDArray[np.float64]], quantile: float
) -> NDArray[np.float64]:
    """Raw importances [order, name] for several orders of the same experiments; the best `quantile` count as good."""
    from optuna.distributions import (
        BaseDistribution,
        CategoricalDistribution,
        FloatDistribution,
        IntDistribution,
    )
    from optuna.importance import PedAnovaImportanceEvaluator
    from optuna.trial import FrozenTrial, create_trial

    settings: list[dict[str, Any]] = [{} for _ in experiments.values]
    distributions: dict[str, BaseDistribution] = {}
    for name in names:
        interval, active = experiments.interval(name), experiments.active(name)
        if interval is None:
            # By index of the value, since Optuna takes 1, 1.0 and True for the same value.
            place = {at: number for number, part in enumerate(experiments.parts(name)) for at in part.members}
            distributions[name] = CategoricalDistribution(range(len(experiments.parts(name))))
            for at in active:
                settings[at][name] = place[at]
            continue
        integer = interval.integer and isinstance(experiments.domains[name], Interval)
        kind = IntDistribution if integer else FloatDistribution
        distributions[name] = kind(interval.low, interval.high, log=interval.log)  # type: ignore[arg-type]
        for at in active:
            if isinstance(value := experiments.assignments[at][name], int | float):
                settings[at][name] = value
    trials = [
        create_trial(params=setting, distributions={name: distributions[name] for name in setting}, value=0.0)
        for setting in settings
    ]
    evaluator = PedAnovaImportanceEvaluator(target_quantile=quantile)
    rows = []
    with _quiet() as study:
        study.add_trials(trials)
        for order in orders:

            def rank(trial: FrozenTrial, order: NDArray[np.float64] = order) -> float:
                return float(order[trial.number])

            raw = evaluator.evaluate(study, list(names), target=rank)
            rows.append([raw[name] for name in names])
    return np.array(rows)


@contextmanager
def _quiet() -> Iterator[Any]:
    """An Optuna study that logs nothing."""
    from optuna import create_study, logging

    loud = logging.get_verbosity()
    logging.set_verbosity(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield create_study()
    finally:
        logging.set_verbosity(loud)


def _axis_order(value: Scalar) -> tuple[int, Any]:
    if isinstance(value, bool) or value is None:
        return 0, str(value)
    return (1, value) if isinstance(value, int | float) else (2, value)
