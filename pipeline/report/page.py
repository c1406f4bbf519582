"""Writes `report/` of a sweep: `index.html` with its style sheet and pictures, `interactive.html`, `best.json`.

While a sweep runs only the page is written, without pictures, which costs next to nothing.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pipeline import results
from pipeline.report.summary import Summary
from pipeline.report.templating import asset, environment, pretty
from pipeline.sweep import Sweep

if TYPE_CHECKING:
    from pipeline.report.charts.importance import ImportanceTable
    from pipeline.report.charts.pictures import Picture
    from pipeline.report.next_spec import NextSpec

MOST_ROWS = 400
"""A page with more rows than that is slow to open on a phone; `interactive.html` and `results.csv` have all."""
MOST_FAILURES = 100


def page(
    summary: Summary,
    pictures: "Sequence[Picture]" = (),
    note: str = "",
    importance: "Sequence[ImportanceTable]" = (),
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
        environment()
        .get_template("index.html")
        .render(
            summary=summary,
            columns=columns(summary),
            rows=rows,
            pictures=pictures,
            note=note,
            importance=importance,
            next_spec=next_spec,
            whole=whole,
            store=store,
            most_failures=MOST_FAILURES,
        )
    )


def columns(summary: Summary) -> list[str]:
    """The columns of the table that people read: without what is the same in every row."""
    names = results.table_columns(summary.rows, summary.searched)
    hidden = set(summary.definition.incumbent) - set(summary.searched)
    first = ("trial", "status", "date-range")
    free = [name for name in names if name not in hidden and name not in results.RESERVED]
    return [*first, *free, "training_time"]


def render(sweep: Sweep, summary: Summary, *, pictures: bool = True) -> None:
    """Writes the report that says what `summary` says; without `pictures` only the page, while a sweep runs."""
    _write(sweep, "style.css", asset("style.css"))
    # First of all the page, so that there is one whatever becomes of the pictures.
    _write(sweep, "index.html", page(summary, whole=False, store=sweep.store.root))
    if pictures and summary.rows:
        _render_all(sweep, summary)


def _render_all(sweep: Sweep, summary: Summary) -> None:
    """Writes the pictures, the proposed spec, the table and both pages."""
    from pipeline.report.charts.drawing import sampled_in_words
    from pipeline.report.charts.importance import importance_tables
    from pipeline.report.charts.pictures import pictures, svg
    from pipeline.report.experiments import choosing_results, phase_searches
    from pipeline.report.interactive import interactive
    from pipeline.report.next_spec import next_spec
    from pipeline.report.row_links import log_links, model_links
    from pipeline.sweep.folder import epochs_of

    choosing = choosing_results(summary)
    searches = phase_searches(choosing, summary)
    drawn = pictures(summary, choosing, searches, lambda rows: epochs_of(sweep, rows))
    note = sampled_in_words(choosing, summary) if drawn else ""
    proposal = next_spec(summary, searches)
    for picture in drawn:
        _write(sweep, f"charts/{picture.name}.svg", svg(picture))
    if proposal:
        _write(sweep, "best.json", pretty(proposal.spec) + "\n")
    # Jenkins publishes the folder `report/` alone: a link out of it would lead nowhere.
    table = results.table_columns(summary.rows, list(summary.definition.incumbent))
    sweep.write_report("results.csv", results.write_csv(summary.rows, table))
    links = {"model": model_links(sweep, summary.rows), "log": log_links(sweep, summary.rows)}
    _write(sweep, "interactive.html", interactive(environment(), summary, drawn, columns(summary), proposal, links))
    importance = importance_tables(summary, choosing, searches)
    _write(sweep, "index.html", page(summary, drawn, note, importance, proposal, store=sweep.store.root))


def _write(sweep: Sweep, name: str, text: str) -> None:
    sweep.write_report(name, text.encode(errors="xmlcharrefreplace"))
