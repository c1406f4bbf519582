"""Keeps a store's front page: enters each sweep when it ends, in `ledger/front.json`, and makes `index.html` of that.

So the page costs one small object, however many rows the store has. What that object lacks (sweeps of older versions,
or all of them, if somebody deleted it) is looked up once. What stands on the page is `front_page.py`'s.
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
"""Of the lines. Raised with every field that one gets: an older version leaves those of a newer one alone."""
_LOOKS_FOR_S = 2.0
"""How long the end of a sweep may look up others; what is left over waits for the next one to end."""
_CONNECTIONS = 8

Lines = dict[str, FrontLine]


class _Lines(Recorded):
    """`ledger/front.json`."""

    format: int = FORMAT
    sweeps: tuple[FrontLine, ...] = ()


def conclude(sweep: Sweep, merged: Merged) -> Summary:
    """Concludes a sweep, and enters it on the front page of its store."""
    summary = concluding.conclude(sweep, merged)
    # No page is worth a sweep's answer: the next sweep to end makes up for it, and so does `hpt list --open`.
    with suppress(Exception):
        enter(sweep, summary)
    return summary


def enter(sweep: Sweep, summary: Summary) -> None:
    """Puts a sweep on the front page, as it is now. Several may do so at once: all of them end up on it.

    Raises InfrastructureError if the store fails, UserError if a newer version keeps the page.
    """
    _keep(sweep.store, {sweep.id: line_of(sweep, summary, _now())}, _LOOKS_FOR_S)


def bring_up_to_date(store: Store) -> str:
    """Looks at every sweep that was not done when it was entered, or never was, and makes the page; returns its link.

    Raises UserError if there are no sweeps or somebody's own page is in the way, InfrastructureError if the store
    fails.
    """
    ids = sweeps_in(store)
    lines = read(store)
    unfinished = [id for id in ids if id in lines and not lines[id].done]
    _keep(store, _look(store, unfinished)[0], None)
    if not _is_ours(store.read(FRONT_PAGE)):
        raise UserError(
            f"{store.link(FRONT_PAGE)} is somebody's own page, which stays: move it away to get the front page"
        )
    return store.link(FRONT_PAGE)


def link(store: Store) -> str | None:
    """Where a person clicks to see the front page; None if there is none, nobody knows, or it is somebody's own."""
    with suppress(InfrastructureError, FileNotFoundError):
        if _is_ours(store.read(FRONT_PAGE)):
            return store.link(FRONT_PAGE)
    return None


def _is_ours(page: bytes) -> bool:
    return MARK.encode() in page


def read(store: Store) -> Lines:
    """The lines that were entered. Raises UserError if a newer version of hpt keeps them."""
    try:
        return _parse(store.read(FRONT_LINES))
    except FileNotFoundError:
        return {}


def _keep(store: Store, new: Lines, seconds: float | None) -> None:
    """Enters lines, and those of sweeps that have none, as far as `seconds` allow; then makes the page."""
    known = read(store)
    ids = all_sweeps(store)
    gone = known.keys() - set(ids)
    looked_up, unread = _look(store, [id for id in reversed(ids) if id not in known and id not in new], seconds)

    def entered(content: bytes) -> bytes:
        # A line that somebody entered meanwhile is newer than one that was looked up.
        lines = looked_up | _parse(content) | new
        return as_json(_Lines(sweeps=tuple(lines[id] for id in sorted(lines.keys() - gone))))

    def made(content: bytes) -> bytes:
        if content and not _is_ours(content):
            return content  # somebody's own page
        # Read after the page that is written over: whoever wrote that had entered its lines before.
        lines = read(store)
        left = [one for one in unread if one.sweep not in lines]
        return page(store, list(lines.values()), left, list(claims.rows(store))).encode(errors="xmlcharrefreplace")

    update(store, FRONT_LINES, entered)
    update(store, FRONT_PAGE, made)


def _look(store: Store, ids: Collection[str], seconds: float | None = None) -> tuple[Lines, list[Unread]]:
    """The lines of sweeps, and those that have none: damaged, or `seconds` were over."""
    until = None if seconds is None else time.monotonic() + seconds

    def look(id: str) -> FrontLine | Unread:
        if until is not None and time.monotonic() > until:
            return Unread(id, "not looked at yet; `hpt list --open` does")
        try:
            return _looked_up(Sweep(store, id))
        except InfrastructureError:
            raise
        except Exception as error:  # whatever is wrong with it, the others stay on the page
            return Unread(id, f"cannot be read: {error}")

    with ThreadPoolExecutor(_CONNECTIONS) as pool:
        looked = list(pool.map(look, ids))
    lines = {one.sweep: one for one in looked if isinstance(one, FrontLine)}
    return lines, [one for one in looked if isinstance(one, Unread)]


def _looked_up(sweep: Sweep) -> FrontLine:
    state = state_of(sweep)
    summary = summarize(sweep.definition, state.rows, state.planned, state.done, state.confirmed, state.skipped)
    return line_of(sweep, summary, _now(), has_page=sweep.store.exists(sweep.page_key))


def _parse(content: bytes) -> Lines:
    """No lines of what is damaged: they are looked up again."""
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
