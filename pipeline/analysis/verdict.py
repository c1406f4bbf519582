"""Verdicts on finalists, and the design by which they are judged: values only, cheap to import.

The test itself is in `significance.py`.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from pipeline.dates import DateRange
from pipeline.scale import BY_RATIO, ROPE, Scale

Scores = Mapping[DateRange, Mapping[int, float | None]]
"""{date range: {seed index: metric}} of one experiment; None or NaN where it failed or diverged."""


ALPHA = 0.05
FEWEST_RANGES = 3
"""With two ranges the test has one degree of freedom, and finds only gains of some 20 standard deviations."""


class Kind(StrEnum):
    """Kinds of verdict, from the strongest to the weakest."""

    REAL = "real"
    PROMISING = "promising"
    NOT_SHOWN = "not shown"
    NOT_TESTABLE = "not testable"


@dataclass(frozen=True)
class Design:
    """The design by which finalists are judged: frozen before the first trial of the confirmation."""

    ranges: tuple[DateRange, ...]
    rope: float = ROPE
    """The largest gain that is not worth having: a share of a metric judged by ratio, else in the metric's units."""
    alpha: float = ALPHA
    scale: Scale = BY_RATIO
    fresh: bool = True
    """True if the ranges played no part in choosing. Otherwise nothing is ever called real."""
    valid: float = 0.15
    test: float = 0.15
    """The shares of a range's days, as in `DateRange.split`."""
    incumbent_name: str = "the setting to beat"
    """As `Definition.incumbent_name`."""
    correction: float | None = None
    """The c for all of these ranges (see `power.correction`), learned from earlier sweeps; None: not learned."""

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
    """Verdict on one finalist. Gains are on the design's scale, positive if the finalist is better."""

    kind: Kind
    gain: float | None = None
    """Mean over the ranges that count."""
    interval: tuple[float, float] | None = None
    """Two-sided interval of the gain, at 1 - 2 alpha, cut to possible values of the metric. For a single finalist, its
    lower end lies above the rope exactly if p <= alpha."""
    p: float | None = None
    """One-sided, H0: gain <= rope. None if there is nothing to test."""
    p_adjusted: float | None = None
    """After Holm over the finalists and the earlier confirmations on these ranges."""
    wins: int
    ranges: int
    """Number of ranges with a gain, on which both finished. On `wins` of them the finalist was better."""
    detectable: float | None = None
    """The smallest true gain that this design would have found with 80 % power, given the noise of the gains."""
    ranges_needed: int | None = None
    """If not testable, the number of ranges with a result that a test needs. If promising or not shown, and the gain is
    beyond the rope, the number of ranges that would find this gain with 80 % power. None if no number of ranges would
    do, or more are not needed."""
    reason: str = ""
    """The verdict in one plain sentence; empty until the test is concluded."""
    problem: str = ""
    """The part of `reason` that says why the gain is not real, or why no test was possible."""
    numbers: str = ""
    """The test in numbers, for readers who want the details."""
