"""The correction of a confirmation, and the gains that it can find."""

import math
from datetime import date

import numpy as np
import pytest
from scipy import stats

from pipeline.analysis.power import correction, detectable_in_sd, smallest_gain
from pipeline.analysis.significance import corrected_t_test
from pipeline.analysis.verdict import Design
from pipeline.dates import DateRange, whole_months


def ranges(count: int, apart: int = 1) -> tuple[DateRange, ...]:
    return tuple(sorted(whole_months(date(2026, 6, 1), 3, back=apart * index) for index in range(count)))


def test_the_correction_is_larger_where_ranges_overlap() -> None:
    assert correction(ranges(6, apart=1)) > correction(ranges(6, apart=2)) > correction(ranges(6, apart=3))
    assert correction(ranges(6, apart=3)) == correction(ranges(6, apart=12)) == pytest.approx(5.5 / 5)


def test_the_correction_falls_with_more_ranges_and_does_not_depend_on_their_order() -> None:
    corrections = [correction(ranges(count)) for count in (3, 6, 12)]
    assert corrections == sorted(corrections, reverse=True)
    assert correction(ranges(6)[::-1]) == correction(ranges(6))


def test_a_design_knows_its_detectable_gain_beforehand() -> None:
    detectable = [detectable_in_sd(Design(ranges(count))) for count in (2, 3, 6, 12)]
    assert detectable[0] is None
    assert detectable[1:] == sorted(filter(None, detectable[1:]), reverse=True)
    assert detectable_in_sd(Design(ranges(6)), family=60) > detectable[2]  # type: ignore[operator]


def test_a_true_gain_of_the_detectable_size_is_found_four_times_in_five() -> None:
    design = Design(ranges(6))
    c = correction(design.ranges)
    # Noise that is exactly as the correction allows for: a part that the ranges share and a part of their own.
    rng = np.random.default_rng(3)
    gain = detectable_in_sd(design)
    assert gain is not None
    gains = rng.normal(size=(4000, 6)) + math.sqrt(c) * rng.normal(size=(4000, 1)) + gain
    assert (corrected_t_test(gains, c, 0.0) <= 0.05).mean() == pytest.approx(0.8, abs=0.03)


@pytest.mark.parametrize("count", [3, 4, 6, 12, 40])
@pytest.mark.parametrize("level", [0.05, 0.05 / 3, 0.05 / 30])
def test_the_smallest_gain_is_that_of_the_noncentral_t(count: int, level: float) -> None:
    c = 6.5 / (count - 1)
    shift = smallest_gain(count, c, level) / math.sqrt(1 / count + c)
    critical = stats.t.ppf(1 - level, count - 1)
    assert stats.nct.sf(critical, count - 1, shift) == pytest.approx(0.8, abs=1e-5)
