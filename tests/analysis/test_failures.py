"""Failures that are alike, and the number of them that ends a sweep."""

import pytest

from pipeline.analysis.failures import same_failure
from pipeline.results import Row


def rows(*errors: str | None, status: str = "failed") -> list[Row]:
    """Rows of trials that ended one after another, with these errors; None is a result."""
    return [
        {
            "trial": f"screen-e{n:03d}-d0-s0",
            "phase": "screen",
            "experiment": f"e{n:03d}",
            "status": status if error is not None else "complete",
            "error": error,
            "finished": f"2026-01-01T00:00:{n:02d}Z",
        }
        for n, error in enumerate(errors)
    ]


def test_three_alike_are_enough_on_one_lane_and_two_rounds_on_several():
    assert same_failure(rows("no", "no")) is None
    assert same_failure(rows("no", "no", "no")) == "no"
    assert same_failure(rows(*["no"] * 7), lanes=4) is None
    assert same_failure(rows(*["no"] * 8), lanes=4) == "no"


def test_a_single_result_is_enough_to_go_on():
    assert same_failure(rows(None, "no", "no", "no", "no")) is None
    assert same_failure(rows("no", "no", "no", None)) is None


def test_different_failures_are_not_one_mistake():
    assert same_failure(rows("no", "yes", "no")) is None
    assert same_failure([*rows("no", "no"), *rows("", "", "no", status="timed-out")[2:]]) is None


def test_only_the_newest_failures_count():
    assert same_failure(rows("no", "no", "no", "other", "other")) is None
    assert same_failure(rows("no", "no", "other", "other", "other")) == "other"


def test_a_failure_without_an_error_is_named_by_its_status():
    assert same_failure(rows("", "", "", status="timed-out")) == "timed-out"


@pytest.mark.parametrize(
    ("first", "other"),
    [
        ("no file /tmp/hpt-own-a1_xq/model.pt", "no file /tmp/hpt-own-zzbbtt/model.pt"),
        ("lr 0.01 gave nan at step 12", "lr 1e-05 gave nan at step 7"),
        ("object at 0x7f3aa1b2 of run 3fa9c1d2", "object at 0x7f3aa1c4 of run 77aabbc1"),
        ("line 3, in screen-e000-d0-s0", "line 3, in screen-e017-d2-s1"),
    ],
)
def test_numbers_and_names_drawn_by_chance_make_no_difference(first, other):
    assert same_failure(rows(first, other, first)) == first


def test_references_do_not_count():
    references = [row | {"phase": "reference"} for row in rows("no", "no", "no")]
    assert same_failure([*references, *rows("no", "no")]) is None
    fine = [row | {"phase": "reference"} for row in rows(None)]
    assert same_failure([*fine, *rows("no", "no", "no")]) == "no"


def test_one_setting_that_fails_on_every_range_is_no_reason_to_stop():
    alone = [row | {"experiment": "e000"} for row in rows("no", "no", "no")]
    assert same_failure(alone) is None
    assert same_failure([*alone, *rows("no", "no", "no", "no")[3:]]) == "no"


def test_another_exit_status_is_another_failure():
    assert same_failure(rows("exit status 1", "exit status 137", "exit status 2")) is None
    assert same_failure(rows(*["exit status 1"] * 3)) == "exit status 1"
