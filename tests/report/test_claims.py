"""Claims: which sweep makes one, and the pairs of the sweeps that judge it."""

from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np
import pytest

from pipeline import spec as specs
from pipeline.analysis.power import correction
from pipeline.data import load
from pipeline.data.source import FilesSource
from pipeline.dates import DateRange
from pipeline.plan import judging, rounds
from pipeline.plan.judging import Judge
from pipeline.report.card import Card, card
from pipeline.report.commands import Place
from pipeline.report.conclude import conclude, summary_of
from pipeline.report.listing import listing
from pipeline.report.state import state_of
from pipeline.report.winner import spec_of, winner_of
from pipeline.store import Store
from pipeline.sweep import Sweep, Trial, claims, digests, ledger, trials_of
from pipeline.sweep.claims import Claim
from pipeline.sweep.merge import merge
from tests.support import claims as support
from tests.support.claims import claims_of
from tests.support.rows import planned_row, row_of
from tests.support.sweeps import define

CLEARLY = (0.75, 0.73, 0.74, 0.76, 0.75, 0.72)
WORSE = (1.2, 1.1, 1.05, 1.15, 1.02, 1.10)


@pytest.fixture
def spec(tiny_spec: dict[str, Any]) -> dict[str, Any]:
    return support.claim_spec(tiny_spec)


def begun(store: Store, claim: Claim, today: str) -> Sweep:
    sweep = judging.begin(store, claims.read(store, claim.id), Judge(date.fromisoformat(today), trains_here=False))
    assert sweep is not None
    return sweep


def page(sweep: Sweep) -> str:
    return sweep.store.read(sweep.page_key).decode()


# -- which sweep makes a claim


def test_a_winner_that_is_not_shown_stays_a_claim_and_the_page_says_what_happens_next(
    store: Store, spec: dict[str, Any]
) -> None:
    sweep, summary = support.finished(store, spec)
    (claim,) = claims_of(store)
    assert claim.setting["learning_rate"] == 0.01
    assert claim.incumbent == sweep.definition.incumbent
    assert claim.setting.keys() == claim.incumbent.keys()
    assert str(claim.day) == support.DAY
    assert (claim.origin.verdict, claim.origin.wins, claim.origin.ranges) == ("not shown", 4, 6)
    assert summary.open_claim == (
        f"This stays a claim; `hpt judge {claim.id}` (or `--due`, every month) trains it and your setting on each new "
        "date range, and judges after 6 and 12 of them. The first one, [2024-01-01, 2024-02-01), is complete on "
        "2024-02-01. This sweep's own results do not count."
    )
    assert f"This stays a claim; <code>hpt judge {claim.id}</code> (or <code>--due</code>, every month)" in page(sweep)
    assert summary_of(state_of(sweep)).open_claim == summary.open_claim


@pytest.mark.parametrize("factors", [CLEARLY, WORSE])
def test_what_is_shown_and_what_is_no_better_is_no_claim(
    store: Store, spec: dict[str, Any], factors: tuple[float, ...]
) -> None:
    _, summary = support.finished(store, spec, factors)
    assert claims_of(store) == []
    assert summary.open_claim == ""


def test_nothing_is_claimed_before_the_sweep_is_done(store: Store, spec: dict[str, Any]) -> None:
    sweep, _ = support.finished(store, spec)
    (claim,) = claims_of(store)
    store.delete(f"ledger/claims/{claim.id}/claim.json")
    store.delete(sweep.round_key(sweep.rounds() - 1))
    conclude(sweep, merge(sweep))
    assert claims_of(store) == []


def test_reporting_again_leaves_the_claim_as_it_is(store: Store, spec: dict[str, Any]) -> None:
    sweep, _ = support.finished(store, spec)
    before = claims_of(store)
    conclude(sweep, merge(sweep))
    assert claims_of(store) == before


def test_what_judges_lies_after_all_that_the_sweep_had_seen_by_its_day_and_by_its_ranges(
    store: Store, spec: dict[str, Any]
) -> None:
    chosen_later = spec | {"date-range": [["2024-02-01", "2024-03-01"], ["2024-03-01", "2024-04-01"]]}
    claim = support.claim_of(store, chosen_later)
    assert str(claim.day) == "2024-03-31"
    training = claim.training
    assert all(
        date_range.split(training.validation_share, training.test_share).valid.start > claim.day
        for date_range in claim.ranges
    )
    assert len(claim.ranges) == 12


def test_days_that_an_earlier_sweep_chose_on_though_they_were_to_come_do_not_judge(
    store: Store, spec: dict[str, Any]
) -> None:
    ahead = spec | {
        "date-range": [["2024-05-01", "2024-06-01"], ["2024-06-01", "2024-07-01"]],
        "confirm": {"ranges": 0},
    }
    del ahead["confirm-range"]
    support.finished(store, ahead, token="0001")
    claim = support.claim_of(store, spec, token="0002")
    assert [str(date_range.start) for date_range in claim.ranges[:6]] == [
        "2024-01-01",
        "2024-02-01",
        "2024-03-01",
        "2024-04-01",
        "2024-07-01",
        "2024-08-01",
    ]


def test_data_that_end_before_there_could_be_a_look_make_no_claim(store: Store, spec: dict[str, Any]) -> None:
    flights = spec | {
        "data": "flights",
        "confirm-range": support.MONTHS_OF_FLIGHTS[:3],
        "date-range": support.MONTHS_OF_FLIGHTS[3:5],
    }
    sweep, summary = support.finished(store, flights | {"as-of": "2013-08-01"}, token="0001")
    assert claims_of(store) == []
    text = "This makes no claim for later months to judge: the data end on 2013-12-31, before six new date ranges."
    assert summary.open_claim == text
    assert text in page(sweep)
    claim = support.claim_of(store, flights | {"as-of": "2013-06-01"}, token="0002")
    assert str(claim.ranges[-1].end) == "2014-01-01"
    assert [look.ranges for look in claim.looks] == [6, 7]


def test_the_looks_follow_what_earlier_trainings_tell_of_how_alike_date_ranges_are(
    store: Store, spec: dict[str, Any]
) -> None:
    # A sweep whose settings differ on every month by noise of its own: months are unlike.
    months = [[f"2022-{month:02d}-01", f"2022-{month + 1:02d}-01"] for month in range(1, 12)]
    study = define(spec | {"date-range": months, "parameters": {"learning_rate": [0.1 / 2**at for at in range(12)]}})
    random = np.random.default_rng(0)
    rows = [
        row_of(
            study,
            Trial("screen", f"e{setting:03d}", at, 0),
            study.incumbent | {"learning_rate": 0.1 / 2**setting},
            mse_valid=float(np.exp(0.1 * random.normal())),
        )
        for setting in range(12)
        for at in range(len(months))
    ]
    digests.write(store, digests.digest(study, rows))
    claim = support.claim_of(store, spec, token="ffff")
    assert claim.resemblance is not None
    assert claim.resemblance.sources == (study.id,)
    assert claim.looks[0].correction < correction(claim.ranges[:6])
    assert claim.looks[-1].correction == pytest.approx(claim.resemblance.correction)


# -- a sweep that judges a claim


def test_it_trains_the_setting_and_the_incumbent_on_what_is_new_and_nothing_else(
    store: Store, spec: dict[str, Any]
) -> None:
    claim = support.claim_of(store, spec)
    sweep = begun(store, claim, "2024-03-15")
    trials = list(trials_of(rounds.plan_packs(sweep)))
    assert {trial.phase for trial in trials} == {"confirm"}
    assert len(trials) == 4
    settings = [sweep.experiments()[name].assignment for name in ("e000", "e001")]
    assert settings == [claim.incumbent, claim.setting]
    assert sweep.definition.seed == claim.seed


def test_its_pairs_go_to_the_claim_and_nowhere_else(store: Store, spec: dict[str, Any]) -> None:
    claim = support.claim_of(store, spec)
    before = {entry.key for entry in store.entries("ledger/")}
    sweep = begun(store, claim, "2024-03-15")
    summary = support.judge(sweep, (0.9, 0.8))
    added = {entry.key for entry in store.entries("ledger/")} - before
    assert {key.rpartition("/")[2] for key in added} == {
        "0.json",
        "2024-01-01_2024-02-01.json",
        "2024-02-01_2024-03-01.json",
    }
    assert all(key.startswith(f"ledger/claims/{claim.id}/") for key in added)
    (first, second) = claims.read(store, claim.id).pairs
    assert first.range == DateRange.from_json(["2024-01-01", "2024-02-01"])
    assert (first.setting, first.incumbent, first.fingerprint) == (
        (pytest.approx(0.36),),
        (0.4,),
        "rows-[2024-01-01, 2024-02-01)",
    )
    assert second.sweep == sweep.id
    assert summary.answer == (
        f"{claim.id} (learning_rate=0.01): waits: 15.1 % better, ahead on 2 of 2 new date ranges; judged after 6 "
        "date ranges; the next one, [2024-03-01, 2024-04-01), is complete on 2024-04-01"
    )
    assert "2 of 2 new date ranges" in page(sweep)
    assert shown_on(sweep).headline == "Still open: whether learning_rate 0.01 is better than your setting"
    assert first_words(sweep) == [["judge", claim.id], ["results", sweep.id]]
    assert [row.verdict for row in listing(store)] == ["not shown", "claim: waits"]
    assert "[2024-02-01, 2024-03-01)</td><td>0.32</td><td>0.4</td>" in page(sweep)
    assert ledger.chosen_on(store, claim.architecture, claim.data, before=sweep.id) == ledger.chosen_on(
        store, claim.architecture, claim.data
    )


def test_it_is_real_once_a_look_shows_it(store: Store, spec: dict[str, Any]) -> None:
    claim = support.claim_of(store, support.elsewhere(spec))
    summary = support.judge(begun(store, claim, "2024-12-15"), CLEARLY)
    text = f"{claim.id} (learning_rate=0.01): real: 25.8 % better, ahead on 6 of 6 new date ranges (90 % interval: "
    assert summary.answer.startswith(text)
    assert summary.answer.endswith("(level of that look: 0.011)")
    sweep = Sweep(store, claim.origin.sweep)
    assert summary_of(state_of(sweep)).open_claim.startswith(f"e001 is a claim since {claim.day}; real: 25.8 % better")


def shown_on(sweep: Sweep) -> Card:
    return card(summary_of(state_of(sweep)), Place(sweep.store.root))


def first_words(sweep: Sweep) -> list[list[str]]:
    return [command.line.split()[1:3] for command in shown_on(sweep).commands]


def test_a_claim_that_turns_real_leads_to_its_setting(store: Store, spec: dict[str, Any]) -> None:
    claim = support.claim_of(store, support.elsewhere(spec))
    origin = Sweep(store, claim.origin.sweep)
    before, listed_before = page(origin), [line for line in listing(store) if line.id == origin.id]
    sweep = begun(store, claim, "2024-12-15")
    support.judge(sweep, CLEARLY, at_limit=1)

    screen = shown_on(sweep)
    assert (screen.headline, screen.tone) == ("Real: learning_rate 0.01 is better than your setting", "good")
    assert screen.gain.startswith("25.8 % better, ahead on 6 of 6 new date ranges")
    assert screen.warnings == ()
    # Its trainings saved no model: what there is to see, and where claims stand.
    assert first_words(sweep)[0] == ["results", sweep.id]

    state = state_of(sweep)
    winner = winner_of(replace(state, rows=[row | {"model_url": f"{row['trial']}.pt"} for row in state.rows]))
    assert winner.row["trial"] == "confirm-e001-d5-s0"
    assert winner.standing.assignment == claim.setting
    assert winner.verdict.startswith(f"the claim {claim.id} is real: 25.8 % better")
    assert specs.from_dict(spec_of(sweep.definition, winner, claim.ranges[-1].end, None)).incumbent == claim.setting

    assert "real: 25.8 % better" in page(origin)
    assert "real: 25.8 % better" not in before
    assert [line for line in listing(store) if line.id == origin.id] == listed_before
    (line,) = (row for row in listing(store) if row.id == sweep.id)
    assert (line.verdict, line.best, line.gain) == ("claim: real", "learning_rate=0.01", "+25.8 %")


def test_it_is_refuted_once_a_look_shows_no_gain(store: Store, spec: dict[str, Any]) -> None:
    claim = support.claim_of(store, support.elsewhere(spec))
    sweep = begun(store, claim, "2024-12-15")
    summary = support.judge(sweep, WORSE)
    assert ": refuted: " in summary.answer
    screen = shown_on(sweep)
    assert (screen.headline, screen.tone) == ("Refuted: learning_rate 0.01 is not better than your setting", "neutral")
    models = [row | {"model_url": f"{row['trial']}.pt"} for row in state_of(sweep).rows]
    winner = winner_of(replace(state_of(sweep), rows=models))
    assert winner.standing.is_incumbent
    assert "is refuted: " in winner.verdict
    assert judging.due(claims.read(store, claim.id), Judge(claim.ranges[-1].end, trains_here=False)) == []


def test_a_setting_that_diverged_is_refuted_in_words(store: Store, spec: dict[str, Any]) -> None:
    claim = support.claim_of(store, spec)
    sweep = begun(store, claim, "2024-02-15")
    for trial in trials_of(rounds.plan_packs(sweep)):
        diverged = {"status": "diverged"} if trial.experiment == "e001" else {"mse_test": 0.4}
        sweep.create_row(trial, planned_row(sweep, trial, **diverged))
    rounds.plan_packs(sweep)
    assert conclude(sweep, merge(sweep)).answer.endswith(
        "refuted: it diverged on [2024-01-01, 2024-02-01), where your setting did not"
    )


def test_a_training_that_failed_leaves_the_date_range_to_be_judged_anew(store: Store, spec: dict[str, Any]) -> None:
    claim = support.claim_of(store, spec)
    sweep = begun(store, claim, "2024-03-15")
    for trial in trials_of(rounds.plan_packs(sweep)):
        failed = trial.experiment == "e001" and trial.range == 0
        cells: dict[str, Any] = {"status": "out-of-memory"} if failed else {"mse_test": 0.4}
        sweep.create_row(trial, planned_row(sweep, trial, **cells))
    rounds.plan_packs(sweep)
    conclude(sweep, merge(sweep))
    stored = claims.read(store, claim.id)
    assert [pair.range for pair in stored.pairs] == [claim.ranges[1]]
    second = begun(store, claim, "2024-03-15")
    assert second.id != sweep.id
    assert second.definition.phases[0].ranges == (claim.ranges[0],)


def fail(sweep: Sweep, at: int, *, error: str = "ValueError: no", experiments: str = "e000 e001") -> str:
    """Gives every trial its row, on one date range a failed one; what the sweep answers."""
    for trial in trials_of(rounds.plan_packs(sweep)):
        failed = trial.experiment in experiments and trial.range == at
        cells: dict[str, Any] = {"status": "failed", "error": error} if failed else {"mse_test": 0.4}
        if trial.experiment == "e001" and not failed:
            cells = {"mse_test": 0.3}
        sweep.create_row(trial, planned_row(sweep, trial, **cells))
    rounds.plan_packs(sweep)
    return conclude(sweep, merge(sweep)).answer


def test_a_date_range_without_rows_is_left_out_at_once_and_never_comes_again(
    store: Store, spec: dict[str, Any]
) -> None:
    claim = support.claim_of(store, spec)
    assert isinstance(claim.data, FilesSource)
    sweep = begun(store, claim, "2024-03-15")
    text = fail(sweep, 0, error=load.no_rows(claim.data, claim.ranges[0]))
    assert "ahead on 1 of 1 new date ranges; without [2024-01-01, 2024-02-01): the data have no rows" in text
    assert judging.reopen(store, claims.read(store, claim.id), Judge(date(2024, 4, 1), trains_here=False)) == []
    assert begun(store, claim, "2024-04-01").definition.phases[0].ranges == (claim.ranges[2],)
    # Should rows come after all, it counts after what was judged without it.
    assert claims.read(store, claim.id).notes[-1].counted == (claim.ranges[1],)


def test_what_fails_twice_is_left_out_and_keeps_nothing_waiting(store: Store, spec: dict[str, Any]) -> None:
    claim = support.claim_of(store, support.elsewhere(spec))
    assert "without" not in fail(begun(store, claim, "2024-02-01"), 0)
    # It is tried again after what is new.
    second = begun(store, claim, "2024-03-01")
    assert second.definition.phases[0].ranges == (claim.ranges[1], claim.ranges[0])
    assert "without [2024-01-01, 2024-02-01): a training failed twice (failed); judged after 6 date ranges" in fail(
        second, 1
    )
    # What the first try says when it is concluded again changes nothing.
    stored = claims.read(store, claim.id)
    assert stored.open_ranges == list(claim.ranges[2:])
    assert len(judging.due(stored, Judge(date(2026, 1, 1), trains_here=False))) == 5


def test_a_setting_that_fails_twice_where_the_incumbent_does_not_is_refuted(store: Store, spec: dict[str, Any]) -> None:
    claim = support.claim_of(store, spec)
    assert ": waits: " in fail(begun(store, claim, "2024-02-01"), 0, experiments="e001")
    assert fail(begun(store, claim, "2024-02-01"), 0, experiments="e001").endswith(
        "refuted: it failed twice on [2024-01-01, 2024-02-01), where your setting did not"
    )


def test_trainings_that_read_different_data_are_no_pair(store: Store, spec: dict[str, Any]) -> None:
    claim = support.claim_of(store, spec)
    sweep = begun(store, claim, "2024-02-15")
    for trial in trials_of(rounds.plan_packs(sweep)):
        cells = {"mse_test": 0.4, "data_fingerprint": f"rows-{trial.experiment}"}
        sweep.create_row(trial, planned_row(sweep, trial, **cells))
    rounds.plan_packs(sweep)
    conclude(sweep, merge(sweep))
    assert claims.read(store, claim.id).pairs == ()


def test_a_claim_whose_sweep_was_removed_is_judged_all_the_same(store: Store, spec: dict[str, Any]) -> None:
    claim = support.claim_of(store, spec)
    for entry in list(store.entries(f"sweeps/{claim.origin.sweep}/")):
        store.delete(entry.key)
    assert "waits: 10.0 % better" in support.judge(begun(store, claim, "2024-02-15"), (0.9,)).answer


def test_a_claim_that_is_gone_or_damaged_is_what_its_sweep_says(store: Store, spec: dict[str, Any]) -> None:
    claim = support.claim_of(store, spec)
    sweep = begun(store, claim, "2024-02-15")
    support.judge(sweep, (0.9,))
    store.write(f"ledger/claims/{claim.id}/claim.json", b"{")
    assert "claim.json is damaged" in conclude(sweep, merge(sweep)).answer
    assert shown_on(sweep).headline.startswith("Cannot be read: the claim that learning_rate 0.01 is better")
    assert [row.verdict for row in listing(store)] == ["not shown", "claim: damaged"]


def test_a_second_sweep_that_finds_the_claim_says_since_when_it_is_one(store: Store, spec: dict[str, Any]) -> None:
    claim = support.claim_of(store, spec, token="0001")
    _, summary = support.finished(store, spec, token="0002")
    assert summary.open_claim.startswith(f"e001 is a claim since 2024-01-01, of {claim.origin.sweep}; waits: ")
