from datetime import timedelta

from pipeline.analysis.history import History
from pipeline.sweep import Experiment, Trial
from tests.support.simulation import AUTOMATIC
from tests.support.sweeps import define

DEFINITION = define(AUTOMATIC)
FIRST, SECOND, *_ = DEFINITION.phases
EXPERIMENTS = {id: Experiment(id, FIRST.name, {"learning_rate": rate}) for id, rate in (("e000", 0.1), ("e001", 0.2))}


def planned(*trials: Trial) -> History:
    return History(DEFINITION, History.at_start(DEFINITION).now, EXPERIMENTS, frozenset(trials))


def test_at_the_start_nothing_is_planned_finished_or_over() -> None:
    history = History.at_start(DEFINITION)
    assert history.assignments_of(FIRST) == history.rows_of(FIRST) == history.choosing_rows == []
    assert not history.has_begun(FIRST)
    assert history.seconds_passed == 0


def test_a_phase_has_its_planned_settings_in_the_order_of_their_numbers() -> None:
    history = planned(
        Trial(FIRST.name, "e001", 0, 0), Trial(FIRST.name, "e000", 0, 0), Trial(SECOND.name, "e001", 0, 0)
    )
    assert history.assignments_of(FIRST) == [{"learning_rate": 0.1}, {"learning_rate": 0.2}]
    assert history.assignments_of(SECOND) == [{"learning_rate": 0.2}]


def test_a_phase_is_past_once_a_later_one_has_begun() -> None:
    assert not planned(Trial(FIRST.name, "e000", 0, 0)).is_past(FIRST)
    history = planned(Trial(SECOND.name, "e000", 0, 0))
    assert history.is_past(FIRST)
    assert not history.is_past(SECOND)


def test_a_row_that_judges_is_no_row_of_choosing() -> None:
    rows = [{"phase": FIRST.name}, {"phase": "confirm"}]
    history = History(DEFINITION, History.at_start(DEFINITION).now + timedelta(minutes=2), rows=rows)
    assert history.choosing_rows == history.rows_of(FIRST) == rows[:1]
    assert history.seconds_passed == 120
