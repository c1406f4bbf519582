"""Writes `report/` of a sweep: `index.html` with its style sheet and pictures, `interactive.html`, `best.json`.

A copy of `results.csv` lies beside them. While a sweep runs, only the page is written, without pictures: that is cheap.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pipeline import results
from pipeline.report.card import card
from pipeline.report.commands import Place
from pipeline.report.summary import Summary
from pipeline.report.templating import asset, environment, pretty
from pipeline.results import Row
from pipeline.sweep import Sweep

if TYPE_CHECKING:
    from pipeline.report.charts.importance import ImportanceTable
    from pipeline.report.charts.pictures import Picture
    from pipeline.report.next_spec import NextSpec

MOST_ROWS = 400
"""A page with more rows is slow to open on a phone; `interactive.html` and `results.csv` hold every row."""
MOST_FAILURES = 100
"""Failed trials that the page lists; as many failed references, and as many damaged files."""
MOST_CAUSES = 12
MOST_NAMED = 3
"""Hyperparameters that the card names as those that mattered."""
FEWEST = 12
"""With fewer ranked experiments, the pictures of single hyperparameters are folded away at first."""
UNKNOWN_PLACE = Place()


def page(
    summary: Summary,
    pictures: "Sequence[Picture]" = (),
    note: str = "",
    importance: "Sequence[ImportanceTable]" = (),
    next_spec: "NextSpec | None" = None,
    *,
    whole: bool = True,
    place: Place = UNKNOWN_PLACE,
) -> str:
    """`index.html` as text, with commands for this `place`.

    Unless the report is `whole`, only the page and its style sheet are there, and it links to no other file.
    """
    rows = summary.rows
    if len(rows) > MOST_ROWS:
        ranks = {standing.experiment: at for at, standing in enumerate(summary.ranked)}
        rows = sorted(rows, key=lambda row: ranks.get(row["experiment"], len(ranks)))[:MOST_ROWS]
    names, constants = _without_constants(columns(summary), rows)
    return (
        environment()
        .get_template("index.html")
        .render(
            summary=summary,
            card=card(summary, place),
            mattering=_most_important(importance),
            columns=names,
            constants=constants,
            rows=rows,
            pictures=pictures,
            note=note,
            importance=importance,
            next_spec=next_spec,
            whole=whole,
            most_failures=MOST_FAILURES,
            most_causes=MOST_CAUSES,
            fewest_shown=FEWEST,
        )
    )


def columns(summary: Summary) -> list[str]:
    """The columns of the page's table: the metrics that choose and judge near the front, all others at the end."""
    names, searched = results.table_columns(summary.rows, summary.searched), summary.searched
    hidden, objective = set(summary.definition.incumbent) | set(searched), summary.definition.objective
    metrics = [name for name in names if name not in hidden and name not in results.RESERVED]
    chooses_and_judges = [name for name in (objective.valid, objective.test) if name in metrics]
    others = [name for name in metrics if name not in chooses_and_judges]
    return ["trial", "status", *chooses_and_judges, "training_time", "date-range", *searched, *others]


def _most_important(importance: "Sequence[ImportanceTable]") -> str:
    """The hyperparameters that clearly mattered: `learning_rate 73 % of what sets the best quarter apart`.

    Empty if there are too few experiments to measure it.
    """
    if not any(line.share is not None for table in importance for line in table.lines):
        return ""
    clear = [(line.share, line.name) for table in importance for line in table.lines if line.clear and line.share]
    words = [f"{name} {100 * share:.0f} %" for share, name in sorted(clear, reverse=True)[:MOST_NAMED]]
    return f"{', '.join(words)} of what sets the best quarter apart" if words else "nothing, beyond chance"


def _without_constants(names: Sequence[str], rows: Sequence[Row]) -> tuple[list[str], dict[str, Any]]:
    """The columns in which rows differ, and the value of each constant column."""
    varying, constants = [], {}
    for name in names:
        values = [row.get(name) for row in rows]
        if len(rows) > 1 and name not in ("trial", "status", "date-range") and values.count(values[0]) == len(values):
            constants[name] = values[0]
        else:
            varying.append(name)
    return varying, {name: value for name, value in constants.items() if value is not None}


def render(sweep: Sweep, summary: Summary, *, pictures: bool = True) -> None:
    """Writes the report of a summary; without `pictures`, as for a running sweep, only the page."""
    _write(sweep, "style.css", asset("style.css"))
    # The page goes first, so that there is one even if the pictures fail.
    _write(sweep, "index.html", page(summary, whole=False, place=_place(sweep)))
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
    from pipeline.sweep.folder import epochs_of, predictions_of

    choosing = choosing_results(summary)
    searches = phase_searches(choosing, summary)
    drawn = pictures(
        summary,
        choosing,
        searches,
        lambda rows: epochs_of(sweep, rows),
        lambda rows: predictions_of(sweep, rows),
    )
    note = sampled_in_words(choosing, summary) if drawn else ""
    proposal = next_spec(summary, searches)
    for picture in drawn:
        _write(sweep, f"charts/{picture.name}.svg", svg(picture))
    if proposal:
        _write(sweep, "best.json", pretty(proposal.spec) + "\n")
    # The page links to this copy of `results.csv`: Jenkins publishes the folder `report/` alone.
    table = results.table_columns(summary.rows, list(summary.definition.incumbent))
    sweep.write_report("results.csv", results.write_csv(summary.rows, table))
    links = {"model": model_links(sweep, summary.rows), "log": log_links(sweep, summary.rows)}
    _write(sweep, "interactive.html", interactive(environment(), summary, drawn, columns(summary), proposal, links))
    importance = importance_tables(summary, choosing, searches)
    _write(sweep, "index.html", page(summary, drawn, note, importance, proposal, place=_place(sweep)))


def _place(sweep: Sweep) -> Place:
    return Place(sweep.store.root, f"{sweep.store.root}/{sweep.key('report')}")


def _write(sweep: Sweep, name: str, text: str) -> None:
    sweep.write_report(name, text.encode(errors="xmlcharrefreplace"))
