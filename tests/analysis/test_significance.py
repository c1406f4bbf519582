"""Verdicts: when a gain is real, and a plain outcome for every bad input."""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from pipeline.analysis.gains import paired_gains
from pipeline.analysis.power import correction
from pipeline.analysis.significance import (
    corrected_t_test,
    holm,
    judge,
    wins_needed,
)
from pipeline.analysis.verdict import Design, Kind, Scores, Verdict
from pipeline.dates import DateRange, whole_months
from pipeline.scale import Scale

CLEAR = (0.30, 0.32, 0.29, 0.31, 0.30, 0.28)
"""Gains that any sensible test calls real on six ranges."""
UNSURE = (0.30, -0.10, 0.05, 0.40, -0.05, 0.20)


def ranges(count: int, apart: int = 1) -> tuple[DateRange, ...]:
    return tuple(sorted(whole_months(date(2026, 6, 1), 3, back=apart * index) for index in range(count)))


def constant(over: Sequence[DateRange], metric: float = 1.0) -> Scores:
    return {range_: {0: metric} for range_ in over}


def better_by(gains: Sequence[float], over: Sequence[DateRange]) -> dict[DateRange, dict[int, float | None]]:
    """A finalist with these log ratio gains over an incumbent whose metric is 1 everywhere."""
    return {range_: {0: math.exp(-gain)} for range_, gain in zip(over, gains, strict=True)}


def verdict_on(gains: Sequence[float], earlier: Sequence[float] = (), design: Design | None = None) -> Verdict:
    design = design or Design(ranges(len(gains)))
    return judge(design, constant(design.ranges), {"e001": better_by(gains, design.ranges)}, earlier)["e001"]


def test_a_clear_gain_on_fresh_ranges_is_real() -> None:
    verdict = verdict_on(CLEAR)
    assert verdict.kind == Kind.REAL
    assert (verdict.wins, verdict.ranges) == (6, 6)
    assert verdict.gain == pytest.approx(statistics.fmean(CLEAR))
    assert verdict.ranges_needed is None
    assert verdict.reason == (
        "real: 25.9 % better, ahead on 6 of 6 date ranges (90 % interval: between 23.3 % and 28.4 % better)"
    )
    assert verdict.numbers.startswith(f"p = {verdict.p_adjusted:.2g} for a gain beyond 0.5 %: ")


def test_a_gain_within_the_noise_is_not_shown_and_the_verdict_names_the_detectable_gain() -> None:
    verdict = verdict_on((0.30, -0.30, 0.05, 0.40, -0.35, 0.20))
    assert verdict.kind == Kind.NOT_SHOWN
    assert verdict.detectable is not None
    assert verdict.gain is not None
    assert verdict.detectable > verdict.gain
    assert verdict.ranges_needed is None or verdict.ranges_needed > 6
    assert "would have been found four times in five" in verdict.numbers


def test_a_gain_that_is_nearly_real_is_promising_and_the_verdict_names_the_ranges_needed() -> None:
    verdict = verdict_on((0.30, 0.10, 0.15, 0.40, 0.25, 0.20))
    assert verdict.kind == Kind.PROMISING
    assert verdict.p_adjusted is not None
    assert 0.05 < verdict.p_adjusted <= 0.2
    assert verdict.ranges_needed is not None
    assert verdict.ranges_needed > 6
    assert f"{verdict.ranges_needed} such date ranges" in verdict.numbers


def test_a_setting_that_is_worse_is_not_shown() -> None:
    verdict = verdict_on([-gain for gain in CLEAR])
    assert verdict.kind == Kind.NOT_SHOWN
    assert verdict.wins == 0
    assert "35.0 % worse" in verdict.reason


def test_the_p_value_is_that_of_the_corrected_t() -> None:
    verdict = verdict_on(UNSURE)
    error = statistics.stdev(UNSURE) * math.sqrt(1 / 6 + correction(ranges(6)))
    t = (statistics.fmean(UNSURE) + math.log1p(-0.005)) / error
    assert verdict.p == pytest.approx(stats.t.sf(t, 5))


def test_without_a_correction_the_test_is_students() -> None:
    gains = np.random.default_rng(0).normal(size=(20, 7))
    expected = stats.ttest_1samp(gains, 0.1, axis=-1, alternative="greater").pvalue
    np.testing.assert_allclose(corrected_t_test(gains, 0.0, 0.1), expected)


@given(st.lists(st.floats(-1, 1), min_size=3, max_size=12))
def test_the_lower_end_of_the_interval_clears_the_rope_exactly_if_the_test_rejects(gains: list[float]) -> None:
    verdict = verdict_on(gains)
    if verdict.p is not None and verdict.interval is not None and abs(verdict.p - 0.05) > 1e-9:
        assert (verdict.p <= 0.05) == (verdict.interval[0] > -math.log1p(-0.005))


@given(st.lists(st.integers(-100, 100).map(lambda gain: gain / 100), min_size=1, max_size=12), st.floats(0.01, 100))
def test_the_unit_of_the_metric_does_not_matter(gains: list[float], unit: float) -> None:
    over = ranges(len(gains))
    scaled = {
        range_: {0: unit * score} for range_, by in better_by(gains, over).items() for score in by.values() if score
    }
    verdict = judge(Design(over), constant(over, unit), {"e001": scaled})["e001"]
    reference = verdict_on(gains)
    assert verdict.ranges == reference.ranges
    assert (verdict.p is None) == (reference.p is None)
    if verdict.p is not None and reference.p is not None:
        assert verdict.p == pytest.approx(reference.p, rel=1e-3, abs=1e-9)


def test_a_real_but_tiny_gain_is_not_beyond_the_rope() -> None:
    tiny = (0.0040, 0.0041, 0.0039, 0.0040, 0.0042, 0.0038)
    assert verdict_on(tiny).kind == Kind.NOT_SHOWN
    assert verdict_on(tiny, design=Design(ranges(6), rope=0.0)).kind == Kind.REAL


def test_where_more_is_better_the_higher_metric_gains() -> None:
    design = Design(ranges(6), scale=Scale(goal="maximize"))
    higher: Scores = {range_: {0: math.exp(gain)} for range_, gain in zip(design.ranges, CLEAR, strict=True)}
    verdict = judge(design, constant(design.ranges), {"e001": higher})["e001"]
    assert verdict.kind == Kind.REAL
    assert "35.0 % better" in verdict.reason


def test_a_gain_in_per_cent_is_a_share_of_the_incumbents_metric() -> None:
    assert Scale().per_cent(math.log(1 / 0.8)) == pytest.approx(20)
    assert Scale(goal="maximize").per_cent(math.log(1.25)) == pytest.approx(25)


# -- fresh or not


def test_on_the_ranges_that_chose_nothing_is_more_than_promising() -> None:
    verdict = verdict_on(CLEAR, design=Design(ranges(6), fresh=False))
    assert verdict.kind == Kind.PROMISING
    assert verdict.p_adjusted is not None
    assert verdict.p_adjusted <= 0.05
    assert "these date ranges were chosen on" in verdict.reason


# -- families


def test_holm_agrees_with_a_worked_example() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


@given(st.lists(st.floats(0, 1), max_size=20))
def test_holm_never_lowers_a_p_value_and_keeps_their_order(p_values: list[float]) -> None:
    adjusted = holm(p_values)
    assert all(p <= a <= 1 for p, a in zip(p_values, adjusted, strict=True))
    assert [a for _, a in sorted(zip(p_values, adjusted, strict=True))] == sorted(adjusted)


def test_more_finalists_make_each_verdict_stricter() -> None:
    design = Design(ranges(6))
    others = {f"e{index:03}": better_by(UNSURE, design.ranges) for index in (2, 3)}
    together = judge(design, constant(design.ranges), {"e001": better_by(CLEAR, design.ranges), **others})
    alone = verdict_on(CLEAR)
    assert alone.p_adjusted == alone.p
    assert together["e001"].p == alone.p
    assert together["e001"].p_adjusted == pytest.approx(3 * (alone.p or 0))
    assert together["e001"].detectable > alone.detectable  # type: ignore[operator]


def test_an_earlier_confirmation_on_these_ranges_counts_in_the_family_even_if_its_p_is_unknown() -> None:
    alone = verdict_on(CLEAR)
    assert alone.p is not None
    assert verdict_on(CLEAR, earlier=[0.6]).p_adjusted == pytest.approx(2 * alone.p)
    assert verdict_on(CLEAR, earlier=[math.nan, 1.0]).p_adjusted == pytest.approx(3 * alone.p)


def test_a_finalist_that_could_not_be_tested_keeps_its_place_in_the_family() -> None:
    design = Design(ranges(6))
    verdicts = judge(design, constant(design.ranges), {"e001": better_by(CLEAR, design.ranges), "e002": {}})
    assert verdicts["e002"].kind == Kind.NOT_TESTABLE
    assert verdicts["e001"].p_adjusted == pytest.approx(2 * (verdicts["e001"].p or 0))


def test_without_a_finalist_there_is_no_verdict() -> None:
    assert judge(Design(ranges(6)), constant(ranges(6)), {}) == {}


# -- enough ranges


def test_real_takes_two_thirds_of_the_ranges() -> None:
    assert [wins_needed(count) for count in (3, 4, 5, 6, 9, 12)] == [2, 3, 4, 4, 6, 8]


def test_a_gain_that_most_ranges_do_not_share_is_not_real() -> None:
    design = replace(Design(ranges(6)), alpha=0.49)
    verdict = verdict_on((-0.1, -0.1, -0.1, 1.0, 1.1, 1.2), design=design)
    assert verdict.p_adjusted is not None
    assert verdict.p_adjusted <= design.alpha
    assert verdict.kind == Kind.NOT_SHOWN
    assert "real takes 4 date ranges ahead" in verdict.reason


# -- seeds


def test_seeds_are_averaged_and_never_pooled_as_ranges() -> None:
    design = Design(ranges(3))
    incumbent: Scores = {range_: {0: 1.0, 1: 1.0, 2: 1.0} for range_ in design.ranges}
    finalist: Scores = {
        range_: {0: math.exp(-gain - 0.1), 1: math.exp(-gain + 0.1), 2: math.exp(-gain)}
        for range_, gain in zip(design.ranges, CLEAR, strict=False)
    }
    verdict = judge(design, incumbent, {"e001": finalist})["e001"]
    assert verdict.ranges == 3
    assert verdict.p == pytest.approx(verdict_on(CLEAR[:3]).p)


def test_runs_are_paired_by_their_seed() -> None:
    over = ranges(1)
    paired = paired_gains({over[0]: {0: 1.0, 1: 4.0}}, {over[0]: {1: 2.0, 0: 0.5}}, Design(over))
    assert paired.gains == {over[0]: pytest.approx(math.log(2))}


# -- bad input


@pytest.mark.parametrize("count", [1, 2])
def test_with_one_or_two_ranges_nothing_is_testable(count: int) -> None:
    verdict = verdict_on(CLEAR[:count])
    assert verdict.kind == Kind.NOT_TESTABLE
    assert verdict.ranges == verdict.wins == count
    assert verdict.gain is not None
    assert verdict.ranges_needed == 3
    assert f"{count} of {count} date ranges" in verdict.reason
    assert "takes at least 3" in verdict.reason


def test_identical_scores_are_not_shown() -> None:
    verdict = verdict_on((0.0,) * 6)
    assert verdict.kind == Kind.NOT_SHOWN
    assert (verdict.wins, verdict.p, verdict.p_adjusted) == (0, 1.0, 1.0)
    assert verdict.reason == "not shown: the same as the setting to beat on all 6 date ranges"


def test_a_tie_on_a_range_is_no_win() -> None:
    assert verdict_on((0.3, 0.0, 0.3, 0.0, 0.31, 0.29)).wins == 4


def test_the_very_same_gain_on_every_range_is_no_evidence() -> None:
    verdict = verdict_on((0.3,) * 6)
    assert verdict.kind == Kind.NOT_TESTABLE
    assert "the same, but for rounding" in verdict.reason


@pytest.mark.parametrize("bad", [None, math.nan, math.inf])
def test_a_finalist_that_failed_on_a_range_is_never_real(bad: float | None) -> None:
    design = Design(ranges(6))
    finalist = better_by(CLEAR, design.ranges)
    finalist[design.ranges[2]] = {0: bad}
    verdict = judge(design, constant(design.ranges), {"e001": finalist})["e001"]
    assert verdict.kind == Kind.PROMISING
    assert (verdict.wins, verdict.ranges) == (5, 5)
    assert f"did not finish on {design.ranges[2]}" in verdict.reason


def test_a_finalist_that_lacks_one_of_several_seeds_is_never_real() -> None:
    design = Design(ranges(6))
    incumbent: Scores = {range_: {0: 1.0, 1: 1.0} for range_ in design.ranges}
    finalist = {range_: {0: score[0], 1: score[0]} for range_, score in better_by(CLEAR, design.ranges).items()}
    assert judge(design, incumbent, {"e001": finalist})["e001"].kind == Kind.REAL
    del finalist[design.ranges[0]][1]
    verdict = judge(design, incumbent, {"e001": finalist})["e001"]
    assert verdict.kind == Kind.PROMISING
    assert verdict.ranges == 6


@pytest.mark.parametrize("all_failed", [False, True])
def test_a_range_on_which_the_incumbent_or_everybody_failed_does_not_count(all_failed: bool) -> None:
    design = Design(ranges(6))
    incumbent = {**constant(design.ranges), design.ranges[5]: {0: None}}
    finalist = better_by(CLEAR, design.ranges)
    if all_failed:
        finalist[design.ranges[5]] = {}
    verdict = judge(design, incumbent, {"e001": finalist})["e001"]
    assert verdict.kind == Kind.REAL
    assert (verdict.wins, verdict.ranges) == (5, 5)
    assert verdict.p == pytest.approx(verdict_on(CLEAR[:5], design=Design(design.ranges[:5])).p)


def test_an_incumbent_that_failed_everywhere_leaves_nothing_to_test() -> None:
    design = Design(ranges(6))
    verdict = judge(design, {}, {"e001": better_by(CLEAR, design.ranges)})["e001"]
    assert verdict.kind == Kind.NOT_TESTABLE
    assert (verdict.gain, verdict.ranges) == (None, 0)
    assert "0 of 6 date ranges have a result of both" in verdict.reason
    assert "the setting to beat did not finish on" in verdict.reason


@pytest.mark.parametrize("metric", [0.0, -0.2])
def test_a_metric_that_is_not_positive_has_no_ratio(metric: float) -> None:
    design = Design(ranges(6))
    finalist: Mapping[DateRange, Mapping[int, float | None]] = {
        **better_by(CLEAR, design.ranges),
        design.ranges[0]: {0: metric},
    }
    verdict = judge(design, constant(design.ranges), {"e001": finalist})["e001"]
    assert verdict.kind == Kind.NOT_TESTABLE
    assert f"zero or negative on {design.ranges[0]}" in verdict.reason
    assert verdict.ranges_needed is None


def test_test_days_that_overlap_are_not_testable() -> None:
    start = date(2026, 1, 1)
    weekly = [DateRange(start + timedelta(days=7 * i), start + timedelta(days=90 + 7 * i)) for i in range(6)]
    verdict = verdict_on(CLEAR, design=Design(tuple(weekly)))
    assert verdict.kind == Kind.NOT_TESTABLE
    assert f"the test days of {weekly[0]} and {weekly[1]} overlap" in verdict.reason


def test_the_same_range_twice_is_not_testable() -> None:
    design = Design((*ranges(5), ranges(5)[0]))
    assert judge(design, {}, {"e001": {}})["e001"].kind == Kind.NOT_TESTABLE


@pytest.mark.parametrize("bad", [{"rope": -0.1}, {"rope": 1.0}, {"alpha": 0.0}, {"alpha": 0.7}])
def test_an_impossible_design_is_refused(bad: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"rope|alpha"):
        Design(ranges(6), **bad)  # type: ignore[arg-type]


# -- scales

REWARD = Scale("difference", "maximize")
AUC = Scale("difference", "maximize", low=0.0, high=1.0)
NOISY = st.lists(st.floats(-0.4, 0.4).map(lambda gain: round(gain, 4)), min_size=6, max_size=6)


def by_difference(bases: Sequence[float], gains: Sequence[float], scale: Scale = REWARD, rope: float = 0.0) -> Verdict:
    """The verdict on a finalist that is better by these differences."""
    over = ranges(len(gains))
    base = {range_: {0: value} for range_, value in zip(over, bases, strict=True)}
    better = 1 if scale.goal == "maximize" else -1
    finalist = {range_: {0: base[range_][0] + better * gain} for range_, gain in zip(over, gains, strict=True)}
    return judge(Design(over, rope=rope, scale=scale), base, {"e001": finalist})["e001"]


def in_numbers(verdict: Verdict) -> tuple[object, ...]:
    numbers = (verdict.gain, verdict.p, *(verdict.interval or ()))
    return (
        verdict.kind,
        verdict.wins,
        *(None if number is None else pytest.approx(number, abs=1e-6) for number in numbers),
    )


@given(NOISY, st.floats(-100, 100))
def test_a_constant_that_is_added_changes_no_verdict_by_difference(gains: list[float], constant: float) -> None:
    bases = [0.5, -0.2, 0.1, 0.0, 0.3, -0.4]
    moved = by_difference([base + constant for base in bases], gains, rope=0.01)
    assert in_numbers(moved) == in_numbers(by_difference(bases, gains, rope=0.01))


@given(NOISY)
def test_turning_sign_and_goal_changes_no_verdict(gains: list[float]) -> None:
    bases = [0.5, -0.2, 0.1, 0.0, 0.3, -0.4]
    turned = by_difference([-base for base in bases], gains, Scale("difference", "minimize"))
    assert in_numbers(turned) == in_numbers(by_difference(bases, gains))


@given(NOISY, st.floats(1e-3, 1e3))
def test_a_factor_changes_no_verdict_by_ratio(gains: list[float], factor: float) -> None:
    over = ranges(6)
    finalist = better_by(gains, over)
    scaled = {range_: {0: (score[0] or 0) * factor} for range_, score in finalist.items()}
    now = judge(Design(over), constant(over, factor), {"e001": scaled})["e001"]
    assert in_numbers(now) == in_numbers(judge(Design(over), constant(over), {"e001": finalist})["e001"])


def test_a_metric_around_zero_is_judged_by_difference() -> None:
    verdict = by_difference([0.1, -0.1, 0.0, 0.05, -0.2, 0.02], CLEAR, Scale("difference", "maximize", high=1.0), 0.002)
    assert verdict.kind == Kind.REAL
    assert verdict.reason.startswith("real: 0.3 better, ahead on 6 of 6 date ranges (90 % interval: between 0.26")


def test_an_area_cannot_gain_beyond_one() -> None:
    verdict = by_difference([0.95] * 6, [0.04, -0.03, 0.05, 0.01, 0.0, 0.05], AUC, 0.002)
    assert verdict.interval is not None
    assert verdict.interval[1] == pytest.approx(0.05)
    assert "between 5.9 points worse and 5.0 points better" in verdict.reason


def test_a_metric_of_zero_has_no_ratio_and_the_verdict_names_the_cure() -> None:
    over = ranges(6)
    verdict = judge(Design(over), constant(over, 0.5), {"e001": constant(over, 0.0)})["e001"]
    assert verdict.kind == Kind.NOT_TESTABLE
    assert '"scale": "difference" in `objective`' in verdict.reason


def test_many_wins_that_are_not_shown_say_why() -> None:
    alike = verdict_on((0.30, 0.10, 0.15, 0.40, 0.25, 0.20))
    assert alike.problem == "but neighbouring date ranges tell nearly the same story, so six count for about one"
    noisy = verdict_on((0.30, 0.01, 0.02, 0.90, 0.02, 0.01))
    assert noisy.problem == "but it differs so much from one date range to the next that it may be chance"
    several = verdict_on((0.30, 0.20, 0.25, 0.34, 0.28, 0.31), earlier=[0.04] * 40)
    assert several.problem.startswith("but it is one of several claims on the same date ranges")
