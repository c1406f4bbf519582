"""The verb for claims: lists them, and judges them on new date ranges."""

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.errors import FINE, SOME_FAILED, UserError
from pipeline.verbs.common import LanesOption, StoreOption, complain
from pipeline.verbs.run import DataChangedOption, run_to_the_end

if TYPE_CHECKING:
    from collections.abc import Callable

    from pipeline.plan.judging import Judge
    from pipeline.store import Store
    from pipeline.sweep import Sweep

app = typer.Typer()


@app.command()
def judge(
    claim: Annotated[
        str | None, typer.Argument(metavar="[CLAIM]", help="A claim's id, or the end of one.", show_default=False)
    ] = None,
    due: Annotated[bool, typer.Option("--due", help="All claims with a new date range.")] = False,
    store: StoreOption = None,
    spec: Annotated[
        Path | None,
        typer.Option(help="For your own trainer: the spec with its code. Default: a spec below specs/ with that code."),
    ] = None,
    as_of: Annotated[
        datetime | None, typer.Option("--as-of", formats=["%Y-%m-%d"], help='"Today": a date range must be over.')
    ] = None,
    lanes: LanesOption = None,
    data_changed: DataChangedOption = False,
    plan: Annotated[
        bool, typer.Option("--plan", help="Only make the sweeps that judge, and print their ids.", hidden=True)
    ] = False,
) -> None:
    """Judge claims on new date ranges, or list them. A claim is a winner that was better in its sweep, but not shown to
    be."""
    from pipeline.plan.judging import Judge
    from pipeline.spec.project import store_root
    from pipeline.store import open_store
    from pipeline.sweep import claims

    folder = open_store(store_root(store))
    if claim is not None and due:
        raise UserError("name either a CLAIM or --due")
    if claim is None and not due:
        _list(folder)
        return
    options = Judge(
        today=as_of.date() if as_of else datetime.now(UTC).date(),
        trains_here=not plan,
        spec=spec,
        data_changed=data_changed,
    )

    def run(sweep: "Sweep") -> int:
        if plan:
            print(sweep.id)
            return FINE
        return run_to_the_end(sweep, lanes)

    if claim is not None:
        id = claims.find(folder, claim).claim.id
        raise typer.Exit(_judge(folder, id, options, run))
    raise typer.Exit(_judge_due(folder, options, run))


def _list(store: "Store") -> None:
    from pipeline.compare.claims import rows
    from pipeline.screen.claims import claims_table
    from pipeline.screen.tables import print_table

    if claims := list(rows(store)):
        print_table(claims_table(claims))
    else:
        print(_no_claims(store))


def _no_claims(store: "Store") -> str:
    return (
        f"{store.root} holds no claims: a sweep makes one if its winner was better, but not shown to be, and its data "
        "do not end before six new date ranges"
    )


def _judge_due(store: "Store", options: "Judge", run: "Callable[[Sweep], int]") -> int:
    """Judges every claim that has a new date range. Complains of a claim that cannot be judged, and goes on."""
    from pipeline.sweep import claims

    codes = [FINE]
    all_claims = list(claims.all_stored(store))
    if not all_claims:
        print(_no_claims(store), file=sys.stderr)
    for stored in all_claims:
        if isinstance(stored, tuple):
            _, problem = stored
            complain(problem)
            codes.append(SOME_FAILED)
            continue
        try:
            codes.append(_judge(store, stored.claim.id, options, run))
        except UserError as error:
            complain(str(error))
            codes.append(SOME_FAILED)
    return max(codes)


def _judge(store: "Store", id: str, options: "Judge", run: "Callable[[Sweep], int]") -> int:
    """Finishes the sweeps that were begun for a claim, then begins new ones while it has new date ranges.

    Each new sweep judges the claim up to its next look (a planned test). Returns the exit code.
    """
    from pipeline.compare.front import conclude
    from pipeline.plan import judging, unchanged
    from pipeline.sweep import claims
    from pipeline.sweep.merge import merge

    # Finish the sweeps that were begun.
    for sweep, has_ended in judging.reopen(store, claims.read(store, id), options):
        if has_ended:
            # It left no pair: its run was killed before it wrote them, or some of its trainings failed.
            print(conclude(sweep, merge(sweep)).answer, file=sys.stderr)
            continue
        if options.trains_here and not options.data_changed:
            unchanged.check(sweep)
        sweep.forget_stop()
        if (code := run(sweep)) != FINE or not options.trains_here:
            return code

    # Begin new ones.
    has_run = False
    while True:
        stored = claims.read(store, id)
        new_sweep = judging.begin(store, stored, options)
        if new_sweep is None:
            if not has_run:
                print(judging.why_not_due(stored), file=sys.stderr)
            return FINE
        code = run(new_sweep)
        if code != FINE or not options.trains_here:
            return code
        has_run = True
        if claims.read(store, id).open_ranges == stored.open_ranges:
            complain(f"{id}: {new_sweep.id} left no pair: its trainings on a date range read different data")
            return SOME_FAILED
