import pytest

from pipeline.analysis import ranking
from pipeline.sweep import Trial
from tests.support.rows import row_of
from tests.support.sweeps import define

ONE, OTHER = ["2024-01-01", "2024-03-01"], ["2024-02-01", "2024-04-01"]


def rows_of(definition, scores):
    """Rows of {(experiment, learning rate): {range index: [mse per seed, None where it failed]}}."""
    rows = []
    for (experiment, rate), by_range in scores.items():
        for at, values in by_range.items():
            for seed, value in enumerate(values):
                measured = {"status": "failed"} if value is None else {"mse_valid": value, "mse_test": value}
                setting = {**definition.incumbent, "learning_rate": rate}
                rows.append(row_of(definition, Trial("screen", experiment, at, seed), setting, **measured))
    return rows


def ranked(spec_content, scores):
    definition = define(spec_content)
    return ranking.standings(definition, rows_of(definition, scores))


def test_only_experiments_that_finished_the_same_ranges_are_ranked(tiny_spec):
    scores = {("e000", 0.001): {1: [0.5]}, ("e001", 0.01): {0: [0.1]}, ("e002", 0.1): {0: [0.2], 1: [0.3]}}
    assert [standing.experiment for standing in ranked(tiny_spec, scores)] == ["e002"]


def test_different_ranges_are_never_compared(tiny_spec):
    scores = {("e000", 0.001): {1: [0.5]}, ("e001", 0.01): {0: [0.1]}, ("e002", 0.1): {0: [0.2]}}
    standings = ranked(tiny_spec, scores)
    assert len({frozenset(standing.by_range) for standing in standings}) == 1


def test_an_experiment_that_failed_with_one_of_its_seeds_is_not_ranked(tiny_spec):
    spec_content = tiny_spec | {"search": {"strategy": "grid", "seeds-per-range": 2}}
    scores = {("e000", 0.001): {0: [0.5, 0.5], 1: [0.5, 0.5]}, ("e001", 0.01): {0: [0.1, None], 1: [0.1, 0.1]}}
    assert [standing.experiment for standing in ranked(spec_content, scores)] == ["e000"]


def test_seeds_are_averaged_within_a_range(tiny_spec):
    spec_content = tiny_spec | {"search": {"strategy": "grid", "seeds-per-range": 2}}
    scores = {("e000", 0.001): {0: [0.4, 0.6], 1: [1.0, 1.0]}, ("e001", 0.01): {0: [0.2, 0.3], 1: [0.5, 0.5]}}
    best, incumbent = ranked(spec_content, scores)
    assert (best.experiment, best.score, best.gain) == ("e001", pytest.approx(0.125**0.5), pytest.approx(2))
    assert incumbent.is_incumbent


def test_one_hard_range_does_not_decide_alone(tiny_spec):
    scores = {
        ("e000", 0.001): {0: [100.0], 1: [1.0]},
        ("e001", 0.01): {0: [80.0], 1: [1.05]},
        ("e002", 0.1): {0: [99.0], 1: [0.7]},
    }
    assert [standing.experiment for standing in ranked(tiny_spec, scores)] == ["e002", "e001", "e000"]


def test_a_metric_that_can_be_negative_is_ranked_by_its_mean(tiny_spec):
    scores = {("e000", 0.001): {0: [-1.0], 1: [2.0]}, ("e001", 0.01): {0: [0.0], 1: [0.5]}}
    assert [(standing.experiment, standing.gain) for standing in ranked(tiny_spec, scores)] == [
        ("e001", None),
        ("e000", None),
    ]
