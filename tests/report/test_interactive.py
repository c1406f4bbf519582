"""`interactive.html` under a hand: scrolled, zoomed, filtered, on a phone; its links lead to models and logs."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from pipeline.report.row_links import log_links, model_links
from pipeline.report.summary import Summary
from pipeline.store import open_store
from pipeline.sweep import Sweep, Trial
from tests.report.conftest import HOSTILE
from tests.support.browser import browser, needs_browser
from tests.support.rows import bare_row

PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
DESK = {"viewport": {"width": 1280, "height": 900}}
DRAWN = "document.querySelectorAll('.live svg').length == document.querySelectorAll('.live').length"


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with browser() as running:
        yield running


@contextmanager
def opened(chromium: Any, folder: Path, **context: Any) -> Iterator[Any]:
    with chromium.new_context(**context) as tabs:
        page = tabs.new_page()
        page.goto((folder / "interactive.html").as_uri())
        page.wait_for_function(DRAWN)
        yield page


@pytest.fixture(scope="module")
def desk(chromium: Any, folder: Path) -> Iterator[Any]:
    """One page for all tests that only filter."""
    with opened(chromium, folder, **DESK) as page:
        yield page


# -- pictures

POINTS = (
    "[...document.querySelectorAll('.live path')].map(e => e.getAttribute('transform') + e.getAttribute('d')).join()"
)
"""The positions of all points and lines, which change when a picture is zoomed or moved."""


ZOOMED = (
    "JSON.parse(document.getElementById('data').textContent)"
    ".pictures.findIndex(picture => JSON.stringify(picture).includes('bind'))"
)
"""The index of a picture that can be zoomed."""


def middle_of_a_picture(page: Any) -> tuple[float, float]:
    picture = page.locator(f"[data-picture='{page.evaluate(ZOOMED)}'] svg")
    picture.scroll_into_view_if_needed()
    box = picture.bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


@needs_browser
def test_the_wheel_scrolls_past_a_picture_and_zooms_it_with_ctrl(chromium: Any, folder: Path) -> None:
    with opened(chromium, folder, **DESK) as page:
        page.mouse.move(*middle_of_a_picture(page))
        at, points = page.evaluate("scrollY"), page.evaluate(POINTS)
        page.mouse.wheel(0, 60)
        page.wait_for_function("at => scrollY == at + 60", arg=at)
        assert page.evaluate(POINTS) == points
        # The page went on under the mouse, perhaps to where the picture has only labels.
        page.mouse.move(*middle_of_a_picture(page))
        page.keyboard.down("Control")
        page.mouse.wheel(0, -60)
        page.wait_for_function(f"points => {POINTS} != points", arg=points)
        page.keyboard.up("Control")
        assert page.evaluate("scrollY") == at + 60


@needs_browser
def test_a_finger_scrolls_past_a_picture_and_leaves_it_as_it_is(chromium: Any, folder: Path) -> None:
    with opened(chromium, folder, **PHONE) as page:
        x, y = middle_of_a_picture(page)
        at, points = page.evaluate("scrollY"), page.evaluate(POINTS)
        touch = page.context.new_cdp_session(page)
        for kind, up in (("touchStart", 0), *(("touchMove", 20 * step) for step in range(1, 11)), ("touchEnd", None)):
            touched = [] if up is None else [{"x": x, "y": y - up}]
            touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": touched})
        page.wait_for_function("at => scrollY > at + 50", arg=at)
        assert page.evaluate(POINTS) == points


# -- the filter


@needs_browser
@pytest.mark.parametrize(
    ("typed", "equivalent"),
    [
        ("learning_rate < 0.01", "learning_rate<0.01"),
        ("Learning Rate <0.01", "learning_rate<0.01"),
        ("  complete   hidden_layers = 2 ", "hidden_layers=2 status=complete"),
        ("hidden layers == 2 and status != failed", "hidden_layers=2 complete"),
        ('"e006-d0"', "e006-d0"),
        ("date-range = [2024-01-01, 2024-03-01)", 'date-range="[2024-01-01, 2024-03-01)"'),
    ],
)
def test_blanks_change_nothing(desk: Any, typed: str, equivalent: str) -> None:
    trials = [shown_trials(desk, text) for text in (typed, equivalent)]
    assert trials[0] == trials[1]
    assert 0 < len(trials[0]) < len(shown_trials(desk, ""))
    shown_trials(desk, typed)
    assert desk.locator("#unclear").inner_text() == ""


@needs_browser
def test_a_number_is_found_as_the_table_shows_it(desk: Any) -> None:
    shown_trials(desk, "")
    line = desk.locator("#trials tbody tr").nth(5)
    rate = line.locator("td[data-label=learning_rate]").inner_text()
    assert line.locator("td").first.inner_text() in shown_trials(desk, f"learning_rate = {rate}")


@needs_browser
@pytest.mark.parametrize(
    ("typed", "problem"),
    [
        ("lr < 0.01", "no column is called “lr”: learning_rate?"),
        ("learnig_rate<0.01", "no column is called “learnig_rate”: learning_rate?"),
        ("qqqqqqqq=1", "no column is called “qqqqqqqq”."),
        ("mse_valid < little", "“little” is no number"),
        ("status > 3", "status holds no numbers"),
        ("learning_rate =", "learning_rate = what?"),
        ("< 3", "no column before “< 3”"),
    ],
)
def test_a_condition_that_is_not_understood_is_named_and_ignored(desk: Any, typed: str, problem: str) -> None:
    every = shown_trials(desk, "")
    assert shown_trials(desk, typed) == every
    assert f"Ignored: {problem.rstrip('.')}" in desk.locator("#unclear").inner_text()
    assert 0 < len(shown_trials(desk, f"{typed} failed" if typed[-1] != "=" else "failed")) < len(every)


@needs_browser
def test_a_value_that_no_row_has_is_named_with_the_values_that_exist(desk: Any) -> None:
    assert shown_trials(desk, "status = fail") == []
    assert desk.locator("#unclear").inner_text() == "No row has status = fail: there are complete, failed"


@needs_browser
def test_errors_stand_in_the_table_and_are_found(desk: Any) -> None:
    (first, *_) = shown_trials(desk, '"<script>alert(1)" failed')
    assert "e006" in first
    assert desk.locator("#trials td.text").first.inner_text().startswith(HOSTILE[:25])


def shown_trials(page: Any, typed: str) -> list[str]:
    page.locator("#filter").fill(typed)
    return page.locator("#trials tbody td:first-child").all_inner_texts()


# -- a phone


@needs_browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_on_a_phone_pictures_fit_rows_are_cards_and_both_can_be_used(chromium: Any, folder: Path, scheme: str) -> None:
    with opened(chromium, folder, **PHONE, color_scheme=scheme) as page:
        assert page.evaluate("document.documentElement.scrollWidth") == 390
        wide = "all => all.filter(e => e.getBoundingClientRect().right > 390).map(e => e.outerHTML)"
        assert page.locator(".live svg, .live svg text, #trials tr, #trials td, .controls *").evaluate_all(wide) == []
        assert page.locator("#filter").bounding_box()["height"] >= 44
        page.locator("#by").select_option(label="mse_valid")
        page.locator("#down").check()
        values = [float(text) for text in page.locator("td[data-label=mse_valid]").all_inner_texts() if text]
        assert values == sorted(values, reverse=True)
        page.set_viewport_size({"width": 844, "height": 390})
        page.wait_for_function(
            "document.querySelector('.pictures:not(.small) .live svg').getBoundingClientRect().width > 370"
        )


# -- links


@needs_browser
def test_every_row_leads_to_its_log_and_only_to_places_that_are_safe(
    chromium: Any, folder: Path, rendered: tuple[Sweep, Summary]
) -> None:
    sweep, summary = rendered
    with opened(chromium, folder, **DESK) as page:
        links = dict(
            page.locator("#trials a").evaluate_all("all => all.map(a => [a.getAttribute('aria-label'), a.href])")
        )
        root = Path(sweep.store.root).as_uri()
        assert links == {
            f"log of {row['trial']}": f"{root}/{sweep.log_key(Trial.parse(row['trial']), 'a')}" for row in summary.rows
        }


@pytest.fixture
def sweep(tmp_path: Path, rendered: tuple[Sweep, Summary]) -> Sweep:
    return Sweep.create(open_store(str(tmp_path / "my store")), rendered[0].definition)


TRIALS = [Trial.parse(f"screen-e00{number}-d0-s0") for number in range(4)]


def rows_with_models(sweep: Sweep) -> list[dict[str, Any]]:
    """The last one has the model of another sweep, from which it was copied."""
    keys = [sweep.attempt_key(trial, f"token{at}", "model.pt") for at, trial in enumerate(TRIALS)]
    keys[3] = keys[3].replace(sweep.id, "20240101-0000-cnn-beef")
    return [
        bare_row(sweep, trial, attempt=f"token{at}", model_url=sweep.store.link(key))
        for at, (trial, key) in enumerate(zip(TRIALS, keys, strict=True))
    ]


def test_links_of_a_directory_go_from_the_report_to_the_files(sweep: Sweep) -> None:
    rows = rows_with_models(sweep)
    models, logs = model_links(sweep, rows), log_links(sweep, rows)
    assert models.pattern == f"../../../sweeps/{sweep.id}/trials/{{trial}}/attempts/{{attempt}}/model.pt"
    other = models.pattern.replace(sweep.id, "20240101-0000-cnn-beef")
    other = other.replace("{trial}", str(TRIALS[3])).replace("{attempt}", "token3")
    assert models.of_rows == ("", "", "", other)
    report = Path(sweep.store.root, sweep.page_key).parent
    for at, row in enumerate(rows):
        log = logs.pattern.replace("{trial}", row["trial"]).replace("{attempt}", row["attempt"])
        assert (report / log).resolve() == Path(sweep.store.root, sweep.log_key(TRIALS[at], row["attempt"])).resolve()


def test_links_of_a_bucket_are_whole_addresses(bucket: str, rendered: tuple[Sweep, Summary]) -> None:
    sweep = Sweep.create(open_store(f"gs://{bucket}/team"), rendered[0].definition)
    rows = rows_with_models(sweep)
    root = f"https://storage.cloud.google.com/{bucket}/team/sweeps/{sweep.id}/trials"
    assert log_links(sweep, rows).pattern == f"{root}/{{trial}}/attempts/{{attempt}}/log.txt"
    assert model_links(sweep, rows).of_rows == ("", "", "", rows[3]["model_url"])


@pytest.mark.parametrize("attempt", [None, "", 3, "../.."])
@pytest.mark.parametrize(
    "model", [None, "", 3, "javascript:1", "data:text/html,x", "/elsewhere/model.pt", HOSTILE, "gs://", "\0"]
)
def test_an_address_that_no_browser_can_open_has_no_link(sweep: Sweep, attempt: object, model: object) -> None:
    rows = [bare_row(sweep, TRIALS[0], attempt=attempt, model_url=model)]
    assert log_links(sweep, rows).of_rows == model_links(sweep, rows).of_rows == (None,)
