"""A small version of the simulation behind the constants: false alarms keep their level.

By chance, a bound fails once in ten thousand runs.
"""

import numpy as np
import pytest
from scipy import stats

from benchmarks.significance import HOLM, OURS, PLAIN, Cell, confirmed, gains, simulate

RUNS = 400


def most_false_alarms(share: float) -> float:
    return float(stats.binom.isf(1e-4, RUNS, share)) / RUNS


@pytest.mark.parametrize("noise", ["normal", "heavy"])
@pytest.mark.parametrize("geometry", ["month", "length"])
@pytest.mark.parametrize("ranges", [3, 6, 12])
def test_false_alarms_keep_to_their_level(geometry: str, noise: str, ranges: int) -> None:
    for correlation, level in ((0.0, 0.05), (0.3, 0.05), (0.6, 0.07)):
        cell = Cell(geometry, noise, 20, ranges, correlation)
        rng = np.random.default_rng([11, ranges, round(10 * correlation)])
        alarms = confirmed(*gains(rng, cell, RUNS, 0.0), geometry)[0].mean()
        assert alarms <= most_false_alarms(level), cell


def test_a_gain_of_three_standard_deviations_is_mostly_found_on_six_ranges() -> None:
    cell = Cell("length", "normal", 20, 6, 0.3)
    real, winner = confirmed(*gains(np.random.default_rng(1), cell, RUNS, 3.0), "length")
    assert (real & (winner == 0)).mean() > 0.7


def test_tests_on_the_scores_that_chose_raise_false_alarms_where_ours_does_not() -> None:
    shares = simulate(Cell("length", "normal", 20, 6, 0.3), RUNS, spa_runs=1).shares
    assert shares[PLAIN, 0.0] > 0.3
    assert shares[HOLM, 0.0] > 0.08
    assert shares[OURS, 0.0] <= most_false_alarms(0.05)
