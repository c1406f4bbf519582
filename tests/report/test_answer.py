"""Which setting is a sweep's answer, and which model stands for it."""

from typing import Any

import pytest

from pipeline.analysis.ranking import Standing
from pipeline.analysis.verdict import Kind, Verdict
from pipeline.report.answer import best_setting, certainty, newest_model
from pipeline.sweep import Definition
from tests.support.sweeps import define

OLDER, NEWER, SHORTER = ["2024-01-01", "2024-03-01"], ["2024-02-01", "2024-04-01"], ["2024-03-01", "2024-04-01"]


def standing(experiment: str, *, is_incumbent: bool = False) -> Standing:
    return Standing(
        experiment, {}, is_incumbent=is_incumbent, score=1.0, by_range={}, gain=None, training_time=1.0, epochs=1
    )


def trained(phase: str, date_range: list[str], seed: int = 0, **more: Any) -> dict[str, Any]:
    trial = f"{phase}-e001-d0-s{seed}"
    return {"trial": trial, "phase": phase, "date-range": date_range, "status": "complete", "model_url": trial} | more


@pytest.fixture
def automatic(tiny_spec: dict[str, Any]) -> Definition:
    """Phases learning-rate, architecture and near-best, in this order."""
    asked = {key: value for key, value in tiny_spec.items() if key not in ("parameters", "search")}
    return define(asked | {"tune": "automatic", "mode": "full"})


def test_the_answer_is_the_first_that_is_real_else_the_first_of_the_ranking() -> None:
    ranked = [standing(name) for name in ("e001", "e002", "e003")]
    assert best_setting([]) is None
    assert best_setting(ranked) is ranked[0]
    verdicts = {"e001": Verdict(kind=Kind.NOT_SHOWN, wins=0, ranges=3)}
    assert best_setting(ranked, verdicts) is ranked[0]
    verdicts |= dict.fromkeys(("e003", "e002"), Verdict(kind=Kind.REAL, wins=3, ranges=3))
    assert best_setting(ranked, verdicts) is ranked[1]


def test_without_a_verdict_it_is_said_whether_one_is_to_come() -> None:
    best = standing("e001")
    assert certainty(best, None, is_awaited=True) == "not confirmed yet"
    assert certainty(best, None, is_awaited=False) == "not confirmed"
    incumbent = standing("e000", is_incumbent=True)
    assert certainty(incumbent, None, is_awaited=True) == "nothing tried is better than the incumbent"


def test_the_model_is_of_the_range_that_ends_last_and_of_these_of_the_one_that_starts_last(
    automatic: Definition,
) -> None:
    rows = [trained("near-best", OLDER), trained("near-best", SHORTER), trained("near-best", NEWER)]
    for order in (rows, rows[::-1]):
        assert newest_model(automatic, order) is rows[1]


def test_on_the_same_range_the_model_is_of_the_latest_phase_and_then_of_the_lowest_seed(automatic: Definition) -> None:
    rows = [
        trained("learning-rate", NEWER),
        trained("near-best", NEWER, seed=2),
        trained("near-best", NEWER, seed=1),
        trained("architecture", NEWER),
        trained("near-best", OLDER),
    ]
    for order in (rows, rows[::-1]):
        assert newest_model(automatic, order) is rows[2]


def test_a_training_that_was_not_completed_gives_its_model_only_where_no_other_has_one(automatic: Definition) -> None:
    stopped = trained("near-best", NEWER, status="stopped")
    complete = trained("learning-rate", OLDER)
    without = trained("near-best", NEWER, model_url=None)
    assert newest_model(automatic, [stopped, complete, without]) is complete
    assert newest_model(automatic, [stopped, without]) is stopped
    assert newest_model(automatic, [without]) is None
