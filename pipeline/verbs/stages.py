"""A sweep's stages, one verb each, as Jenkins and a person at a shell call them."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.errors import UserError
from pipeline.verbs.common import (
    FINE,
    SOME_FAILED,
    ArchitectureOption,
    Asked,
    AsOfOption,
    BudgetOption,
    DataOption,
    GoOnOption,
    ModeOption,
    PackLanesOption,
    SpecArgument,
    StoreOption,
    SweepArgument,
    judge,
    open_sweep,
    print_calibration,
    resolved,
    sweep_of,
    terminated_is_interrupted,
)

if TYPE_CHECKING:
    from pipeline.sweep import Definition

app = typer.Typer()


@app.command()
def validate(
    spec: SpecArgument = None,
    architecture: ArchitectureOption = None,
    data: DataOption = None,
    as_of: AsOfOption = None,
    mode: ModeOption = None,
    budget: BudgetOption = None,
) -> None:
    """Check a spec and print what would run."""
    asked = Asked(spec, architecture, data, as_of, mode, budget).read()
    _print_plan(resolved(asked, data, as_of, None, here=False))


@app.command()
def schema() -> None:
    """Print the JSON Schema of a spec."""
    from pipeline import spec as specs

    print(specs.json_schema(), end="")


@app.command("architectures")
def list_architectures() -> None:
    """List the architectures, their hyperparameters, defaults and ready-made spaces."""
    from pipeline.results import to_cell
    from pipeline.training import architectures

    for name in architectures.names():
        print(name)
        for own, declared in architectures.hyperparameters(name).items():
            space = to_cell(declared.domain.model_dump(mode="json", exclude_defaults=True))
            print(f"  {own} = {to_cell(declared.default)}  {space}  {declared.help}")


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
    out: Annotated[Path | None, typer.Option(help="Write the packs to run here, a line each.")] = None,
) -> None:
    """Plan the next round of a sweep: prints its id; no packs left means that it is done."""
    from pipeline.plan import rounds as planning

    folder = sweep_of(Asked(spec, architecture, data, as_of, mode, budget), sweep, store, here=False)
    packs = planning.pending(folder, retry=retry, lanes=lanes)
    lines = "".join(pack.as_line() + "\n" for pack in packs)
    if out is not None:
        try:
            out.write_text(lines, encoding="utf-8")
        except OSError as error:
            raise UserError(f"--out {out}: cannot be written: {error.strerror}") from None
    print(folder.id)
    print(f"{planning.trial_count(packs)} trials to run in {len(packs)} packs", file=sys.stderr)


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
    """Run trials in this process and write their rows. Those that have one are skipped."""
    from pipeline.report.conclude import show_progress
    from pipeline.sweep import Trial
    from pipeline.sweep import merge as merging
    from pipeline.trials import pack as running

    folder = open_sweep(sweep, store)
    parsed = [Trial.parse(name) for one in trials for name in one.split(",")]
    pack = folder.pack_of(parsed[0])
    if give_up is not None:
        rows = running.give_up(folder, pack, parsed, give_up)
        fine = not rows
    else:

        def show(event: dict[str, Any]) -> None:
            if row := event.get("row"):
                print(f"{row['trial']} {row['status']}" + (f": {row['error']}" if row.get("error") else ""))
            else:
                print(f"{event['trial']} epoch {event['epoch']} of {event['of']}", file=sys.stderr)

        with terminated_is_interrupted():
            fine = running.run_pack(folder, pack, parsed, running.Workbench(), retry=retry, on_event=show)
    show_progress(folder, merging.refresh(folder))
    raise typer.Exit(FINE if fine else SOME_FAILED)


@app.command()
def merge(sweep: SweepArgument, store: StoreOption = None) -> None:
    """Merge the trials' rows into results.csv."""
    from pipeline.sweep import merge as merging

    folder = open_sweep(sweep, store)
    merged = merging.merge(folder)
    print(f"{len(merged.rows)} rows in {folder.store.link(folder.results_key)}")
    raise typer.Exit(judge(merged))


@app.command()
def report(sweep: SweepArgument, store: StoreOption = None) -> None:
    """Render the HTML summary of what is finished."""
    from pipeline.report.conclude import conclude
    from pipeline.sweep import merge as merging

    folder = open_sweep(sweep, store)
    merged = merging.merge(folder)
    summary = conclude(folder, merged)
    print(summary.answer)
    if summary.calibration:
        print_calibration(summary.calibration)
    print(folder.store.link(folder.page_key))
    raise typer.Exit(judge(merged))


def _print_plan(definition: "Definition") -> None:
    from pipeline.plan.rounds import next_round
    from pipeline.results import shown

    experiments, _ = next_round(definition, 0, {}, (), ())
    training = definition.training
    for phase in definition.phases:
        per_range = phase.seeds * phase.experiments
        open_end = phase.judges or definition.is_timed
        what = f"{'at most ' if open_end else ''}{counted(phase.experiments, 'experiment')}"
        print(
            f"phase {phase.name}: {per_range * len(phase.ranges)} trials: {what} ({phase.strategy}) on "
            f"{counted(len(phase.ranges), 'date range')}, {counted(phase.seeds, 'seed')} each, "
            f"up to {phase.fidelity.max_epochs} epochs" + (", racing" if phase.race else "")
        )
        if phase.wanted:
            print(f"  the budget has no room for {phase.wanted - phase.experiments} more experiments")
        if phase.replicates:
            print(f"  the best of {phase.follows} once more: of one training each, the first is mostly the luckiest")
        elif phase.follows:
            near = f", searching {phase.near:.0%} of each range around it" if phase.near else ""
            print(f"  starts from the best setting of {phase.follows}{near}")
        if phase.judging and phase.judging.fresh:
            print("  these ranges play no part in choosing; they judge the winner against the incumbent")
            if len(phase.ranges) < 3:
                print('  with fewer than three there is no test: the verdict will be "not testable"')
            elif len(phase.ranges) < 6:
                print("  six are recommended: with fewer, only larger gains are found")
        elif phase.judging:
            print("  no fresh date range: the same ones with new seeds, so the verdict is never above promising")
        for date_range in phase.ranges:
            split = date_range.split(training.validation_share, training.test_share)
            print(f"  {date_range}: train {split.train.days}, validate {split.valid.days}, test {split.test.days} days")
        if phase is definition.phases[0]:
            for at, experiment in enumerate(experiments[:5]):
                words = " ".join(f"{name}={shown(experiment.assignment[name])}" for name in phase.space)
                print(f"  {experiment.id} {words}" + (" (the incumbent)" if at == 0 else ""))
            if len(experiments) > 5:
                print(f"  … and {len(experiments) - 5} more")


def counted(number: int, what: str) -> str:
    return f"{number} {what}" + ("s" if number != 1 else "")
