"""Rows of trainings that read different data on one date range are never ranked, judged or compared together."""

import pytest

from pipeline.analysis import ranking
from pipeline.analysis.confirmation import confirmation
from pipeline.analysis.same_data import of_same_data, other_data_in_words
from pipeline.report.summary import summarize
from pipeline.sweep import Trial
from tests.support.rows import row_of
from tests.support.sweeps import define

RATES = {"e000": 0.001, "e001": 0.01, "e002": 0.1}
SCORES = {"e000": 0.5, "e001": 0.1, "e002": 0.2}
OLD, NEW = "rows-0123456789abcdef", "rows-fedcba9876543210"


def rows_of(definition, fingerprints, phase="screen", ranges=range(2), scores=SCORES):
    """A row per experiment and range; `fingerprints` are those of {experiment: fingerprint, or one per range}."""
    return [
        row_of(
            definition,
            Trial(phase, name, at, 0),
            {**definition.incumbent, "learning_rate": RATES[name]},
            mse_valid=scores[name],
            mse_test=scores[name],
            data_fingerprint=read if isinstance(read, str | None) else read[at],
            finished=f"2024-06-14T02:1{at}:00Z",
        )
        for name, read in fingerprints.items()
        for at in ranges
    ]


def ranked(spec_content, fingerprints):
    definition = define(spec_content)
    return [standing.experiment for standing in ranking.standings(definition, rows_of(definition, fingerprints))]


@pytest.mark.parametrize(
    ("fingerprints", "order"),
    [
        pytest.param({"e000": OLD, "e001": OLD, "e002": OLD}, ["e001", "e002", "e000"], id="none changed"),
        pytest.param({"e000": OLD, "e001": NEW, "e002": OLD}, ["e002", "e000"], id="the best read others"),
        pytest.param({"e000": OLD, "e001": (OLD, NEW), "e002": OLD}, ["e002", "e000"], id="on one range"),
        pytest.param({"e000": OLD, "e001": NEW, "e002": NEW}, ["e001", "e002"], id="most read the new ones"),
        pytest.param({"e000": OLD, "e001": NEW}, ["e000"], id="of as many, those of the incumbent"),
        pytest.param({"e000": None, "e001": NEW, "e002": None}, ["e001", "e002", "e000"], id="not recorded"),
        pytest.param({"e000": "97464e0a7f12", "e001": NEW, "e002": NEW}, ["e001", "e002", "e000"], id="older"),
        pytest.param({"e000": (OLD, NEW), "e001": (OLD, NEW)}, ["e001", "e000"], id="ranges differ anyway"),
    ],
)
def test_on_a_range_only_those_that_read_the_same_data_are_ranked(tiny_spec, fingerprints, order):
    assert ranked(tiny_spec, fingerprints) == order


def test_a_strategy_learns_nothing_from_a_setting_that_read_other_data(tiny_spec):
    definition = define(tiny_spec)
    rows = rows_of(definition, {"e000": OLD, "e001": (OLD, NEW), "e002": OLD})
    assert ranking.objective_values(definition, definition.choosing, rows).keys() == {"e000", "e002"}


def test_a_finalist_is_judged_only_where_it_read_what_the_incumbent_read(tiny_spec):
    judging = [[f"2013-{month:02d}-01", f"2013-{month + 1:02d}-01"] for month in range(1, 7)]
    definition = define(tiny_spec | {"confirm-range": judging, "confirm": {}})
    read = {"e000": [OLD] * 6, "e001": [NEW, NEW, *[OLD] * 4]}
    rows = rows_of(definition, dict.fromkeys(RATES, OLD)) + rows_of(definition, read, "confirm", range(6))
    judged = confirmation(definition, rows)
    assert [pair.finalist for pair in judged.compared["e001"]] == [None, None, 0.1, 0.1, 0.1, 0.1]
    assert [pair.incumbent for pair in judged.compared["e001"]] == [0.5] * 6


def test_the_answer_says_how_many_trials_read_other_data(tiny_spec):
    definition = define(tiny_spec)
    rows = rows_of(definition, {"e000": OLD, "e001": NEW, "e002": OLD})
    summary = summarize(definition, rows, [Trial.parse(row["trial"]) for row in rows], done=True)
    assert summary.best.experiment == "e002"
    assert "The data changed under this sweep: 2 trials on 2 date ranges read other data" in summary.answer
    assert not other_data_in_words(definition, of_same_data(definition, rows))
