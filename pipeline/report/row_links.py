"""Links from a page of the sweep's report to the model and the log of each row."""

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote

from pipeline.errors import UserError
from pipeline.results import Row
from pipeline.store.address import model_address
from pipeline.store.keys import is_key
from pipeline.sweep import Sweep, Trial
from pipeline.sweep.layout import SWEEPS, model_key

TRIAL, ATTEMPT = "{trial}", "{attempt}"


@dataclass(frozen=True)
class Links:
    """A link per row, short enough for a page of ten thousand rows: most links follow one pattern."""

    pattern: str
    """With `{trial}` and `{attempt}` in place of the row's values."""
    of_rows: tuple[str | None, ...]
    """Per row: empty if the pattern gives the link, None if there is no link, else the link itself."""


def log_links(sweep: Sweep, rows: Sequence[Row]) -> Links:
    """Links to the logs of the attempts that the rows name."""
    return _short(rows, [_log(sweep, row) for row in rows])


def model_links(sweep: Sweep, rows: Sequence[Row]) -> Links:
    """Links to the models that the rows name, which may lie in another sweep."""
    return _short(rows, [_model(sweep, row) for row in rows])


def _log(sweep: Sweep, row: Row) -> str | None:
    attempt = row.get("attempt")
    if not isinstance(attempt, str) or not attempt:
        return None
    key = sweep.log_key(Trial.parse(row["trial"]), attempt)
    return _link(sweep, key) if is_key(key) else None


def _model(sweep: Sweep, row: Row) -> str | None:
    """A link into the store, or an https address; None if a browser could not open the model."""
    address = row.get("model_url")
    if not isinstance(address, str) or not address:
        return None
    if address.startswith("https://"):
        return address
    try:
        place = model_address(address)
    except UserError:
        return None
    key = model_key(place)
    return _link(sweep, key) if f"/{SWEEPS}" in place and is_key(key) else None


def _link(sweep: Sweep, key: str) -> str:
    """A full address in a bucket, whose login breaks relative links; in a directory a relative link."""
    link = sweep.store.link(key)
    if link.startswith("https://"):
        return link
    depth = sweep.report_key("index.html").count("/")
    return "../" * depth + quote(key)


def _short(rows: Sequence[Row], links: Sequence[str | None]) -> Links:
    """The links of the rows, with the first one as the pattern."""
    names = [(row["trial"], str(row.get("attempt") or "")) for row in rows]
    pattern = next(
        (
            link.replace(trial, TRIAL).replace(f"/{attempt}/", f"/{ATTEMPT}/")
            for link, (trial, attempt) in zip(links, names, strict=True)
            if link and attempt
        ),
        "",
    )
    by_pattern = (pattern.replace(TRIAL, trial).replace(ATTEMPT, attempt) for trial, attempt in names)
    return Links(pattern, tuple("" if link == usual else link for link, usual in zip(links, by_pattern, strict=True)))
