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


def shown(comparison: Comparison) -> str:
    out = io.StringIO()
    console = Console(file=out, width=1000)
    for table in tables(comparison):
        console.print(table)
    return out.getvalue()


@pytest.fixture
def asked(tiny_spec):
    return judged_on(tiny_spec)


def two(store, one, other, first=STEADY, second=STEADY, **more):
    return compare([night(store, one, first), night(store, other, second, day=1, **more)])


def test_a_better_sweep_is_real_on_fresh_ranges_that_both_judged_on(store, asked):
    def better(experiment, at):
        return wave(0.1, at, 0.1) if experiment == "e001" else 0.4

    found = two(store, asked, asked, second=better)
    pair = found.pairs[0]
    assert pair.winner == pair.other
    assert pair.verdict.kind is Kind.REAL
    assert all(one.fresh for one in pair.ranges)
    assert found.sentence.startswith(
        f"{pair.other} beats {pair.base}, and that is real: its best setting's mse_test is "
    )
    assert "% lower, ahead on 6 of 6 fresh common date ranges, p = " in found.sentence


def test_the_first_sweep_can_win_too(store, asked):
    found = two(store, asked, asked, second=lambda experiment, at: wave(0.9, at, 0.1))
    assert found.pairs[0].winner == found.pairs[0].base
    assert f"{found.pairs[0].base} beats {found.pairs[0].other}" in found.sentence


def test_on_ranges_that_chose_nothing_is_more_than_promising(store, tiny_spec):
    wide = tiny_spec | {"date-range": MONTHS}
    found = two(store, wide, wide, second=lambda experiment, at: wave(0.05, at, 0.01))
    assert found.pairs[0].verdict.kind is Kind.PROMISING
    assert "these ranges also chose a setting" in found.sentence


def test_two_ranges_are_too_few_for_a_test(store, tiny_spec):
    found = two(store, tiny_spec, tiny_spec, second=steady(best=0.1))
    assert "is ahead of" in found.sentence
    assert "cannot be tested" in found.sentence
    assert "a test takes at least 3 ranges" in found.sentence


def test_noise_is_not_shown_to_be_better(store, asked):
    noise = (0.2, 0.25, 0.15, 0.3, 0.18, 0.21)
    found = two(store, asked, asked, second=lambda experiment, at: noise[at % 6])
    assert found.pairs[0].verdict.kind is Kind.NOT_SHOWN
    assert "that it is better is not shown" in found.sentence


def test_the_same_results_are_equally_good(store, asked):
    found = two(store, asked, asked)
    assert found.pairs[0].winner is None
    assert "are equally good" in found.sentence
    assert found.changed == {"as-of": ("2024-06-01", "2024-06-02")}


def test_a_range_on_which_the_winner_failed_keeps_it_from_being_real(store, asked):
    def sometimes(experiment, at):
        return float("nan") if (experiment, at) == ("e001", 5) else wave(0.4 if experiment == "e000" else 0.1, at, 0.1)

    found = two(store, asked, asked, second=sometimes)
    assert found.pairs[0].verdict.kind is Kind.PROMISING


def test_looking_at_a_sweep_that_still_runs_proves_nothing(store, asked):
    found = two(store, asked, asked, second=steady(best=0.1), done=False)
    assert not any(one.fresh for one in found.pairs[0].ranges)
    assert "is not finished (5 of 6 trials)" in found.sentence


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"date-range": [["2024-03-01", "2024-05-01"]]}, "no date range in common ([2024-02-01, 2024-04-01)"),
        ({"objective": {"metric": "mse", "goal": "maximize"}}, "one minimizes mse, the other maximizes mse"),
    ],
)
def test_what_cannot_be_compared_says_why(store, tiny_spec, change, why):
    base = tiny_spec | {"date-range": [["2024-02-01", "2024-04-01"]]}
    found = two(store, base, base | change)
    assert found.pairs[0].verdict is None
    assert "cannot be compared with" in found.sentence
    assert why in found.sentence


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"target": "size", "numeric": ["value"]}, "one predicts value, the other size"),
        ({"target-transform": "asinh"}, "transformed differently"),
    ],
)
def test_another_target_cannot_be_compared(store, tiny_spec, change, why):
    assert why in two(store, tiny_spec, tiny_spec | {"data": tiny_spec["data"] | change}).sentence


def test_a_sweep_without_a_best_setting_says_so(store, tiny_spec):
    found = two(store, tiny_spec, tiny_spec, status="failed")
    assert "20240602-0210-bag-of-words-3f9c has no best setting (done, 6 failed)" in found.sentence


def test_ranges_whose_data_changed_do_not_count(store, asked):
    found = two(store, asked, asked, data="data-2")
    assert "no common date range has the same data" in found.sentence
    assert len(found.pairs[0].left_out) == len(JUDGED) + 2
    assert any(name.startswith("data read in ") for name in found.changed)


def test_a_range_of_unknown_data_does_not_count(store, tiny_spec):
    assert "what data were read is not recorded" in two(store, tiny_spec, tiny_spec, data_fingerprint=None).sentence


def test_short_and_full_training_are_not_set_against_each_other(store, asked, tiny_spec):
    found = two(store, tiny_spec, tiny_spec, done=True)
    assert found.pairs[0].ranges
    short = asked | {"mode": "short", "short": {"max-epochs": 1}}
    found = compare([night(store, asked, day=5), night(store, short, day=6)])
    assert {one.date_range.as_json()[0] for one in found.pairs[0].ranges} == {start for start, _ in JUDGED}


def test_what_changed_is_named(store, asked):
    other = asked | {
        "parameters": {"learning_rate": [0.01, 0.2]},
        "training": {"max-epochs": 3, "epoch-steps": 1},
        "incumbent": {"batch_size": 32},
    }
    found = two(store, asked, other, git_commit="def456")
    assert found.changed["commit"] == ("abc123", "def456")
    assert found.changed["screen space learning_rate"] == ("[0.01, 0.1]", "[0.01, 0.2]")
    assert found.changed["training max-epochs"] == ("2", "3")
    assert found.changed["incumbent batch_size"] == ("64", "32")
    text = shown(found)
    assert "abc123" in text
    assert "[2013-01-01, 2013-02-01)" in text


def test_two_architectures_are_compared_on_the_same_data(store, asked):
    other = asked | {"architecture": "attention"}
    found = two(store, asked, other, second=steady(best=0.1))
    assert found.changed["architecture"] == ("bag-of-words", "attention")
    assert found.pairs[0].winner == found.pairs[0].other


def test_more_sweeps_need_more_proof(store, asked):
    def better(experiment, at):
        return wave(0.1, at, 0.1)

    states = [night(store, asked), *(night(store, asked, better, day=day) for day in (1, 2, 3))]
    alone, among_others = compare(states[:2]).pairs[0], compare(states).pairs[0]
    assert among_others.verdict.p_adjusted > alone.verdict.p_adjusted


def test_json_says_what_the_tables_say(store, asked):
    found = two(store, asked, asked, second=steady(best=0.1), git_commit="def456")
    content = json.loads(sweeps.as_json(found))
    assert content["sentence"] == found.sentence
    assert content["pairs"][0]["winner"] == found.pairs[0].other
    assert [one["best"]["experiment"] for one in content["sweeps"]] == ["e001", "e001"]
    assert list(content["changed"]["commit"].values()) == ["abc123", "def456"]
    assert len(content["pairs"][0]["ranges"]) == 6


def test_hostile_text_is_text(store, tiny_spec):
    found = two(store, tiny_spec, tiny_spec, git_commit=HOSTILE)
    assert "<script>[bold]" in shown(found)
    assert json.loads(sweeps.as_json(found))["changed"]["commit"]


def test_one_sweep_is_no_comparison(store, tiny_spec):
    one = night(store, tiny_spec)
    with pytest.raises(UserError, match="at least two"):
        compare([one])
    with pytest.raises(UserError, match="stands there twice"):
        compare([one, one])
