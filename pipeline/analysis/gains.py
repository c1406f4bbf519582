"""A finalist's gains over the incumbent, range by range. The test over them is in `significance.py`."""

import math
from dataclasses import dataclass
from statistics import fmean

from pipeline.analysis.verdict import Design, Scores
from pipeline.dates import DateRange


@dataclass(frozen=True)
class PairedGains:
    """Gains of one finalist over the incumbent: one for each range, averaged over its seeds.

    Seeds never count as further ranges: two seeds on the same days are not independent.
    """

    gains: dict[DateRange, float]
    finalist_failed: tuple[DateRange, ...]
    """Ranges on which the finalist lacks a seed that the incumbent finished."""
    incumbent_failed: tuple[DateRange, ...]
    """Ranges without any finished seed of the incumbent: nothing can be compared there."""
    not_positive: tuple[DateRange, ...]
    """Ranges without a gain, since the metric is judged by ratio and is zero or negative there."""

    base: float = 0.0
    """Mean of the incumbent's metric over the ranges with a gain."""

    @property
    def mean(self) -> float | None:
        """Mean gain over the ranges; None if there is no gain, or if a range has no ratio."""
        return fmean(self.gains.values()) if self.gains and not self.not_positive else None


def paired_gains(incumbent: Scores, finalist: Scores, design: Design) -> PairedGains:
    """Mean gain on each range, on the design's scale, over pairs of runs that share range and seed index."""
    gains: dict[DateRange, float] = {}
    bases: list[float] = []
    finalist_failed, incumbent_failed, not_positive = [], [], []
    for range_ in design.ranges:
        theirs, ours = _finished(incumbent, range_), _finished(finalist, range_)
        pairs = [(theirs[seed], ours[seed]) for seed in theirs if seed in ours]
        if not theirs:
            incumbent_failed.append(range_)
        elif len(pairs) < len(theirs):
            finalist_failed.append(range_)
        pair_gains = [design.scale.gain(base, score) for base, score in pairs]
        measured = [gain for gain in pair_gains if gain is not None]
        if len(measured) < len(pairs):
            not_positive.append(range_)
        elif measured:
            gains[range_] = fmean(measured)
            bases.append(fmean(base for base, _ in pairs))
    mean = fmean(bases) if bases else 0.0
    return PairedGains(gains, tuple(finalist_failed), tuple(incumbent_failed), tuple(not_positive), mean)


def _finished(scores: Scores, range_: DateRange) -> dict[int, float]:
    of_range = scores.get(range_, {})
    return {seed: score for seed, score in of_range.items() if score is not None and math.isfinite(score)}
