"""On how many ranges, and with how many seeds, a winner is judged where its spec leaves that open."""

from datetime import UTC, date, datetime
from typing import Any

import numpy as np
import pytest

from pipeline import spec as specs
from pipeline.dates import DateRange
from pipeline.plan.confirm import by_evidence, cost_of_choosing
from pipeline.plan.resolve import resolve
from pipeline.sweep import Definition
from tests.support.digests import digest

COVERED = DateRange(date(2020, 1, 1), date(2024, 6, 1))
CHOSEN_ON = [["2024-01-01", "2024-04-01"], ["2024-02-01", "2024-05-01"], ["2024-03-01", "2024-06-01"]]
NOW = datetime(2024, 6, 14, tzinfo=UTC)


def define(
    tiny_spec: dict[str, Any],
    settings: int = 40,
    covered: DateRange | None = COVERED,
    used: list[DateRange] | None = None,
    **changes: Any,
) -> Definition:
    space = {"learning_rate": {"low": 0.001, "high": 0.1, "log": True}}
    usual = {"parameters": space, "search": {"experiments": settings}, "date-range": CHOSEN_ON, "references": False}
    spec_json = {
        key: value for key, value in (tiny_spec | usual | changes).items() if key != "confirm" or "confirm" in changes
    }
    return resolve(specs.from_dict(spec_json), now=NOW, token="3f9c", covered=covered, used=used or ())


def judged_on(definition: Definition) -> int:
    assert definition.confirm is not None
    return len(definition.confirm.ranges)


@pytest.mark.parametrize(("settings", "ranges"), [(2, 6), (8, 6), (9, 9), (15, 9), (17, 12), (200, 12)])
def test_more_ranges_judge_where_they_cost_little_beside_choosing(tiny_spec, settings, ranges):
    definition = define(tiny_spec, settings)
    assert judged_on(definition) == ranges
    lines = [line for line in definition.decided if line.startswith("confirm.ranges")]
    assert len(lines) == (ranges > 6)
    assert all(f"{ranges} in place of 6: {2 * (ranges - 6)} trainings more" in line for line in lines)


def test_the_usual_ranges_are_among_them_and_all_are_fresh(tiny_spec):
    wider, usual = define(tiny_spec), define(tiny_spec, confirm={"ranges": 6})
    assert wider.confirm is not None
    assert usual.confirm is not None
    assert wider.confirm.ranges[-6:] == usual.confirm.ranges
    assert wider.confirm.judging is not None
    assert wider.confirm.judging.fresh
    added = wider.confirm.trials_at_most - usual.confirm.trials_at_most
    assert added <= 0.25 * cost_of_choosing(wider.choosing, wider.confirm)


@pytest.mark.parametrize(
    "changes",
    [
        {"confirm": {"ranges": 6}},
        {"budget": {"trials": 100}},
        {"budget": {"device-hours": 1}},
        {"covered": None},
        {"covered": DateRange(date(2023, 4, 1), date(2024, 6, 1))},
        {"confirm-range": [["2023-01-01", "2023-04-01"], ["2022-01-01", "2022-04-01"], ["2021-01-01", "2021-04-01"]]},
        {"mode": "short"},
    ],
    ids=str,
)
def test_there_are_no_more_than_a_spec_a_budget_or_the_data_allow(tiny_spec, changes):
    definition = define(tiny_spec, **changes)
    assert judged_on(definition) <= 6
    assert not any(line.startswith("confirm.ranges") for line in definition.decided)


def test_more_ranges_include_none_that_an_earlier_sweep_chose_on(tiny_spec):
    used = [DateRange(date(2023, 1, 1), date(2023, 4, 1))]
    definition = define(tiny_spec, used=used)
    assert definition.confirm is not None
    assert definition.confirm.judging is not None
    assert definition.confirm.judging.fresh
    assert used[0] not in definition.confirm.ranges


@pytest.fixture
def six(tiny_spec) -> Definition:
    """A sweep that has no more than six ranges to judge on, as its data have no more."""
    return define(tiny_spec, covered=DateRange(date(2023, 4, 1), date(2024, 6, 1)))


def study(definition: Definition, of_seeds: float, seeds: int = 2) -> Any:
    """A study of eight settings on twelve ranges; `of_seeds` is the part of the noise that seeds make."""
    rng = np.random.default_rng(1)
    ranges = [DateRange(date(2021, month, 1), date(2021, month + 3, 1)) for month in range(1, 10)]
    noise = (1 - of_seeds) ** 0.5 * rng.standard_normal((8, 9, 1)) + of_seeds**0.5 * rng.standard_normal((8, 9, seeds))
    return digest(definition, np.exp(0.02 * noise), ranges, calibration=True)


def as_asked(definition: Definition, **changes: Any) -> Any:
    return specs.from_dict(definition.spec | changes)


def test_more_seeds_judge_where_a_study_says_that_noise_comes_from_seeds(six):
    better = by_evidence(as_asked(six), six, [study(six, of_seeds=0.95)])
    assert better.confirm is not None
    assert better.confirm.seeds == 2
    assert better.confirm.judging is not None
    assert better.confirm.judging.resemblance is not None
    assert any("confirm.seeds-per-range: 2 in place of 1" in line for line in better.decided)


def test_no_more_seeds_judge_if_ranges_cause_the_noise_or_no_study_tells_or_the_spec_has_a_number(six):
    for earlier, changes in (
        (study(six, of_seeds=0.05), {}),
        (study(six, of_seeds=0.95, seeds=1), {}),
        (study(six, of_seeds=0.95), {"confirm": {"seeds-per-range": 1}}),
    ):
        definition = by_evidence(as_asked(six, **changes), six, [earlier])
        assert definition.confirm is not None
        assert definition.confirm.seeds == 1
        assert definition.decided == six.decided
        assert definition.confirm.judging is not None
        assert definition.confirm.judging.resemblance is not None


def test_without_earlier_sweeps_a_definition_stays_as_it_is(six):
    assert by_evidence(as_asked(six), six, []) is six
