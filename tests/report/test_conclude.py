"""The summary of a finished sweep, confirmation included, and its notes in the ledger."""

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest

from pipeline import spec as specs
from pipeline.analysis.verdict import Kind
from pipeline.dates import DateRange
from pipeline.plan import resolve, rounds
from pipeline.report.conclude import conclude
from pipeline.report.summary import Summary
from pipeline.store import Store
from pipeline.sweep import Definition, Sweep, Trial, ledger, trials_of
from pipeline.sweep.merge import merge
from tests.support.rows import planned_row
from tests.support.sweeps import NOW, define

MONTHS = [[f"2013-{month:02d}-01", f"2013-{month + 1:02d}-01"] for month in range(1, 7)]
CLEARLY = (0.75, 0.73, 0.74, 0.76, 0.75, 0.72)
HARDLY = (0.80, 1.05, 0.95, 0.85, 1.02, 0.90)

Measure = Callable[[Trial], dict[str, Any]]


@pytest.fixture
def spec(tiny_spec: dict[str, Any]) -> dict[str, Any]:
    """e000 is the incumbent, e001 and e002 are tried on two ranges; six months of 2013 judge."""
    return tiny_spec | {"confirm-range": MONTHS, "confirm": {}}


def better(factors: tuple[float, ...] = CLEARLY, winner: str = "e001") -> Measure:
    """`winner` is best while choosing; on the ranges that judge, its error is the incumbent's times `factors`."""

    def measure(trial: Trial) -> dict[str, Any]:
        if trial.phase != "confirm":
            return {"mse_valid": 0.1 if trial.experiment == winner else 0.2, "mse_test": 0.3}
        return {"mse_valid": 0.1, "mse_test": 0.4 * (factors[trial.range] if trial.experiment == winner else 1)}

    return measure


def next_round(sweep: Sweep, measure: Measure) -> list[Trial]:
    """Runs the next round and returns its trials; none if the sweep is done."""
    trials = list(trials_of(rounds.plan_packs(sweep)))
    for trial in trials:
        assert sweep.create_row(trial, planned_row(sweep, trial, training_time=30.0, epochs=2, **measure(trial)))
    return trials


def finish(sweep: Sweep, measure: Measure) -> Summary:
    while next_round(sweep, measure):
        pass
    return conclude(sweep, merge(sweep))


def page(sweep: Sweep) -> str:
    return sweep.store.read(sweep.key("report/index.html")).decode()


def kind(summary: Summary) -> Kind:
    assert summary.confirmed is not None
    (verdict,) = summary.confirmed.verdicts.values()
    return verdict.kind


# -- choosing, then judging


def test_the_winner_and_the_incumbent_are_judged_and_nobody_else(new_sweep, spec) -> None:
    sweep = new_sweep(spec)
    assert {trial.phase for trial in next_round(sweep, better())} == {"screen"}
    judged = next_round(sweep, better())
    assert {trial.phase for trial in judged} == {"confirm"}
    assert {(trial.experiment, trial.range) for trial in judged} == {
        (experiment, at) for experiment in ("e000", "e001") for at in range(6)
    }
    assert next_round(sweep, better()) == []


def test_a_real_gain_is_said_to_be_real_and_shown_on_the_ranges_that_judged(new_sweep, spec) -> None:
    summary = finish(new_sweep(spec), better())
    assert kind(summary) == Kind.REAL
    assert summary.answer.startswith("e001 is the best setting, and that is real: its mse_test is 1.3 times smaller")
    assert "better on 6 of 6 fresh date ranges" in summary.answer
    assert [pair.date_range.as_json() for pair in summary.comparisons] == MONTHS


def test_a_gain_that_is_not_shown_is_said_to_be_not_shown(new_sweep, spec) -> None:
    summary = finish(new_sweep(spec), better(HARDLY))
    assert kind(summary) == Kind.NOT_SHOWN
    assert "it is not shown to be better than your setting" in summary.answer


def test_the_page_says_what_the_verdict_says(new_sweep, spec) -> None:
    sweep = new_sweep(spec)
    summary = finish(sweep, better())
    assert summary.confirmed is not None
    assert "6 of 6" in page(sweep)
    assert '<b class="verdict">real</b>' in page(sweep)
    assert '<h1 id="answer">Ship this: ' in page(sweep)


def test_there_is_no_verdict_before_the_last_judging_trial_has_its_row(new_sweep, spec) -> None:
    sweep = new_sweep(spec)
    next_round(sweep, better())
    *trials, last = trials_of(rounds.plan_packs(sweep))
    for trial in trials:
        sweep.create_row(trial, planned_row(sweep, trial, training_time=30.0, epochs=2, **better()(trial)))
    summary = conclude(sweep, merge(sweep))
    assert summary.confirmed is None
    assert "real" not in summary.answer
    assert ledger.earlier_claims(sweep.store, define(spec, token="ffff"), {}) == []
    sweep.create_row(last, planned_row(sweep, last, training_time=30.0, epochs=2, **better()(last)))
    assert kind(finish(sweep, better())) == Kind.REAL


def test_where_nothing_beats_the_incumbent_it_trains_alone_on_what_judges(new_sweep, spec) -> None:
    sweep = new_sweep(spec)
    summary = finish(sweep, better(winner="e000"))
    assert summary.done
    confirming = [row["experiment"] for row in summary.rows if row["phase"] == "confirm"]
    assert confirming == ["e000"] * 6
    assert summary.answer.startswith(
        "keep your setting: nothing tried beats it by mse_valid; its mse_test is 0.2967, the mean over 6 fresh "
        "date ranges"
    )


def test_an_incumbent_that_trained_alone_has_no_verdict_and_leaves_none_in_the_ledger(new_sweep, spec) -> None:
    sweep = new_sweep(spec)
    summary = finish(sweep, better(winner="e000"))
    assert summary.confirmed is not None
    assert summary.confirmed.verdicts == {}
    assert not list(sweep.store.entries("ledger/confirmed/"))
    assert "Is it real?" not in page(sweep)
    assert "nothing was judged" in page(sweep)


def test_a_winner_that_a_retry_brings_is_judged_beside_the_incumbent_that_trained_alone(new_sweep, spec) -> None:
    sweep = new_sweep(spec)
    failed = failing("screen-e001")
    while next_round(
        sweep, lambda trial: failed(trial) if trial.experiment == "e001" else better(winner="e000")(trial)
    ):
        pass
    retried = list(trials_of(rounds.plan_packs(sweep, retry=True)))
    assert {trial.experiment for trial in retried} == {"e001"}
    for trial in retried:
        row = planned_row(sweep, trial, training_time=30.0, epochs=2, mse_valid=0.05, mse_test=0.3)
        assert sweep.create_row(trial, row, number=2)
    summary = finish(sweep, better())
    assert summary.confirmed is not None
    assert set(summary.confirmed.verdicts) == {"e001"}


# -- what goes wrong


def failing(*trials: str) -> Measure:
    """As `better`, but these trials failed."""

    def measure(trial: Trial) -> dict[str, Any]:
        failed = any(str(trial).startswith(name) for name in trials)
        return {"status": "failed", "error": "no luck"} if failed else better()(trial)

    return measure


def test_a_winner_that_failed_on_a_range_that_judges_is_promising_at_most(new_sweep, spec) -> None:
    summary = finish(new_sweep(spec), failing("confirm-e001-d3"))
    assert kind(summary) == Kind.PROMISING
    assert summary.answer.startswith("e001 is the best setting, and promising")
    assert [row["trial"] for row in summary.failures] == ["confirm-e001-d3-s0"]


def test_an_incumbent_that_failed_on_a_range_that_judges_leaves_the_others(new_sweep, spec) -> None:
    summary = finish(new_sweep(spec), failing("confirm-e000-d3"))
    assert kind(summary) == Kind.REAL
    assert len(summary.comparisons) == 5


def test_where_all_that_judges_failed_nothing_judged_it(new_sweep, spec) -> None:
    summary = finish(new_sweep(spec), failing("confirm-"))
    assert kind(summary) == Kind.NOT_TESTABLE
    assert summary.answer.startswith("e001 is the best of choosing, by mse_valid; nothing judged it; ")


def test_with_too_few_ranges_that_judge_it_is_said_that_nothing_was_tested(new_sweep, spec) -> None:
    summary = finish(new_sweep(spec), failing(*(f"confirm-e000-d{at}" for at in range(4))))
    assert summary.answer.startswith("e001 is the best setting, but whether that is real could not be tested: its ")


def test_a_range_on_which_all_failed_while_choosing_does_not_choose(new_sweep, spec) -> None:
    experiments = ("e000", "e001", "e002")
    summary = finish(new_sweep(spec), failing(*(f"screen-{name}-d0" for name in experiments)))
    assert [len(standing.by_range) for standing in summary.ranked] == [1, 1, 1]
    assert kind(summary) == Kind.REAL


def test_without_any_result_of_choosing_nothing_is_judged(new_sweep, spec) -> None:
    summary = finish(new_sweep(spec), failing("screen-"))
    assert summary.done
    assert "there is no best setting" in summary.answer


def test_an_incumbent_that_never_finished_while_choosing_still_judges(new_sweep, spec) -> None:
    summary = finish(new_sweep(spec), failing("screen-e000"))
    assert kind(summary) == Kind.REAL


# -- when the days allow no fresh ranges, and when it is not the day to confirm


def within_the_data(spec: dict[str, Any], day: int = 14) -> Definition:
    return resolve.resolve(
        specs.from_dict(spec),
        now=NOW.replace(day=day),
        token="3f9c",
        covered=DateRange(date(2024, 1, 1), date(2024, 6, 1)),
    )


def test_without_fresh_ranges_new_seeds_on_the_same_ranges_make_it_promising_at_most(
    store: Store, tiny_spec: dict[str, Any]
) -> None:
    months = [[f"2024-{month:02d}-01", f"2024-{month + 1:02d}-01"] for month in range(1, 6)]
    sweep = Sweep.create(store, within_the_data(tiny_spec | {"date-range": months, "confirm": {}}))
    next_round(sweep, better())
    assert {trial.seed for trial in next_round(sweep, better())} == {1}
    summary = finish(sweep, better())
    assert kind(summary) == Kind.PROMISING
    assert "better on 5 of 5 date ranges" in summary.answer


def test_a_nightly_sweep_chooses_every_night_and_confirms_on_its_day(store: Store, tiny_spec: dict[str, Any]) -> None:
    nightly = tiny_spec | {"date-range": [["2024-04-01", "2024-05-01"]], "confirm": {"day-of-month": 1}}
    other_night, its_night = within_the_data(nightly, day=14), within_the_data(nightly, day=1)
    assert other_night.confirm is None
    assert other_night.choosing == its_night.choosing
    assert its_night.confirm is not None
    sweep = Sweep.create(store, other_night)
    summary = finish(sweep, better())
    assert summary.done
    assert "; nothing judged it; " in summary.answer


# -- the ledger


def test_a_verdict_goes_into_the_ledger_and_a_later_one_on_the_same_ranges_counts_it(store: Store, spec) -> None:
    first = finish(Sweep.create(store, define(spec, token="0001")), better())
    other_seed = spec | {"search": spec.get("search", {}) | {"seed": 5}}
    sweep = Sweep.create(store, define(other_seed, token="0002"))
    second = finish(sweep, better())
    assert first.confirmed is not None
    assert second.confirmed is not None
    before, after = first.confirmed.verdicts["e001"], second.confirmed.verdicts["e001"]
    assert before.p == after.p
    assert before.p is not None
    assert after.p_adjusted == pytest.approx(2 * before.p)
    text = " ".join(page(sweep).split())
    assert f"chance: e001 of {first.definition.id} (p = {before.p:.2g})" in text


def test_the_very_same_sweep_once_more_is_no_other_claim(store: Store, spec) -> None:
    finish(Sweep.create(store, define(spec, token="0001")), better())
    second = finish(Sweep.create(store, define(spec, token="0002")), better())
    assert second.confirmed is not None
    assert second.confirmed.counted == []


def test_concluding_again_changes_nothing(store: Store, spec) -> None:
    sweep = Sweep.create(store, define(spec, token="0001"))
    first = finish(sweep, better())
    finish(Sweep.create(store, define(spec, token="0002")), better())
    second = conclude(sweep, merge(sweep))
    assert second.answer == first.answer
    assert second.confirmed == first.confirmed


# -- racing


def raced(spec: dict[str, Any]) -> dict[str, Any]:
    """Eight settings and the incumbent on four ranges: 36 trials without a race."""
    months = [[f"2024-{month:02d}-01", f"2024-{month + 1:02d}-01"] for month in range(1, 5)]
    rates = [round(0.01 * at, 2) for at in range(1, 9)]
    return spec | {
        "date-range": months,
        "parameters": {"learning_rate": rates},
        "search": {"strategy": "grid", "race": True},
    }


def by_name(trial: Trial) -> dict[str, Any]:
    """e001 is the best on every range, e008 and then the incumbent the worst."""
    if trial.phase == "confirm":
        return better()(trial)
    place = int(trial.experiment[1:]) or 9
    return {"mse_valid": (1 + 0.1 * place) * (1 + trial.range), "mse_test": 1.0}


def test_what_is_clearly_worse_leaves_the_race_and_the_incumbent_never_does(new_sweep, spec) -> None:
    sweep = new_sweep(raced(spec))
    first = next_round(sweep, by_name)
    assert (len(first), {trial.range for trial in first}) == (18, {0, 1})
    for at in (2, 3):
        later = next_round(sweep, by_name)
        assert {(trial.experiment, trial.range) for trial in later} == {
            (experiment, at) for experiment in ("e000", "e001", "e002", "e003")
        }


def test_what_a_race_saved_is_reported(new_sweep, spec) -> None:
    sweep = new_sweep(raced(spec))
    summary = finish(sweep, by_name)
    assert summary.saved == 36 - 26
    assert "Racing made 10 trials needless" in page(sweep)
    assert [standing.experiment for standing in summary.ranked] == ["e001", "e002", "e003", "e000"]


def test_a_race_does_not_touch_confirmation(new_sweep, spec) -> None:
    summary = finish(new_sweep(raced(spec)), by_name)
    judging = [row["trial"] for row in summary.rows if row["phase"] == "confirm"]
    assert sorted(judging) == sorted(f"confirm-{name}-d{at}-s0" for name in ("e000", "e001") for at in range(6))
    assert kind(summary) == Kind.REAL


def test_a_race_among_equals_eliminates_nobody(new_sweep, spec) -> None:
    summary = finish(new_sweep(raced(spec)), lambda trial: {"mse_valid": 1.0, "mse_test": 1.0})
    assert summary.saved == 0
    assert len(summary.ranked) == 9


def test_no_race_saves_nothing(new_sweep, spec) -> None:
    without = raced(spec) | {"search": {"strategy": "grid"}}
    assert finish(new_sweep(without), by_name).saved == 0
