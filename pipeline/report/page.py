"""Writes `report/` of a sweep: `index.html` with its style sheet and pictures, `interactive.html`, `best.json`.

While a sweep runs only the page is written, without pictures, which costs next to nothing.
"""

import json
from collections.abc import Sequence
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from pipeline import results
from pipeline.report.charts.calendar import strip
from pipeline.report.story import seconds_per_trial, story
from pipeline.report.summary import Summary, duration, percent_of, setting
from pipeline.sweep import Sweep

if TYPE_CHECKING:
    from pipeline.report.charts.importance import Mattered
    from pipeline.report.charts.pictures import Picture
    from pipeline.report.next_spec import NextSpec

MOST_ROWS = 400
"""A page with more rows than that is slow to open on a phone; `interactive.html` and `results.csv` have all."""
MOST_FAILURES = 100
LONGEST_TEXT = 2000


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("pipeline.report"),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"duration": duration, "number": _number, "cell": results.to_cell, "share": _share}
    environment.filters |= {"pretty": _pretty, "cut": _cut}
    environment.globals |= {"setting": setting, "percent_of": percent_of, "strip": strip}
    environment.globals |= {"story": story, "seconds_per_trial": seconds_per_trial}
    environment.globals |= {"fidelity_alt": _fidelity_alt, "curves_alt": _curves_alt}
    return environment


def page(
    summary: Summary,
    pictures: "Sequence[Picture]" = (),
    note: str = "",
    mattered: "Sequence[Mattered]" = (),
    next_spec: "NextSpec | None" = None,
    *,
    whole: bool = True,
    store: str = "",
) -> str:
    """`index.html` as text; `whole` says whether the other files of the report lie beside it, `store` where it lies."""
    rows = summary.rows
    if len(rows) > MOST_ROWS:
        place = {standing.experiment: at for at, standing in enumerate(summary.ranked)}
        rows = sorted(rows, key=lambda row: place.get(row["experiment"], len(place)))[:MOST_ROWS]
    return (
        _environment()
        .get_template("index.html")
        .render(
            summary=summary,
            columns=columns(summary),
            rows=rows,
            pictures=pictures,
            note=note,
            mattered=mattered,
            next_spec=next_spec,
            whole=whole,
            store=store,
            most_failures=MOST_FAILURES,
        )
    )


def columns(summary: Summary) -> list[str]:
    """The columns of the table that people read: without what is the same in every row."""
    every = results.table_columns(summary.rows, summary.searched)
    hidden = set(summary.definition.incumbent) - set(summary.searched)
    first = ("trial", "status", "date-range")
    free = [name for name in every if name not in hidden and name not in results.RESERVED]
    return [*first, *free, "training_time"]


def render(sweep: Sweep, summary: Summary, *, pictures: bool = True) -> None:
    """Writes the report that says what `summary` says; without `pictures` only the page, while a sweep runs."""
    style = resources.files("pipeline.report").joinpath("assets/style.css").read_bytes()
    sweep.write_report("style.css", style)
    # First of all the page, so that there is one whatever becomes of the pictures.
    _write(sweep, "index.html", page(summary, whole=False, store=sweep.store.root))
    if not pictures or not summary.rows:
        return
    from pipeline.report import experiments
    from pipeline.report.charts.drawing import sampled_in_words
    from pipeline.report.charts.importance import mattered
    from pipeline.report.charts.pictures import pictures as drawn
    from pipeline.report.charts.pictures import svg
    from pipeline.report.interactive import interactive
    from pipeline.report.next_spec import next_spec
    from pipeline.sweep.folder import epochs_of

    known = experiments.choosing(summary)
    every = experiments.searched(known, summary)
    found = drawn(summary, known, every, lambda rows: epochs_of(sweep, rows))
    note = sampled_in_words(known, summary) if found else ""
    again = next_spec(summary, every)
    for picture in found:
        _write(sweep, f"charts/{picture.name}.svg", svg(picture))
    if again:
        _write(sweep, "best.json", _pretty(again.spec) + "\n")
    # Jenkins publishes the folder `report/` alone: a link out of it would lead nowhere.
    table = results.table_columns(summary.rows, list(summary.definition.incumbent))
    sweep.write_report("results.csv", results.write_csv(summary.rows, table))
    _write(sweep, "interactive.html", interactive(_environment(), summary, found, columns(summary), again))
    whole = page(summary, found, note, mattered(summary, known, every), again, store=sweep.store.root)
    _write(sweep, "index.html", whole)


def _write(sweep: Sweep, name: str, text: str) -> None:
    sweep.write_report(name, text.encode(errors="xmlcharrefreplace"))


def _number(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "" if value is None else str(value)
    return f"{value:.4g}" if isinstance(value, float) else f"{value:,}".replace(",", "\u202f")


def _pretty(value: Any) -> str:
    """JSON to read and to copy. What no encoding can hold is escaped, so that the copy is the same value."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    return text if text.isascii() or _encodable(text) else json.dumps(value, indent=2)


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _cut(text: Any) -> str:
    said = str(text)
    return said if len(said) <= LONGEST_TEXT else f"{said[:LONGEST_TEXT]}… ({len(said)} characters, all in results.csv)"


# A calibration's words take scipy, whose import a page that grows every few seconds should not pay for.
def _share(value: float) -> str:
    from pipeline.analysis.calibration import percent

    return percent(value)


def _fidelity_alt(found: Any) -> str:
    from pipeline.report.charts.calibration import fidelity_alt

    return fidelity_alt(found)


def _curves_alt(found: Any) -> str:
    from pipeline.report.charts.calibration import curves_alt

    return curves_alt(found)
