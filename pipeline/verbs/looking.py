"""What there is to see of sweeps, from any machine that reaches the store."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.errors import UserError
from pipeline.verbs.common import (
    FINE,
    INFRASTRUCTURE,
    SOME_FAILED,
    StoreOption,
    SweepArgument,
    data_of,
    open_sweep,
    print_table,
    terminated_is_interrupted,
)

if TYPE_CHECKING:
    pass


app = typer.Typer()


@app.command("list")
def list_sweeps(store: StoreOption = None) -> None:
    """List the sweeps of a store: how far each is, and its best setting so far."""
    from pipeline import looking
    from pipeline.spec.project import store_root
    from pipeline.store import open_store

    print_table(looking.sweeps_table(looking.listing(open_store(store_root(store)))))


@app.command()
def watch(
    sweep: SweepArgument,
    store: StoreOption = None,
    every: Annotated[float, typer.Option(min=0.1, help="Seconds between looks.")] = 5.0,
) -> None:
    """Follow a sweep from any machine until it is done: progress, best so far, failures, rows as they come."""
    from rich.console import Console

    from pipeline import looking

    last = looking.watch(open_sweep(sweep, store), Console(), every)
    print(f"{last.sweep.id}: {last.words}", file=sys.stderr)
    print(looking.summary(last).answer)
    raise typer.Exit(SOME_FAILED if last.failed or last.skipped else FINE)


@app.command()
def results(
    sweep: SweepArgument,
    store: StoreOption = None,
    best: Annotated[int | None, typer.Option(min=1, help="Only the rows of the best N experiments.")] = None,
    csv: Annotated[bool, typer.Option("--csv", help="The rows as CSV.")] = False,
    json: Annotated[bool, typer.Option("--json", help="The rows as a JSON list.")] = False,
    export: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write FILE: .csv for people, .parquet, .md, or .xml (JUnit).")
    ] = None,
) -> None:
    """Print the results so far: a table of the best experiments, or the rows of their trials."""
    from pipeline import looking

    if csv + json + (export is not None) > 1:
        raise UserError("--csv, --json or --export, not several")
    now = looking.state(open_sweep(sweep, store))
    rows = looking.rows_of_best(now, best)
    if export is not None:
        from pipeline.export import export as write

        write(now, export, best)
        print(export)
    elif csv:
        sys.stdout.write(looking.as_csv(now, rows).decode())
    elif json:
        print(looking.as_json(rows))
    else:
        print_table(looking.best_table(now, best or looking.BEST))
        print(f"{now.sweep.id}: {now.words}", file=sys.stderr)
        print(looking.summary(now).answer, file=sys.stderr)


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
    from pipeline import looking

    print(looking.fetch_model(open_sweep(sweep, store), model, to))


@app.command()
def tensorboard(sweep: SweepArgument, store: StoreOption = None, port: int = 6006) -> None:
    """Open a sweep's learning curves in TensorBoard, at http://localhost:6006."""
    import subprocess
    import tempfile

    from pipeline.sweep.merge import look

    folder = open_sweep(sweep, store)
    prefix = folder.key("tensorboard/")
    with tempfile.TemporaryDirectory(prefix="hpt-tensorboard-") as local:
        # Of a trial that has a row, the curves of the attempt that counts; else of all attempts so far.
        counted = {row["trial"]: row.get("attempt", "") for row in look(folder).rows}
        keys = [entry.key for entry in folder.store.entries(prefix)]
        events = [key for key in keys if key.endswith(counted.get(key[len(prefix) :].split("/")[0], ""))]
        if not events:
            raise UserError(f"{folder.id} has no learning curves yet")
        for key in events:
            folder.store.download(key, Path(local, key[len(prefix) :]))
        command = [sys.executable, "-P", "-m", "tensorboard.main", "--logdir", local, "--port", str(port)]
        with terminated_is_interrupted():
            raise typer.Exit(INFRASTRUCTURE if subprocess.run(command, check=False).returncode else FINE)


@app.command()
def compare(
    sweeps: Annotated[list[str], typer.Argument(metavar="SWEEP", help="Others are held against the first.")],
    store: StoreOption = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Compare sweeps: what changed, whose best setting wins, and whether that is real."""
    from pipeline import comparing, looking

    found = comparing.compare([looking.state(open_sweep(sweep, store)) for sweep in sweeps])
    if json:
        print(comparing.as_json(found))
        return
    for table in comparing.tables(found):
        print_table(table)
    print(found.sentence)


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
        float, typer.Option(min=0.0, max=0.99, help="How much worse is still no regression, as a share.")
    ] = 0.02,
) -> None:
    """Show the nightly sweeps: the best by night, drift of the data, and whether tonight is worse."""
    from pipeline import history as nights
    from pipeline.spec.project import store_root
    from pipeline.store import open_store

    fired = False
    for series in nights.series(open_store(store_root(store)), architecture, data_of(data) if data else None):
        print(series.name)
        print_table(nights.nights_table(series, last))
        for line in nights.drift(series, last):
            print(line)
        alarm = nights.alarm(series, threshold)
        fired = fired or alarm.fires
        print(alarm.line)
    if fail_on_regression and fired:
        raise typer.Exit(SOME_FAILED)
