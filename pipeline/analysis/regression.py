"""Is tonight's best clearly worse than what the nights before had? For an alarm, so it must not cry wolf.

Two questions, by what the nights have in common: range by range where the data are the same, else as the gain over
the incumbent that each night trained itself. What counts as tonight and as before is for `compare/nights.py`
to say.
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

# Less spread than this is what rounding leaves of "exactly the same".
_ROUNDING = 1e-12


@dataclass(frozen=True)
class Worsening:
    """How much worse tonight is: log ratios, positive where tonight is worse."""

    loss: float
    """Mean over the ranges."""
    p: float | None
    """One-sided, H0: no worse than the threshold. None if there are too few ranges for a test."""
    worse_on: int
    ranges: int
    """Tonight's."""
    clear: bool

    @property
    def testable(self) -> bool:
        """Whether there were enough ranges for a test."""
        return self.p is not None


def on_common_ranges(losses: Ratios, threshold: float) -> Worsening:
    """From log(before / tonight) or its inverse, signed so that positive is worse, on ranges whose data are the same.

    Clear takes all of: three ranges, worse by more than `threshold` (a log ratio) with p <= 5 % by the corrected
    t-test, and worse on two thirds of the ranges. One noisy range makes the spread, and so p, large.
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
    """From the gains over the incumbent on different ranges: how much smaller tonight's are.

    What makes a month harder for every setting cancels out in a gain over the incumbent of that month. Welch's test
    with each side's variance corrected as in `significance.correction`, and the degrees of freedom of the smaller side.
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
