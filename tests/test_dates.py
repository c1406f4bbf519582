from datetime import date, timedelta
from itertools import islice, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.dates import DateRange, fresh_ranges, is_fresh, month_start, rotating_ranges, whole_months

days = st.dates(date(1990, 1, 1), date(2100, 1, 1))


def months(start: str, end: str) -> DateRange:
    return DateRange(date.fromisoformat(start + "-01"), date.fromisoformat(end + "-01"))


def test_in_june_the_ranges_are_january_to_june():
    expected = [months("2026-01", "2026-04"), months("2026-02", "2026-05"), months("2026-03", "2026-06")]
    assert rotating_ranges(date(2026, 6, 14)) == expected


def test_the_first_of_a_month_belongs_to_that_month():
    assert rotating_ranges(date(2026, 6, 1)) == rotating_ranges(date(2026, 6, 30))
    assert rotating_ranges(date(2026, 5, 31)) != rotating_ranges(date(2026, 6, 1))


def test_ranges_reach_over_the_end_of_a_year():
    assert rotating_ranges(date(2014, 1, 1)) == [
        months("2013-08", "2013-11"),
        months("2013-09", "2013-12"),
        months("2013-10", "2014-01"),
    ]
    assert rotating_ranges(date(2026, 2, 3))[-1] == months("2025-11", "2026-02")


def test_a_leap_february_has_its_day():
    assert months("2024-02", "2024-03").days == 29
    assert months("2023-02", "2023-03").days == 28
    assert months("1900-02", "1900-03").days == 28


@given(days)
def test_rotating_ranges_are_whole_months_one_month_apart_and_end_before_today(today):
    ranges = rotating_ranges(today)
    assert ranges[-1].end == month_start(today) <= today
    for range_ in ranges:
        assert (range_.start.day, range_.end.day) == (1, 1)
        assert month_start(range_.start, 3) == range_.end
    for earlier, later in pairwise(ranges):
        assert month_start(earlier.start, 1) == later.start


def test_a_range_that_ends_before_it_starts_cannot_be_made():
    with pytest.raises(ValueError, match="must start before it ends"):
        DateRange(date(2026, 1, 1), date(2026, 1, 1))


@given(days, st.integers(20, 800), st.floats(0.05, 0.4), st.floats(0.05, 0.4))
def test_a_split_is_exactly_the_days_of_the_range_in_order_of_time(start, length, valid, test):
    range_ = DateRange(start, start + timedelta(days=length))
    split = range_.split(valid, test)
    assert split.train.start == range_.start
    assert split.train.end == split.valid.start
    assert split.valid.end == split.test.start
    assert split.test.end == range_.end
    assert split.test.days >= 7
    assert split.train.days + split.valid.days + split.test.days == length


def test_the_default_split_is_seventy_fifteen_fifteen():
    split = DateRange(date(2026, 1, 1), date(2026, 1, 1) + timedelta(days=100)).split()
    assert (split.train.days, split.valid.days, split.test.days) == (70, 15, 15)


def test_a_range_too_short_to_train_on_is_refused():
    with pytest.raises(ValueError, match="leave none to train on"):
        DateRange(date(2026, 1, 1), date(2026, 1, 9)).split()


def test_a_range_is_fresh_if_it_judges_on_days_that_were_not_used_for_choosing():
    chosen_on = rotating_ranges(date(2014, 1, 1))  # August to December
    assert is_fresh(months("2013-05", "2013-08").split(), chosen_on)
    assert not is_fresh(months("2013-06", "2013-09").split(), chosen_on)
    # Only its training days were used for choosing.
    assert is_fresh(months("2013-07", "2013-10").split(), [months("2013-07", "2013-08")])


def test_fresh_ranges_go_back_in_time_newest_first():
    chosen_on = rotating_ranges(date(2014, 1, 1))
    ranges = list(islice(fresh_ranges(chosen_on, chosen_on[-1], date(2014, 1, 1)), 3))
    assert ranges == [months("2013-05", "2013-08"), months("2013-04", "2013-07"), months("2013-03", "2013-06")]


@given(days, st.integers(1, 4))
def test_every_fresh_range_is_fresh_and_as_long_as_the_others(today, length):
    chosen_on = rotating_ranges(today, months=length)
    for range_ in islice(fresh_ranges(chosen_on, chosen_on[0], today), 4):
        assert is_fresh(range_.split(), chosen_on)
        assert month_start(range_.start, length) == range_.end <= today


def test_ranges_that_are_no_whole_months_go_back_by_their_length():
    like = DateRange(date(2013, 6, 10), date(2013, 7, 10))
    ranges = islice(fresh_ranges([like], like, date(2013, 9, 1)), 3)
    assert [range_.as_json() for range_ in ranges] == [
        ["2013-07-10", "2013-08-09"],
        ["2013-05-11", "2013-06-10"],
        ["2013-04-11", "2013-05-11"],
    ]


def test_newer_ranges_than_those_that_chose_are_fresh_too():
    like = months("2013-01", "2013-04")
    assert next(fresh_ranges([like], like, date(2014, 1, 1))) == months("2013-10", "2014-01")


def test_fresh_ranges_end_where_the_calendar_begins():
    assert list(fresh_ranges([], DateRange(date(1, 1, 1), date(1, 3, 1)), date(1, 4, 1))) == [
        DateRange(date(1, 2, 1), date(1, 4, 1)),
        DateRange(date(1, 1, 1), date(1, 3, 1)),
    ]


def test_whole_months_go_back():
    assert whole_months(date(2026, 3, 15), 1, back=1) == months("2026-01", "2026-02")
