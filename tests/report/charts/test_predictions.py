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


def drawn(summary: Summary, notes: dict[str, Any] | None = None) -> tuple[list[Any], list[Row]]:
    rows_read: list[Row] = []

    def read(rows: Sequence[Row]) -> dict[str, Any]:
        rows_read.extend(rows)
        return {row["trial"]: pages.noted(row, "y") if notes is None else notes for row in rows}

    return predictions.pictures(summary, read), rows_read


def test_the_answer_the_defaults_and_the_references_stand_beside_each_other(few: Summary) -> None:
    pictures, rows_read = drawn(few)
    assert [picture.name for picture in pictures] == ["predictions", "weeks"]
    models = {"this setting", "the defaults", "the linear model", "boosted trees"}
    for picture in pictures:
        assert set(re.findall(r'"model": "([^"]+)"', json.dumps(picture.spec))) == models
    # Only the phases that judge are read: attempts of choosing note no predictions.
    assert {row["phase"] for row in rows_read} == {"confirm", "reference"}
    assert len(rows_read) == 4 * 6


def test_without_notes_of_predictions_there_is_no_picture(few: Summary) -> None:
    """Older versions and a team's own programs note none."""
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
