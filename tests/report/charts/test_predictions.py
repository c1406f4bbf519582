"""Prediction against truth and error by week, of the models on the ranges that judged."""

import json
import re
from collections.abc import Sequence
from typing import Any

import pytest

from pipeline.report.charts import predictions
from pipeline.report.summary import Summary
from pipeline.results import Row
from tests.support import pages


@pytest.fixture(scope="module")
def few() -> Summary:
    return pages.shown(4)[0]


def drawn(summary: Summary, noted: dict[str, Any] | None = None) -> tuple[list[Any], list[Row]]:
    asked: list[Row] = []

    def read(rows: Sequence[Row]) -> dict[str, Any]:
        asked.extend(rows)
        return {row["trial"]: pages.noted(row, "y") if noted is None else noted for row in rows}

    return predictions.pictures(summary, read), asked


def test_the_answer_the_defaults_and_the_references_stand_beside_each_other(few: Summary) -> None:
    pictures, asked = drawn(few)
    assert [picture.name for picture in pictures] == ["predictions", "weeks"]
    models = {"this setting", "the defaults", "the linear model", "boosted trees"}
    for picture in pictures:
        assert set(re.findall(r'"model": "([^"]+)"', json.dumps(picture.spec))) == models
    # Only what judged is read: an attempt of choosing notes nothing.
    assert {row["phase"] for row in asked} == {"confirm", "reference"}
    assert len(asked) == 4 * 6


def test_where_nobody_noted_predictions_there_is_no_picture(few: Summary) -> None:
    """As in sweeps of older versions, and of programs of a team's own."""
    assert predictions.pictures(few, lambda _: {}) == []


@pytest.mark.parametrize(
    "damaged",
    [
        {"bins": 3, "weeks": "x"},
        {"bins": {"y": [[1, 2], ["a", "b", "c"], None]}, "weeks": [["</script>", 1.0, 2], [1, 2, 3]]},
        {"bins": {"y": [[float("nan"), 1.0, 1]]}, "weeks": [["2024-01-01", float("inf"), 1]]},
    ],
)
def test_damaged_notes_are_left_out(few: Summary, damaged: dict[str, Any]) -> None:
    assert drawn(few, damaged)[0] == []
