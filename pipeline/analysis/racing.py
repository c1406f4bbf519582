"""Races: experiments that are clearly worse on the first ranges of a phase need not run on the rest.

A decision between rounds, from numbers alone. It saves trainings; it judges nothing, and confirmation never reads it.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy import stats

from pipeline.dates import DateRange
from pipeline.results import Goal, sign

ALPHA = 0.05
FEWEST_RANGES = 2
KEPT = 3
"""The best by rank always run on: up to three finalists are confirmed, and two ranges that agree are easily luck."""
FEWEST_EXPERIMENTS = 3
"""The race compares ranks; between two experiments it has nothing to say."""


@dataclass(frozen=True)
class Race:
    """One step of a race."""

    out: dict[str, str]
    """Experiments that need not run on, each with why, in a plain sentence."""
    ranges: tuple[DateRange, ...]
    """Those that all experiments of the race have finished: only they were compared."""
    p: float | None
    """Friedman's test; None if there was too little to test."""


def race(
    scores: Mapping[str, Mapping[DateRange, float | None]],
    incumbent: str,
    goal: Goal = "minimize",
) -> Race:
    """One step of a race over {experiment: {range: metric}}: seeds averaged, None or NaN where training diverged.

    Experiments that have yet to run, that failed and may be retried, and that are out already are left out of `scores`.

    After F-race (Birattari et al., "A racing algorithm for configuring metaheuristics", GECCO 2002; irace,
    Lopez-Ibanez et al. 2016): Friedman's test over ranks within each range; where that finds a difference, every
    experiment whose rank sum lies further behind the best than Conover's critical difference is out ("Practical
    nonparametric statistics", 1999). A range that an experiment has yet to run does not count. An experiment that
    diverged where another one did not can no longer be ranked over all ranges, so it is out as well; a range on which
    all diverged says nothing about any. The incumbent always runs on, as without it there is no gain to speak of, and
    so do the best three.
    """
    # Out: what diverged where others did not.
    finished = {date_range for by_range in scores.values() for date_range in by_range if _finite(by_range, date_range)}
    out = {
        name: f"it diverged on {date_range}, so it cannot be ranked"
        for name, by_range in scores.items()
        for date_range in by_range
        if name != incumbent and date_range in finished and not _finite(by_range, date_range)
    }

    # What is left is compared on the ranges that all of it finished.
    running = {name: by_range for name, by_range in scores.items() if name not in out}
    ranges = tuple(
        date_range
        for date_range in sorted(finished)
        if all(_finite(by_range, date_range) for by_range in running.values())
    )
    blocks, count = len(ranges), len(running)
    if blocks < FEWEST_RANGES or count < FEWEST_EXPERIMENTS:
        return Race(out, ranges, None)
    metrics = [[by_range[date_range] for by_range in running.values()] for date_range in ranges]
    ranks = stats.rankdata(sign(goal) * np.array(metrics, dtype=float), axis=1)
    sums = ranks.sum(axis=0)

    # Friedman's test: is there any difference?
    middle = blocks * count * (count + 1) ** 2 / 4
    spread = float((ranks**2).sum()) - middle
    if spread <= 0:  # all tie everywhere
        return Race(out, ranges, 1.0)
    statistic = (count - 1) * (float((sums**2).sum()) - blocks * middle) / spread
    p = float(stats.chi2.sf(statistic, count - 1))
    if p > ALPHA:
        return Race(out, ranges, p)

    # Out: what lies behind the best by more than Conover's critical difference.
    freedom = (blocks - 1) * (count - 1)
    disagreement = max(0.0, float(blocks * (ranks**2).sum() - (sums**2).sum()))
    critical = float(stats.t.ppf(1 - ALPHA / 2, freedom)) * math.sqrt(2 * disagreement / freedom)
    names = list(running)
    order = np.argsort(sums, kind="stable").tolist()
    best = order[0]
    for place in order[KEPT:]:
        if names[place] != incumbent and sums[place] - sums[best] > critical:
            out[names[place]] = (
                f"after {blocks} ranges its mean rank is {sums[place] / blocks:.1f} of {count}, "
                f"clearly behind {names[best]} with {sums[best] / blocks:.1f}"
            )
    return Race(out, ranges, p)


def _finite(by_range: Mapping[DateRange, float | None], date_range: DateRange) -> bool:
    score = by_range.get(date_range)
    return score is not None and math.isfinite(score)
