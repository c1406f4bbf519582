"""How much better one value of a metric is than another: by ratio where it is a positive error, else by difference.

A gain is one number, positive where more was gained: a log ratio, or a difference in the units of the metric. Whatever
compares two settings takes it from here, and here it becomes words. Which scale a metric has is for `spec/` to say.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from pipeline.results import Goal, sign

ScaleName = Literal["ratio", "difference"]

ROPE = 0.005
"""The share of a metric judged by ratio that is no gain worth having."""
_SAME = 1e-12
_MOST = 700.0
"""A log ratio beyond which a ratio has no place in a float."""


@dataclass(frozen=True)
class Scale:
    """
    >>> accuracy = Scale("difference", "maximize", low=0, high=1)
    >>> accuracy.words(accuracy.gain(0.81, 0.815))
    '0.5 points'
    >>> Scale().words(Scale().gain(2.0, 1.5))
    '25.0 %'
    """

    name: ScaleName = "ratio"
    goal: Goal = "minimize"
    low: float = -math.inf
    high: float = math.inf
    """Between which the metric lies, for what people read; of a difference only."""

    def gain(self, base: float, other: float) -> float | None:
        """By how much `other` is better than `base`; None where there is no ratio."""
        if self.name == "difference":
            return sign(self.goal) * (base - other)
        if min(base, other) <= 0:
            return None
        return sign(self.goal) * (math.log(base) - math.log(other))

    def as_gain(self, size: float) -> float:
        """What a rope or a threshold is as a gain: of a ratio it is a share of the metric, else in its own units."""
        if self.name == "difference":
            return size
        return -math.log1p(-size) if self.goal == "minimize" else math.log1p(size)

    def of_share(self, share: float) -> float | None:
        """A share of the metric as a gain; of one that is a share itself, as points. None in units of its own."""
        if self.name == "ratio" or self.is_share:
            return self.as_gain(share)
        return 100 * share if self.is_per_cent else None

    def fitting(self, values: Iterable[float | None]) -> "Scale":
        """The scale of a metric with these values: one that was thought to be a share may be written in per cent."""
        if not self.is_share:
            return self
        most = max((value for value in values if value is not None and math.isfinite(value)), default=0.0)
        return self if most <= 1 else replace(self, high=100.0 if most <= 100 else math.inf)

    @property
    def is_share(self) -> bool:
        """Whether the metric lies between 0 and 1."""
        return self.name == "difference" and (self.low, self.high) == (0, 1)

    @property
    def is_per_cent(self) -> bool:
        """Whether it is such a share, written in per cent."""
        return self.name == "difference" and (self.low, self.high) == (0, 100)

    def within(self, gains: tuple[float, float], base: float) -> tuple[float, float]:
        """An interval of gains over a metric of `base`, cut to what the metric can come to."""
        if self.name == "ratio":
            return gains
        least, most = sorted(sign(self.goal) * (base - bound) for bound in (self.low, self.high))
        low, high = (min(max(gain, least), most) for gain in gains)
        return low, high

    # -- in words

    def per_cent(self, gain: float) -> float:
        """A log ratio in per cent of the metric: how much lower (higher, where more is better) it becomes."""
        return 100 * (-math.expm1(min(-gain, _MOST)) if self.goal == "minimize" else math.expm1(min(gain, _MOST)))

    @property
    def unit(self) -> str:
        """`%` of the metric, `points` of a share; empty for its own units."""
        return "%" if self.name == "ratio" else "points" if self.is_share or self.is_per_cent else ""

    def in_units(self, gain: float) -> float:
        """A gain in these."""
        return self.per_cent(gain) if self.name == "ratio" else 100 * gain if self.is_share else gain

    def words(self, gain: float, plus: str = "") -> str:
        """`12.3 %` of the metric, `0.4 points` of a share, else `0.012` in its own units; `plus` "+" signs it."""
        gain = 0.0 if abs(gain) < _SAME else gain
        size, unit = self.in_units(gain), self.unit
        if not unit:
            return f"{size:{plus}.3g}"
        is_small = unit == "points" and gain and abs(size) < 0.995
        return f"{size:{plus}{'.2g' if is_small else '.1f'}} {unit}"

    def better(self, gain: float) -> str:
        """`25.9 % better`, `0.4 points worse`, `the same`."""
        if abs(gain) < _SAME:
            return "the same"
        return f"{self.words(gain).lstrip('-')} {'better' if gain > 0 else 'worse'}"

    def between(self, interval: tuple[float, float]) -> str:
        """`between 12.1 % and 37.5 % better`, `between 5.0 % worse and 3.6 % better`."""
        low, high = interval
        if low > 0:
            return f"between {self.words(low)} and {self.words(high)} better"
        if high < 0:
            return f"between {self.words(high).lstrip('-')} and {self.words(low).lstrip('-')} worse"
        return f"between {self.better(low)} and {self.better(high)}"

    def rope(self, size: float) -> str:
        """A rope as a spec names it: `0.5 %` of a ratio, `0.002` of a difference."""
        return f"{100 * size:g} %" if self.name == "ratio" else f"{size:g}"


BY_RATIO = Scale()
"""That of an error, of which less is better."""
