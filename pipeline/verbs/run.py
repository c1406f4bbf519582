"""Verbs for whole sweeps on this machine: run, retry, calibrate, stop."""

import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from pipeline.errors import FINE, INFRASTRUCTURE, WRONG, InfrastructureError, UserError
from pipeline.verbs.common import (
    AsOfOption,
    BudgetOption,
    DataOption,
    GoOnOption,
    LanesOption,
    ModeOption,
    SpecArgument,
    StoreOption,
    SweepArgument,
    check_sweep_option,
    complain,
    complain_of_failures,
    request_of,
    store_option_for,
    warn,
)

if TYPE_CHECKING:
    from pipeline.plan.create import Request
    from pipeline.report.summary import Summary
    from pipeline.sweep import Sweep

app = typer.Typer()

DataChangedOption = Annotated[
    bool,
    typer.Option(
        "--data-changed", help="Go on though the data changed: what reads the new ones is not ranked with the others."
    ),
]
_WITH_PERSON_WAITING_S, _WITHOUT_PERSON_S = 8.0, 600.0
"""Time limits of the last page: from a person's request to end, and where no person waits."""


@app.command()
def run(
    spec: SpecArgument = None,
    sweep: GoOnOption = None,
    architecture: Annotated[
        str | None,
        typer.Option(
            "--architecture",
            metavar="NAME",
            help="Instead of a SPEC: tune this architecture automatically; several (cnn,lstm) or `all` are compared.",
        ),
    ] = None,
    store: StoreOption = None,
    data: DataOption = None,
    as_of: AsOfOption = None,
    mode: ModeOption = None,
    budget: BudgetOption = None,
    lanes: LanesOption = None,
    data_changed: DataChangedOption = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Of several architectures: each one's plan and answer, too.")
    ] = False,
) -> None:
    """Run a whole sweep on this machine, or go on with one."""
    from pipeline.plan import create

    check_sweep_option(sweep, spec, architecture, data=data, as_of=as_of, mode=mode, budget=budget)
    if sweep is not None:
        raise typer.Exit(run_to_the_end(create.resume_here(sweep, store, data_changed=data_changed), lanes))
    if data_changed:
        raise UserError("--data-changed goes with --sweep: a new sweep reads the data as they are")
    request = request_of(spec, architecture, data, as_of, mode, budget)
    if len(request.each()) > 1:
        compare_all(request, store, lanes, verbose=verbose)
    raise typer.Exit(run_to_the_end(create.create(request, store, trains_here=True, warn=warn), lanes))


@app.command()
def retry(
    sweep: SweepArgument,
    store: StoreOption = None,
    lanes: LanesOption = None,
    data_changed: DataChangedOption = False,
) -> None:
    """Run exactly the failed or missing trials of a sweep again, keeping every attempt."""
    from pipeline.plan.create import resume_here

    folder = resume_here(sweep, store, data_changed=data_changed, retry=True)
    raise typer.Exit(run_to_the_end(folder, lanes, retry=True))


@app.command()
def calibrate(
    spec: Annotated[Path, typer.Argument(metavar="SPEC")],
    store: StoreOption = None,
    data: DataOption = None,
    as_of: AsOfOption = None,
    lanes: LanesOption = None,
    experiments: Annotated[
        int | None,
        typer.Option(min=2, help="Settings to sample, the defaults included. Default: 21; with --resemblance 8."),
    ] = None,
    top: Annotated[int, typer.Option(min=1, help="How many of the best settings count.")] = 5,
    overlap: Annotated[float, typer.Option(min=0.01, max=1, help="The share of them to keep.")] = 0.8,
    resemblance: Annotated[
        bool,
        typer.Option(
            "--resemblance", help="Instead: how alike date ranges are, and how many of them a confirmation takes."
        ),
    ] = False,
    ranges: Annotated[
        int | None, typer.Option(min=4, max=60, help="With --resemblance: date ranges, the newest. Default: 12.")
    ] = None,
    seeds: Annotated[
        int | None, typer.Option(min=1, max=10, help="With --resemblance: trainings per setting and range. Default: 2.")
    ] = None,
) -> None:
    """Measure how little data and how few epochs still rank a spec's settings as the full trainings do."""
    from pipeline.plan.create import create_calibration, prepare_resemblance
    from pipeline.sweep import Calibrating

    request = request_of(spec, data=data, as_of=as_of)
    if resemblance:
        from pipeline.plan import estimate
        from pipeline.screen.plan import total_line

        prepared = prepare_resemblance(
            request, store, settings=experiments, ranges=ranges, seeds=seeds, trains_here=True, warn=warn
        )
        print(total_line(estimate.estimate(prepared)), file=sys.stderr)
        raise typer.Exit(run_to_the_end(prepared.create(), lanes))
    if ranges is not None or seeds is not None:
        raise UserError("--ranges and --seeds go with --resemblance")
    folder = create_calibration(
        request, store, Calibrating(top=top, overlap=overlap), experiments, trains_here=True, warn=warn
    )
    raise typer.Exit(run_to_the_end(folder, lanes))


@app.command()
def stop(sweep: SweepArgument, store: StoreOption = None) -> None:
    """Ask a running sweep to stop. What is finished stays; `hpt run --sweep` goes on."""
    from pipeline.plan.create import open_sweep

    folder = open_sweep(sweep, store)
    folder.ask_to_stop()
    go_on = f"hpt run --sweep {folder.id}{store_option_for(folder)}"
    print(f"{folder.id} will stop within seconds, where it runs; `{go_on}` goes on with it")


def compare_all(request: "Request", store: str | None, lanes: int | None, *, verbose: bool) -> NoReturn:
    """Runs a sweep per architecture, each inside the same budget, and prints their ranking.

    A sweep that fails ends none of the others; the ranking shows its error.
    """
    from pipeline.compare.ranking import rank
    from pipeline.plan import create
    from pipeline.report.state import state_of
    from pipeline.verbs.compare import show_ranking

    requests = request.each()
    # All are checked first, so that a mistake in one is reported before the others have cost anything.
    for each in requests:
        create.check(each, store, trains_here=True)
    print(f"{len(requests)} sweeps, an architecture each, one after another", file=sys.stderr)
    folders: list[Sweep] = []
    missing: dict[str, str] = {}
    codes = [FINE]
    for at, each in enumerate(requests, 1):
        name = f"{at}/{len(requests)} {each.architecture}"
        try:
            # Created only now, since its budget's hours begin here. Only the first sweep warns about the data: all use
            # the same.
            folder = create.create(each, store, trains_here=True, warn=None if folders else warn)
        except (UserError, InfrastructureError) as error:
            missing[str(each.architecture)] = str(error)
            codes.append(_complain_of_error(name, error))
            continue
        folders.append(folder)
        try:
            codes.append(run_to_the_end(folder, lanes, name=name, brief=not verbose))
        except (UserError, InfrastructureError) as error:
            codes.append(_complain_of_error(name, error))
        except KeyboardInterrupt:
            if len(folders) > 1:
                complain(f"`hpt compare {' '.join(sweep.id for sweep in folders)}` compares those that have run")
            raise
    if len(folders) < 2:
        complain("fewer than two sweeps have run: there is nothing to compare")
        raise typer.Exit(max(codes))
    show_ranking(rank(map(state_of, folders), missing), verbose=verbose)
    raise typer.Exit(max(codes))


def _complain_of_error(name: str, error: Exception) -> int:
    """Prints the error that ended a sweep; returns the exit code."""
    complain(f"{name}: {error}; the others go on")
    return WRONG if isinstance(error, UserError) else INFRASTRUCTURE


def run_to_the_end(
    folder: "Sweep", lanes: int | None, *, retry: bool = False, name: str = "trials", brief: bool = False
) -> int:
    """Runs the remaining trials of a sweep and prints its answer, unless `brief`; returns the exit code.

    `name` is printed before the progress bar.
    """
    from rich.console import Console

    from pipeline.compare.front import conclude
    from pipeline.local import runner
    from pipeline.local.drain import SameFailureError
    from pipeline.report.tracking import track
    from pipeline.screen.console import tell
    from pipeline.screen.progress import view_for
    from pipeline.sweep.merge import merge as merge_all

    console = Console(stderr=True)
    tell(folder.id)
    if not brief:
        _print_plan(folder)
    try:
        with view_for(console, folder.definition, name) as view:
            merged = runner.run(folder, view, lanes=lanes, retry=retry)
        summary = conclude(folder, merged)
    except SameFailureError as error:
        folder.ask_to_stop(str(error))
        merged = merge_all(folder)
        tell(conclude(folder, merged).answer)
        complain(f"stopped, since all trials failed alike: {error}")
        command = f"hpt retry {folder.id}{store_option_for(folder)}"
        complain(f"once that is mended, `{command}` runs them again and goes on; {folder.store.link(folder.page_key)}")
        track(folder, merged.rows, warn)
        return complain_of_failures(merged)
    except (KeyboardInterrupt, InfrastructureError):
        has_page = leave(folder)
        go_on = f"hpt run --sweep {folder.id}{store_option_for(folder)}"
        complain(f"stopped; what is finished is kept: `{go_on}` goes on with it")
        if not has_page:
            complain(f"its page is not up to date: `hpt report {folder.id}{store_option_for(folder)}` makes it anew")
        raise
    if not brief:
        _print_summary(folder, summary)
        track(folder, merged.rows, warn)
    return complain_of_failures(merged)


def _print_plan(folder: "Sweep") -> None:
    from pipeline.plan.create import digests_of
    from pipeline.plan.power import power_of
    from pipeline.screen.plan import power_line

    for decided in folder.definition.decided:
        print(decided, file=sys.stderr)
    if line := power_line(power_of(folder.definition, digests_of(folder.definition, folder.store))):
        print(line, file=sys.stderr)


def _print_summary(folder: "Sweep", summary: "Summary") -> None:
    from pipeline.compare import front
    from pipeline.screen.console import ReaderIsGoneError, tell
    from pipeline.screen.tables import print_calibration, print_ranges_needed

    tell(summary.answer)
    if summary.open_claim:
        tell(summary.open_claim)
    if summary.calibration:
        with suppress(ReaderIsGoneError):
            print_calibration(summary.calibration)
    if summary.ranges_needed:
        with suppress(ReaderIsGoneError):
            print_ranges_needed(summary.ranges_needed)
    tell(f"results {folder.store.link(folder.results_key)}")
    tell(f"summary {folder.store.link(folder.page_key)}")
    if all_sweeps := front.link(folder.store):
        tell(f"all sweeps {all_sweeps}")


def leave(folder: "Sweep") -> bool:
    """Marks a sweep as stopped, unless other runners go on with it, and writes its table and page.

    Returns False if the page could not be made in time.
    """
    from pipeline.compare.front import conclude
    from pipeline.local import interrupts
    from pipeline.sweep.leases import Leases, Runner
    from pipeline.sweep.merge import merge as merge_all

    requests = interrupts.requests()
    try:
        limit = _WITH_PERSON_WAITING_S - interrupts.seconds_since_request() if requests else _WITHOUT_PERSON_S
        with interrupts.within(limit):
            if others := Leases(folder, Runner.of_this_process(0)).look().others:
                complain(f"{' and '.join(sorted(runner.name for runner in others))} may go on with it")
            else:
                folder.ask_to_stop()
            if requests > 1:
                return False
            conclude(folder, merge_all(folder))
    except (InfrastructureError, KeyboardInterrupt, interrupts.TooLateError):
        return False
    return True
