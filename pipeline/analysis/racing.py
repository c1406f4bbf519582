"""Races: experiments that are clearly worse on the first ranges of a phase are not trained on the others.

Planners decide this between rounds, from scores alone. It saves trainings; it judges nothing, and confirmation never
reads it.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from pipeline.dates import DateRange
from pipeline.results import Goal, sign

Floats = NDArray[np.float64]

ALPHA = 0.05
FEWEST_RANGES = 2
KEPT = 3
"""So many of the best always run on: up to three finalists are confirmed, and on two ranges luck may put one behind."""
FEWEST_EXPERIMENTS = 3
"""The race compares ranks, which tell nothing about two experiments."""


@dataclass(frozen=True)
class Race:
    """One step of a race."""

    out: dict[str, str]
    """{experiment that is out: reason, in a plain sentence}."""
    ranges: tuple[DateRange, ...]
    """The ranges that all experiments of the race have finished. Only these were compared."""
    p: float | None
    """p-value of Friedman's test; None if there was too little to test."""


def race(
    scores: Mapping[str, Mapping[DateRange, float | None]],
    incumbent: str,
    goal: Goal = "minimize",
) -> Race:
    """One step of a race.

    `scores` is {experiment: {range: metric}}, the mean over seeds; None or NaN if a training diverged. It must not hold
    experiments that are out already, have not run yet, or failed and may be retried. A range counts only once all
    experiments that are still in have finished it.

    After F-race (Birattari et al., "A racing algorithm for configuring metaheuristics", GECCO 2002; irace,
    Lopez-Ibanez et al. 2016). Friedman's test compares the ranks within each range. If it finds a difference, an
    experiment is out if its rank sum lies behind the best by more than Conover's critical difference ("Practical
    nonparametric statistics", 1999). An experiment that diverged where another did not cannot be ranked over all
    ranges, so it is out as well. The best three always run on, and so does the incumbent: gains are measured against
    it.
    """
    # Out: experiments that diverged where others did not.
    finished = {date_range for by_range in scores.values() for date_range in by_range if _finite(by_range, date_range)}
    out = {
        name: f"it diverged on {date_range}, so it cannot be ranked"
        for name, by_range in scores.items()
        for date_range in by_range
        if name != incumbent and date_range in finished and not _finite(by_range, date_range)
    }

    # The others are compared on the ranges that all of them finished.
    running = {name: by_range for name, by_range in scores.items() if name not in out}
    ranges = tuple(
        date_range
        for date_range in sorted(finished)
        if all(_finite(by_range, date_range) for by_range in running.values())
    )
    if len(ranges) < FEWEST_RANGES or len(running) < FEWEST_EXPERIMENTS:
        return Race(out, ranges, None)
    metrics = [[by_range[date_range] for by_range in running.values()] for date_range in ranges]
    ranks = stats.rankdata(sign(goal) * np.array(metrics, dtype=float), axis=1)

    # If the test finds a difference, experiments that are clearly behind the best are out.
    p = _friedman(ranks)
    if p <= ALPHA:
        out |= {name: reason for name, reason in _clearly_behind(list(running), ranks) if name != incumbent}
    return Race(out, ranges, p)


def _friedman(ranks: Floats) -> float:
    """p-value of Friedman's test over ranks [range, experiment]; H0: all experiments are equally good. 1 if all tie."""
    blocks, count = ranks.shape
    middle = blocks * count * (count + 1) ** 2 / 4
    spread = float((ranks**2).sum()) - middle
    if spread <= 0:
        return 1.0
    statistic = (count - 1) * (float((ranks.sum(axis=0) ** 2).sum()) - blocks * middle) / spread
    return float(stats.chi2.sf(statistic, count - 1))


def _clearly_behind(names: Sequence[str], ranks: Floats) -> Iterator[tuple[str, str]]:
    """Experiments behind the best by more than Conover's critical difference, and a sentence on each."""
    blocks, count = ranks.shape
    sums = ranks.sum(axis=0)
    freedom = (blocks - 1) * (count - 1)
    disagreement = max(0.0, float(blocks * (ranks**2).sum() - (sums**2).sum()))
    critical = float(stats.t.ppf(1 - ALPHA / 2, freedom)) * math.sqrt(2 * disagreement / freedom)
    order = np.argsort(sums, kind="stable").tolist()
    best = order[0]
    for place in order[KEPT:]:
        if sums[place] - sums[best] > critical:
            yield (
                names[place],
                f"after {blocks} ranges its mean rank is {sums[place] / blocks:.1f} of {count}, "
                f"clearly behind {names[best]} with {sums[best] / blocks:.1f}",
            )


def _finite(by_range: Mapping[DateRange, float | None], date_range: DateRange) -> bool:
    score = by_range.get(date_range)
    return score is not None and math.isfinite(score)
