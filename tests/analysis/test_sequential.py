"""The looks at a claim, fixed beforehand with five per cent in all, and the state that follows from its pairs."""

import math
from collections.abc import Sequence
from datetime import date
from itertools import islice

import pytest

from benchmarks.claims import CONSTANT, Cell, simulate
from benchmarks.resemblance import World
from pipeline import dates
from pipeline.analysis.power import correction
from pipeline.analysis.sequential import ClaimKind, evidence, looks, looks_left
from pipeline.dates import DateRange, whole_months
from pipeline.spec.model import Objective, Training
from pipeline.sweep import Fidelity
from pipeline.sweep.claims import Claim, Origin, Pair

CLEAR = (0.30, 0.32, 0.29, 0.31, 0.30, 0.28)
UNSURE = (0.30, -0.10, 0.05, 0.40, -0.05, 0.20)
NOTHING = (0.01, -0.10, 0.05, -0.02, -0.05, 0.02)


def ranges(count: int = 12) -> list[DateRange]:
    return list(islice(dates.ranges_after([whole_months(date(2024, 6, 1), 3)], date(2024, 6, 14)), count))


def claim(count: int = 12, seeds: int = 1, **objective: str) -> Claim:
    return Claim(
        id="bag-of-words-0123456789ab",
        origin=Origin(
            sweep="20240614-0210-bag-of-words-3f9c",
            experiment="e001",
            verdict="not shown",
            gain=0.1,
            interval=None,
            p=0.3,
            wins=4,
            ranges=6,
        ),
        day=date(2024, 6, 14),
        created="2024-06-14T02:10:00+00:00",
        sweep_format=2,
        architecture="bag-of-words",
        data=None,
        seed=0,
        training=Training(),
        objective=Objective.model_validate({"metric": "mse"} | objective),
        incumbent={"learning_rate": 0.1},
        setting={"learning_rate": 0.01},
        fidelity=Fidelity(name="full", max_epochs=2),
        seeds=seeds,
        rope=0.005,
        resemblance=None,
        ranges=tuple(ranges(count)),
        looks=looks(ranges(count)),
        code=None,
        spec={},
    )


def pair(at: int, setting: Sequence[float | None], incumbent: Sequence[float | None] = (1.0,), day: int = 0) -> Pair:
    return Pair(
        claim="bag-of-words-0123456789ab",
        sweep="20241001-0210-bag-of-words-3f9c",
        range=ranges()[at],
        judged=f"2025-01-{day + 1:02d}",
        setting=tuple(setting),
        incumbent=tuple(incumbent),
        fingerprint=None,
    )


def pairs(gains: Sequence[float]) -> list[Pair]:
    """Pairs a month apart; the incumbent's metric is 1 everywhere."""
    return [pair(at, [math.exp(-gain)], day=at) for at, gain in enumerate(gains)]


# -- the looks


@pytest.mark.parametrize("count", [6, 7, 11, 12])
def test_the_levels_of_all_looks_add_up_to_less_than_five_per_cent(count: int) -> None:
    planned = looks(ranges(count))
    assert sum(look.level for look in planned) == pytest.approx(0.045)
    assert planned[-1].ranges == count
    assert all(look.level > 0 for look in planned)


def test_a_year_is_judged_after_six_ranges_and_after_all_twelve() -> None:
    half, whole = looks(ranges())
    assert (half.ranges, half.level) == (6, 0.01125)
    assert (whole.ranges, whole.level) == (12, 0.03375)
    assert half.correction == pytest.approx(correction(ranges(6)), abs=1e-6)


def test_too_few_ranges_have_no_look() -> None:
    assert looks(ranges(5)) == ()


@pytest.mark.parametrize(("world", "allowed"), [(World(1.0, 0.6, gap=2), 0.05), (World(0.0, 0.0), 0.02)])
def test_over_all_looks_five_per_cent_of_useless_claims_are_called_real(world: World, allowed: float) -> None:
    """2,000 sweeps make some 1,000 claims; benchmarks/claims.md has the whole table."""
    assert simulate(Cell(world, 0.0), CONSTANT, 2000).real <= allowed + 2 * math.sqrt(allowed / 1000)


# -- what pairs come to


def test_without_a_pair_a_claim_waits_for_its_first_look() -> None:
    result = evidence(claim(), [])
    assert result.kind == ClaimKind.WAITS
    assert result.mean is None
    assert result.next_look is not None
    assert result.next_look.ranges == 6


def test_between_looks_a_claim_waits_however_clear_it_is() -> None:
    result = evidence(claim(), pairs(CLEAR[:5]))
    assert result.kind == ClaimKind.WAITS
    assert (result.wins, len(result.gains), result.p) == (5, 5, None)
    assert result.interval is not None


def test_a_clear_gain_is_real_at_the_first_look() -> None:
    result = evidence(claim(), pairs(CLEAR))
    assert result.kind == ClaimKind.REAL
    assert result.look is not None
    assert result.p is not None
    assert result.p <= result.look.level
    assert result.mean == pytest.approx(0.3)


def test_a_claim_that_gained_nothing_by_a_look_is_refuted() -> None:
    assert evidence(claim(), pairs(NOTHING)).kind == ClaimKind.REFUTED
    within_the_rope = [0.004 + 0.0005 * (-1) ** at for at in range(6)]
    assert evidence(claim(), pairs(within_the_rope)).kind == ClaimKind.REFUTED


def test_a_gain_that_is_not_shown_goes_on_to_the_next_look_and_is_given_up_after_the_last() -> None:
    first = evidence(claim(), pairs(UNSURE))
    assert first.kind == ClaimKind.WAITS
    assert first.p is not None
    assert first.next_look is not None
    assert first.next_look.ranges == 12
    last = evidence(claim(), pairs([*UNSURE, *UNSURE]))
    assert last.kind == ClaimKind.GIVEN_UP
    assert last.next_look is None


def test_pairs_after_the_end_change_nothing() -> None:
    real = evidence(claim(), pairs([*CLEAR, *[-1.0] * 6]))
    assert real == evidence(claim(), pairs(CLEAR))
    refuted = evidence(claim(), pairs([*NOTHING, *[0.3] * 6]))
    assert refuted.kind == ClaimKind.REFUTED


def test_pairs_count_in_the_order_in_which_they_were_judged_so_that_no_look_is_revised() -> None:
    late = pairs([*NOTHING, 0.5])
    # The last of them is of the oldest date range, which had failed before.
    late = [*[pair(at + 1, original.setting, day=at) for at, original in enumerate(late[:6])], pair(0, [0.5], day=20)]
    assert evidence(claim(), late).kind == ClaimKind.REFUTED


def test_wins_on_two_thirds_are_needed() -> None:
    # One month carries it: a claim is of most months.
    carried = [0.9, 0.9, 0.9, -0.01, -0.01, -0.01]
    assert evidence(claim(), pairs(carried)).kind == ClaimKind.WAITS


def test_a_setting_that_diverges_where_the_incumbent_does_not_is_refuted_at_once() -> None:
    result = evidence(claim(), [*pairs(CLEAR[:2]), pair(2, [None], day=9)])
    assert result.kind == ClaimKind.REFUTED
    assert result.diverged == ranges()[2]


def test_a_date_range_without_the_incumbents_score_does_not_count() -> None:
    result = evidence(claim(), [*pairs(CLEAR[:5]), pair(5, [0.7], [None], day=9)])
    assert result.kind == ClaimKind.WAITS
    assert len(result.gains) == 5


def test_lost_date_ranges_may_leave_too_few_for_another_look() -> None:
    silent = [pair(at, [0.7], [None], day=at) for at in range(12)]
    assert evidence(claim(), silent).kind == ClaimKind.GIVEN_UP


def lost(at: int) -> Pair:
    """A range on which both diverged."""
    return pair(at, [None], [None], day=at)


def test_a_lost_date_range_does_not_end_a_claim_but_moves_its_last_look() -> None:
    hardly = [0.30, 0.05, 0.25, 0.40, 0.08, 0.20, 0.25, 0.35, 0.28, 0.31, 0.27, 0.30]
    judged = pairs(hardly)
    judged[6] = lost(6)
    waits = evidence(claim(), judged[:7])
    assert waits.kind == ClaimKind.WAITS
    assert waits.next_look is not None
    assert waits.next_look.ranges == 11
    assert evidence(claim(), judged[:11]).kind == ClaimKind.WAITS
    last = evidence(claim(), judged)
    assert last.look is not None
    assert (last.look.ranges, last.look.level) == (11, claim().looks[-1].level)
    assert last.look.correction == pytest.approx(correction(ranges(11)), abs=1e-5)
    assert last.kind == ClaimKind.REAL


def test_too_few_remaining_date_ranges_have_no_look() -> None:
    planned = claim().looks
    assert looks_left(planned, 12) == planned
    assert [look.ranges for look in looks_left(planned, 7)] == [6, 7]
    assert looks_left(planned, 6) == planned[:1]
    assert looks_left(planned, 5) == ()
    assert looks_left(claim(6).looks, 5) == ()


def test_a_moved_look_does_not_come_before_a_divergence_that_refutes() -> None:
    clear = [0.30, -0.9, 0.9, 0.32, -0.2, 0.9, 0.31, 0.30, 0.29, 0.30, 0.28]
    assert evidence(claim(), pairs(clear)).kind == ClaimKind.WAITS
    result = evidence(claim(), [*pairs(clear), pair(11, [None], day=11)])
    assert result.diverged == ranges()[11]
    # Nor does what comes after it.
    early = evidence(claim(), [*pairs(clear[:10]), pair(10, [None], day=10)])
    assert early == evidence(claim(), [*pairs(clear[:10]), pair(10, [None], day=10), lost(11)])
    assert early.kind == ClaimKind.REFUTED


def test_over_all_looks_lost_date_ranges_leave_the_level_as_it_is() -> None:
    result = simulate(Cell(World(1.0, 0.6, gap=2), 0.0), CONSTANT, 2000, lost=3)
    assert result.real <= 0.05 + 2 * math.sqrt(0.05 / 1000)


def test_a_metric_that_is_zero_somewhere_has_no_ratio_there() -> None:
    result = evidence(claim(), [*pairs(CLEAR[:5]), pair(5, [0.0], day=9)])
    assert len(result.gains) == 5


def test_the_very_same_gain_everywhere_is_never_real() -> None:
    constant = evidence(claim(), pairs([0.25] * 6))
    assert (constant.kind, constant.p) == (ClaimKind.WAITS, None)


def test_seeds_of_a_date_range_are_averaged() -> None:
    two = [pair(at, [0.5, 2.0], [1.0, 1.0], day=at) for at in range(6)]
    assert evidence(claim(seeds=2), two).mean == pytest.approx(0.0)


def test_a_metric_judged_by_difference_has_gains_by_difference() -> None:
    points = [pair(at, [0.7 + 0.01 * (at % 3)], [0.6], day=at) for at in range(6)]
    result = evidence(claim(metric="auc"), points)
    assert result.mean == pytest.approx(0.11)
    assert result.kind == ClaimKind.REAL
    assert result.scale.better(0.11) == "11.0 points better"


def test_the_interval_of_a_real_claim_at_its_level_lies_above_the_rope() -> None:
    result = evidence(claim(), pairs(CLEAR))
    assert result.interval is not None
    assert result.interval[0] > 0.005
