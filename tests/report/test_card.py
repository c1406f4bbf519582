"""The first screen of the page: what to do, how sure that is, what is wrong, what to do next."""

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from pipeline.analysis.verdict import Kind
from pipeline.dates import DateRange
from pipeline.report.card import FEW_ROWS, card
from pipeline.report.commands import Place
from pipeline.report.summary import Summary
from pipeline.store import Store
from pipeline.sweep import Definition, Sweep
from tests.support import nights, pages
from tests.support.rows import planned_row
from tests.support.sweeps import define

PLACE = Place("/my store", "/my store/sweeps/1/report")


@pytest.fixture(scope="module")
def many() -> Summary:
    return pages.shown(12)[0]


def test_a_winner_that_is_real_is_shipped_with_its_gain_and_interval(many: Summary) -> None:
    screen = card(many, PLACE)
    assert screen.headline.startswith("Ship this: lr 0.0")
    assert (screen.tone, screen.verdict) == ("good", "real")
    assert screen.gain.startswith("mse_test is ")
    assert " better than the defaults' (90 % interval: between " in screen.gain
    assert screen.gain.endswith(", ahead on 6 of 6 fresh date ranges.")
    low, high = next(mark.interval for mark in screen.marks if mark.kind == "answer") or (1.0, 0.0)
    assert low < screen.marks[0].place < high
    assert screen.cost == "5 min of training, 36 trials"


@pytest.mark.parametrize(
    ("kind", "headline", "tone"),
    [
        (Kind.PROMISING, "Likely better, not proven: ", "neutral"),
        (Kind.NOT_SHOWN, "Better so far, not shown: ", "neutral"),
        (Kind.NOT_TESTABLE, "Better so far, not testable: ", "neutral"),
    ],
)
def test_a_winner_that_is_not_proven_is_not_simply_shipped(many: Summary, kind: Kind, headline: str, tone: str) -> None:
    assert many.confirmed is not None
    verdicts = {name: replace(verdict, kind=kind) for name, verdict in many.confirmed.verdicts.items()}
    confirmed = replace(many.confirmed)
    confirmed.__dict__["verdicts"] = verdicts  # a cached property
    screen = card(replace(many, confirmed=confirmed), PLACE)
    assert screen.headline.startswith(headline)
    assert screen.tone == tone


def test_where_all_failed_nothing_is_shipped_and_the_most_frequent_cause_is_named(
    store: Store, tiny_spec: dict[str, Any]
) -> None:
    sweep = Sweep.create(store, define(tiny_spec))
    for trial in failing(sweep):
        error = f"no rows on day {trial.range}" if trial.experiment != "e002" else "boom"
        sweep.create_row(trial, planned_row(sweep, trial, status="failed", error=error))
    screen = card(replace(summary_of(sweep), done=True), PLACE)
    assert screen.headline == "Nothing to ship: all 6 trials failed"
    assert screen.warnings[0] == "6 of 6 trials failed, 4 of them alike: no rows on day 0"
    assert [command.line.split()[1] for command in screen.commands] == ["results", "retry", "doctor"]
    assert screen.marks == ()


def failing(sweep: Sweep) -> list[Any]:
    from pipeline.plan import rounds
    from pipeline.sweep import trials_of

    return list(trials_of(rounds.plan_packs(sweep)))


def summary_of(sweep: Sweep) -> Summary:
    from pipeline.report.conclude import summary_of as summarized
    from pipeline.report.state import state_of
    from pipeline.sweep.merge import merge

    return summarized(state_of(sweep, merge(sweep)))


def test_commands_quote_the_name_of_the_store(many: Summary) -> None:
    lines = [command.line for command in card(many, PLACE).commands]
    assert lines == [
        f"hpt fetch {many.definition.id} --model best --to model --store '/my store'",
        "hpt run '/my store/sweeps/1/report/best.json' --store '/my store'",
        f"hpt export {many.definition.id} --best --to best --store '/my store'",
    ]
    bucket = card(many, Place("gs://b/p", "gs://b/p/sweeps/1/report")).commands
    assert bucket[1].line.startswith("gcloud storage cp gs://b/p/sweeps/1/report/best.json . && hpt run best.json")


def test_a_sweep_that_runs_says_what_is_ahead_and_how_to_watch_it(many: Summary) -> None:
    screen = card(replace(many, done=False, confirmed=None), PLACE)
    assert [command.line.split()[1] for command in screen.commands] == ["watch", "run", "stop"]


@pytest.mark.parametrize("done", [True, False])
def test_to_a_sweep_of_an_older_version_nothing_is_offered_that_would_add_to_it(many: Summary, done: bool) -> None:
    old = many.definition.model_copy(update={"format": 1})
    failed = [many.rows[0] | {"status": "failed"}]
    saved = [row | {"model_url": "model.pt"} for row in many.rows]
    screen = card(replace(many, definition=old, done=done, failures=failed, rows=saved), PLACE)
    assert [command.line.split()[1] for command in screen.commands] == ["fetch", "run", "export"]
    without = card(replace(many, definition=old, done=done, failures=failed), PLACE)
    assert [command.line.split()[1] for command in without.commands] == ["run"]
    assert screen.commands[1].line.startswith("hpt run '/my store/sweeps/1/report/best.json'")
    nothing = card(replace(many, definition=old, done=done, decided=None, failures=failed), PLACE)
    assert [command.line.split()[1] for command in nothing.commands] == ["results", "doctor"]


def test_the_card_warns_of_few_rows_to_validate_on(many: Summary) -> None:
    def with_rows(count: int) -> Definition:
        months = {f"2012-{month:02}": count for month in range(1, 13)}
        return many.definition.model_copy(update={"rows_by_month": months})

    few, enough = (card(replace(many, definition=with_rows(count)), PLACE).warnings for count in (100, 10 * FEW_ROWS))
    assert "Few rows: about 75 to validate on in a date range that chose" in few[0]
    assert not any("Few rows" in line for line in enough)


def test_of_a_month_that_a_range_shares_the_rows_of_the_shared_days_count(many: Summary) -> None:
    middle = DateRange(date(2012, 3, 16), date(2012, 4, 16))
    phases = tuple(
        phase.model_copy(update={"ranges": (middle,)}) if phase.role == "choose" else phase
        for phase in many.definition.phases
    )
    months = {"2012-03": 3100, "2012-04": 3000}
    definition = many.definition.model_copy(update={"phases": phases, "rows_by_month": months})
    (few,) = (line for line in card(replace(many, definition=definition), PLACE).warnings if "Few rows" in line)
    assert few.startswith("Few rows: about 465 to validate on in a date range that chose")


def test_a_training_that_diverged_is_not_said_to_have_failed(many: Summary) -> None:
    diverged, failed = (many.rows[0] | {"status": status, "error": ""} for status in ("diverged", "failed"))
    for failures, words in (([diverged, failed], "failed or diverged"), ([diverged], "diverged")):
        assert f" trials {words}" in card(replace(many, failures=failures), PLACE).warnings[0]


def test_the_card_warns_of_date_ranges_that_disagree(store: Store, tiny_spec: dict[str, Any]) -> None:
    noise = (0.2, 1.2, 0.9, 1.3, 0.8, 1.1)

    def score(experiment: str, at: int) -> float:
        return 0.4 if experiment == "e000" else 0.4 * noise[at % 6]

    state = nights.night(store, nights.judged_on(tiny_spec), score)
    screen = card(summary_of(state.sweep), PLACE)
    assert "Date ranges disagree: from 30.0 % worse to 80.0 % better" in screen.warnings
    assert screen.tone == "neutral"


def test_an_adjusted_p_value_is_shown_with_the_reason(many: Summary) -> None:
    assert many.confirmed is not None
    (name, verdict), *_ = many.confirmed.verdicts.items()
    confirmed = replace(many.confirmed)
    confirmed.__dict__["verdicts"] = {name: replace(verdict, p=0.03, p_adjusted=0.06), "e099": verdict}
    lines = card(replace(many, confirmed=confirmed), PLACE).warnings
    assert any(
        "one of 2 claims on the same date ranges, of which one may look good by chance" in line for line in lines
    )


def test_a_kept_incumbent_is_shown_with_the_setting_that_came_closest(store: Store, tiny_spec: dict[str, Any]) -> None:
    state = nights.night(store, nights.judged_on(tiny_spec), nights.steady(best=0.44))
    screen = card(summary_of(state.sweep), PLACE)
    assert screen.headline == "Keep your setting"
    assert screen.gain.startswith("Of what was tried, learning_rate 0.01 came closest: its mse_test is ")
    assert {mark.name for mark in screen.marks} == {"your setting", "the best tried"}


def test_a_setting_with_many_differences_is_named_by_the_first_of_them(many: Summary) -> None:
    from pipeline.report.words import setting_name

    definition = many.definition
    setting = {name: "x" * 60 if name == "act" else 3 for name in definition.incumbent}
    assert setting_name(definition, setting, most=2) == "lr 3, wd 3 and 2 more"
    assert setting_name(definition, setting) == f"lr 3, wd 3, act {'x' * 39}…, n 3"
    assert setting_name(definition, dict(definition.incumbent)) == "the defaults"
