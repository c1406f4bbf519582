"""What may be said about a finalist, and the design by which it is judged: values only, cheap to import.

The test itself is `significance.py`'s work.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from pipeline.dates import DateRange
from pipeline.scale import BY_RATIO, ROPE, Scale

Scores = Mapping[DateRange, Mapping[int, float | None]]
"""One experiment's metric per date range and seed index; None or NaN where it failed or diverged."""


ALPHA = 0.05
FEWEST_RANGES = 3
"""With two ranges the test has one degree of freedom: only a gain of some 20 standard deviations would be seen."""


class Kind(StrEnum):
    """What may be said about a finalist, from the strongest to the weakest."""

    REAL = "real"
    PROMISING = "promising"
    NOT_SHOWN = "not shown"
    NOT_TESTABLE = "not testable"


@dataclass(frozen=True)
class Design:
    """How finalists will be judged: all of it known, and frozen, before the first confirmation trains."""

    ranges: tuple[DateRange, ...]
    rope: float = ROPE
    """The gain that is still no gain worth having: a share of a metric judged by ratio, else in its own units."""
    alpha: float = ALPHA
    scale: Scale = BY_RATIO
    fresh: bool = True
    """Whether the ranges played no part in choosing. If they did, nothing is ever called real."""
    valid: float = 0.15
    test: float = 0.15
    """The shares of a range's days, as in `DateRange.split`."""
    them: str = "the setting to beat"
    """What people call it."""
    correction: float | None = None
    """The c in variance x (1/R + c) that evidence of before allows for on all of these ranges; None: a constant's."""

    def __post_init__(self) -> None:
        if not 0 <= self.rope < (1 if self.scale.name == "ratio" else math.inf):
            raise ValueError(f"rope is at least 0, and below 1 where it is a share of the metric: {self.rope}")
        if not 0 < self.alpha < 0.5:
            raise ValueError(f"alpha lies between 0 and 0.5: {self.alpha}")
        object.__setattr__(self, "ranges", tuple(sorted(self.ranges)))

    @property
    def least_gain(self) -> float:
        """The rope as a gain."""
        return self.scale.as_gain(self.rope)


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What is said about one finalist. Gains are on the design's scale, positive where the finalist is better."""

    kind: Kind
    gain: float | None = None
    """Mean over the ranges that count."""
    interval: tuple[float, float] | None = None
    """Two-sided, at 1 - 2 alpha, cut to what the metric can come to: for a single finalist its lower end lies above the
    rope exactly if p <= alpha."""
    p: float | None = None
    """One-sided, H0: gain <= rope. None if there is nothing to test."""
    p_adjusted: float | None = None
    """After Holm over the finalists and the earlier confirmations on these ranges."""
    wins: int
    ranges: int
    """Those with a gain: where both finished. `wins` of them were better than the incumbent."""
    detectable: float | None = None
    """The smallest true gain that this design would have found with 80 % power, given the noise that was seen."""
    ranges_needed: int | None = None
    """Not testable: how many usable ranges a test takes. Promising or not shown, with a gain beyond the rope: how many
    it takes to find a gain of that size with 80 % power. None: no number of ranges helps, or none is needed."""
    reason: str = ""
    """One plain sentence; empty until the test is concluded."""
    why: str = ""
    """The half of it that says why it is not real, or why no test was possible."""
    numbers: str = ""
    """What stands behind the sentence, for who wants to know it exactly."""
