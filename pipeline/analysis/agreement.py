"""Compares two rankings of the same experiments: rank correlation and top-k overlap, with bootstrap intervals.

Calibration compares the ranking at a cheap fidelity (`short`) with the one at full fidelity (`full`), to find out how
cheap choosing may be.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from pipeline.results import Goal, sign

RESAMPLES = 1000
CONFIDENCE = 0.9
_PAIRS_AT_ONCE = 1e6
FEWEST_EXPERIMENTS = 5
"""With fewer experiments, two rankings cannot be compared."""


@dataclass(frozen=True)
class Estimate:
    """A number with its 90 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Agreement:
    """Agreement of two rankings of the same experiments, with 90 % bootstrap intervals over experiments."""

    spearman: Estimate
    kendall: Estimate
    overlap: Estimate
    """Share of the full ranking's best `top` experiments that are also among the short ranking's best `top`."""
    top: int
    by_chance: float
    """Expected overlap of two unrelated rankings."""
    experiments: int
    left_out: int
    """Experiments that lack a finite metric in one of the rankings."""


def agreement(
    short: Mapping[str, float | None],
    full: Mapping[str, float | None],
    top: int,
    goal: Goal = "minimize",
    seed: int = 0,
) -> Agreement | str:
    """Compares two metrics, {experiment: value}, of the same experiments. Returns a sentence if that is not possible.

    Spearman's rho and Kendall's tau-b (Kendall, "The treatment of ties in ranking problems", 1945). Short mode keeps
    only the best, as do Li et al., "A system for massively parallel hyperparameter tuning" (ASHA, 2020), so the overlap
    is the number that decides. Intervals: percentile bootstrap over experiments (Efron & Tibshirani, "An introduction
    to the bootstrap", 1993). A resample holds some experiments twice, and the two copies always agree, so the intervals
    of the overlap lie a little too high. Raises ValueError if `top` is below 1.
    """
    if top < 1:
        raise ValueError(f"top is {top}: it must be at least 1")
    names = [name for name in short if _finite(short[name]) and _finite(full.get(name))]
    left_out = len(short.keys() | full.keys()) - len(names)
    count = len(names)
    if count < max(FEWEST_EXPERIMENTS, top + 1):
        return (
            f"only {count} experiments have a metric in both rankings; "
            f"comparing their best {top} takes at least {max(FEWEST_EXPERIMENTS, top + 1)}"
        )
    direction = sign(goal)
    a = direction * np.array([short[name] for name in names], dtype=float)
    b = direction * np.array([full[name] for name in names], dtype=float)
    for values, ranking in ((a, "short"), (b, "full")):
        if np.ptp(values) == 0:
            return (
                f"all {count} experiments have the same metric in the {ranking} ranking: there is no order to compare"
            )

    # A thousand resamples of the experiments, the same for all three measures.
    rng = np.random.default_rng(seed)
    draws = rng.integers(count, size=(RESAMPLES, count))
    values = np.hstack([_measures(a[draw], b[draw], top) for draw in np.array_split(draws, _parts(count))])
    tail = (1 - CONFIDENCE) / 2
    # A resample that holds a single experiment has no correlation; it is left out.
    low, high = np.nanquantile(values, (tail, 1 - tail), axis=1)
    spearman, kendall, overlap = (
        Estimate(float(v), min(float(v), float(lo)), max(float(v), float(hi)))
        for v, lo, hi in zip(_measures(a[None], b[None], top)[:, 0], low, high, strict=True)
    )
    return Agreement(spearman, kendall, overlap, top, top / count, count, left_out)


def _parts(count: int) -> int:
    """Number of parts that the resamples are split into: for Kendall's tau, all pairs of a part are held in memory."""
    return min(RESAMPLES, math.ceil(RESAMPLES * count**2 / _PAIRS_AT_ONCE))


def _measures(a: NDArray[np.float64], b: NDArray[np.float64], top: int) -> NDArray[np.float64]:
    """[3, R]: Spearman, Kendall and overlap of `a` and `b` [R, N], row by row; NaN where a row is constant."""
    ranks_a, ranks_b = (stats.rankdata(values, axis=1) for values in (a, b))
    # scipy.stats.kendalltau would compute a thousand p-values that are not needed.
    signs_a, signs_b = (np.sign(values[:, :, None] - values[:, None, :]) for values in (a, b))
    spearman = _cosine(ranks_a - ranks_a.mean(axis=1, keepdims=True), ranks_b - ranks_b.mean(axis=1, keepdims=True))
    return np.array([spearman, _cosine(signs_a, signs_b), _overlap(a, b, top)])


def _cosine(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    a, b = a.reshape(len(a), -1), b.reshape(len(b), -1)
    with np.errstate(invalid="ignore"):
        cosine: NDArray[np.float64] = (a * b).sum(axis=1) / np.sqrt((a**2).sum(axis=1) * (b**2).sum(axis=1))
    return cosine


def _overlap(a: NDArray[np.float64], b: NDArray[np.float64], top: int) -> NDArray[np.float64]:
    best_a, best_b = (np.argsort(values, axis=1, kind="stable")[:, :top] for values in (a, b))
    is_in_b: NDArray[np.bool_] = (best_a[:, :, None] == best_b[:, None, :]).any(axis=2)
    return is_in_b.mean(axis=1)


def _finite(value: float | None) -> bool:
    return value is not None and math.isfinite(value)
