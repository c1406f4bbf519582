import io
import json

import pytest
from rich.console import Console

from pipeline.analysis.verdict import Kind
from pipeline.compare import sweeps
from pipeline.compare.sweeps import Comparison, compare
from pipeline.errors import UserError
from pipeline.screen.compare import tables
from tests.support.nights import JUDGED, MONTHS, STEADY, judged_on, night, steady, wave

HOSTILE = "<script>[bold]\u202e" + "long" * 2500


def printed(comparison: Comparison) -> str:
    out = io.StringIO()
    console = Console(file=out, width=1000)
    for table in tables(comparison):
        console.print(table)
    return out.getvalue()


@pytest.fixture
def spec(tiny_spec):
    return judged_on(tiny_spec)


def compare_nights(store, first_spec, second_spec, first=STEADY, second=STEADY, **options):
    return compare([night(store, first_spec, first), night(store, second_spec, second, day=1, **options)])


def test_a_better_sweep_is_real_on_fresh_ranges_that_both_judged_on(store, spec):
    def better(experiment, at):
        return wave(0.1, at, 0.1) if experiment == "e001" else 0.4

    comparison = compare_nights(store, spec, spec, second=better)
    pair = comparison.pairs[0]
    assert pair.winner == pair.other
    assert pair.verdict.kind is Kind.REAL
    assert all(compared.fresh for compared in pair.ranges)
    assert comparison.sentence.startswith(
        f"{pair.other} beats {pair.base}, and that is real: its best setting's mse_test is "
    )
    assert "% lower, ahead on 6 of 6 fresh common date ranges, p = " in comparison.sentence


def test_the_first_sweep_can_win_too(store, spec):
    comparison = compare_nights(store, spec, spec, second=lambda experiment, at: wave(0.9, at, 0.1))
    assert comparison.pairs[0].winner == comparison.pairs[0].base
    assert f"{comparison.pairs[0].base} beats {comparison.pairs[0].other}" in comparison.sentence


def test_ranges_that_chose_make_a_sweep_promising_at_most(store, tiny_spec):
    wide = tiny_spec | {"date-range": MONTHS}
    comparison = compare_nights(store, wide, wide, second=lambda experiment, at: wave(0.05, at, 0.01))
    assert comparison.pairs[0].verdict.kind is Kind.PROMISING
    assert "these ranges also chose a setting" in comparison.sentence


def test_two_ranges_are_too_few_for_a_test(store, tiny_spec):
    comparison = compare_nights(store, tiny_spec, tiny_spec, second=steady(best=0.1))
    assert "is ahead of" in comparison.sentence
    assert "cannot be tested" in comparison.sentence
    assert "a test takes at least 3 ranges" in comparison.sentence


def test_noise_is_not_shown_to_be_better(store, spec):
    noise = (0.2, 0.25, 0.15, 0.3, 0.18, 0.21)
    comparison = compare_nights(store, spec, spec, second=lambda experiment, at: noise[at % 6])
    assert comparison.pairs[0].verdict.kind is Kind.NOT_SHOWN
    assert "but not shown to be better" in comparison.sentence


def test_the_same_results_are_equally_good(store, spec):
    comparison = compare_nights(store, spec, spec)
    assert comparison.pairs[0].winner is None
    assert "are equally good" in comparison.sentence
    assert comparison.changed == {"as-of": ("2024-06-01", "2024-06-02")}


def test_a_range_on_which_the_winner_failed_keeps_it_from_being_real(store, spec):
    def sometimes(experiment, at):
        return float("nan") if (experiment, at) == ("e001", 5) else wave(0.4 if experiment == "e000" else 0.1, at, 0.1)

    comparison = compare_nights(store, spec, spec, second=sometimes)
    assert comparison.pairs[0].verdict.kind is Kind.PROMISING


def test_a_running_sweep_has_no_fresh_ranges(store, spec):
    comparison = compare_nights(store, spec, spec, second=steady(best=0.1), done=False)
    assert not any(compared.fresh for compared in comparison.pairs[0].ranges)
    assert "is not finished (5 of 6 trials)" in comparison.sentence


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"date-range": [["2024-03-01", "2024-05-01"]]}, "no date range in common ([2024-02-01, 2024-04-01)"),
        ({"objective": {"metric": "mse", "goal": "maximize"}}, "one minimizes mse, the other maximizes mse"),
    ],
)
def test_an_impossible_comparison_gives_the_reason(store, tiny_spec, change, reason):
    base = tiny_spec | {"date-range": [["2024-02-01", "2024-04-01"]]}
    comparison = compare_nights(store, base, base | change)
    assert comparison.pairs[0].verdict is None
    assert "cannot be compared with" in comparison.sentence
    assert reason in comparison.sentence


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"target": "size", "numeric": ["value"]}, "one predicts value, the other size"),
        ({"target-transform": "asinh"}, "transformed differently"),
    ],
)
def test_another_target_cannot_be_compared(store, tiny_spec, change, reason):
    assert reason in compare_nights(store, tiny_spec, tiny_spec | {"data": tiny_spec["data"] | change}).sentence


def test_a_sweep_without_a_best_setting_says_so(store, tiny_spec):
    comparison = compare_nights(store, tiny_spec, tiny_spec, status="failed")
    assert "20240602-0210-bag-of-words-3f9c has no best setting (done, 6 failed)" in comparison.sentence


def test_ranges_whose_data_changed_do_not_count(store, spec):
    comparison = compare_nights(store, spec, spec, data="data-2")
    assert "no common date range has the same data" in comparison.sentence
    assert len(comparison.pairs[0].left_out) == len(JUDGED) + 2
    assert any(name.startswith("data read in ") for name in comparison.changed)


def test_a_range_of_unknown_data_does_not_count(store, tiny_spec):
    assert (
        "what data were read is not recorded"
        in compare_nights(store, tiny_spec, tiny_spec, data_fingerprint=None).sentence
    )


def test_short_and_full_trainings_are_not_compared(store, spec, tiny_spec):
    comparison = compare_nights(store, tiny_spec, tiny_spec, done=True)
    assert comparison.pairs[0].ranges
    short = spec | {"mode": "short", "short": {"max-epochs": 1}}
    comparison = compare([night(store, spec, day=5), night(store, short, day=6)])
    assert {compared.date_range.as_json()[0] for compared in comparison.pairs[0].ranges} == {
        start for start, _ in JUDGED
    }


def test_changes_are_named(store, spec):
    other = spec | {
        "parameters": {"learning_rate": [0.01, 0.2]},
        "training": {"max-epochs": 3, "epoch-steps": 1},
        "incumbent": {"batch_size": 32},
    }
    comparison = compare_nights(store, spec, other, git_commit="def456")
    assert comparison.changed["commit"] == ("abc123", "def456")
    assert comparison.changed["screen space learning_rate"] == ("[0.01, 0.1]", "[0.01, 0.2]")
    assert comparison.changed["training max-epochs"] == ("2", "3")
    assert comparison.changed["incumbent batch_size"] == ("64", "32")
    text = printed(comparison)
    assert "abc123" in text
    assert "[2013-01-01, 2013-02-01)" in text


def test_two_architectures_are_compared_on_the_same_data(store, spec):
    other = spec | {"architecture": "attention"}
    comparison = compare_nights(store, spec, other, second=steady(best=0.1))
    assert comparison.changed["architecture"] == ("bag-of-words", "attention")
    assert comparison.pairs[0].winner == comparison.pairs[0].other


def test_more_sweeps_need_more_proof(store, spec):
    def better(experiment, at):
        return wave(0.1, at, 0.1)

    states = [night(store, spec), *(night(store, spec, better, day=day) for day in (1, 2, 3))]
    alone, among_others = compare(states[:2]).pairs[0], compare(states).pairs[0]
    assert among_others.verdict.p_adjusted > alone.verdict.p_adjusted


def test_json_says_what_the_tables_say(store, spec):
    comparison = compare_nights(store, spec, spec, second=steady(best=0.1), git_commit="def456")
    content = json.loads(sweeps.as_json(comparison))
    assert content["sentence"] == comparison.sentence
    assert content["pairs"][0]["winner"] == comparison.pairs[0].other
    assert [sweep["best"]["experiment"] for sweep in content["sweeps"]] == ["e001", "e001"]
    assert list(content["changed"]["commit"].values()) == ["abc123", "def456"]
    assert len(content["pairs"][0]["ranges"]) == 6


def test_hostile_text_is_text(store, tiny_spec):
    comparison = compare_nights(store, tiny_spec, tiny_spec, git_commit=HOSTILE)
    assert "<script>[bold]" in printed(comparison)
    assert json.loads(sweeps.as_json(comparison))["changed"]["commit"]


def test_one_sweep_is_no_comparison(store, tiny_spec):
    state = night(store, tiny_spec)
    with pytest.raises(UserError, match="at least two"):
        compare([state])
    with pytest.raises(UserError, match="is named twice"):
        compare([state, state])
