"""Every picture and the page around them, measured in a real browser: nothing is cut, and nothing overlaps.

Sweeps with few and many experiments, short and long names; light and dark, on a phone, on a desk, and zoomed.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.report.charts.drawing import Picture, sampled_in_words
from pipeline.report.charts.importance import importance_tables
from pipeline.report.charts.pictures import svg
from pipeline.report.experiments import choosing_results, phase_searches
from pipeline.report.next_spec import next_spec
from pipeline.report.page import page
from pipeline.report.summary import Summary
from pipeline.report.templating import asset
from tests.support import axe, pages
from tests.support.browser import browser, needs_browser

pytestmark = needs_browser

SHAPES = {"few": (3, False), "few-long": (3, True), "many": (30, False), "many-long": (30, True)}

TEXTS_CUT = """
() => [...document.querySelectorAll("svg")].flatMap(svg => {
  const frame = svg.getBoundingClientRect();
  return [...svg.querySelectorAll("text")].map(text => [text, text.getBoundingClientRect()])
    .filter(([text, box]) => box.width && (box.left < frame.left - 1 || box.right > frame.right + 1
      || box.top < frame.top - 1 || box.bottom > frame.bottom + 1))
    .map(([text]) => `${svg.id}: ${text.textContent}`);
})
"""
TEXTS_OVER_EACH_OTHER = """
() => [...document.querySelectorAll("svg")].flatMap(svg => {
  // Labels of one axis, turned alike, lie as far apart as their lines do.
  const turned = text =>
    /translate\\((.*?),.*rotate\\((-?(?!90\\b|270\\b)[\\d.]+)/.exec(text.getAttribute("transform") || "");
  const apart = (a, b) => Math.abs(a[1] - b[1]) * Math.abs(Math.sin(a[2] * Math.PI / 180));
  const boxes = [...svg.querySelectorAll("text")].filter(text => text.getAttribute("stroke") !== "white")
    .map(text => [text.textContent, text.getBoundingClientRect(), turned(text)]).filter(([, box]) => box.width);
  const meet = (a, b, from, to) => Math.min(a[to], b[to]) - Math.max(a[from], b[from]);
  const lie = (a, b) => meet(a, b, "left", "right") > 1.5
    && meet(a, b, "top", "bottom") > 0.25 * Math.min(a.height, b.height);
  return boxes.flatMap(([text, a, one], at) => boxes.slice(at + 1)
    .filter(([, b, two]) => one && two ? apart(one, two) < 12 : lie(a, b))
    .map(([other]) => `${svg.id}: ${text} | ${other}`));
})
"""
CUT = """
() => [...document.querySelectorAll("body *")].filter(element =>
    element.clientWidth && element.scrollWidth > element.clientWidth + 1
    && !["auto", "scroll"].includes(getComputedStyle(element).overflowX)
    && !element.closest("svg, .unseen, .wide, .pictures.wide a"))
  .map(element => `${element.tagName}.${element.className}: ${element.textContent.trim().slice(0, 80)}`)
"""


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with browser() as running:
        yield running


@pytest.fixture(scope="module")
def shapes() -> dict[str, tuple[Summary, list[Picture]]]:
    return {name: pages.shown(count, long=long) for name, (count, long) in SHAPES.items()}


@pytest.fixture(scope="module")
def folder(shapes: dict[str, tuple[Summary, list[Picture]]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of each shape, and one that holds all pictures of all of them."""
    place = tmp_path_factory.mktemp("pages")
    (place / "style.css").write_text(asset("style.css"))
    (place / "charts").mkdir()
    everything = []
    for name, (summary, drawn) in shapes.items():
        choosing = choosing_results(summary)
        searches = phase_searches(choosing, summary)
        html = page(
            summary,
            drawn,
            sampled_in_words(choosing, summary),
            importance_tables(summary, choosing, searches),
            next_spec(summary, searches),
        )
        for picture in drawn:
            text = svg(picture)
            (place / f"charts/{name}-{picture.name}.svg").write_text(text)
            everything.append(text.replace("<svg", f'<svg id="{name}-{picture.name}"', 1))
        (place / f"{name}.html").write_text(html.replace('src="charts/', f'src="charts/{name}-'))
    (place / "pictures.html").write_text("<!doctype html><meta charset=utf-8>" + "\n".join(everything))
    return place


def test_no_text_of_a_picture_is_cut_and_none_lies_on_another(chromium: Any, folder: Path) -> None:
    tab = chromium.new_page()
    tab.goto((folder / "pictures.html").as_uri())
    assert tab.locator("svg").count() > 30
    assert tab.evaluate(TEXTS_CUT) == []
    assert tab.evaluate(TEXTS_OVER_EACH_OTHER) == []
    tab.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("width", "zoom"), [(390, 1), (1280, 1), (1280, 2)])
@pytest.mark.parametrize("shape", ["few", "many-long"])
def test_nothing_of_a_page_is_cut(chromium: Any, folder: Path, shape: str, width: int, zoom: int, scheme: str) -> None:
    """A page zoomed to 200 % has half as many pixels, twice as large."""
    size = {"width": width // zoom, "height": 900 // zoom}
    with chromium.new_context(viewport=size, device_scale_factor=zoom, color_scheme=scheme) as context:
        tab = context.new_page()
        tab.goto((folder / f"{shape}.html").as_uri())
        for is_open in (False, True):
            if is_open:
                tab.evaluate("document.querySelectorAll('details').forEach(details => details.open = true)")
            assert tab.evaluate("document.documentElement.scrollWidth") <= width // zoom
            assert tab.evaluate(CUT) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_an_accessibility_checker_finds_nothing(chromium: Any, folder: Path, width: int, scheme: str) -> None:
    with chromium.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme) as context:
        tab = context.new_page()
        tab.goto((folder / "many.html").as_uri())
        tab.evaluate("document.querySelectorAll('details').forEach(details => details.open = true)")
        assert axe.violations(tab) == []


def test_the_keyboard_reaches_every_link_section_and_table(chromium: Any, folder: Path) -> None:
    tab = chromium.new_page()
    tab.goto((folder / "many.html").as_uri())
    tab.evaluate("document.getElementById('best').parentElement.open = true")
    focused = []
    for _ in range(200):
        tab.keyboard.press("Tab")
        tag = tab.evaluate("document.activeElement.tagName + '.' + document.activeElement.className")
        if tag == "BODY.":
            break
        focused.append(tag)
    assert {"A.", "SUMMARY.", "PRE.all", "DIV.wide"} <= set(focused)
    assert focused.count("SUMMARY.") == tab.locator("summary").evaluate_all(
        "found => found.filter(summary => summary.checkVisibility()).length"
    )
    tab.close()
