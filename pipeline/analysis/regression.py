"""Tests for an alarm: is tonight's best setting clearly worse than the best settings of earlier nights?

Nights with the same data are compared range by range. Other nights are compared by their gains over the incumbent that
each of them trained. `compare/nights.py` decides which sweeps are tonight's and which are earlier.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import fmean

import numpy as np
from scipy import stats

from pipeline.analysis.power import correction
from pipeline.analysis.significance import corrected_t_test, wins_needed
from pipeline.analysis.verdict import ALPHA, FEWEST_RANGES
from pipeline.dates import DateRange

Ratios = Mapping[DateRange, float]
"""A log ratio of metrics per date range."""

# Less spread than this comes from rounding alone.
_ROUNDING = 1e-12


@dataclass(frozen=True)
class Worsening:
    """Loss of tonight against earlier nights, as log ratios, positive where tonight is worse."""

    loss: float
    """Mean over the ranges."""
    p: float | None
    """One-sided, H0: no worse than the threshold. None if there are too few ranges for a test."""
    worse_on: int
    """Ranges on which tonight is worse."""
    ranges: int
    """Ranges of tonight."""
    clear: bool

    @property
    def testable(self) -> bool:
        """True if there were enough ranges for a test."""
        return self.p is not None


def on_common_ranges(losses: Ratios, threshold: float) -> Worsening:
    """Tests losses on ranges with unchanged data: {range: log ratio of the metrics, positive if tonight is worse}.

    A loss is clear if there are three ranges or more, it exceeds `threshold` (a log ratio) with p <= 5 % by the
    corrected t-test, and two thirds of the ranges are worse. A single noisy range makes the spread large, and so p.
    """
    values = np.array(list(losses.values()))
    worse_on = int((values > 0).sum())
    mean = float(values.mean())
    if len(values) < FEWEST_RANGES:
        return Worsening(loss=mean, p=None, worse_on=worse_on, ranges=len(values), clear=False)
    if values.std(ddof=1) <= _ROUNDING:
        p = 0.0 if mean > threshold else 1.0
    else:
        p = float(corrected_t_test(values, correction(list(losses)), threshold))
    clear = p <= ALPHA and worse_on >= wins_needed(len(values))
    return Worsening(loss=mean, p=p, worse_on=worse_on, ranges=len(values), clear=clear)


def against_incumbent(before: Ratios, tonight: Ratios, threshold: float) -> Worsening:
    """Tests whether tonight's gains over the incumbent are smaller than those of earlier nights, on other ranges.

    Both are {range: log ratio}. A month that is harder for every setting changes no gain over the incumbent of that
    month. Welch's test, with the variance of each side corrected as in `power.correction`, and the degrees of freedom
    of the smaller side.
    """
    old, new = np.array(list(before.values())), np.array(list(tonight.values()))
    usual = fmean(old)
    loss = float(usual - new.mean())
    worse_on = int((new < usual).sum())
    if min(len(old), len(new)) < FEWEST_RANGES:
        return Worsening(loss=loss, p=None, worse_on=worse_on, ranges=len(new), clear=False)
    sides = ((old, correction(list(before))), (new, correction(list(tonight))))
    error = math.sqrt(sum(float(values.var(ddof=1)) * (1 / len(values) + c) for values, c in sides))
    if error <= _ROUNDING:
        p = 0.0 if loss > threshold else 1.0
    else:
        p = float(stats.t.sf((loss - threshold) / error, min(len(old), len(new)) - 1))
    clear = p <= ALPHA and worse_on >= wins_needed(len(new))
    return Worsening(loss=loss, p=p, worse_on=worse_on, ranges=len(new), clear=clear)
