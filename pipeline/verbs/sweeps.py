"""Verbs for looking at sweeps from any machine that reaches the store: their progress, results and models."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.errors import INFRASTRUCTURE, InfrastructureError, UserError
from pipeline.verbs.common import (
    FINE,
    SOME_FAILED,
    StoreOption,
    SweepArgument,
    complain,
)

if TYPE_CHECKING:
    from pipeline.store import Store

app = typer.Typer()


@app.command("list")
def list_sweeps(
    store: StoreOption = None,
    open_page: Annotated[
        bool, typer.Option("--open", help="Instead: bring the store's front page up to date and open it in a browser.")
    ] = False,
) -> None:
    """List the sweeps of a store: how far each is, its verdict, gain, cost and days, and its best setting so far."""
    from pipeline.report.listing import listing
    from pipeline.screen.sweeps import sweeps_table
    from pipeline.screen.tables import print_table, width
    from pipeline.spec.project import store_root
    from pipeline.store import open_store

    opened = open_store(store_root(store))
    if open_page:
        open_front_page(opened)
        return
    print_table(sweeps_table(list(listing(opened)), width()))


def open_front_page(store: "Store") -> None:
    """Brings the store's front page up to date, prints its address, and opens it if there is a screen."""
    from pipeline.compare import front
    from pipeline.screen.browser import open_in_browser

    try:
        link = front.bring_up_to_date(store)
    except (InfrastructureError, UserError) as error:
        # A user who may only read the store gets the page as the last sweep wrote it.
        old_link = front.link(store)
        if old_link is None:
            raise
        complain(f"the page is as the last sweep left it: {error}")
        link = old_link
    print(link, flush=True)
    open_in_browser(link)


@app.command()
def watch(
    sweep: SweepArgument,
    store: StoreOption = None,
    every: Annotated[float, typer.Option(min=0.1, help="Seconds between looks.")] = 5.0,
) -> None:
    """Follow a sweep from any machine until it is done: progress, best so far, failures, rows as they come."""
    from rich.console import Console

    from pipeline.plan.create import open_sweep
    from pipeline.report.conclude import summary_of
    from pipeline.screen.sweeps import watch as watch_sweep

    last = watch_sweep(open_sweep(sweep, store), Console(), every)
    print(f"{last.sweep.id}: {last.words}", file=sys.stderr)
    print(summary_of(last).answer)
    raise typer.Exit(SOME_FAILED if last.failed or last.skipped else FINE)


@app.command()
def results(
    sweep: SweepArgument,
    store: StoreOption = None,
    best: Annotated[int | None, typer.Option(min=1, help="Only the best N experiments, of all tried.")] = None,
    csv: Annotated[bool, typer.Option("--csv", help="The rows as CSV.")] = False,
    json: Annotated[bool, typer.Option("--json", help="The rows as a JSON list.")] = False,
    export: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write FILE: .csv for people, .parquet, .md, or .xml (JUnit).")
    ] = None,
) -> None:
    """Print the results so far: a table of the best experiments, or the rows of their trials."""
    from pipeline import places
    from pipeline.plan.create import open_sweep
    from pipeline.report import export as exporting
    from pipeline.report.conclude import summary_of
    from pipeline.report.state import state_of
    from pipeline.screen.sweeps import best_table, trials_table
    from pipeline.screen.tables import print_table

    if csv + json + (export is not None) > 1:
        raise UserError("--csv, --json or --export, not several")
    state = state_of(open_sweep(sweep, store))
    rows = exporting.rows_of_best(state, best)
    if export is not None:
        export = places.output_path(export)
        exporting.export(state, export, best)
        print(export)
    elif csv:
        sys.stdout.write(exporting.as_csv(state, rows).decode())
    elif json:
        print(exporting.as_json(rows))
    else:
        print_table(best_table(state, best or exporting.BEST) if state.tried else trials_table(state))
        print(f"{state.sweep.id}: {state.words}", file=sys.stderr)
        print(summary_of(state).answer, file=sys.stderr)


@app.command()
def fetch(
    sweep: SweepArgument,
    model: Annotated[str, typer.Option(help="`best`, an experiment (e012) or a trial.")] = "best",
    to: Annotated[
        Path | None, typer.Option(help="Folder for model.pt and model.json. Default: the trial's name.")
    ] = None,
    store: StoreOption = None,
) -> None:
    """Download a trained model; `pipeline.load_model(folder)` loads it."""
    from pipeline import places
    from pipeline.plan.create import open_sweep
    from pipeline.report.winner import fetch_model

    print(fetch_model(open_sweep(sweep, store), model, to and places.output_path(to)))


@app.command()
def tensorboard(sweep: SweepArgument, store: StoreOption = None, port: int = 6006) -> None:
    """Open a sweep's learning curves in TensorBoard, at http://localhost:6006."""
    import subprocess
    import tempfile

    from pipeline.plan.create import open_sweep
    from pipeline.sweep.merge import look

    folder = open_sweep(sweep, store)
    with tempfile.TemporaryDirectory(prefix="hpt-tensorboard-") as local:
        events = folder.event_files(look(folder).rows)
        if not events:
            raise UserError(f"{folder.id} has no learning curves yet")
        for path, key in events.items():
            folder.store.download(key, Path(local, path))
        command = [sys.executable, "-P", "-m", "tensorboard.main", "--logdir", local, "--port", str(port)]
        raise typer.Exit(INFRASTRUCTURE if subprocess.run(command, check=False).returncode else FINE)
