"""Numbers of settings: spaces and numbers that are too large to be written down."""

import tracemalloc
from typing import Any

import pytest

from pipeline.analysis.history import History
from pipeline.errors import UserError
from pipeline.plan.rounds import next_round
from pipeline.screen.plan import plan_lines
from pipeline.sweep import Definition
from tests.support.sweeps import define

THOUSAND = {"low": 0, "high": 999}
BILLION = {
    "command": ["train"],
    "hyperparameters": {"a": 1, "b": 1, "c": 1},
    "parameters": {"a": THOUSAND, "b": THOUSAND, "c": THOUSAND},
    "date-range": [["2024-05-01", "2024-07-01"]],
    "as-of": "2024-07-01",
    "confirm": {"ranges": 0},
}


def planned(**changes: Any) -> tuple[Definition, list[str], int]:
    """The definition, the lines of its plan and the bytes that they took."""
    tracemalloc.start()
    try:
        definition = define(BILLION | changes)
        lines = list(plan_lines(definition))
        return definition, lines, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "search",
    [
        {"strategy": "grid"},
        {"experiments": 10**9},
        {"strategy": "grid", "experiments": 10**9},
        {"seeds-per-range": 100},
    ],
)
def test_a_billion_settings_are_planned_round_by_round(search):
    definition, lines, memory = planned(search=search)
    if "seeds-per-range" not in search:
        assert definition.phases[0].experiments == 10**9
        assert lines[-1] == "  … and 995 more in its first round"
    experiments, packs = next_round(History.at_start(definition), 0)
    assert len(packs) <= 10_000
    repeated, _ = next_round(History.at_start(definition), 0)
    assert repeated == experiments
    assert memory < 50e6


def test_settings_are_drawn_from_a_grid_that_is_larger_than_requested():
    definition, lines, memory = planned(search={"strategy": "grid", "experiments": 20})
    assert definition.phases[0].strategy == "random"
    assert lines[0] == "screen: 20 settings are drawn from the grid, which has 1,000,000,000"
    experiments, _ = next_round(History.at_start(definition), 0)
    for name in "abc":
        assert len({experiment.assignment[name] for experiment in experiments}) > 15
    assert memory < 10e6


@pytest.mark.parametrize("budget", [{"experiments": 20}, {"trials": 20}])
def test_settings_are_drawn_from_a_grid_that_the_budget_cuts(budget):
    definition, _, _ = planned(search={"strategy": "grid"}, budget=budget)
    assert (definition.phases[0].strategy, definition.phases[0].experiments) == ("random", 20)


def test_a_grid_that_fits_stays_a_grid():
    small = {"a": [1, 2, 3], "b": [1, 2]}
    definition, lines, _ = planned(parameters=small, search={"strategy": "grid", "experiments": 6})
    assert definition.phases[0].strategy == "grid"
    assert not definition.decided
    assert lines[0].startswith("phase screen: 6 trials")


def test_numbers_that_nobody_could_print_are_refused():
    wide = {"low": 0.0, "high": 1.0, "step": 1e-300}
    with pytest.raises(UserError, match=r"^search\.experiments: the grid has over 1,000,000,000,000,000,000 settings"):
        planned(
            hyperparameters=dict.fromkeys("abc", 0.1),
            parameters=dict.fromkeys("abc", wide),
            search={"strategy": "grid"},
        )
    with pytest.raises(UserError, match="less than or equal to 1000000000000000000"):
        planned(search={"experiments": 10**400})
    for domain in ({"low": -1e308, "high": 1e308}, {"low": 0.0, "high": 1e300, "step": 1e-300}):
        with pytest.raises(UserError, match=r"parameters\.a: is too wide"):
            planned(hyperparameters=dict.fromkeys("abc", 0.1), parameters={"a": domain})
    for values in ([10**400, 1], {"low": 1, "high": 10**400}):
        with pytest.raises(UserError, match="not a finite number"):
            planned(parameters={"a": values})
