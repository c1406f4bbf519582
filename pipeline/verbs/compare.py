"""Verbs for several sweeps: compare them, and follow them night by night."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.errors import UserError
from pipeline.verbs.common import SOME_FAILED, StoreOption, VerboseOption, complain, store_option_for

if TYPE_CHECKING:
    from pipeline.compare.ranking import Ranking

app = typer.Typer()


@app.command()
def compare(
    sweeps: Annotated[list[str], typer.Argument(metavar="SWEEP", help="Others are held against the first.")],
    store: StoreOption = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
    verbose: VerboseOption = False,
) -> None:
    """Compare sweeps: whose best setting wins, whether that is real, and what it cost; writes a page that says more."""
    from pipeline.compare import sweeps as comparing
    from pipeline.compare.ranking import rank_as_compared
    from pipeline.plan.create import open_sweep
    from pipeline.report.state import state_of

    comparison = comparing.compare([state_of(open_sweep(sweep, store)) for sweep in sweeps])
    if json:
        print(comparing.as_json(comparison))
        return
    show_ranking(rank_as_compared(comparison), verbose=verbose)


@app.command()
def history(
    store: StoreOption = None,
    architecture: Annotated[str | None, typer.Option(help="Only the sweeps of this architecture.")] = None,
    data: Annotated[
        str | None, typer.Option("--data", help='Only the sweeps on "flights", or on the JSON of a `data` key.')
    ] = None,
    last: Annotated[int, typer.Option(min=1, metavar="N", help="Show the last N nights.")] = 14,
    fail_on_regression: Annotated[
        bool, typer.Option("--fail-on-regression", help="Exit 1 if tonight's best is clearly worse than last week's.")
    ] = False,
    threshold: Annotated[
        float,
        typer.Option(
            min=0.0,
            max=0.99,
            help="How much worse is still no regression: a share; by difference, in the metric's units.",
        ),
    ] = 0.02,
) -> None:
    """Show the nightly sweeps: the best by night, drift of the data, claims, and whether tonight is worse."""
    from pipeline.compare import claims, nights
    from pipeline.plan.create import parse_data
    from pipeline.screen.claims import claims_table
    from pipeline.screen.nights import nights_table
    from pipeline.screen.tables import print_table
    from pipeline.spec.project import store_root
    from pipeline.store import open_store

    fired = False
    source = parse_data(data, "--data") if data else None
    folder = open_store(store_root(store))
    rows = list(claims.rows(folder, architecture, source))
    try:
        all_series = nights.series(folder, architecture, source)
    except UserError as error:
        if not rows:
            raise
        # Claims outlive the sweeps that made them: their table is shown even if no sweep is left.
        print(error, file=sys.stderr)
        all_series = []
    for series in all_series:
        print(series.name)
        print_table(nights_table(series, last))
        for line in nights.drift(series, last):
            print(line)
        alarm = nights.alarm(series, threshold)
        fired = fired or alarm.fires
        print(alarm.line)
    if rows:
        print_table(claims_table(rows))
    if fail_on_regression and fired:
        raise typer.Exit(SOME_FAILED)


def show_ranking(ranking: "Ranking", *, verbose: bool) -> None:
    """Prints a ranking and writes its page, if the store allows; `verbose` prints all differences, too."""
    from pipeline.compare import page
    from pipeline.compare.next_steps import next_steps
    from pipeline.errors import InfrastructureError
    from pipeline.report.conclude import summary_of
    from pipeline.screen.compare import ranking_lines, ranking_table, tables
    from pipeline.screen.tables import print_table, width

    first = ranking.base.state.sweep
    store_option = store_option_for(first)
    if verbose:
        for table in tables(ranking.comparison):
            print_table(table)
        if len(ranking.comparison.pairs) > 1:
            print(ranking.comparison.sentence)
    print_table(ranking_table(ranking))
    for line in ranking_lines(ranking, next_steps(ranking, store_option), width()):
        print(line)
    try:
        answers = {state.sweep.id: summary_of(state).answer for state in ranking.comparison.states}
        print(f"page {first.store.link(page.save(ranking, answers, first.store, store_option))}")
    except InfrastructureError as error:
        complain(f"the page of this comparison could not be written: {error}")
