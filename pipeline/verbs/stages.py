"""Verbs for the stages of a sweep, called by Jenkins and by people at a shell: plan, trial, merge, report."""

import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from pipeline.errors import UserError
from pipeline.verbs.common import (
    FINE,
    SOME_FAILED,
    ArchitectureOption,
    AsOfOption,
    BudgetOption,
    DataOption,
    GoOnOption,
    ModeOption,
    NoDataOption,
    PackLanesOption,
    SpecArgument,
    StoreOption,
    SweepArgument,
    check_sweep_option,
    complain,
    complain_of_failures,
    complain_of_stop,
    request_of,
    warn,
)

app = typer.Typer()


@app.command()
def plan(
    spec: SpecArgument = None,
    sweep: GoOnOption = None,
    architecture: ArchitectureOption = None,
    store: StoreOption = None,
    data: DataOption = None,
    as_of: AsOfOption = None,
    mode: ModeOption = None,
    budget: BudgetOption = None,
    retry: Annotated[bool, typer.Option("--retry", help="Plan what failed again, too.")] = False,
    lanes: PackLanesOption = None,
    no_data: NoDataOption = False,
    out: Annotated[Path | None, typer.Option(help="Write the packs to run here, a line each.")] = None,
) -> None:
    """Plan the next round of a sweep: prints its id; no packs left means that it is done."""
    from pipeline import places
    from pipeline.plan import create, estimate
    from pipeline.plan import rounds as planning
    from pipeline.plan.data_access import Reach
    from pipeline.plan.power import power_of
    from pipeline.screen.plan import power_line, total_line

    check_sweep_option(sweep, spec, architecture, data=data, as_of=as_of, mode=mode, budget=budget, no_data=no_data)
    totals: list[str | None] = []
    if sweep is not None:
        folder = create.resume(sweep, store)
    else:
        request = request_of(spec, architecture, data, as_of, mode, budget)
        prepared = create.prepare(request, store, Reach.UNSEEN if no_data else Reach.ELSEWHERE, warn)
        power = power_of(prepared.definition, prepared.digests)
        totals = [power_line(power), total_line(estimate.estimate(prepared))]
        folder = prepared.create()
    packs = planning.plan_packs(folder, retry=retry, lanes=lanes)
    lines = "".join(pack.as_line() + "\n" for pack in packs)
    if out is not None:
        out = places.output_path(out)
        try:
            out.write_text(lines, encoding="utf-8")
        except OSError as error:
            raise UserError(f"--out {out}: cannot be written: {error.strerror}") from None
    print(folder.id)
    for line in folder.definition.decided:
        print(line, file=sys.stderr)
    for line in filter(None, totals):
        print(line, file=sys.stderr)
    print(f"{planning.packs_in_words(packs)}, in {len(packs)} packs", file=sys.stderr)


@app.command()
def trial(
    sweep: SweepArgument,
    trials: Annotated[list[str], typer.Argument(metavar="TRIAL…", help="Trials of one pack, like screen-e012-d2-s0.")],
    store: StoreOption = None,
    retry: Annotated[bool, typer.Option("--retry", help="Run a trial again whose last row is a failure.")] = False,
    give_up: Annotated[
        str | None,
        typer.Option("--give-up", metavar="WHY", help="Run nothing: write a row that says why nobody could."),
    ] = None,
) -> None:
    """Run trials, see them through, and write their rows. Those that have one are skipped."""
    from pipeline.analysis.failures import same_failure
    from pipeline.jenkins.trust import check_code
    from pipeline.local import alone
    from pipeline.plan.create import open_sweep
    from pipeline.report.conclude import show_progress
    from pipeline.screen.progress import Events
    from pipeline.sweep import Trial
    from pipeline.sweep import merge as merging
    from pipeline.sweep.leases import owner_in
    from pipeline.trials.pack import give_up as give_up_trials

    folder = open_sweep(sweep, store)
    parsed = tuple(Trial.parse(name) for argument in trials for name in argument.split(","))
    pack = replace(folder.pack_of(parsed[0]), trials=parsed)
    lanes = int(os.environ["HPT_LANES"]) if os.environ.get("HPT_LANES", "").isdecimal() else 1
    if give_up is not None:
        give_up_trials(folder, pack.id, parsed, give_up)
    else:
        check_code(folder.definition, (), os.environ)
        if folder.stop_is_asked():
            complain_of_stop(folder)
            raise typer.Exit(SOME_FAILED)
        owner = owner_in(os.environ)
        alone.run_pack(folder, pack, Events(folder.id), retry=retry, lanes=lanes, owner=owner)
    merged = merging.refresh(folder)
    fine = not merged.failures_among(parsed)
    if not fine and (cause := same_failure(merged.rows, lanes)):
        folder.ask_to_stop(cause)
        complain(f"{folder.id} is stopped now, since all trials failed alike: {cause}")
    show_progress(folder, merged)
    raise typer.Exit(FINE if fine else SOME_FAILED)


@app.command()
def merge(sweep: SweepArgument, store: StoreOption = None) -> None:
    """Merge the trials' rows into results.csv."""
    from pipeline.plan.create import open_sweep
    from pipeline.sweep import merge as merging

    folder = open_sweep(sweep, store)
    merged = merging.merge(folder)
    print(f"{len(merged.rows)} rows in {folder.store.link(folder.results_key)}")
    raise typer.Exit(complain_of_failures(merged))


@app.command()
def report(sweep: SweepArgument, store: StoreOption = None) -> None:
    """Render the HTML summary of what is finished."""
    from pipeline.compare import front
    from pipeline.plan.create import open_sweep
    from pipeline.report.tracking import track
    from pipeline.screen.tables import print_calibration, print_ranges_needed
    from pipeline.sweep import merge as merging

    folder = open_sweep(sweep, store)
    merged = merging.merge(folder)
    summary = front.conclude(folder, merged)
    print(summary.answer)
    if summary.calibration:
        print_calibration(summary.calibration)
    if summary.ranges_needed:
        print_ranges_needed(summary.ranges_needed)
    print(folder.store.link(folder.page_key))
    if all_sweeps := front.link(folder.store):
        print(f"all sweeps {all_sweeps}")
    track(folder, merged.rows, warn)
    raise typer.Exit(complain_of_failures(merged))
