"""The alarm for a worse night: rare where nothing changed, certain where much did."""

import math
from datetime import date

import numpy as np
import pytest

from pipeline.analysis.regression import Ratios, against_incumbent, on_common_ranges
from pipeline.dates import DateRange, rotating_ranges

THRESHOLD = math.log1p(0.02)
NIGHTS = 400


def ranges(count: int) -> list[DateRange]:
    return rotating_ranges(date(2024, 6, 1), ranges=count)


def ratios(values) -> Ratios:
    return dict(zip(ranges(len(values)), map(float, values), strict=True))


def share_fired(count: int, noise: float, loss: float) -> tuple[float, float]:
    """Shares of nights with an alarm, for nights worse by `loss` and metrics that vary by `noise` between trainings."""
    random = np.random.default_rng(0)
    common = relative = 0
    for _ in range(NIGHTS):
        common += on_common_ranges(ratios(random.normal(loss, noise * math.sqrt(2), count)), THRESHOLD).clear
        before, tonight = random.normal(0.5, noise, count), random.normal(0.5 - loss, noise, count)
        relative += against_incumbent(ratios(before), ratios(tonight), THRESHOLD).clear
    return common / NIGHTS, relative / NIGHTS


@pytest.mark.parametrize("count", [3, 5, 8])
@pytest.mark.parametrize("noise", [0.005, 0.02, 0.1])
def test_a_night_like_the_others_hardly_ever_fires(count, noise):
    assert max(share_fired(count, noise, 0)) <= 0.01


def test_much_worse_on_five_ranges_fires():
    assert min(share_fired(5, 0.02, 0.2)) > 0.95


@pytest.mark.parametrize("much", [0.1, 1.0, 100.0])
@pytest.mark.parametrize("count", [3, 5, 8])
def test_a_single_range_never_fires(count, much):
    losses = [much, *[0.0] * (count - 1)]
    assert not on_common_ranges(ratios(losses), THRESHOLD).clear
    assert not against_incumbent(ratios([0.5] * count), ratios([0.5 - value for value in losses]), THRESHOLD).clear


@pytest.mark.parametrize("count", [1, 2])
def test_too_few_ranges_are_no_test(count):
    assert not on_common_ranges(ratios([1.0] * count), THRESHOLD).testable
    assert not against_incumbent(ratios([1.0] * 5), ratios([0.0] * count), THRESHOLD).testable


def test_exactly_as_much_worse_everywhere_is_clear_beyond_the_threshold_only():
    assert on_common_ranges(ratios([0.1] * 3), THRESHOLD).clear
    assert not on_common_ranges(ratios([0.01] * 3), THRESHOLD).clear


def test_better_never_fires():
    assert not on_common_ranges(ratios([-0.5, -0.4, -0.6]), THRESHOLD).clear
