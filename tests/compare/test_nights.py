import io

import pytest
from rich.console import Console

from pipeline.compare import nights
from pipeline.errors import UserError
from pipeline.screen.nights import nights_table
from tests.support.nights import MONTHS, STEADY, judged_on, night, steady, wave


@pytest.fixture
def spec(tiny_spec):
    return judged_on(tiny_spec)


def later(tiny_spec):
    """The spec on other ranges, none of them in JUDGED."""
    months = [[f"2012-{month:02d}-01", f"2012-{month + 1:02d}-01"] for month in range(1, 7)]
    return judged_on(tiny_spec | {"date-range": [["2024-05-01", "2024-06-01"], ["2024-06-01", "2024-07-01"]]}, months)


def alarm(store, **options):
    (series,) = nights.series(store)
    return nights.alarm(series, **options)


def a_week(store, spec, score=STEADY, **options):
    for day in range(3):
        night(store, spec, score, day=day, **options)


def test_tonight_as_good_as_the_week_raises_no_alarm(store, spec):
    a_week(store, spec)
    night(store, spec, day=5)
    assert not alarm(store).fires
    assert "as good as the median of the 3 nights before on the same data" in alarm(store).line


def test_a_clear_regression_fires(store, spec):
    a_week(store, spec)
    night(store, spec, lambda experiment, at: wave(0.24, at, 0.06), day=5)
    result = alarm(store)
    assert result.fires
    assert result.line.startswith("regression: the best of 20240606-0210-bag-of-words-3f9c is 19.")
    assert "worse on 8 of 8 date ranges" in result.line


@pytest.mark.parametrize("factor", [1.5, 3, 100])
def test_a_single_noisy_range_never_fires(store, spec, factor):
    a_week(store, spec)
    normal = steady()
    night(store, spec, lambda e, at: normal(e, at) * (factor if at == 3 else 1), day=5)
    assert not alarm(store).fires


def test_one_lucky_night_of_the_week_raises_no_alarm(store, spec):
    a_week(store, spec)
    night(store, spec, steady(best=0.05), day=3)
    night(store, spec, day=4)
    assert not alarm(store).fires


def test_less_than_the_threshold_does_not_fire(store, spec):
    a_week(store, spec)
    normal = steady()
    night(store, spec, lambda e, at: normal(e, at) * wave(1.05, at, 0.002), day=5)
    assert alarm(store).fires
    assert not alarm(store, threshold=0.1).fires


def test_a_code_change_that_hurts_every_setting_alike_fires_on_the_same_data(store, spec):
    a_week(store, spec)
    normal = steady()
    night(store, spec, lambda experiment, at: 2 * normal(experiment, at), day=5)
    assert alarm(store).fires


def test_harder_data_are_no_regression(store, tiny_spec, spec):
    a_week(store, spec)
    normal = steady()
    night(store, later(tiny_spec), lambda experiment, at: 3 * normal(experiment, at), day=5)
    result = alarm(store)
    assert not result.fires
    assert "relative to your setting" in result.line


def test_losing_the_lead_over_the_incumbent_on_other_data_fires(store, tiny_spec, spec):
    def smaller_lead(experiment, at):
        return wave(1.2, at, 0.03) if experiment == "e000" else wave(1.1, at, 0.05)

    a_week(store, spec)
    night(store, later(tiny_spec), smaller_lead, day=5)
    result = alarm(store)
    assert result.fires
    assert "relative to your setting, as the data differ" in result.line


def test_another_incumbent_on_other_data_cannot_be_judged(store, tiny_spec, spec):
    a_week(store, spec)
    night(store, later(tiny_spec) | {"incumbent": {"batch_size": 32}}, steady(best=0.39), day=5)
    result = alarm(store)
    assert not result.fires
    assert "cannot be judged" in result.line


def test_two_ranges_are_too_few_to_fire(store, tiny_spec):
    a_week(store, tiny_spec)
    night(store, tiny_spec, steady(best=0.39), day=5)
    result = alarm(store)
    assert not result.fires
    assert "a test needs three date ranges" in result.line


def test_a_night_without_any_result_fires(store, spec):
    a_week(store, spec)
    night(store, spec, day=5, status="failed", error="boom")
    assert alarm(store).fires
    assert "has no best setting" in alarm(store).line


def test_a_running_sweep_is_not_tonight_yet(store, spec):
    a_week(store, spec)
    night(store, spec, steady(best=0.39), day=5, done=False)
    assert not alarm(store).fires


def test_the_first_night_cannot_be_compared(store, spec):
    night(store, spec, done=False)
    assert "no sweep is done yet" in alarm(store).line
    night(store, spec, day=1)
    assert "is the first" in alarm(store).line


def test_after_a_gap_the_last_night_counts_however_old(store, spec):
    night(store, spec)
    night(store, spec, lambda experiment, at: wave(0.3, at, 0.06), day=40)
    assert alarm(store).fires


def test_a_metric_to_maximize_fires_too(store, tiny_spec):
    spec = tiny_spec | {"objective": {"metric": "mse", "goal": "maximize"}, "date-range": MONTHS}
    for day, score in enumerate((0.8, 0.8, 0.6)):
        night(store, spec, day=day, mse_valid=0.5, mse_test=score)
    result = alarm(store)
    assert result.fires
    assert "is 25.0 % worse" in result.line


def test_series_are_kept_apart(store, spec):
    a_week(store, spec)
    night(store, spec | {"architecture": "attention"}, steady(best=0.39), day=5)
    assert len(nights.series(store)) == 2
    (only,) = nights.series(store, architecture="attention")
    assert [night.id for night in only.nights] == ["20240606-0210-attention-3f9c"]
    (of_data,) = nights.series(store, architecture="attention", data=only.nights[0].definition.data)
    assert of_data.nights[0].id == only.nights[0].id


def test_a_damaged_sweep_is_skipped(store, spec):
    a_week(store, spec)
    store.write("sweeps/20240601-0000-bag-of-words-0000/sweep.json", b"{")
    (series,) = nights.series(store)
    assert len(series.nights) == 3


def test_an_architecture_without_sweeps_is_an_error(store, spec):
    with pytest.raises(UserError, match="holds no nights of lstm"):
        nights.series(store, architecture="lstm")


def test_the_same_setting_getting_worse_is_drift(store, tiny_spec):
    wide = tiny_spec | {"date-range": MONTHS}
    night(store, wide, lambda experiment, at: 0.4 if at < 6 else 0.6)
    (series,) = nights.series(store)
    assert nights.drift(series)[-1].startswith("drift: on its newest date range, [2013-07-01, 2013-08-01)")


def test_a_steady_metric_is_no_drift(store, tiny_spec):
    night(store, tiny_spec | {"date-range": MONTHS})
    (series,) = nights.series(store)
    assert nights.drift(series)[-1].startswith("no drift to be seen")


def test_data_that_changed_under_a_range_are_named(store, tiny_spec):
    night(store, tiny_spec)
    night(store, tiny_spec, steady(incumbent=0.5), day=1, data="data-2")
    (series,) = nights.series(store)
    (line,) = nights.drift(series)
    assert line.startswith(
        "between 20240601-0210-bag-of-words-3f9c and 20240602-0210-bag-of-words-3f9c the data changed"
    )
    assert line.endswith("changed: your setting's mse_test by +25.0% on 2 date ranges")


def test_the_same_data_with_another_result_are_not_drift(store, tiny_spec):
    wide = tiny_spec | {"date-range": MONTHS}
    night(store, wide)
    night(store, tiny_spec | {"date-range": MONTHS[4:]}, steady(incumbent=0.8), day=1)
    (series,) = nights.series(store)
    (line,) = nights.drift(series)
    assert "spec, code, image or device changed, not the data" in line


def test_the_table_has_a_line_per_night_and_only_the_last_ones(store, spec):
    a_week(store, spec)
    (series,) = nights.series(store)
    out = io.StringIO()
    Console(file=out, width=1000).print(nights_table(series, last=2))
    lines = out.getvalue().splitlines()
    assert len(lines) == 3
    assert "20240603-0210-bag-of-words-3f9c" in lines[-1]
    assert "6 fresh ranges, 2013-01-01 to 2013-07-01" in lines[-1]
    assert "+50.0 %" in lines[-1]
