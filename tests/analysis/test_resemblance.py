"""Resemblance of date ranges, learned from digests of earlier sweeps; other content of a ledger is no evidence."""

import math
from typing import Any

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest

from benchmarks.resemblance import EVIDENCE, Sweeps, World, learned
from pipeline.analysis import resemblance
from pipeline.analysis.confirmation import design_of
from pipeline.analysis.power import correction, correction_of
from pipeline.analysis.resemblance import MODELS, Block, evidence, learn, posterior, quantile
from pipeline.dates import DateRange
from pipeline.results import Status
from pipeline.sweep import Definition
from pipeline.sweep.digests import DigestedRange
from tests.support.digests import LATER, digest
from tests.support.sweeps import define

MONTHS = [DateRange.from_json([f"2013-{at:02d}-01", f"2013-{at + 1:02d}-01"]) for at in range(1, 12)]
CONSTANT = 1.1


@pytest.fixture
def definition(tiny_spec: dict[str, Any]) -> Definition:
    return define(tiny_spec | {"confirm-range": [date_range.as_json() for date_range in MONTHS[:6]], "confirm": {}})


def table(settings: int, ranges: int, seed: int = 0, rho: float = 0.0) -> np.ndarray:
    scores = World(1.0, rho).series(np.random.default_rng(seed), (settings,), np.arange(ranges, dtype=float))
    return np.exp(0.02 * scores)


# -- the model


def test_with_no_evidence_all_models_are_as_likely_as_before() -> None:
    assert posterior([]).sum() == pytest.approx(1)
    assert posterior([])[0] > posterior([])[1] == posterior([])[-1]


@pytest.mark.parametrize("rho", [0.0, 0.8])
def test_much_evidence_finds_the_truth(rho: float) -> None:
    scores = World(1.0, rho).series(np.random.default_rng(3), (40,), np.arange(40.0))
    probabilities = posterior([Block.of(scores, np.arange(40.0))])
    neighbours = MODELS.prod(axis=-1)
    low, high = (float(quantile(neighbours, probabilities, at)) for at in (0.02, 0.98))
    assert low - 0.05 <= rho <= high + 0.05
    assert high - low < 0.3


def test_a_slow_component_under_noise_is_still_detected() -> None:
    """A fit of an autoregressive process without noise would find hardly any resemblance."""
    world = World(0.5, 0.9)
    values = resemblance.corrections(world.choosing, world.judging, 20)
    scores = world.series(np.random.default_rng(5), (20,), np.arange(24.0))
    assert quantile(values, posterior([Block.of(scores, np.arange(24.0))]), resemblance.HIGH) > 1.0


def test_corrections_grow_with_resemblance_and_with_the_number_of_settings_and_fade_with_a_gap() -> None:
    near, far = World(1, 0), World(1, 0, gap=3)
    few, many = (resemblance.corrections(near.choosing, near.judging, settings) for settings in (2, 60))
    apart = resemblance.corrections(near.choosing, far.judging, 60)
    assert few[0] == many[0] == apart[0] == pytest.approx(0, abs=1e-6)
    assert (many >= few - 1e-9).all()
    assert (apart <= many + 1e-9).all()
    slow = [many[at] for at in range(len(MODELS)) if MODELS[at, 0] == 1.0]
    assert slow == sorted(slow)


def test_fewer_seeds_hide_resemblance_that_more_seeds_would_show() -> None:
    world = World(1, 0)
    single, several = (resemblance.corrections(world.choosing, world.judging, 20, noise) for noise in (1.0, 0.6))
    assert (several >= single - 1e-9).all()


scores_of_any = st.integers(0, 2**32 - 1).map(
    lambda seed: np.random.default_rng(seed).standard_normal((5, 8)).cumsum(axis=-1)
)


@hypothesis.given(scores_of_any, st.permutations(range(5)), st.integers(0, 1000))
def test_the_order_of_settings_and_their_common_effects_change_nothing(
    scores: np.ndarray, order: list[int], seed: int
) -> None:
    rng = np.random.default_rng(seed)
    moved = 3.0 * scores[order] + 10 * rng.standard_normal((5, 1)) + 10 * rng.standard_normal(8)
    positions = np.arange(8.0)
    np.testing.assert_allclose(
        posterior([Block.of(scores, positions)]), posterior([Block.of(moved, positions + 5)]), rtol=1e-4, atol=1e-6
    )


@hypothesis.given(st.floats(0, 10), st.integers(0, 1000))
def test_the_constant_moves_only_where_evidence_rules_it_out(constant: float, seed: int) -> None:
    probabilities = np.random.default_rng(seed).dirichlet(np.ones(len(MODELS)))
    values = resemblance.corrections(World(1, 0).choosing, World(1, 0).judging, 20)
    low, high = (quantile(values, probabilities, at) for at in (resemblance.LOW, resemblance.HIGH))
    c = float(resemblance.learned(values, probabilities, constant))
    assert low <= c <= high
    assert c == pytest.approx(constant) if low <= constant <= high else c in (low, high)


def test_more_evidence_brings_the_learned_correction_nearer_to_the_truth() -> None:
    """On average, c falls with more evidence if ranges are unlike, and rises if they are very alike."""
    kinds = ("1 mo", "8x12", "12 mo", "8x24")
    for world, falls in ((World(0, 0), True), (World(1.0, 0.8), False)):
        means = [learned(np.random.default_rng(1), world, EVIDENCE[kind], 400).mean() for kind in kinds]
        assert means[0] >= means[1] >= max(means[2:]) if falls else means[0] <= means[1] <= min(means[2:])


def test_settings_that_move_together_count_as_fewer() -> None:
    rng = np.random.default_rng(2)
    original = World(1, 0).series(rng, (1, 12), np.arange(12.0))[0, :2]
    copied = np.repeat(original, 10, axis=0) + 1e-4 * rng.standard_normal((20, 12))
    alone, together = (posterior([Block.of(scores, np.arange(12.0))]) for scores in (original, copied))
    assert np.abs(alone - together).max() < 0.15


@pytest.mark.parametrize("heavy", [False, True])
def test_a_correction_learned_from_a_study_keeps_the_level_and_finds_more(heavy: bool) -> None:
    runs = 1500
    for share, rho, at_most in ((0, 0, 0.05), (1, 0.3, 0.05), (1, 0.6, 0.08), (0.5, 0.6, 0.05), (0.5, 0.8, 0.1)):
        world = World(share, rho, heavy)
        c = learned(np.random.default_rng(4), world, EVIDENCE["8x12"], runs)
        assert Sweeps.simulate(np.random.default_rng(6), world, runs, 0.0).ours(c) <= at_most, world
    world = World(0, 0, heavy)
    c = learned(np.random.default_rng(4), world, EVIDENCE["8x12"], runs)
    sweeps = Sweeps.simulate(np.random.default_rng(6), world, runs, 2.0)
    assert sweeps.ours(c) > max(0.62, sweeps.ours(world.constant) + 0.1)


# -- what counts as evidence


def test_a_year_of_unlike_months_lowers_the_correction_and_names_its_sources(definition: Definition) -> None:
    result = learn([digest(definition, table(12, 11))], definition, CONSTANT)
    assert result is not None
    assert result.correction < CONSTANT == result.constant
    assert result.at_least <= result.correction <= result.at_most
    assert (result.trainings, result.settings, result.ranges) == (132, 12, 11)
    assert result.sources == ("20240101-0000-bag-of-words-0000",)
    assert result.correlation <= result.correlation_at_most


def test_a_year_of_similar_months_raises_the_correction(definition: Definition) -> None:
    result = learn([digest(definition, table(20, 11, rho=0.9))], definition, 0.2)
    assert result is not None
    assert result.correction > 0.2


def test_trainings_that_nights_repeat_are_counted_once(definition: Definition) -> None:
    first = digest(definition, table(6, 8))
    second = first.model_copy(update={"sweep": "20240102-0000-bag-of-words-0000"})
    once, twice = (learn(digests, definition, CONSTANT) for digests in ([first], [first, second]))
    assert once is not None
    assert twice is not None
    assert once.model_copy(update={"sources": ()}) == twice.model_copy(update={"sources": ()})


def test_months_of_several_sweeps_form_one_table(definition: Definition) -> None:
    scores = table(6, 9)
    parts = [
        digest(definition, scores[:, at : at + 3], LATER[at:], sweep=f"202401{at + 1:02d}-0000-bag-of-words-0000")
        for at in range(7)
    ]
    whole, joined = (learn(digests, definition, CONSTANT) for digests in ([digest(definition, scores)], parts))
    assert whole is not None
    assert joined is not None
    assert joined.correction == pytest.approx(whole.correction)
    assert len(joined.sources) == 7


def test_settings_far_from_the_best_do_not_count(definition: Definition) -> None:
    near = table(6, 8)
    far = 5 * np.exp(0.5 * np.random.default_rng(1).standard_normal((4, 8)))
    only, all_settings = (
        learn([digest(definition, scores)], definition, CONSTANT) for scores in (near, np.vstack([near, far]))
    )
    assert only is not None
    assert only == all_settings


OTHERS: dict[str, dict[str, Any]] = {
    "other code": {"sweep_format": 1},
    "other data": {"data": None},
    "other shares": {"validation_share": 0.3},
    "no trial": {"trials": ()},
    "settings that nobody knows": {"experiments": {}},
    "ranges that nobody knows": {"ranges": ()},
}


@pytest.mark.parametrize("changes", OTHERS.values(), ids=OTHERS)
def test_a_sweep_of_another_kind_is_no_evidence(definition: Definition, changes: dict[str, Any]) -> None:
    good = digest(definition, table(6, 8))
    assert learn([good.model_copy(update=changes)], definition, CONSTANT) is None


def test_other_fidelities_lengths_and_steps_are_no_evidence(definition: Definition) -> None:
    good = digest(definition, table(6, 8))
    short = tuple(fidelity.model_copy(update={"max_epochs": 1}) for fidelity in good.fidelities)
    assert learn([good.model_copy(update={"fidelities": short})], definition, CONSTANT) is None
    weeks = [DateRange.from_json([f"2012-{at:02d}-01", f"2012-{at:02d}-08"]) for at in range(1, 12)]
    assert learn([digest(definition, table(6, 8), weeks)], definition, CONSTANT) is None
    assert learn([digest(definition, table(6, 5), LATER[::2])], definition, CONSTANT) is None


def test_one_setting_two_ranges_or_equal_scores_are_no_evidence(definition: Definition) -> None:
    for scores in (table(1, 11), table(12, 2), np.ones((5, 8)), np.full((5, 8), -1.0), np.zeros((5, 8))):
        assert learn([digest(definition, scores)], definition, CONSTANT) is None
    assert learn([], definition, CONSTANT) is None


def test_ranges_that_end_on_the_same_day_and_huge_scores_are_no_evidence(definition: Definition) -> None:
    twice = sorted(
        [*LATER[:5], DateRange.from_json(["2012-05-03", "2012-06-01"])], key=lambda one: (one.end, one.start)
    )
    assert learn([digest(definition, table(6, 6), twice)], definition, CONSTANT) is None
    huge = digest(definition, 1e300 * (1 + np.random.default_rng(0).random((6, 8))))
    objective = definition.objective.model_copy(update={"scale": "difference"})
    by_difference = definition.model_copy(update={"objective": objective})
    assert learn([huge], by_difference, CONSTANT) is None


def test_three_sweeps_change_little(definition: Definition) -> None:
    """With hardly any evidence, the constant stays."""
    three = [
        digest(definition, table(3, 3, seed), sweep=f"2024010{seed}-0000-bag-of-words-0000", seed=seed)
        for seed in (1, 2, 3)
    ]
    result = learn(three, definition, CONSTANT)
    assert result is not None
    assert result.correction == pytest.approx(CONSTANT, abs=0.4)


def test_a_setting_with_failed_or_stopped_trainings_counts_on_its_other_ranges(definition: Definition) -> None:
    good = digest(definition, table(6, 8))
    for change in ({"status": Status.STOPPED}, {"status": Status.FAILED, "valid": None}, {"valid": -1.0}):
        trials = (good.trials[0].model_copy(update=change), *good.trials[1:])
        result = learn([good.model_copy(update={"trials": trials})], definition, CONSTANT)
        assert result is not None
        assert result.settings == 5


def test_if_data_changed_only_the_newest_count(definition: Definition) -> None:
    old = digest(definition, table(6, 8, 1))
    changed = tuple(DigestedRange(range=digested.range, fingerprints={"full": ("other",)}) for digested in old.ranges)
    new = digest(definition, table(6, 8, 2), sweep="20240301-0000-bag-of-words-0000")
    new = new.model_copy(update={"ranges": changed})
    assert learn([old, new], definition, CONSTANT) == learn([new], definition, CONSTANT)
    under = tuple(
        DigestedRange(range=digested.range, fingerprints={"full": ("abcd", "other")}) for digested in old.ranges
    )
    assert learn([old.model_copy(update={"ranges": under})], definition, CONSTANT) is None


def test_several_seeds_are_averaged_as_the_confirmation_averages_them(definition: Definition) -> None:
    scores = np.stack([table(6, 8, seed) for seed in range(4)], axis=-1)
    phase = definition.confirm
    assert phase is not None
    single = evidence([digest(definition, scores)], definition, phase)
    double = evidence([digest(definition, scores)], definition, phase.model_copy(update={"seeds": 2}))
    assert single is not None
    assert double is not None
    assert [scores_table.scores.shape for scores_table in (*single.tables, *double.tables)] == [(24, 8), (12, 8)]
    assert single.trainings == double.trainings == 192
    expected = np.log(scores[0, :, :2]).mean(axis=-1)
    assert any(np.allclose(row, expected) for row in double.tables[0].scores)


def test_a_sweep_does_not_learn_from_itself(definition: Definition) -> None:
    itself = digest(definition, table(6, 8), sweep=definition.id)
    assert learn([itself], definition, CONSTANT) is None


# -- how it judges


def test_the_learned_correction_judges_also_on_the_ranges_that_remain(definition: Definition) -> None:
    phase = definition.confirm
    assert phase is not None
    assert phase.judging is not None
    design = design_of(definition, phase)
    assert correction_of(design, design.ranges) == correction(design.ranges)
    result = learn([digest(definition, table(12, 11))], definition, CONSTANT)
    judging = phase.judging.model_copy(update={"resemblance": result})
    design = design_of(definition, phase.model_copy(update={"judging": judging}))
    assert result is not None
    assert correction_of(design, design.ranges) == result.correction
    assert correction_of(design, design.ranges[:3]) == pytest.approx(result.correction * 5 / 2)
    assert math.isfinite(correction_of(design, design.ranges[:2]))
