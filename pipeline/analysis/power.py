"""What a confirmation can find, known before anything trains: how alike its ranges count, and the smallest gain.

It judges nothing, which is `significance.py`'s work. Nothing heavy is imported, as it is asked before a sweep.
"""

import math
from collections.abc import Callable, Sequence
from functools import cache, lru_cache
from itertools import pairwise

from pipeline.analysis.verdict import FEWEST_RANGES, Design
from pipeline.dates import DateRange

POWER = 0.8

# Found by simulation (benchmarks/significance.py) before they were fixed: the smallest round numbers with which false
# alarms stay at 7 % for neighbours a range length apart that correlate with 0.6, and for neighbours a month apart
# that correlate with 0.67 (which is 0.3 a range length apart).
_APART = 5.5
_OVERLAP = 1.5

_STEPS = 600
"""Of the integral over the standard deviation that is seen; even, as Simpson's rule takes it."""


def correction(ranges: Sequence[DateRange]) -> float:
    """The c in variance x (1/R + c), from how the ranges lie and from nothing else.

    After Nadeau & Bengio, "Inference for the generalization error", Machine Learning 52, 2003, whose c allows for
    gains that resemble each other because the training sets overlap. Ours is k / (R - 1): correlation between date
    ranges fades with their distance, so more ranges do help; k = 5.5 where neighbours share no day, and grows with the
    share of days that the closest two have in common (6.5 where ranges of three months lie a month apart).
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
    """The c of a design on those of its ranges that are left: learned if it was, else a constant's."""
    if design.correction is None:
        return correction(ranges)
    # As with the constant: what is left of it fades with the number of ranges.
    return design.correction * (len(design.ranges) - 1) / (len(ranges) - 1)


def detectable_in_sd(design: Design, family: int = 1) -> float | None:
    """The smallest gain beyond the rope, in standard deviations between ranges, that is found with 80 % power.

    For saying, before anything runs, what the ranges at hand can show. None if there are too few of them.
    """
    if len(design.ranges) < FEWEST_RANGES:
        return None
    return smallest_gain(len(design.ranges), correction_of(design, design.ranges), design.alpha / family)


@lru_cache(maxsize=1024)
def smallest_gain(ranges: int, c: float, level: float) -> float:
    """The smallest gain beyond the rope, in standard deviations between ranges, that the corrected t-test finds at this
    level with 80 % power, if ranges are as alike as c allows for; less alike, and smaller gains are found."""
    critical = _critical(ranges - 1, level)
    shift = _root(lambda shift: _exceeds(ranges - 1, shift, critical) - POWER, 0.0, 10 * critical + 10)
    return shift * math.sqrt(1 / ranges + c)


def _critical(df: int, level: float) -> float:
    """The value that Student's t exceeds with this probability, below one half."""
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
    """P(T > critical) of the noncentral t: over what standard deviation may be seen, that of a normal beyond it."""
    return sum(weight * math.erfc((critical * seen - shift) / math.sqrt(2)) / 2 for seen, weight in _deviations(df))


@cache
def _deviations(df: int) -> list[tuple[float, float]]:
    """Standard deviations that may be seen where one is true, and their probabilities, by Simpson's rule."""
    width = (1 + 8 / math.sqrt(2 * df)) / _STEPS
    scale = math.log(2) + df / 2 * math.log(df / 2) - math.lgamma(df / 2)
    points = []
    for at in range(1, _STEPS + 1):
        seen, simpson = at * width, (1 if at == _STEPS else 4 if at % 2 else 2)
        density = math.exp(scale + (df - 1) * math.log(seen) - df * seen**2 / 2)
        points.append((seen, simpson * width / 3 * density))
    return points


def _root(rising: Callable[[float], float], low: float, high: float) -> float:
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (low, middle) if rising(middle) > 0 else (middle, high)
    return (low + high) / 2
