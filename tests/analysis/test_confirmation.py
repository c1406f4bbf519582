"""Verdicts from the rows of a confirm phase: pairs of trials, and missing ones."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import pytest

from pipeline import spec
from pipeline.analysis.confirmation import confirmation, design_of
from pipeline.analysis.significance import overlapping_tests
from pipeline.analysis.verdict import Kind, Verdict
from pipeline.dates import DateRange
from pipeline.errors import UserError
from pipeline.plan import resolve
from pipeline.results import Row
from pipeline.space import Assignment
from pipeline.spec.model import Objective
from pipeline.sweep import Definition, Trial
from pipeline.sweep.ledger import EarlierClaim
from tests.support.rows import row_of
from tests.support.sweeps import NOW, define

JUDGING = [[f"2013-{month:02d}-01", f"2013-{month + 1:02d}-01"] for month in range(1, 7)]
BETTER = (0.75, 0.73, 0.74, 0.76, 0.75, 0.72)
"""Shares of the incumbent's metric, range by range: clearly better."""
HARDLY = (0.80, 1.05, 0.95, 0.85, 1.02, 0.90)
SETTINGS = {"e000": 0.001, "e001": 0.01, "e002": 0.1}
FAILED: dict[str, Any] = {"status": "failed", "error": "no luck"}


@pytest.fixture
def spec_content(tiny_spec: dict[str, Any]) -> dict[str, Any]:
    """Chosen on two ranges of 2024, judged on six months of 2013."""
    return tiny_spec | {"confirm-range": JUDGING, "confirm": {}}


@pytest.fixture
def definition(spec_content: dict[str, Any]) -> Definition:
    return define(spec_content)


def row(definition: Definition, trial: Trial, **measured: object) -> Row:
    assignment: Assignment = {**definition.incumbent, "learning_rate": SETTINGS[trial.experiment]}
    return row_of(definition, trial, assignment, **measured)


def chosen(definition: Definition) -> list[Row]:
    """e001 is the best of choosing, then e002, then the incumbent."""
    valid = {"e000": 0.3, "e001": 0.1, "e002": 0.2}
    return [
        row(definition, Trial("screen", experiment, at, 0), mse_valid=valid[experiment], mse_test=0.0001)
        for experiment in SETTINGS
        for at in range(2)
    ]


def judged(
    definition: Definition,
    by_experiment: Mapping[str, Sequence[float]],
    other: Mapping[tuple[str, int], dict[str, object]] | None = None,
    seeds: int = 1,
) -> list[Row]:
    """A confirm phase with these test metrics; `other` replaces cells of a row, by experiment and range."""
    assert definition.confirm is not None
    first = definition.confirm.first_seed
    return [
        row(
            definition,
            Trial("confirm", experiment, at, seed),
            # The validation metric says the opposite: it must not be read.
            **({"mse_test": score, "mse_valid": 1 / score} | (other or {}).get((experiment, at), {})),
        )
        for experiment, scores in by_experiment.items()
        for at, score in enumerate(scores)
        for seed in range(first, first + seeds)
    ]


def verdicts(definition: Definition, rows: list[Row], earlier: Sequence[float] = ()) -> dict[str, Verdict]:
    claims = [EarlierClaim("20200101-0000-bag-of-words-0000", "e001", p) for p in earlier]
    confirmed = confirmation(definition, chosen(definition) + rows, lambda _: claims)
    assert confirmed is not None
    return confirmed.verdicts


def times(factors: Sequence[float], noise: Sequence[float] = (0.5, 0.6, 0.4, 0.5, 0.7, 0.3)) -> dict[str, list[float]]:
    """Errors of the incumbent and of a finalist, whose errors are these multiples of the incumbent's."""
    return {"e000": list(noise), "e001": [f * n for f, n in zip(factors, noise, strict=True)]}


def test_a_winner_that_is_clearly_better_on_fresh_ranges_is_real(definition: Definition) -> None:
    by_finalist = verdicts(definition, judged(definition, times(BETTER)))
    assert list(by_finalist) == ["e001"]
    assert by_finalist["e001"].kind == Kind.REAL
    assert (by_finalist["e001"].wins, by_finalist["e001"].ranges) == (6, 6)


def test_a_winner_that_is_better_only_sometimes_is_not_shown(definition: Definition) -> None:
    assert verdicts(definition, judged(definition, times(HARDLY)))["e001"].kind == Kind.NOT_SHOWN


def test_a_winner_that_is_worse_on_fresh_ranges_is_not_shown(definition: Definition) -> None:
    verdict = verdicts(definition, judged(definition, times([1 / factor for factor in BETTER])))["e001"]
    assert verdict.kind == Kind.NOT_SHOWN
    assert verdict.reason.startswith("not shown: 34.9 % worse, ahead on 0 of 6 ")


def test_where_more_is_better_a_larger_metric_wins(spec_content: dict[str, Any]) -> None:
    definition = define(spec_content).model_copy(update={"objective": Objective(metric="auc", goal="maximize")})
    rows = judged(definition, times([1 / factor for factor in BETTER]))
    for trial_row in rows:
        trial_row["auc_test"] = trial_row.pop("mse_test")
    screened = [trial_row | {"auc_valid": 1 - trial_row["mse_valid"]} for trial_row in chosen(definition)]
    confirmed = confirmation(definition, screened + rows)
    assert confirmed is not None
    assert confirmed.verdicts["e001"].kind == Kind.REAL


def test_before_anything_is_judged_there_is_no_verdict(definition: Definition) -> None:
    assert confirmation(definition, chosen(definition)) is None
    assert confirmation(definition, []) is None


def test_a_sweep_that_confirms_nothing_has_no_verdict(tiny_spec: dict[str, Any]) -> None:
    definition = define(tiny_spec)
    assert confirmation(definition, chosen(definition)) is None


def test_rows_in_any_order_give_the_same_verdict(definition: Definition) -> None:
    rows = chosen(definition) + judged(definition, times(BETTER))
    assert confirmation(definition, rows) == confirmation(definition, rows[::-1])


def test_the_scores_that_chose_play_no_part_in_the_verdict(definition: Definition) -> None:
    rows = judged(definition, times(BETTER))
    lucky = [trial_row | {"mse_test": 1e-9} for trial_row in chosen(definition) if trial_row["experiment"] == "e001"]
    others = [trial_row for trial_row in chosen(definition) if trial_row["experiment"] != "e001"]
    assert confirmation(definition, lucky + others + rows) == confirmation(definition, chosen(definition) + rows)


def test_several_finalists_stand_in_the_order_of_choosing_and_share_one_family(spec_content: dict[str, Any]) -> None:
    definition = define(spec_content | {"confirm": {"finalists": 2}})
    scores = times(BETTER)
    by_finalist = verdicts(definition, judged(definition, {"e002": scores["e001"], **scores}))
    assert list(by_finalist) == ["e001", "e002"]
    alone = verdicts(definition, judged(definition, scores))["e001"]
    assert by_finalist["e001"].p == alone.p
    assert alone.p is not None
    assert by_finalist["e001"].p_adjusted == pytest.approx(2 * alone.p)


# -- what is missing


INCOMPLETE: list[dict[str, object]] = [
    FAILED,
    {"status": "diverged", "mse_test": float("nan")},
    {"status": "timed-out", "mse_test": 0.1},
    {"mse_test": float("nan")},
    {"mse_test": float("inf")},
    {"mse_test": None},
]


@pytest.mark.parametrize("instead", INCOMPLETE)
def test_a_range_on_which_the_incumbent_did_not_finish_does_not_count(
    definition: Definition, instead: dict[str, object]
) -> None:
    verdict = verdicts(definition, judged(definition, times(BETTER), {("e000", 2): instead}))["e001"]
    assert (verdict.wins, verdict.ranges) == (5, 5)
    assert verdict.kind == Kind.REAL


@pytest.mark.parametrize("instead", INCOMPLETE)
def test_a_finalist_that_did_not_finish_somewhere_is_never_real(
    definition: Definition, instead: dict[str, object]
) -> None:
    verdict = verdicts(definition, judged(definition, times(BETTER), {("e001", 2): instead}))["e001"]
    assert (verdict.wins, verdict.ranges) == (5, 5)
    assert verdict.kind == Kind.PROMISING
    assert "did not finish on [2013-03-01, 2013-04-01)" in verdict.reason


def test_a_range_on_which_everybody_failed_does_not_count(definition: Definition) -> None:
    rows = judged(definition, times(BETTER), {("e000", 0): FAILED, ("e001", 0): FAILED})
    assert verdicts(definition, rows)["e001"].ranges == 5


def test_a_metric_that_no_row_has_is_not_testable(definition: Definition) -> None:
    rows = [
        {name: value for name, value in trial_row.items() if name != "mse_test"}
        for trial_row in judged(definition, times(BETTER))
    ]
    verdict = verdicts(definition, rows)["e001"]
    assert verdict.kind == Kind.NOT_TESTABLE
    assert verdict.gain is None


def test_too_few_ranges_left_are_not_testable_and_the_reason_says_who_failed(definition: Definition) -> None:
    rows = judged(definition, times(BETTER), {("e000", at): FAILED for at in range(4)})
    verdict = verdicts(definition, rows)["e001"]
    assert verdict.kind == Kind.NOT_TESTABLE
    assert verdict.ranges_needed == 3
    assert verdict.reason.startswith("not testable: 2 of 6 date ranges have a result of both")
    assert "your setting did not finish on [2013-01-01, 2013-02-01)" in verdict.reason


def test_an_incumbent_without_any_row_is_not_testable(definition: Definition) -> None:
    rows = [trial_row for trial_row in judged(definition, times(BETTER)) if trial_row["experiment"] == "e001"]
    verdict = verdicts(definition, rows)["e001"]
    assert verdict.kind == Kind.NOT_TESTABLE
    assert "your setting did not finish" in verdict.reason


def test_all_failed_everywhere_is_not_testable(definition: Definition) -> None:
    other = {(experiment, at): FAILED for experiment in ("e000", "e001") for at in range(6)}
    assert verdicts(definition, judged(definition, times(BETTER), other))["e001"].kind == Kind.NOT_TESTABLE


def test_two_confirm_ranges_are_not_testable(spec_content: dict[str, Any]) -> None:
    definition = define(spec_content | {"confirm-range": JUDGING[:2]})
    rows = judged(definition, {name: scores[:2] for name, scores in times(BETTER).items()})
    assert verdicts(definition, rows)["e001"].kind == Kind.NOT_TESTABLE


def test_ranges_whose_test_days_overlap_are_refused_before_anything_trains(spec_content: dict[str, Any]) -> None:
    overlapping = [["2013-01-01", f"2013-03-{day:02d}"] for day in (1, 3, 5, 7, 9, 11)]
    with pytest.raises(UserError, match="has test days in common with another"):
        define(spec_content | {"confirm-range": overlapping})
    wide = define(spec_content | {"training": {"test-share": 0.4}})
    assert wide.confirm is not None
    assert overlapping_tests(design_of(wide, wide.confirm)) == []


# -- ties


def test_a_finalist_that_ties_everywhere_is_not_shown(definition: Definition) -> None:
    verdict = verdicts(definition, judged(definition, times([1.0] * 6)))["e001"]
    assert verdict.kind == Kind.NOT_SHOWN
    assert verdict.wins == 0
    assert verdict.p_adjusted == 1


def test_a_tie_on_a_range_is_no_win(definition: Definition) -> None:
    assert verdicts(definition, judged(definition, times([1.0, *BETTER[1:]])))["e001"].wins == 5


# -- seeds


def test_several_seeds_of_a_range_are_averaged_never_pooled(spec_content: dict[str, Any]) -> None:
    once, thrice = define(spec_content), define(spec_content | {"confirm": {"seeds-per-range": 3}})
    single = verdicts(once, judged(once, times(BETTER)))["e001"]
    of_three = verdicts(thrice, judged(thrice, times(BETTER), seeds=3))["e001"]
    # The same numbers three times over know no more than once.
    assert of_three.ranges == 6
    assert of_three.p == pytest.approx(single.p)
    assert of_three.detectable == pytest.approx(single.detectable)


def test_seeds_are_compared_with_the_same_seed_of_the_incumbent(spec_content: dict[str, Any]) -> None:
    definition = define(spec_content | {"confirm": {"seeds-per-range": 2}})
    # Seed 1 is ten times harder for both: unpaired, that would drown the difference.
    rows = judged(definition, times(BETTER), seeds=2)
    harder = [
        trial_row | ({"mse_test": trial_row["mse_test"] * 10} if str(trial_row["trial"]).endswith("-s1") else {})
        for trial_row in rows
    ]
    assert verdicts(definition, harder)["e001"].gain == pytest.approx(verdicts(definition, rows)["e001"].gain)


def test_a_seed_that_the_incumbent_failed_leaves_the_other_pairs_of_its_range(spec_content: dict[str, Any]) -> None:
    definition = define(spec_content | {"confirm": {"seeds-per-range": 2}})
    rows = [
        trial_row | FAILED if trial_row["trial"] == "confirm-e000-d0-s1" else trial_row
        for trial_row in judged(definition, times(BETTER), seeds=2)
    ]
    verdict = verdicts(definition, rows)["e001"]
    assert (verdict.kind, verdict.ranges) == (Kind.REAL, 6)


def test_the_picture_shows_the_mean_of_the_seeds_per_range(spec_content: dict[str, Any]) -> None:
    definition = define(spec_content | {"confirm": {"seeds-per-range": 2}})
    rows = judged(definition, times(BETTER), seeds=2)
    rows = [
        trial_row | {"mse_test": 0.9} if trial_row["trial"] == "confirm-e000-d0-s1" else trial_row for trial_row in rows
    ]
    confirmed = confirmation(definition, chosen(definition) + rows)
    assert confirmed is not None
    assert confirmed.compared["e001"][0].incumbent == pytest.approx((0.5 + 0.9) / 2)
    assert [pair.date_range.as_json() for pair in confirmed.compared["e001"]] == JUDGING


# -- what a verdict may not say


def test_on_the_ranges_that_chose_nothing_is_ever_more_than_promising(tiny_spec: dict[str, Any]) -> None:
    months = [[f"2024-{month:02d}-01", f"2024-{month + 1:02d}-01"] for month in range(1, 6)]
    parsed = spec.from_dict(tiny_spec | {"date-range": months, "confirm": {}})
    all_the_data = DateRange(date(2024, 1, 1), date(2024, 6, 1))
    definition = resolve.resolve(parsed, now=NOW, token="3f9c", covered=all_the_data)
    assert definition.confirm is not None
    assert definition.confirm.ranges == definition.choosing[-1].ranges
    rows = judged(definition, {name: scores[:5] for name, scores in times(BETTER).items()})
    verdict = verdicts(definition, rows)["e001"]
    assert verdict.p_adjusted is not None
    assert verdict.p_adjusted <= 0.05
    assert verdict.kind == Kind.PROMISING
    assert "these date ranges were chosen on" in verdict.reason


def test_earlier_confirmations_on_the_same_ranges_enlarge_the_family(definition: Definition) -> None:
    rows = judged(definition, times(BETTER))
    alone = verdicts(definition, rows)["e001"]
    assert alone.p is not None
    assert verdicts(definition, rows, [0.9])["e001"].p_adjusted == pytest.approx(2 * alone.p)
    often = verdicts(definition, rows, [0.9] * int(0.05 / alone.p))["e001"]
    assert often.kind != Kind.REAL
    assert often.gain == alone.gain


def test_an_earlier_p_value_that_is_not_known_counts_as_one(definition: Definition) -> None:
    rows = judged(definition, times(BETTER))
    assert verdicts(definition, rows, [float("nan")]) == verdicts(definition, rows, [1.0])


def test_a_gain_within_the_rope_is_not_shown_however_certain_it_is(spec_content: dict[str, Any]) -> None:
    definition = define(spec_content | {"confirm": {"rope": 0.4}})
    assert verdicts(definition, judged(definition, times(BETTER)))["e001"].kind == Kind.NOT_SHOWN
