"""How well one ranking predicts another."""

import math

import numpy as np
import pytest
from scipy import stats

from pipeline.analysis.agreement import Agreement, agreement


def named(values: np.ndarray) -> dict[str, float | None]:
    return {f"e{index:03}": float(value) for index, value in enumerate(values)}


def compare(short: np.ndarray, full: np.ndarray, top: int = 5) -> Agreement:
    found = agreement(named(short), named(full), top)
    assert isinstance(found, Agreement)
    return found


def noisy(count: int = 40, noise: float = 0.7) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(4)
    full = rng.normal(size=count)
    return full + noise * rng.normal(size=count), full


def test_the_same_order_agrees_fully_whatever_the_metric_s_unit() -> None:
    full = np.random.default_rng(1).normal(size=20)
    found = compare(np.exp(full), full)
    assert found.spearman.value == pytest.approx(1)
    assert found.kendall.low == pytest.approx(1)
    assert found.overlap.value == 1


def test_the_opposite_order_agrees_in_nothing() -> None:
    full = np.arange(20.0)
    found = compare(-full, full)
    assert found.spearman.value == pytest.approx(-1)
    assert found.overlap.value == 0
    assert found.by_chance == 0.25


def test_the_correlations_are_those_of_scipy_also_with_ties() -> None:
    short, full = (np.round(values, 0) for values in noisy())
    found = compare(short, full)
    assert found.spearman.value == pytest.approx(stats.spearmanr(short, full).statistic)
    assert found.kendall.value == pytest.approx(stats.kendalltau(short, full).statistic)


def test_intervals_hold_the_estimate_and_are_the_same_every_time() -> None:
    short, full = noisy()
    found = compare(short, full)
    for estimate in (found.spearman, found.kendall, found.overlap):
        assert estimate.low <= estimate.value <= estimate.high
        assert estimate.low < estimate.high
    assert compare(short, full) == found


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
    found = agreement(short, full, 1, goal="maximize")
    assert isinstance(found, Agreement)
    assert found.overlap.value == 0
    assert found.top == 1


def test_an_experiment_without_a_metric_in_one_ranking_is_left_out_and_counted() -> None:
    short, full = map(named, noisy(12))
    short["e000"], full["e001"] = math.nan, None
    del full["e002"]
    found = agreement(short, full, 3)
    assert isinstance(found, Agreement)
    assert (found.experiments, found.left_out) == (9, 3)


def test_too_few_experiments_say_so() -> None:
    short, full = map(named, noisy(4))
    assert agreement(short, full, 1) == (
        "only 4 experiments have a metric in both rankings; comparing their best 1 takes at least 5"
    )


def test_the_best_of_all_is_no_choice() -> None:
    short, full = map(named, noisy(8))
    assert isinstance(agreement(short, full, 8), str)
    with pytest.raises(ValueError, match="none"):
        agreement(short, full, 0)


def test_a_metric_that_is_the_same_everywhere_has_no_order() -> None:
    said = agreement(named(np.ones(8)), named(np.arange(8.0)), 2)
    assert said == "all 8 experiments have the same metric in the short ranking: there is no order to compare"
