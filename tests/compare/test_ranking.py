"""The ranking of several sweeps: a few short lines on the terminal, and a page with a picture."""

import io
import re
from dataclasses import replace
from typing import Any

import pytest
from rich.console import Console

from pipeline.compare import page
from pipeline.compare.next_steps import next_steps
from pipeline.compare.picture import HEIGHT, WIDTH, Dot, picture
from pipeline.compare.ranking import Ranking, rank, rank_as_compared
from pipeline.compare.sweeps import compare
from pipeline.report.references import ModelLine, References
from pipeline.report.state import State
from pipeline.screen.compare import ranking_lines, ranking_table
from pipeline.store import Store
from pipeline.sweep import Sweep
from pipeline.training import architectures
from tests.support.nights import Score, judged_on, night, wave
from tests.support.sweeps import define

WORSE_BY = 0.1
LAST = 5


@pytest.fixture
def nights(store: Store, tiny_spec: dict[str, Any]) -> list[State]:
    """A sweep of each architecture. Each is 0.1 worse than the one before; the first two are nearly equal."""
    return [
        night(
            store,
            judged_on(tiny_spec | {"architecture": name, "tune": "parameters"}),
            lambda experiment, at, n=n: wave(0.1 + WORSE_BY * max(n - 0.9, 0), at + n, 0.05),
            token=f"{n:04x}",
            training_time=30.0 * (n + 1),
        )
        for n, name in enumerate(_like_bag_of_words())
    ]


def _like_bag_of_words() -> list[str]:
    return [name for name in architectures.names() if "learning_rate" in architectures.hyperparameters(name)]


def printed(ranking: Ranking, width: int) -> list[str]:
    out = io.StringIO()
    Console(file=out, width=width).print(ranking_table(ranking))
    return [*out.getvalue().splitlines(), *ranking_lines(ranking, next_steps(ranking), width)]


def test_the_ranking_is_by_test_scores_and_corrected_for_choosing_the_first(nights: list[State]) -> None:
    ranking = rank(reversed(nights))
    assert [place.name for place in ranking.places] == _like_bag_of_words()
    assert ranking.base is ranking.places[0]
    scores = [place.score for place in ranking.places]
    assert scores == sorted(scores)
    assert (len(ranking.ranges), ranking.fresh) == (6, True)
    # The ranking corrects for n (n - 1) possible pairs, the comparison only for those with the first.
    named_first = compare(nights)
    for ranked, compared in zip(ranking.comparison.pairs, named_first.pairs, strict=True):
        assert ranked.verdict is not None
        assert compared.verdict is not None
        assert (ranked.verdict.gain, ranked.verdict.p) == (compared.verdict.gain, compared.verdict.p)
        if ranked.verdict.p_adjusted is not None and compared.verdict.p_adjusted is not None:
            assert ranked.verdict.p_adjusted >= compared.verdict.p_adjusted


@pytest.mark.parametrize("width", [80, 120, 200])
def test_the_ranking_takes_a_few_lines_that_fit_the_terminal(nights: list[State], width: int) -> None:
    lines = printed(rank(nights), width)
    assert len(lines) <= len(nights) + 10
    assert max(len(line) for line in lines if not line.startswith("  hpt ")) <= width
    text = "\n".join(lines)
    assert "% worse, real" in text
    assert "incumbent" not in text
    assert re.search(r"  hpt export \S+-0000$", text, re.MULTILINE)


def test_sweeps_without_a_result_stand_in_the_ranking(nights: list[State], store: Store, tiny_spec: Any) -> None:
    unfinished = Sweep.create(store, define(judged_on(tiny_spec), "ffff"))
    from pipeline.report.state import state_of

    ranking = rank([*nights[:2], state_of(unfinished)], {"lstm": "the data are <gone>"})
    assert [place.score is None for place in ranking.places] == [False, False, True]
    text = "\n".join(printed(ranking, 200))
    assert "lstm has no sweep: the data are <gone>" in text
    assert "no result; 0 of 0 trials" in text
    assert "; bag-of-words-ffff is not finished." in text or "; bag-of-words is not finished." in text
    assert f"  hpt run --sweep {unfinished.id}" in text
    page.save(ranking, {state.sweep.id: "so" for state in ranking.comparison.states}, store)


def test_sweeps_without_any_result_can_be_ranked(store: Store, tiny_spec: dict[str, Any]) -> None:
    from pipeline.report.state import state_of

    states = [state_of(Sweep.create(store, define(tiny_spec, token))) for token in ("aaaa", "bbbb")]
    text = "\n".join(printed(rank(states), 80))
    assert "has no best setting" in text
    assert text.count("no result") >= 1


def test_the_ranking_follows_the_pairs_not_the_few_ranges_that_all_sweeps_share(
    store: Store, tiny_spec: dict[str, Any]
) -> None:
    # On the one date range that all three judged, the second is better; on the other five, clearly the first.
    def score(by: float, on_last: float) -> Score:
        return lambda experiment, at: on_last if at == LAST else wave(by, at, 0.05)

    months = judged_on(tiny_spec)["confirm-range"]
    other_months = [[f"2012-{month:02}-01", f"2012-{month + 1:02}-01"] for month in range(1, 6)]
    other_choosing = [["2012-07-01", "2012-08-01"], ["2012-08-01", "2012-09-01"]]
    states = [
        night(store, judged_on(tiny_spec | {"architecture": "cnn"}), score(0.1, 0.35), token="0001"),
        night(store, judged_on(tiny_spec | {"architecture": "lstm"}), score(0.2, 0.3), token="0002"),
        night(
            store,
            judged_on(tiny_spec | {"date-range": other_choosing}, [*other_months, months[LAST]]),
            score(0.9, 0.9),
            token="0003",
        ),
    ]
    ranking = rank(states)
    assert [place.name for place in ranking.places] == ["cnn", "lstm", "bag-of-words"], ranking.ranges_in_words
    assert ranking.base.name == "lstm"
    assert [place.is_judged_elsewhere for place in ranking.places] == [True, False, False]
    assert "better on other date ranges, " in ranking.places[0].against
    assert "cnn is ahead of 2 others" in ranking.headline
    assert "it is ahead of lstm on other date ranges, which not all sweeps share" in ranking.headline


def test_a_sweep_of_an_older_version_can_only_be_exported(nights: list[State]) -> None:
    old = [of_older_version(state, done=state is nights[0]) for state in nights[:3]]
    commands = [step.command for step in next_steps(rank(old))]
    assert {command.split()[1] for command in commands} == {"export"}
    assert len(commands) == len(set(commands)) == 3


def of_older_version(state: State, *, done: bool) -> State:
    """The same sweep with failures, as an older version would have left it."""
    sweep = Sweep(state.sweep.store, state.sweep.id)
    sweep._definition = state.sweep.definition.model_copy(update={"format": 1})
    failed = state.rows[0] | {"status": "failed", "experiment": "e002"}
    rows = [row | {"model_url": f"{row['trial']}.pt"} for row in state.rows]
    return replace(state, sweep=sweep, done=done, rows=[*rows, failed])


def test_close_sweeps_that_were_not_tuned_automatically_are_not_searched_more(
    nights: list[State], store: Store, tiny_spec: dict[str, Any]
) -> None:
    noise = (0.2, 0.25, 0.15, 0.3, 0.18, 0.21)
    spec = judged_on(tiny_spec) | {"tune": "parameters"}
    spread = {"budget": {"experiments": 3}} | spec
    close = [
        night(store, spread | {"architecture": name}, lambda experiment, at, n=n: noise[(at + n) % 6], token=f"a{n}00")
        for n, name in enumerate(("cnn", "lstm"))
    ]
    ranking = rank(close)
    assert [step.command.partition(" --sweep")[0].split()[1] for step in next_steps(ranking)] == ["export"]
    assert next_steps(ranking, " --store x")[0].command.endswith(" --store x")


def test_sweeps_of_one_architecture_are_named_by_the_end_of_their_ids(store: Store, tiny_spec: dict[str, Any]) -> None:
    spec = judged_on(tiny_spec)
    states = [night(store, spec), night(store, spec, day=1, token="aaaa")]
    ranking = rank_as_compared(compare(states))
    assert [place.name for place in ranking.places] == ["bag-of-words-3f9c", "bag-of-words-aaaa"]
    text = "\n".join(printed(ranking, 80))
    assert re.search(r"bag-of-words-\w+ and\s+bag-of-words-\w+ are\s+equally\s+good", text)
    assert "they differ in as-of: --verbose shows how" in text


def test_the_page_has_the_picture_the_links_and_the_commands(nights: list[State], store: Store) -> None:
    ranking = rank(nights)
    answers = {state.sweep.id: f"answer <of> {state.sweep.id}" for state in nights}
    key = page.save(ranking, answers, store, " --store here")
    text = store.read(key).decode()
    assert store.exists(key.replace("index.html", "style.css"))
    assert "<script" not in text
    assert "style=" not in text
    assert "<of>" not in text
    for state in nights:
        assert f'href="../../sweeps/{state.sweep.id}/report/index.html"' in text
    assert f"hpt export {nights[0].sweep.id} --store here</pre>" in text
    assert text.count("<circle") == len(nights)
    assert "incumbent:" not in text


def test_no_name_in_the_picture_covers_a_point_or_another_name(nights: list[State], monkeypatch: Any) -> None:
    ranking = rank(nights)
    lines = (ModelLine("boosted trees", 0.12, 1.2, 6), ModelLine("the linear model", 0.121, 1.21, 6))
    far = ModelLine("the constant", 90.0, 900.0, 6)
    references = References("minimize", (*lines, far), None, ModelLine("x", 0.1, 1.0, 6), True, ())
    for place in ranking.places:
        object.__setattr__(place, "references", references)
    drawn = picture(ranking)
    assert drawn is not None
    assert drawn.far == ("the constant 90",)
    assert [level.text for level in drawn.levels] == ["the linear model", "boosted trees"]
    assert abs(drawn.levels[0].text_y - drawn.levels[1].text_y) >= 16
    boxes = [_box(dot) for dot in drawn.dots]
    assert not any(box[1] < level.y < box[3] for box in boxes for level in drawn.levels)
    for at, box in enumerate(boxes):
        assert 0 <= box[0] < box[2] <= WIDTH
        assert 0 <= box[1] < box[3] <= HEIGHT
        others = [*boxes[:at], *boxes[at + 1 :], *((dot.x - 6, dot.y - 6, dot.x + 6, dot.y + 6) for dot in drawn.dots)]
        assert not any(
            box[0] < other[2] and other[0] < box[2] and box[1] < other[3] and other[1] < box[3] for other in others
        )


@pytest.mark.parametrize(("score", "is_drawn"), [(0.5, True), (4.0, False)])
def test_the_constant_is_drawn_only_where_it_leaves_the_sweeps_half_of_the_picture(
    nights: list[State], score: float, is_drawn: bool
) -> None:
    ranking = rank(nights)
    lines = (ModelLine("the constant", score, score / 0.1, 6), ModelLine("boosted trees", 0.12, 1.2, 6))
    for place in ranking.places:
        object.__setattr__(
            place, "references", References("minimize", lines, None, ModelLine("x", 0.1, 1.0, 6), True, ())
        )
    drawn = picture(ranking)
    assert drawn is not None
    assert ("the constant" in [level.text for level in drawn.levels]) is is_drawn
    assert drawn.far == (() if is_drawn else (f"the constant {score:g}",))
    assert (drawn.cost, drawn.error) == ("training time (log scale)", "mse_test (log scale)")


def _box(dot: Dot) -> tuple[float, float, float, float]:
    width = 7.8 * len(dot.text)
    edge = dot.text_x - width if dot.is_left else dot.text_x
    return edge, dot.text_y - 13, edge + width, dot.text_y + 4
