"""Samples of many values, the distribution that they show, and a measure of the drift between two distributions."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

SIZE_AT_MOST = 2000
"""Number of values in a sample. If fewer were added, it has all of them."""
COMPARED_FROM = 200
"""Distributions with fewer values in their samples are not compared."""


@dataclass
class Sample:
    """A fair sample of values. Each value draws a random number, and those with the smallest numbers stay."""

    count: int = 0
    """Number of values that were added."""
    values: NDArray[np.float64] = field(default_factory=lambda: np.array([]))
    draws: NDArray[np.float64] = field(default_factory=lambda: np.array([]))

    def add(self, values: NDArray[np.float64], random: np.random.Generator) -> None:
        self.count += len(values)
        self.values = np.concatenate([self.values, values])
        self.draws = np.concatenate([self.draws, random.random(len(values))])
        if len(self.values) > SIZE_AT_MOST:
            smallest = np.argpartition(self.draws, SIZE_AT_MOST)[:SIZE_AT_MOST]
            self.values, self.draws = self.values[smallest], self.draws[smallest]


@dataclass(frozen=True)
class Distribution:
    """A weighted sample of a target's values."""

    count: int
    """Number of values from which the sample was taken."""
    values: NDArray[np.float64]
    """The sample, in ascending order."""
    weights: NDArray[np.float64]
    """The number of values that each value of the sample represents."""

    @classmethod
    def of(cls, samples: Iterable[Sample]) -> "Distribution":
        """The distribution of the values from which the samples were taken."""
        samples = [Sample(), *samples]
        values = np.concatenate([sample.values for sample in samples])
        weights = np.concatenate(
            [np.full(len(sample.values), sample.count / max(len(sample.values), 1)) for sample in samples]
        )
        order = np.argsort(values, kind="stable")
        return cls(sum(sample.count for sample in samples), values[order], weights[order])

    def quantile(self, *shares: float) -> NDArray[np.float64]:
        """The quantiles at these shares, `[shares]`; NaN without values."""
        if not len(self.values):
            return np.full(len(shares), np.nan)
        reached = np.cumsum(self.weights) / self.weights.sum()
        return self.values[np.minimum(np.searchsorted(reached, shares), len(self.values) - 1)]

    def in_bins(self, edges: NDArray[np.float64]) -> NDArray[np.float64]:
        """Share of the values in each bin, `[edges + 1]`: between neighbouring edges, and beyond the first and last."""
        bins = np.searchsorted(edges, self.values, side="left")
        # Half a value more in each bin: an empty bin does not prove that its values are impossible.
        counts = np.bincount(bins, self.weights, len(edges) + 1) * len(self.values) / max(self.weights.sum(), 1) + 0.5
        return counts / counts.sum()


def stability(before: Distribution, after: Distribution) -> float | None:
    """Population stability index over the deciles of `before`; None for too few values.

    Two samples of the same distribution differ by chance: their index is chi-squared distributed (Yurdakul 2018). The
    mean of that, plus two standard deviations, is subtracted, so that a small sample does not look like drift.
    """
    if min(len(before.values), len(after.values)) < COMPARED_FROM:
        return None
    edges = np.unique(before.quantile(*np.arange(0.1, 0.95, 0.1)))
    old, new = before.in_bins(edges), after.in_bins(edges)
    index = float(((new - old) * np.log(new / old)).sum())
    by_chance = len(edges) + 2 * math.sqrt(2 * len(edges))
    return max(0.0, index - by_chance * (1 / len(before.values) + 1 / len(after.values)))
