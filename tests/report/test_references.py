"""The answer beside references, and trainings that their limit of epochs ended: numbers, sentence, page."""

import re
from typing import Any

import pytest

from pipeline.plan import rounds
from pipeline.report.card import card
from pipeline.report.commands import Place
from pipeline.report.limits import limits_in_words
from pipeline.report.page import page
from pipeline.report.summary import Summary, summarize
from pipeline.results import Row
from pipeline.store import Store
from pipeline.sweep import Definition, Phase, Sweep, Trial, trials_of
from tests.report.conftest import HOSTILE
from tests.support import nights
from tests.support.rows import row_of
from tests.support.sweeps import define

SCORES = {"constant": 1.0, "linear": 0.5, "trees": 0.25}


def with_references(definition: Definition) -> Definition:
    """The same with a phase of references, on the ranges that judge and those that choose."""
    ranges = (*(definition.confirm.ranges if definition.confirm else ()), *definition.choosing[0].ranges)
    phase = Phase(
        name="reference",
        role="reference",
        space={},
        ranges=ranges,
        fidelity=definition.choosing[-1].fidelity,
        strategy="finalists",
        experiments=3,
    )
    return definition.model_copy(update={"phases": (*definition.phases, phase)})


def references(definition: Definition, scores: dict[str, float] = SCORES, **cells: Any) -> list[Row]:
    """A row per reference and range; `cells` replace the usual ones."""
    nothing: dict[str, Any] = dict.fromkeys(definition.incumbent)
    return [
        row_of(definition, Trial("reference", name, at, 0), nothing, mse_test=nights.wave(score, at % 6, 0.05)) | cells
        for name, score in scores.items()
        for at in range(len(definition.phase("reference").ranges))
    ]


def measured(sweep: Sweep, *, judge: bool = True, **cells: Any) -> list[Row]:
    """The rows of a sweep: on every range e001 has about 0.2, the incumbent 0.4."""
    rows = []
    while trials := list(trials_of(rounds.plan_packs(sweep))):
        for trial in trials:
            row = nights.row(sweep, trial, nights.steady(), "data-1") | cells
            sweep.create_row(trial, row)
            rows.append(row)
    return [row for row in rows if judge or row["phase"] != "confirm"]


def summed_up(store: Store, spec: dict[str, Any], scores: dict[str, float] = SCORES, **cells: Any) -> Summary:
    from pipeline.analysis.confirmation import confirmation

    sweep = Sweep.create(store, define(spec))
    definition, rows = with_references(sweep.definition), measured(sweep)
    rows += references(definition, scores, **cells)
    return summarize(definition, rows, sweep.planned(), True, confirmation(definition, rows))


def text_of(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))


def test_the_answer_stands_beside_the_references_on_the_ranges_that_judged_it(
    store: Store, tiny_spec: dict[str, Any]
) -> None:
    compared = summed_up(store, nights.judged_on(tiny_spec)).references
    assert compared is not None
    assert compared.is_judged
    assert [line.name for line in compared.lines] == [
        "the constant",
        "the linear model",
        "boosted trees",
        "your setting",
        "e001",
    ]
    assert {line.ranges for line in compared.lines} == {6}
    assert [line.ratio for line in compared.lines] == pytest.approx([5, 2.5, 1.25, 2, 1], rel=0.02)
    assert [line.score for line in compared.lines] == pytest.approx([1, 0.5, 0.25, 0.4, 0.2], rel=0.02)


def test_where_nothing_judged_they_stand_on_the_ranges_that_chose(store: Store, tiny_spec: dict[str, Any]) -> None:
    summary = summed_up(store, tiny_spec)
    assert summary.references is not None
    assert not summary.references.is_judged
    assert {line.ranges for line in summary.references.lines} == {2}
    assert ", better on 2 of 2 date ranges that chose it, and 20 % better than boosted trees; nothing judged it; " in (
        summary.answer
    )


@pytest.mark.parametrize(
    ("scores", "words"),
    [
        (SCORES, ", and 20 % better than boosted trees; cost"),
        (
            {"constant": 1.0, "trees": 0.126},
            "; boosted trees are 37 % better: this network is not worth training yet; ",
        ),
        ({"linear": 0.1}, "; the linear model is 50 % better: this network is not worth training yet; "),
        ({"constant": 0.2004}, ", and as good as the constant; cost"),
    ],
)
def test_the_sentence_sets_the_answer_against_the_best_reference(
    store: Store, tiny_spec: dict[str, Any], scores: dict[str, float], words: str
) -> None:
    summary = summed_up(store, nights.judged_on(tiny_spec), scores)
    assert words in summary.answer
    assert words.strip("; ,").removeprefix("and ").split(";")[0].split(":")[0] in text_of(page(summary))


def test_an_incumbent_that_is_kept_is_named_as_what_is_better(
    store: Store, tiny_spec: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nights, "CHOSEN_BY", {"e000": 0.1, "e001": 0.2, "e002": 0.3})
    summary = summed_up(store, tiny_spec, {"constant": 1.0})
    assert summary.references is not None
    assert [line.name for line in summary.references.lines] == ["the constant", "your setting"]
    assert "; your setting is 60 % better than the constant; " in summary.answer


def test_where_more_is_better_a_reference_with_more_is_better(store: Store, tiny_spec: dict[str, Any]) -> None:
    spec = tiny_spec | {"objective": {"metric": "mse", "goal": "maximize"}}
    summary = summed_up(store, spec, {"linear": 0.5, "trees": 0.8})
    assert "boosted trees are 100 % better: this network is not worth training yet" in summary.answer


def test_a_metric_without_ratios_is_shown_but_not_compared(store: Store, tiny_spec: dict[str, Any]) -> None:
    summary = summed_up(store, tiny_spec, {"linear": -0.5})
    assert summary.references is not None
    assert summary.references.references[0].ratio is None
    assert summary.references.words == ""
    assert "linear" not in summary.answer
    assert "the linear model" in text_of(page(summary))


def test_a_failed_reference_is_named_on_the_page(store: Store, tiny_spec: dict[str, Any]) -> None:
    summary = summed_up(store, tiny_spec, status="failed", error=HOSTILE.replace("\ud800", ""), mse_test=None)
    assert summary.references is not None
    assert len(summary.references.failures) == 6
    assert "boosted trees" not in summary.answer
    html = page(summary)
    assert "boosted trees on [2024-01-01, 2024-03-01): &lt;script&gt;alert(1)" in html
    assert "<script>alert" not in html


def test_the_card_sets_every_model_beside_the_incumbent_the_best_first(store: Store, tiny_spec: dict[str, Any]) -> None:
    screen = card(summed_up(store, nights.judged_on(tiny_spec)), Place())
    names = ["this setting", "boosted trees", "your setting", "the linear model", "the constant"]
    assert [mark.name for mark in screen.marks] == names
    assert [mark.place for mark in screen.marks] == sorted(mark.place for mark in screen.marks)
    assert [mark.better for mark in screen.marks] == [
        *("50.0 % better", "37.5 % better", ""),
        *("25.0 % worse", "2.5 times worse"),
    ]
    assert screen.worth == "Yes: 20 % better than boosted trees"


def test_where_a_reference_is_better_the_card_recommends_no_network(store: Store, tiny_spec: dict[str, Any]) -> None:
    summary = summed_up(store, nights.judged_on(tiny_spec), {"trees": 0.126})
    screen = card(summary, Place("/store", "/store/report"))
    assert screen.headline == "Ship no network yet: boosted trees are 37 % better than the best network"
    assert screen.network == "learning_rate 0.01"
    assert screen.tone == "bad"
    assert "fetch" not in screen.commands[0].line


def test_without_references_the_page_has_no_table_of_them(store: Store, tiny_spec: dict[str, Any]) -> None:
    sweep = Sweep.create(store, define(tiny_spec))
    summary = summarize(sweep.definition, measured(sweep), sweep.planned(), True)
    assert summary.references is None
    assert [mark.kind for mark in card(summary, Place()).marks] == ["answer", "base"]
    assert "nobody tunes" not in page(summary)


# -- trainings that their limit ended


def limited(store: Store, spec: dict[str, Any], at_limit: Any) -> Summary:
    """`at_limit` gives the cell by experiment and number of the range."""
    sweep = Sweep.create(store, define(spec))
    rows = measured(sweep)
    for row in rows:
        trial = Trial.parse(row["trial"])
        if (cell := at_limit(trial)) is not None:
            row["at_limit"] = cell
    return summarize(sweep.definition, rows, sweep.planned(), True)


def test_a_limit_that_ended_the_answers_trainings_is_said_with_the_key_and_a_larger_value(
    store: Store, tiny_spec: dict[str, Any]
) -> None:
    spec = tiny_spec | {"training": {"max-epochs": 100}}
    summary = limited(store, spec, lambda trial: int(trial.experiment == "e001" and trial.range == 0))
    words = "ended at training.max-epochs = 100 while still improving: set it to 200"
    assert f"; 1 of 2 trainings of the answer {words}; cost" in summary.answer
    assert f"1 of 6 trainings {words}." in text_of(page(summary))


def test_limits_of_other_settings_stand_on_the_page_alone(store: Store, tiny_spec: dict[str, Any]) -> None:
    summary = limited(store, tiny_spec, lambda trial: int(trial.experiment == "e002"))
    assert "improving" not in summary.answer
    assert "2 of 6 trainings ended at training.max-epochs = 2 while" in text_of(page(summary))


@pytest.mark.parametrize("cell", [0, None, "much", 0.5])
def test_rows_without_a_limit_lead_to_no_warning(store: Store, tiny_spec: dict[str, Any], cell: Any) -> None:
    summary = limited(store, tiny_spec, lambda trial: cell)
    assert "improving" not in summary.answer + page(summary)


@pytest.mark.parametrize(
    ("short", "ended", "do"),
    [
        (3, "short.max-epochs = 3", "set it to 6"),
        (8, "training.max-epochs and short.max-epochs = 5", "set them to 10"),
    ],
)
def test_of_short_trainings_the_effective_limits_are_named(
    store: Store, tiny_spec: dict[str, Any], short: int, ended: str, do: str
) -> None:
    spec = tiny_spec | {"mode": "short", "short": {"max-epochs": short}, "training": {"max-epochs": 5}}
    definition = define(spec)
    row = {"phase": "screen", "status": "complete", "at_limit": 1}
    assert limits_in_words(definition, [row]) == [f"1 of 1 training ended at {ended} while still improving: {do}"]
