"""The report in a real browser: under the policy that Jenkins sends, and on a laptop, where scripts may run."""

import functools
import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.report.conftest import HOSTILE
from tests.support.browser import browser, needs_browser, published

pytestmark = needs_browser


@pytest.fixture(scope="module")
def chromium() -> Iterator[object]:
    with browser() as running:
        yield running


@pytest.fixture(scope="module")
def address(folder: Path) -> Iterator[str]:
    with published(folder) as served:
        yield served


@contextmanager
def opened(chromium, url: str, **context) -> Iterator[tuple[object, list[str]]]:
    """A page, and the lines of its console and its errors, except for a missing icon."""
    messages: list[str] = []
    with chromium.new_context(**context) as tabs:
        page = tabs.new_page()
        page.on(
            "console",
            lambda line: None if "favicon" in line.location.get("url", "") else messages.append(line.text),
        )
        page.on("pageerror", lambda error: messages.append(str(error)))
        page.goto(url)
        yield page, messages


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [400, 1280])
def test_every_picture_is_drawn_and_nothing_is_forbidden_under_jenkins_policy(chromium, address, width, scheme):
    size = {"width": width, "height": 900}
    with opened(chromium, f"{address}/index.html", viewport=size, color_scheme=scheme) as (page, messages):
        assert page.locator("img").count() >= 8
        drawn = page.evaluate("Promise.all([...document.images].map(i => i.decode().then(() => i.naturalWidth)))")
        assert min(drawn) > 0
        assert all(page.locator("img").evaluate_all("images => images.map(i => i.alt.length > 20)"))
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        ink, paper = page.evaluate("(s => [s.color, s.backgroundColor])(getComputedStyle(document.body))")
        lightness = [sum(map(int, colour[4:-1].split(","))) for colour in (ink, paper)]
        assert (lightness[0] > lightness[1]) == (scheme == "dark")
        assert messages == []


def test_on_paper_nothing_is_cut_off(chromium, address):
    with opened(chromium, f"{address}/index.html", viewport={"width": 794, "height": 1123}) as (page, messages):
        page.emulate_media(media="print")
        assert page.locator(".wide").first.evaluate("e => getComputedStyle(e).overflowX") == "visible"
        assert page.locator("figure").first.evaluate("e => getComputedStyle(e).breakInside") == "avoid"
        assert page.pdf()[:4] == b"%PDF"
        assert messages == []


def test_the_page_says_the_answer_first_and_how_it_was_run_last(chromium, address):
    with opened(chromium, f"{address}/index.html") as (page, _):
        assert page.locator("h1").inner_text().startswith("Best while choosing, judged by nothing: learning_rate 0.0")
        assert page.locator("h2").all_inner_texts() == [
            "Before you believe it",
            "Next",
            "Compared with the defaults",
            "What failed, and why",
            "What mattered",
            "One by one",
            "The best 10 of 20 settings",
            "How the search went",
            "The next spec",
            "All trials",
            "What it cost",
            "How it was run",
        ]
        assert page.locator("svg.strip rect").count() == 6
        assert "sans-serif" in page.evaluate("getComputedStyle(document.body).fontFamily")


def test_hostile_text_shows_as_text(chromium, address):
    with opened(chromium, f"{address}/index.html") as (page, _):
        assert page.locator("#failed td.text").first.text_content().startswith("<script>alert(1)</script>\"'&")
        assert "{{ 7*7 }}" in page.locator("dd.text").text_content()
        assert "🚀" in page.locator("dd.text").text_content()
        assert page.locator("th", has_text="<b>bold</b>").count() == 1
        assert page.locator("a[href^=javascript]").count() == 0
        assert page.locator("script").count() == 0


def test_every_link_leads_somewhere(chromium, address):
    with opened(chromium, f"{address}/index.html") as (page, _):
        links = page.locator("a").evaluate_all("links => links.map(a => a.href)")
        assert {"best.json", "results.csv", "interactive.html"} <= {link.rpartition("/")[2] for link in links}
        assert all(page.request.get(link).ok for link in links)


def served_plainly(folder: Path) -> http.server.ThreadingHTTPServer:
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(folder))
    handler.func.log_message = lambda *_: None  # type: ignore[attr-defined]
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


@pytest.mark.parametrize("scheme", ["file", "http"])
def test_the_interactive_page_needs_nothing_but_itself(chromium, folder, scheme):
    server = served_plainly(folder)
    origin = {"file": folder.as_uri(), "http": f"http://127.0.0.1:{server.server_port}"}[scheme]
    requests: list[str] = []
    with chromium.new_context(viewport={"width": 1280, "height": 900}) as context:
        page = context.new_page()
        messages: list[str] = []
        page.on("console", lambda line: messages.append(line.text))
        page.on("pageerror", lambda error: messages.append(str(error)))
        page.on("request", lambda request: requests.append(request.url))
        page.goto(f"{origin}/interactive.html")
        page.wait_for_function(
            "document.querySelectorAll('.live svg').length == document.querySelectorAll('.live').length"
        )
        assert messages == []
        assert [url for url in requests if not url.startswith(("data:", "blob:"))] == [f"{origin}/interactive.html"]
    server.shutdown()
    server.server_close()


def test_the_table_sorts_and_filters(chromium, folder):
    with opened(chromium, (folder / "interactive.html").as_uri()) as (page, messages):
        every = page.locator("#trials tbody tr").count()
        head = page.locator("#trials th", has_text="mse_valid")
        at = page.locator("#trials th").all_inner_texts().index(head.inner_text())
        head.locator("button").click()
        values = [float(cell) for cell in page.locator(f"#trials td:nth-child({at + 1})").all_inner_texts() if cell]
        assert values == sorted(values)
        head.locator("button").click()
        assert float(page.locator(f"#trials tr:first-child td:nth-child({at + 1})").inner_text()) == max(values)
        page.locator("#filter").fill("status=failed")
        assert page.locator("#trials tbody tr").count() == 2
        page.locator("#filter").fill("complete learning_rate<0.01")
        assert 0 < page.locator("#trials tbody tr").count() < every
        assert page.locator("#said").inner_text().endswith(f"of {every} trials")
        assert messages == []


def test_pointing_at_an_experiment_says_which_it_is(chromium, folder):
    with opened(chromium, (folder / "interactive.html").as_uri()) as (page, _):
        point = page.locator(".live").nth(1).locator(".mark-symbol.role-mark path").last
        point.hover(force=True)
        tip = page.locator("#vg-tooltip-element.visible")
        tip.wait_for()
        assert "experiment" in tip.inner_text()
        assert page.locator("#vg-tooltip-element script").count() == 0


def test_hostile_text_shows_as_text_where_scripts_run(chromium, folder):
    with opened(chromium, (folder / "interactive.html").as_uri()) as (page, messages):
        page.locator("#filter").fill("e005-d0")
        assert HOSTILE[:25] in page.locator("#trials tbody").inner_text()
        assert page.locator("#trials tbody script").count() == 0
        assert page.locator("#trials th", has_text="<b>bold</b>").count() == 1
        assert messages == []
