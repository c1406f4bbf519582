"""Whole sweeps on this machine."""

import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from pipeline.errors import InfrastructureError
from pipeline.verbs.common import (
    Asked,
    AsOfOption,
    BudgetOption,
    DataOption,
    GoOnOption,
    LanesOption,
    ModeOption,
    SpecArgument,
    StoreOption,
    SweepArgument,
    complain,
    days_of,
    definition_of,
    judge,
    open_sweep,
    place_in_words,
    print_calibration,
    print_table,
    resolved,
    sweep_of,
    terminated_is_interrupted,
)

if TYPE_CHECKING:
    from pipeline.sweep import Definition, Sweep

app = typer.Typer()


@app.command()
def run(
    spec: SpecArgument = None,
    sweep: GoOnOption = None,
    architecture: Annotated[
        str | None,
        typer.Option(
            "--architecture",
            metavar="NAME",
            help="Instead of a SPEC: tune this architecture automatically; `all` tunes each and compares them.",
        ),
    ] = None,
    store: StoreOption = None,
    data: DataOption = None,
    as_of: AsOfOption = None,
    mode: ModeOption = None,
    budget: BudgetOption = None,
    lanes: LanesOption = None,
) -> None:
    """Run a whole sweep on this machine, or go on with one."""
    asked = Asked(spec, architecture, data, as_of, mode, budget)
    if architecture == "all" and sweep is None:
        compare_all(asked, store, lanes)
    raise typer.Exit(run_to_the_end(sweep_of(asked, sweep, store, here=True), lanes))


@app.command()
def retry(sweep: SweepArgument, store: StoreOption = None, lanes: LanesOption = None) -> None:
    """Run exactly the failed or missing trials of a sweep again, keeping every attempt."""
    folder = open_sweep(sweep, store)
    folder.forget_stop()
    raise typer.Exit(run_to_the_end(folder, lanes, retry=True))


@app.command()
def calibrate(
    spec: Annotated[Path, typer.Argument(metavar="SPEC")],
    store: StoreOption = None,
    data: DataOption = None,
    as_of: AsOfOption = None,
    lanes: LanesOption = None,
    experiments: Annotated[
        int | None, typer.Option(min=2, help="Settings to sample, the incumbent included. Default: 21.")
    ] = None,
    top: Annotated[int, typer.Option(min=1, help="How many of the best settings count.")] = 5,
    overlap: Annotated[float, typer.Option(min=0.01, max=1, help="The share of them to keep.")] = 0.8,
) -> None:
    """Measure how little data and how few epochs still rank a spec's settings as the full trainings do."""
    from pipeline import spec as specs
    from pipeline.plan import calibration
    from pipeline.spec.project import store_root
    from pipeline.store import open_store
    from pipeline.sweep import Calibrating, Sweep, ledger

    asked = specs.read(spec)
    place = open_store(store_root(store, asked.store))
    full = resolved(calibration.sample(asked, experiments), data, as_of, place, here=True)
    definition = calibration.define(
        full,
        asked,
        Calibrating(top=top, overlap=overlap),
        covered=days_of(full.data, here=True) if full.data is not None else None,
        used=ledger.chosen_on(place, full.architecture, full.data),
    )
    raise typer.Exit(run_to_the_end(Sweep.create(place, definition), lanes))


@app.command()
def stop(sweep: SweepArgument, store: StoreOption = None) -> None:
    """Ask a running sweep to stop. What is finished stays; `hpt run --sweep` goes on."""
    folder = open_sweep(sweep, store)
    folder.ask_to_stop()
    go_on = f"hpt run --sweep {folder.id}{place_in_words(folder)}"
    print(f"{folder.id} will stop within seconds, where it runs; `{go_on}` goes on with it")


def compare_all(asked: Asked, store: str | None, lanes: int | None) -> NoReturn:
    """Tunes every architecture, each inside the same budget, and holds the others against the best."""
    from pipeline.compare import sweeps
    from pipeline.report.state import state_of
    from pipeline.screen.compare import tables
    from pipeline.training import architectures

    each = [replace(asked, architecture=name) for name in architectures.names()]
    # All of them first: what is wrong with one is told before the others have cost anything.
    for one in each:
        definition_of(one, store, here=True)
    print(f"{len(each)} sweeps, an architecture each, one after another", file=sys.stderr)
    folders, codes = [], []
    for one in each:
        # Made when its turn comes: the hours of its budget begin then.
        folders.append(sweep_of(one, None, store, here=True))
        codes.append(run_to_the_end(folders[-1], lanes))
        if len(folders) > 1:
            ids = " ".join(folder.id for folder in folders)
            print(f"`hpt compare {ids}` compares these", file=sys.stderr)
    found = sweeps.compare(sweeps.best_first(state_of(folder) for folder in folders))
    for table in tables(found):
        print_table(table)
    print(found.sentence)
    raise typer.Exit(max(codes))


def run_to_the_end(folder: "Sweep", lanes: int | None, *, retry: bool = False) -> int:
    """Runs what is left of a sweep, and says what came of it; the exit code."""
    from rich.console import Console

    from pipeline.local import runner
    from pipeline.report.conclude import conclude
    from pipeline.screen.progress import view_for
    from pipeline.sweep.merge import merge as merge_all

    console = Console(stderr=True)
    print(folder.id)
    _say_what_can_be_shown(folder.definition)
    with terminated_is_interrupted():
        try:
            with view_for(console, folder.definition) as view:
                merged = runner.run(folder, view, lanes=lanes, retry=retry)
        except (KeyboardInterrupt, InfrastructureError):
            with suppress(InfrastructureError):
                folder.ask_to_stop()
                conclude(folder, merge_all(folder))
            go_on = f"hpt run --sweep {folder.id}{place_in_words(folder)}"
            complain(f"stopped; what is finished is kept: `{go_on}` goes on with it")
            raise
    summary = conclude(folder, merged)
    print(summary.answer)
    if summary.calibration:
        print_calibration(summary.calibration)
    print("results", folder.store.link(folder.results_key))
    print("summary", folder.store.link(folder.page_key))
    return judge(merged)


def _say_what_can_be_shown(definition: "Definition") -> None:
    phase = definition.confirm
    if phase is None:
        return
    from pipeline.analysis.confirmation import design_of
    from pipeline.analysis.significance import detectable_in_sd

    kind = "fresh" if phase.judging and phase.judging.fresh else "not fresh, so never more than promising"
    least = detectable_in_sd(design_of(definition, phase), phase.experiments - 1)
    found = (
        "too few for a test" if least is None else f"finds gains above {least:.1f} standard deviations between ranges"
    )
    print(f"the winner will be judged on {len(phase.ranges)} date ranges ({kind}): {found}", file=sys.stderr)
