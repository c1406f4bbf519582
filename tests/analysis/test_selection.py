"""The winner's gain without selection bias."""

from datetime import date

import numpy as np
import pytest

from pipeline.analysis.selection import choosing_gain
from pipeline.dates import whole_months

RANGES = sorted(whole_months(date(2026, 6, 1), 3, back=index) for index in range(3))


def gains(**by_experiment: tuple[float, ...]) -> dict[str, dict]:
    return {name: dict(zip(RANGES, values, strict=False)) for name, values in by_experiment.items()}


def test_a_winner_by_a_single_lucky_range_gains_nothing_without_it() -> None:
    gain = choosing_gain(gains(e001=(0.9, -0.1, -0.1), e002=(0.1, 0.1, 0.1)), "e000")
    assert gain is not None
    assert gain.winner == "e001"
    assert gain.apparent == pytest.approx(0.7 / 3)
    assert list(gain.chosen_without.values()) == ["e002", "e001", "e001"]
    assert gain.unbiased == pytest.approx((0.1 - 0.1 - 0.1) / 3)


def test_a_winner_on_every_range_keeps_its_gain() -> None:
    gain = choosing_gain(gains(e001=(0.3, 0.4, 0.5), e002=(0.1, 0.1, 0.1)), "e000")
    assert gain is not None
    assert gain.unbiased == pytest.approx(gain.apparent)
    assert gain.luck == pytest.approx(0)


def test_the_incumbent_wins_where_nothing_is_better_and_gains_nothing() -> None:
    gain = choosing_gain(gains(e000=(0.0, 0.0, 0.0), e001=(-0.1, -0.2, -0.1)), "e000")
    assert gain is not None
    assert (gain.winner, gain.apparent, gain.unbiased) == ("e000", 0.0, 0.0)


def test_with_one_range_there_is_no_unbiased_gain() -> None:
    gain = choosing_gain({"e001": {RANGES[0]: 0.3}}, "e000")
    assert gain is not None
    assert (gain.winner, gain.apparent, gain.unbiased, gain.luck) == ("e001", 0.3, None, None)


def test_an_experiment_that_lacks_a_range_cannot_be_chosen_and_is_named() -> None:
    gain = choosing_gain(gains(e001=(0.1, 0.1, 0.1), e002=(9.0, 9.0)), "e000")
    assert gain is not None
    assert gain.winner == "e001"
    assert gain.left_out == ("e002",)


def test_ties_go_to_the_first() -> None:
    gain = choosing_gain(gains(e002=(0.1, 0.1, 0.1), e001=(0.1, 0.1, 0.1)), "e000")
    assert gain is not None
    assert gain.winner == "e002"


def test_without_a_result_there_is_no_estimate() -> None:
    assert choosing_gain({}, "e000") is None
    assert choosing_gain({"e001": {}}, "e000") is None


def test_among_equals_the_apparent_gain_is_high_and_the_unbiased_one_is_not() -> None:
    rng = np.random.default_rng(7)
    apparent, unbiased = [], []
    for _ in range(300):
        scores = rng.normal(size=(21, 3))
        table = {f"e{index:03}": dict(zip(RANGES, scores[0] - scores[index], strict=True)) for index in range(1, 21)}
        gain = choosing_gain(table, "e000")
        assert gain is not None
        assert gain.unbiased is not None
        apparent.append(gain.apparent)
        unbiased.append(gain.unbiased)
    assert np.mean(apparent) > 0.9
    assert abs(np.mean(unbiased)) < 4 * np.std(unbiased) / np.sqrt(300)
