"""Gains by ratio and by difference, in numbers and in words."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.scale import BY_RATIO, Scale

AUC = Scale("difference", "maximize", low=0.0, high=1.0)
REWARD = Scale("difference", "maximize")
finite = st.floats(-1e6, 1e6)


@pytest.mark.parametrize(
    ("scale", "gain", "words", "better"),
    [
        (BY_RATIO, math.log(1 / 0.8), "+20.0 %", "20.0 % better"),
        (Scale(goal="maximize"), math.log(1.25), "+25.0 %", "25.0 % better"),
        (AUC, 0.004, "+0.4 points", "0.4 points better"),
        (AUC, -0.00012, "-0.012 points", "0.012 points worse"),
        (Scale("difference", "maximize", 0, 100), 0.4, "+0.4 points", "0.4 points better"),
        (REWARD, -12.34, "-12.3", "12.3 worse"),
        (Scale("difference", "maximize", high=1.0), 0.0125, "+0.0125", "0.0125 better"),
        (AUC, 0.0, "+0.0 points", "the same"),
    ],
)
def test_a_gain_in_words(scale: Scale, gain: float, words: str, better: str) -> None:
    assert scale.words(gain, plus="+") == words
    assert scale.better(gain) == better


def test_an_interval_in_words() -> None:
    assert AUC.between((0.01, 0.02)) == "between 1.0 points and 2.0 points better"
    assert AUC.between((-0.02, -0.01)) == "between 1.0 points and 2.0 points worse"
    assert REWARD.between((-1.5, 3)) == "between 1.5 worse and 3 better"


def test_values_show_that_a_share_is_in_per_cent() -> None:
    assert AUC.fitting([0.2, None, 0.9, math.nan]) == AUC
    in_per_cent = AUC.fitting([20.0, 93.5])
    assert (in_per_cent.high, in_per_cent.words(0.5)) == (100, "0.5 points")
    assert AUC.fitting([512.0]).high == math.inf
    assert REWARD.fitting([93.5]) == REWARD


def test_an_interval_stays_within_the_bounds_of_the_metric() -> None:
    assert AUC.within((-0.1, 0.3), 0.9) == (-0.1, pytest.approx(0.1))
    assert AUC.within((-2.0, 0.05), 0.9) == (-0.9, 0.05)
    brier = Scale("difference", "minimize", 0.0, 1.0)
    assert brier.within((-2.0, 0.5), 0.2) == (-0.8, 0.2)
    assert REWARD.within((-2e9, 5e9), 3.0) == (-2e9, 5e9)
    assert BY_RATIO.within((-2.0, 5.0), 3.0) == (-2.0, 5.0)


def test_values_that_are_not_positive_have_no_ratio() -> None:
    assert BY_RATIO.gain(0.0, 1.0) is None
    assert BY_RATIO.gain(1.0, -1.0) is None
    assert REWARD.gain(-5.0, -4.0) == 1.0


@given(base=finite, other=finite)
def test_turning_sign_and_goal_changes_no_gain(base: float, other: float) -> None:
    assert Scale("difference", "minimize").gain(-base, -other) == REWARD.gain(base, other)


@given(base=st.floats(1e-6, 1e6), other=st.floats(1e-6, 1e6))
def test_the_inverse_with_the_other_goal_has_the_same_ratio(base: float, other: float) -> None:
    assert Scale(goal="maximize").gain(1 / base, 1 / other) == pytest.approx(BY_RATIO.gain(base, other), abs=1e-9)
