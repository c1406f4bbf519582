"""Gains: by how much one value of a metric is better than another, as a number and in words.

A gain is positive for an improvement. It is a log ratio for a positive error, else a difference in the metric's units.
Every comparison of settings uses these scales. `spec/` decides which scale a metric has.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from pipeline.results import Goal, sign

ScaleName = Literal["ratio", "difference"]

ROPE = 0.005
"""Default rope of a metric judged by ratio: a gain below 0.5 % of the metric is too small to be worth having."""
_SMALLEST_GAIN = 1e-12
_LARGEST_LOG_RATIO = 700.0
"""The exponential of a larger log ratio overflows a float."""


@dataclass(frozen=True)
class Scale:
    """The unit in which gains of a metric are measured.

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
    """`low` and `high` bound the metric. Only a difference uses them, and only for display: units, cut intervals."""

    def gain(self, base: float, other: float) -> float | None:
        """The gain of `other` over `base`; None if a ratio is undefined because a value is not positive."""
        if self.name == "difference":
            return sign(self.goal) * (base - other)
        if min(base, other) <= 0:
            return None
        return sign(self.goal) * (math.log(base) - math.log(other))

    def as_gain(self, size: float) -> float:
        """A rope or a threshold as a gain. `size` is a share of the metric for a ratio, else in the metric's units."""
        if self.name == "difference":
            return size
        return -math.log1p(-size) if self.goal == "minimize" else math.log1p(size)

    def of_share(self, share: float) -> float | None:
        """A share of the metric as a gain, such as 0.01 for 1 %.

        For a difference, 0.01 is one point of a metric between 0 and 1, or between 0 and 100. None for any other
        difference.
        """
        if self.name == "ratio" or self.is_share:
            return self.as_gain(share)
        return 100 * share if self.is_per_cent else None

    def fitting(self, values: Iterable[float | None]) -> "Scale":
        """The scale that fits these values of the metric. Values over 1 show that a share is written in per cent."""
        if not self.is_share:
            return self
        largest = max((value for value in values if value is not None and math.isfinite(value)), default=0.0)
        return self if largest <= 1 else replace(self, high=100.0 if largest <= 100 else math.inf)

    @property
    def is_share(self) -> bool:
        """True if the metric lies between 0 and 1."""
        return self.name == "difference" and (self.low, self.high) == (0, 1)

    @property
    def is_per_cent(self) -> bool:
        """True if the metric lies between 0 and 100."""
        return self.name == "difference" and (self.low, self.high) == (0, 100)

    def within(self, gains: tuple[float, float], base: float) -> tuple[float, float]:
        """An interval of gains over a metric of `base`, cut to the gains that the metric's bounds allow."""
        if self.name == "ratio":
            return gains
        smallest, largest = sorted(sign(self.goal) * (base - bound) for bound in (self.low, self.high))
        low, high = (min(max(gain, smallest), largest) for gain in gains)
        return low, high

    # -- in words

    def per_cent(self, gain: float) -> float:
        """A log ratio in per cent of the metric: the decrease, or the increase for a metric to maximize."""
        if self.goal == "minimize":
            return -100 * math.expm1(min(-gain, _LARGEST_LOG_RATIO))
        return 100 * math.expm1(min(gain, _LARGEST_LOG_RATIO))

    @property
    def unit(self) -> str:
        """The unit for display: `%` of the metric, `points` of a share; empty for the metric's units."""
        return "%" if self.name == "ratio" else "points" if self.is_share or self.is_per_cent else ""

    def in_units(self, gain: float) -> float:
        """A gain as a number of `unit`."""
        return self.per_cent(gain) if self.name == "ratio" else 100 * gain if self.is_share else gain

    def words(self, gain: float, plus: str = "") -> str:
        """A gain in words: `12.3 %`, `0.4 points`, or `0.012` in the metric's units; `plus="+"` shows its sign."""
        gain = 0.0 if abs(gain) < _SMALLEST_GAIN else gain
        size, unit = self.in_units(gain), self.unit
        if not unit:
            return f"{size:{plus}.3g}"
        is_small = unit == "points" and gain and abs(size) < 0.995
        return f"{size:{plus}{'.2g' if is_small else '.1f'}} {unit}"

    def better(self, gain: float) -> str:
        """A comparison in words: `25.9 % better`, `0.4 points worse`, `the same`."""
        if abs(gain) < _SMALLEST_GAIN:
            return "the same"
        return f"{self.words(gain).lstrip('-')} {'better' if gain > 0 else 'worse'}"

    def between(self, interval: tuple[float, float]) -> str:
        """An interval in words: `between 12.1 % and 37.5 % better`, `between 5.0 % worse and 3.6 % better`."""
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
"""The scale of a positive error."""
