import string
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.analysis.history import History
from pipeline.dates import DateRange
from pipeline.plan import labels
from pipeline.plan.labels import range_in_words
from pipeline.plan.rounds import next_round
from pipeline.sweep import Experiment, Trial
from pipeline.training.own.code import Own
from tests.support.sweeps import define

DATA = {"path": "x.csv", "date": "d", "categorical": ["c"], "target": "y"}
RANGE = ["2024-01-01", "2024-04-01"]


def definition(**more: object):
    spec_json = {
        "architecture": "bag-of-words",
        "data": DATA,
        "date-range": [RANGE],
        "parameters": {"learning_rate": {"low": 0.0003, "high": 0.03, "log": True}, "hidden_size": [16, 32]},
        "confirm": {"ranges": 0},
    }
    return define(spec_json | more)


def settings(*assignments: dict, phase: str = "screen", seeds: int = 1):
    return [
        (Experiment(f"e{at:03d}", phase, assignment), Trial(phase, f"e{at:03d}", 0, seed))
        for at, assignment in enumerate(assignments)
        for seed in range(seeds)
    ]


@pytest.mark.parametrize(
    ("start", "end", "words", "with_year"),
    [
        ("2024-01-01", "2024-04-01", "Jan–Mar", "Jan–Mar 2024"),
        ("2024-02-01", "2024-03-01", "Feb", "Feb 2024"),
        ("2023-12-01", "2024-03-01", "Dec–Feb", "Dec 2023–Feb 2024"),
        ("2023-02-01", "2024-03-01", "Feb–Feb", "Feb 2023–Feb 2024"),
        ("2024-01-05", "2024-02-10", "5 Jan–9 Feb", "5 Jan–9 Feb 2024"),
        ("2024-01-05", "2024-01-06", "5 Jan", "5 Jan 2024"),
    ],
)
def test_a_range_in_words(start, end, words, with_year):
    days = DateRange(date.fromisoformat(start), date.fromisoformat(end))
    assert (range_in_words(days), range_in_words(days, year=True)) == (words, with_year)


def test_a_label_says_what_is_tried():
    packs = [
        settings(*({"learning_rate": rate, "hidden_size": 16} for rate in (0.0003, 0.003, 0.03))),
        settings({"learning_rate": 0.001, "hidden_size": 16}, {"learning_rate": 0.002, "hidden_size": 32}),
        settings({"learning_rate": 0.001, "hidden_size": 16}),
        settings({"learning_rate": 0.001, "hidden_size": 16}, seeds=3),
    ]
    assert labels.labels(definition(), packs) == [
        "Jan–Mar: 3 settings, learning_rate 0.0003–0.03",
        "Jan–Mar: 2 settings, learning_rate 0.001–0.002, hidden_size 16–32",
        "Jan–Mar: 1 setting, learning_rate 0.001, hidden_size 16",
        "Jan–Mar: 1 setting with 3 seeds, learning_rate 0.001, hidden_size 16",
    ]


def test_references_and_trials_that_judge_have_labels_of_their_own():
    judging = {"confirm-range": [["2023-09-01", "2023-12-01"]], "confirm": {}, "references": True}
    its = definition(**judging)
    _, packs = next_round(History.at_start(its), 0, lanes=2)
    assert [pack.label for pack in packs if pack.trials[0].is_reference] == [
        "Sep–Nov 2023: references constant, linear, trees",
        "Jan–Mar 2024: references constant, linear, trees",
    ]
    confirming = settings(*({"learning_rate": rate} for rate in (0.1, 0.2, 0.3)), phase="confirm")
    assert labels.labels(its, [confirming]) == ["Sep–Nov 2023: confirming 3 settings"]


def test_packs_of_one_round_can_be_told_apart():
    pack = settings({"learning_rate": 0.001, "hidden_size": 16})
    assert labels.labels(definition(), [pack, pack, pack])[1:] == [
        "Jan–Mar: 1 setting, learning_rate 0.001, hidden_size 16 (2)",
        "Jan–Mar: 1 setting, learning_rate 0.001, hidden_size 16 (3)",
    ]


@given(st.text(min_size=1), st.lists(st.text() | st.floats() | st.integers() | st.none(), min_size=1, max_size=5))
def test_text_of_a_spec_is_reduced_to_harmless_characters(name, values):
    its = definition()
    screen = its.phase("screen").model_copy(update={"space": {name: its.phase("screen").space["hidden_size"]}})
    its = its.model_copy(update={"phases": (screen,), "own": Own(command=("true",), hyperparameters={})})
    pack = settings(*({name: value} for value in values))
    for label in labels.labels(its, [pack, pack]):
        assert len(label) <= labels.AT_MOST
        assert label.isprintable()
        assert not set(string.punctuation) - set("_-+.,:%/=()[]") & set(label)
