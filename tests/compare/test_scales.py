"""Sweeps whose metric is judged by difference, compared and night after night."""

from typing import Any

import pytest

from pipeline.analysis.verdict import Kind
from pipeline.compare.nights import alarm, drift, series
from pipeline.compare.sweeps import compare
from pipeline.report.conclude import summary_of
from pipeline.store import Store
from tests.support import nights


@pytest.fixture
def spec(tiny_spec: dict[str, Any]) -> dict[str, Any]:
    """Judged by difference; less is better."""
    return nights.judged_on(tiny_spec) | {"objective": {"metric": "mse", "scale": "difference"}}


def around_zero(best: float, incumbent: float = 0.1) -> nights.Score:
    """A metric that is negative on some ranges and positive on others."""
    shared = (-0.3, 0.25, -0.1, 0.0, 0.2, -0.05)
    noise = (0.01, -0.02, 0.0, 0.015, -0.01, 0.005)
    return lambda experiment, at: shared[at % 6] + (incumbent if experiment == "e000" else best + noise[at % 6])


def test_a_metric_around_zero_is_judged_and_compared_by_difference(store: Store, spec: dict[str, Any]) -> None:
    first = nights.night(store, spec, around_zero(0.0))
    assert first.confirmed is not None
    assert first.confirmed.verdicts["e001"].kind is Kind.REAL
    assert "its mse_test is 0.1 lower than your setting's, better on 6 of 6 fresh" in summary_of(first).answer
    second = nights.night(store, spec, around_zero(-0.2, 0.1), day=1)
    pair = compare([first, second]).pairs[0]
    assert pair.winner == pair.other
    assert pair.ranges[0].gain == pytest.approx(0.2)
    assert "its best setting's mse_test is 0.2 lower, ahead on 6 of 6" in pair.sentence


def test_a_sweep_by_ratio_and_one_by_difference_are_compared_by_difference(
    store: Store, tiny_spec: dict[str, Any], spec: dict[str, Any]
) -> None:
    by_ratio = nights.night(store, nights.judged_on(tiny_spec))
    pair = compare([by_ratio, nights.night(store, spec, day=1)]).pairs[0]
    assert pair.scale.name == "difference"
    assert "are equally good" in pair.sentence


def test_a_night_that_is_worse_by_more_than_the_threshold_fires(store: Store, spec: dict[str, Any]) -> None:
    for day, best in enumerate((0.0, 0.0, 0.1)):
        nights.night(store, spec, around_zero(best), day=day)
    (of_store,) = series(store)
    result = alarm(of_store)
    assert result.fires
    assert "is 0.101 worse than the median of the 2 nights before on the same data" in result.line
    assert result.line.endswith("for more than 0.02")
    assert not alarm(of_store, threshold=0.2).fires


def test_a_changed_incumbent_is_reported_by_difference(store: Store, spec: dict[str, Any]) -> None:
    nights.night(store, spec, around_zero(0.0))
    nights.night(store, spec, around_zero(0.0, 0.3), day=1)
    (of_store,) = series(store)
    assert "changed, not the data: your setting's mse_test by +0.2 on 8 date ranges" in " ".join(drift(of_store))
