"""Maintains the front page of a store: enters each sweep in `ledger/front.json` when it ends, and renders `index.html`.

So rendering reads one small object, however many rows the store has. Sweeps that this object lacks (of older versions,
or all of them, if it was deleted) are read once. The content of the page is made by `front_page.py`.
"""

import json
import time
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime

from pipeline.base import Recorded
from pipeline.compare import claims
from pipeline.compare.front_line import FrontLine, line_of
from pipeline.compare.front_page import MARK, Unread, page
from pipeline.errors import InfrastructureError, UserError
from pipeline.report import conclude as concluding
from pipeline.report.listing import sweeps_in
from pipeline.report.state import state_of
from pipeline.report.summary import Summary, summarize
from pipeline.store import Store
from pipeline.store.update import update
from pipeline.sweep import Sweep, all_sweeps
from pipeline.sweep.digests import as_json
from pipeline.sweep.layout import FRONT_LINES, FRONT_PAGE
from pipeline.sweep.merge import Merged

FORMAT = 2
"""Format of the lines, raised with every new field: a version leaves lines of a newer format alone."""
_READS_OTHERS_S = 2.0
"""Seconds that a sweep may spend at its end on reading others without a line; the rest wait for the next sweep."""
_CONNECTIONS = 8

Lines = dict[str, FrontLine]


class _Lines(Recorded):
    """`ledger/front.json`."""

    format: int = FORMAT
    sweeps: tuple[FrontLine, ...] = ()


def conclude(sweep: Sweep, merged: Merged) -> Summary:
    """Concludes a sweep, and enters it on the front page of its store."""
    summary = concluding.conclude(sweep, merged)
    # A failing page must not cost a sweep its answer. The next sweep to end repairs it, and so does `hpt list --open`.
    with suppress(Exception):
        enter(sweep, summary)
    return summary


def enter(sweep: Sweep, summary: Summary) -> None:
    """Puts a sweep in its present state on the front page. Several sweeps may do so at once, and none is lost.

    Raises InfrastructureError if the store fails, UserError if a newer version maintains the page.
    """
    _enter_lines(sweep.store, {sweep.id: line_of(sweep, summary, _now())}, _READS_OTHERS_S)


def bring_up_to_date(store: Store) -> str:
    """Reads every sweep that has no line, or was not done when it got its line; renders the page and returns its link.

    Raises UserError if there are no sweeps, or if a page that is not ours stands in its place. Raises
    InfrastructureError if the store fails.
    """
    ids = sweeps_in(store)
    lines = read(store)
    unfinished = [id for id in ids if id in lines and not lines[id].done]
    _enter_lines(store, _read_sweeps(store, unfinished)[0], None)
    if not _is_ours(store.read(FRONT_PAGE)):
        raise UserError(
            f"{store.link(FRONT_PAGE)} is somebody's own page, which stays: move it away to get the front page"
        )
    return store.link(FRONT_PAGE)


def link(store: Store) -> str | None:
    """The link of the front page; None if there is none, the store fails, or the page is not ours."""
    with suppress(InfrastructureError, FileNotFoundError):
        if _is_ours(store.read(FRONT_PAGE)):
            return store.link(FRONT_PAGE)
    return None


def _is_ours(page: bytes) -> bool:
    return MARK.encode() in page


def read(store: Store) -> Lines:
    """The lines of `ledger/front.json` by sweep id. Raises UserError if a newer version of hpt maintains them."""
    try:
        return _parse(store.read(FRONT_LINES))
    except FileNotFoundError:
        return {}


def _enter_lines(store: Store, new: Lines, seconds: float | None) -> None:
    """Enters new lines, then lines of sweeps that have none, as far as `seconds` allow; then renders the page."""
    entered = read(store)
    ids = all_sweeps(store)
    removed = entered.keys() - set(ids)
    without_line = [id for id in reversed(ids) if id not in entered and id not in new]
    missing, unread = _read_sweeps(store, without_line, seconds)

    def with_new_lines(content: bytes) -> bytes:
        # The later operand wins: another process may meanwhile have entered a newer line of a missing sweep.
        lines = missing | _parse(content) | new
        return as_json(_Lines(sweeps=tuple(lines[id] for id in sorted(lines.keys() - removed))))

    def rendered(content: bytes) -> bytes:
        if content and not _is_ours(content):
            return content
        # Read the lines only now, after the page: whoever wrote it had entered lines before, and they must stay on it.
        lines = read(store)
        still_unread = [sweep for sweep in unread if sweep.sweep not in lines]
        rows = list(claims.rows(store))
        return page(store, list(lines.values()), still_unread, rows).encode(errors="xmlcharrefreplace")

    update(store, FRONT_LINES, with_new_lines)
    update(store, FRONT_PAGE, rendered)


def _read_sweeps(store: Store, ids: Collection[str], seconds: float | None = None) -> tuple[Lines, list[Unread]]:
    """The lines of sweeps by id, and the sweeps without a line: damaged, or not reached within `seconds`."""
    until = None if seconds is None else time.monotonic() + seconds

    def line(id: str) -> FrontLine | Unread:
        if until is not None and time.monotonic() > until:
            return Unread(id, "not read yet: `hpt list --open` reads it")
        try:
            return _line_of_rows(Sweep(store, id))
        except InfrastructureError:
            raise
        except Exception as error:  # one damaged sweep must not take the others off the page
            return Unread(id, f"cannot be read: {error}")

    with ThreadPoolExecutor(_CONNECTIONS) as pool:
        results = list(pool.map(line, ids))
    lines = {result.sweep: result for result in results if isinstance(result, FrontLine)}
    return lines, [result for result in results if isinstance(result, Unread)]


def _line_of_rows(sweep: Sweep) -> FrontLine:
    state = state_of(sweep)
    summary = summarize(sweep.definition, state.rows, state.planned, state.done, state.confirmed, state.skipped)
    return line_of(sweep, summary, _now(), has_page=sweep.store.exists(sweep.page_key))


def _parse(content: bytes) -> Lines:
    """Empty if the content is damaged: then all sweeps are read again."""
    if not content:
        return {}
    try:
        raw = json.loads(content)
        if raw["format"] > FORMAT:
            raise UserError("a newer version of hpt keeps the store's front page: upgrade this one")
        return {line.sweep: line for line in _Lines.model_validate(raw).sweeps}
    except (ValueError, TypeError, KeyError):
        return {}


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
