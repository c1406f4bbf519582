"""Agreement of two rankings, and its intervals."""

import math

import numpy as np
import pytest
from scipy import stats

from pipeline.analysis.agreement import Agreement, agreement


def by_name(values: np.ndarray) -> dict[str, float | None]:
    return {f"e{index:03}": float(value) for index, value in enumerate(values)}


def compare(short: np.ndarray, full: np.ndarray, top: int = 5) -> Agreement:
    result = agreement(by_name(short), by_name(full), top)
    assert isinstance(result, Agreement)
    return result


def noisy(count: int = 40, noise: float = 0.7) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(4)
    full = rng.normal(size=count)
    return full + noise * rng.normal(size=count), full


def test_the_same_order_agrees_fully_whatever_the_metric_s_unit() -> None:
    full = np.random.default_rng(1).normal(size=20)
    result = compare(np.exp(full), full)
    assert result.spearman.value == pytest.approx(1)
    assert result.kendall.low == pytest.approx(1)
    assert result.overlap.value == 1


def test_the_opposite_order_has_no_agreement() -> None:
    full = np.arange(20.0)
    result = compare(-full, full)
    assert result.spearman.value == pytest.approx(-1)
    assert result.overlap.value == 0
    assert result.by_chance == 0.25


def test_the_correlations_are_those_of_scipy_also_with_ties() -> None:
    short, full = (np.round(values, 0) for values in noisy())
    result = compare(short, full)
    assert result.spearman.value == pytest.approx(stats.spearmanr(short, full).statistic)
    assert result.kendall.value == pytest.approx(stats.kendalltau(short, full).statistic)


def test_intervals_hold_the_estimate_and_are_the_same_every_time() -> None:
    short, full = noisy()
    result = compare(short, full)
    for estimate in (result.spearman, result.kendall, result.overlap):
        assert estimate.low <= estimate.value <= estimate.high
        assert estimate.low < estimate.high
    assert compare(short, full) == result


def test_more_experiments_make_the_interval_narrower() -> None:
    widths = []
    for count in (10, 40, 160):
        estimate = compare(*noisy(count)).spearman
        widths.append(estimate.high - estimate.low)
    assert widths == sorted(widths, reverse=True)


def test_intervals_cover_the_truth_about_as_often_as_they_say() -> None:
    rng = np.random.default_rng(2)
    truth = 6 / math.pi * math.asin(0.8 / 2)  # Spearman's rho of a normal pair that correlates with 0.8
    covered = 0
    for _ in range(20):
        full = rng.normal(size=40)
        estimate = compare(0.8 * full + 0.6 * rng.normal(size=40), full).spearman
        covered += estimate.low <= truth <= estimate.high
    assert covered >= 13  # of 90 %, fewer come about in one of a thousand series


def test_where_more_is_better_the_best_are_the_highest() -> None:
    short, full = {f"e{i}": float(i % 7) for i in range(10)}, {f"e{i}": float(i) for i in range(10)}
    result = agreement(short, full, 1, goal="maximize")
    assert isinstance(result, Agreement)
    assert result.overlap.value == 0
    assert result.top == 1


def test_an_experiment_without_a_metric_in_one_ranking_is_left_out_and_counted() -> None:
    short, full = map(by_name, noisy(12))
    short["e000"], full["e001"] = math.nan, None
    del full["e002"]
    result = agreement(short, full, 3)
    assert isinstance(result, Agreement)
    assert (result.experiments, result.left_out) == (9, 3)


def test_too_few_experiments_cannot_be_compared() -> None:
    short, full = map(by_name, noisy(4))
    assert agreement(short, full, 1) == (
        "only 4 experiments have a metric in both rankings; comparing their best 1 takes at least 5"
    )


def test_the_best_of_all_is_no_choice() -> None:
    short, full = map(by_name, noisy(8))
    assert isinstance(agreement(short, full, 8), str)
    with pytest.raises(ValueError, match="top is 0"):
        agreement(short, full, 0)


def test_a_constant_metric_cannot_be_compared() -> None:
    problem = agreement(by_name(np.ones(8)), by_name(np.arange(8.0)), 2)
    assert problem == "all 8 experiments have the same metric in the short ranking: there is no order to compare"
