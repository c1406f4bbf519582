"""The grouping of sweeps on a store's front page, and the page in a real browser."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.compare.claims import ClaimRow
from pipeline.compare.front_line import FrontLine
from pipeline.compare.front_page import NEWEST, Unread, months, page, problems, trend
from pipeline.store import open_store
from tests.support.browser import browser, needs_browser

HOSTILE = "<script>alert(1)</script>\"'&\u202e{{ 7*7 }} 🚀 \ud800" + "long" * 300


def line(at: int = 0, **changes: Any) -> FrontLine:
    """The line of a done and judged sweep of day number `at`."""
    day = f"2024-{1 + at // 28:02}-{1 + at % 28:02}"
    usual = {
        "sweep": f"{day.replace('-', '')}-0210-lstm-{at:04x}",
        "created": f"{day}T02:10:00+00:00",
        "looked": "2024-06-14T02:10:00+00:00",
        "architecture": "lstm",
        "source": "/data/taxi.csv",
        "target": ["fare"],
        "transform": None,
        "metric": "mse",
        "goal": "minimize",
        "state": "done",
        "done": True,
        "verdict": "real",
        "incumbent": "the defaults",
        "setting": "learning_rate=0.03",
        "gain": "12.3 % better",
        "score": 0.2,
        "incumbent-score": 0.25,
        "judged": True,
        "trials": 31,
        "failed": 0,
        "seconds": 3600.0,
    }
    return FrontLine.model_validate(usual | {name.replace("_", "-"): value for name, value in changes.items()})


# -- grouping


def test_series_are_grouped_by_data_target_and_metric_then_by_architecture() -> None:
    lines = [
        line(0),
        line(1, architecture="cnn"),
        line(2),
        line(3, target=["tip"]),
        line(4, source="/data/other.csv"),
        line(5, metric="mae"),
    ]
    names = [
        (problem.target, problem.source, problem.metric, [series.architecture for series in problem.series])
        for problem in problems(lines)
    ]
    assert names == [
        ("fare", "/data/taxi.csv", "mae", ["lstm"]),
        ("fare", "/data/other.csv", "mse", ["lstm"]),
        ("tip", "/data/taxi.csv", "mse", ["lstm"]),
        ("fare", "/data/taxi.csv", "mse", ["lstm", "cnn"]),
    ]


def test_a_series_shows_its_newest_sweep_that_is_done() -> None:
    (problem,) = problems([line(0), line(1), line(2, done=False, verdict="awaits"), line(3, verdict="study")])
    (series,) = problem.series
    assert (series.last.sweep, len(series.lines)) == (line(1).sweep, 3)


def test_a_trend_goes_up_where_the_error_does_and_stays_inside_its_picture() -> None:
    drawn = trend([line(at, score=score, incumbent_score=None) for at, score in enumerate([0.3, 0.1, 0.2])])
    assert drawn is not None
    heights = [y for _, y, _ in drawn.points]
    assert heights[0] < heights[2] < heights[1]
    assert all(0 < x < drawn.width and 0 < y < drawn.height for x, y, _ in drawn.points)
    assert drawn.beside == ""
    assert drawn.words == "mse_test of 3 sweeps, oldest first: 0.3 at first, 0.2 at last, 0.1 at best."


@pytest.mark.parametrize("scores", [[], [0.2], [None, 0.2], [None, None]])
def test_one_error_is_no_trend(scores: list[float | None]) -> None:
    assert trend([line(at, score=score) for at, score in enumerate(scores)]) is None


def test_equal_errors_lie_in_the_middle() -> None:
    drawn = trend([line(0, incumbent_score=0.2), line(1, incumbent_score=0.2)])
    assert drawn is not None
    assert {y for _, y, _ in drawn.points} == {drawn.height / 2}


def test_months_add_up_and_money_counts_only_known_prices() -> None:
    newest, older = months([line(0, money=1.5), line(1, money=None), line(30, seconds=1800.0)])
    assert (newest.name, newest.sweeps, newest.seconds, newest.money, newest.share) == (
        "2024-02",
        1,
        1800.0,
        None,
        0.25,
    )
    assert (older.name, older.sweeps, older.trials, older.money, older.share) == ("2024-01", 2, 62, 1.5, 1.0)


def test_a_page_without_claims_has_no_such_section(tmp_path: Path) -> None:
    assert "Claims" not in page(open_store(str(tmp_path)), [line()])


def test_an_empty_page_is_a_page(tmp_path: Path) -> None:
    assert "<h1>0 sweeps" in page(open_store(str(tmp_path)), [])


# -- in a browser


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with browser() as running:
        yield running


@pytest.fixture(scope="module")
def page_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A front page with long and hostile names, old sweeps, claims and failures."""
    folder = tmp_path_factory.mktemp("team")
    verdicts = ["real", "promising", "not shown", "not testable", "kept", "awaits", "unjudged", "trained", "nothing"]
    lines = [line(at, verdict=verdict, done=verdict != "awaits") for at, verdict in enumerate(verdicts)]
    lines += [line(at, architecture="cnn", score=0.2 + at / 1000, money=2.5) for at in range(10, 40)]
    texts = {"architecture": HOSTILE, "source": HOSTILE, "target": [HOSTILE], "metric": HOSTILE, "setting": HOSTILE}
    lines += [line(50, **texts, note=HOSTILE, gain=HOSTILE, state=HOSTILE, incumbent=HOSTILE, failed=3)]
    claims = [
        ClaimRow("a", "real", HOSTILE, HOSTILE, HOSTILE, made_by=lines[0].sweep, evidence=HOSTILE, next=HOSTILE),
        ClaimRow("b", "damaged", evidence="why"),
    ]
    unread = [Unread("20240601-0210-cnn-beef", HOSTILE)]
    for written_line in lines:
        report = folder / f"sweeps/{written_line.sweep}/report"
        report.mkdir(parents=True)
        (report / "index.html").write_text("<title>a report</title>")
    text = page(open_store(str(folder)), lines, unread, claims)
    (folder / "index.html").write_bytes(text.encode(errors="xmlcharrefreplace"))
    return folder / "index.html"


CONTRAST = """() => {
  const linear = v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4;
  const light = ([r, g, b]) => [r, g, b].map(v => linear(v / 255))
    .reduce((sum, v, at) => sum + v * [.2126, .7152, .0722][at], 0);
  const numbers = text => text.match(/[\\d.]+/g).map(Number);
  const behind = e => { for (; e; e = e.parentElement) { const c = numbers(getComputedStyle(e).backgroundColor);
    if (c.length < 4 || c[3] > 0) return c; } return [255, 255, 255]; };
  const hasText = e => [...e.childNodes].some(n => n.nodeType == 3 && n.data.trim());
  return [...document.querySelectorAll("body *")].filter(hasText)
    .map(e => { const [a, b] = [light(numbers(getComputedStyle(e).color)), light(behind(e))].sort((x, y) => y - x);
      return [(a + .05) / (b + .05), e.className || e.tagName]; }).filter(([ratio]) => ratio < 4.5);
}"""


@needs_browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_the_page_fits_its_width_and_has_enough_contrast(
    chromium: Any, page_file: Path, width: int, scheme: str
) -> None:
    messages: list[str] = []
    with chromium.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme) as context:
        tab = context.new_page()
        tab.on("console", lambda message: messages.append(message.text))
        tab.on("pageerror", lambda error: messages.append(str(error)))
        tab.goto(page_file.as_uri())
        tab.locator("details").evaluate_all("all => all.forEach(one => one.open = true)")
        assert tab.evaluate("document.documentElement.scrollWidth") <= width
        assert tab.evaluate(CONTRAST) == []
        cut = "all => all.filter(e => e.scrollWidth > e.clientWidth + 1).length"
        assert tab.locator(".series > li, .cards td, .badge").evaluate_all(cut) == 0
        if width == 390:
            edge = "getBoundingClientRect().left"
            indents = f"all => all.map(e => e.{edge} - e.parentElement.{edge})"
            assert min(tab.locator(".cards tbody th").evaluate_all(indents)) >= 8
        assert tab.locator("h1").count() == 1
        assert tab.locator("svg.trend[role=img][aria-label]").count() == tab.locator("svg").count() == 2
        assert messages == []


@needs_browser
def test_hostile_text_is_escaped_and_every_link_leads_to_a_page(chromium: Any, page_file: Path) -> None:
    with chromium.new_context() as context:
        tab = context.new_page()
        tab.goto(page_file.as_uri())
        assert tab.locator("script").count() == 0
        assert tab.locator(".series h3", has_text="<script>alert(1)</script>\"'&").count() == 1
        assert "{{ 7*7 }} 🚀" in tab.locator("main").text_content()
        links = tab.locator("a").evaluate_all("all => all.map(a => [a.getAttribute('href'), a.href])")
        assert len(links) > NEWEST
        assert all(re.fullmatch(r"sweeps/[^/:]+/report/index\.html", relative) for relative, _ in links)
        assert all(Path(address.removeprefix("file://")).is_file() for _, address in links)
        rows = tab.locator("table.cards").nth(1).locator("tbody tr")
        assert rows.count() == NEWEST
