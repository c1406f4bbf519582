"""Power of a confirmation before anything trains: the correction for similar ranges, and the smallest gain it finds.

It judges nothing; that is the work of `significance.py`. It runs before every sweep, so it imports nothing heavy.
"""

import math
from collections.abc import Callable, Sequence
from functools import cache, lru_cache
from itertools import pairwise

from pipeline.analysis.verdict import FEWEST_RANGES, Design
from pipeline.dates import DateRange

POWER = 0.8

# Chosen by simulation (benchmarks/significance.py): the smallest round numbers that keep false alarms at 7 % in two
# cases. Ranges lie a range length apart, and neighbours have correlation 0.6. Or ranges of three months lie a month
# apart, and neighbours have correlation 0.67, which is 0.3 after three months.
_APART = 5.5
_OVERLAP = 1.5

_STEPS = 600
"""Steps of the integral over the sample standard deviation; even, for Simpson's rule."""


def correction(ranges: Sequence[DateRange]) -> float:
    """The c by which the test corrects for similar ranges, from the dates of the ranges alone.

    The variance of the mean gain over R ranges is taken as variance x (1/R + c), where independent ranges would have
    variance x 1/R. After Nadeau & Bengio, "Inference for the generalization error", Machine Learning 52, 2003. Their c
    allows for gains that are correlated because training sets overlap. Ours is k / (R - 1): the correlation of date
    ranges fades with their distance, so more ranges do help. k is 5.5 if neighbours share no day. It grows with the
    share of days that the closest two have in common: it is 6.5 for ranges of three months that lie a month apart.

    Raises ValueError for fewer than two ranges.
    """
    if len(ranges) < 2:
        raise ValueError("a correction takes at least two date ranges")
    shared = max(
        max(0, (first.end - second.start).days) / min(first.days, second.days)
        for first, second in pairwise(sorted(ranges))
    )
    return (_APART + _OVERLAP * min(shared, 1.0)) / (len(ranges) - 1)


def correction_of(design: Design, ranges: Sequence[DateRange]) -> float:
    """The c of a design for `ranges`, those of its ranges that have a result. The learned c if there is one, else
    `correction`."""
    if design.correction is None:
        return correction(ranges)
    # It shrinks with the number of ranges, as `correction` does.
    return design.correction * (len(design.ranges) - 1) / (len(ranges) - 1)


def detectable_in_sd(design: Design, family: int = 1) -> float | None:
    """The smallest gain beyond the rope that a design finds with 80 % power, in standard deviations between ranges.

    None if the design has too few ranges. `family` is the number of claims that share the level.
    """
    if len(design.ranges) < FEWEST_RANGES:
        return None
    return smallest_gain(len(design.ranges), correction_of(design, design.ranges), design.alpha / family)


@lru_cache(maxsize=1024)
def smallest_gain(ranges: int, c: float, level: float) -> float:
    """The smallest gain beyond the rope that the corrected t-test finds at this level with 80 % power.

    In standard deviations of the gains between ranges, if the ranges are as similar as c assumes. If they are less
    similar, the test finds smaller gains, too.
    """
    critical = _critical(ranges - 1, level)
    shift = _root(lambda shift: _exceeds(ranges - 1, shift, critical) - POWER, 0.0, 10 * critical + 10)
    return shift * math.sqrt(1 / ranges + c)


def _critical(df: int, level: float) -> float:
    """The value that Student's t exceeds with probability `level`, which is below one half."""
    high = 1.0
    while _upper_tail(df, high) > level:
        high *= 2
    return _root(lambda t: level - _upper_tail(df, t), 0.0, high)


def _upper_tail(df: int, t: float) -> float:
    """P(T > t), t >= 0: Abramowitz & Stegun, "Handbook of Mathematical Functions", 1964, 26.7.3 and 26.7.4."""
    angle = math.atan(t / math.sqrt(df))
    square, odd = math.cos(angle) ** 2, df % 2
    term = total = math.cos(angle) if odd else 1.0
    for at in range(2 + odd, df, 2):
        term *= square * (at - 1) / at
        total += term
    within = math.sin(angle) * (total if df > 1 else 0.0)
    return (1 - (2 / math.pi * (angle + within) if odd else within)) / 2


def _exceeds(df: int, shift: float, critical: float) -> float:
    """P(T > critical) of the noncentral t: a normal tail, integrated over the sample standard deviation."""
    return sum(
        weight * math.erfc((critical * deviation - shift) / math.sqrt(2)) / 2 for deviation, weight in _deviations(df)
    )


@cache
def _deviations(df: int) -> list[tuple[float, float]]:
    """Sample standard deviations and their probabilities where the true one is 1, by Simpson's rule."""
    width = (1 + 8 / math.sqrt(2 * df)) / _STEPS
    scale = math.log(2) + df / 2 * math.log(df / 2) - math.lgamma(df / 2)
    points = []
    for at in range(1, _STEPS + 1):
        deviation, simpson = at * width, (1 if at == _STEPS else 4 if at % 2 else 2)
        density = math.exp(scale + (df - 1) * math.log(deviation) - df * deviation**2 / 2)
        points.append((deviation, simpson * width / 3 * density))
    return points


def _root(rising: Callable[[float], float], low: float, high: float) -> float:
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (low, middle) if rising(middle) > 0 else (middle, high)
    return (low + high) / 2
