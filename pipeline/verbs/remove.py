"""The verb that frees the space of sweeps in a store."""

import sys
from contextlib import suppress
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.errors import InfrastructureError, UserError
from pipeline.verbs.common import StoreOption, complain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.report.state import State
    from pipeline.results import Row
    from pipeline.store import Store

app = typer.Typer()


class KeptModels(StrEnum):
    BEST = "best"


@app.command()
def remove(
    sweeps: Annotated[list[str], typer.Argument(metavar="SWEEP…", help="Sweeps' ids, or the ends of them.")],
    store: StoreOption = None,
    keep_models: Annotated[
        KeptModels | None,
        typer.Option("--keep-models", help="Keep the sweeps and their best models: only the other models go."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go, and how much.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Remove sweeps, or their models: never what the ledger, reuse or other sweeps need, nor a sweep that runs."""
    from pipeline.compare import front
    from pipeline.screen.removal import removal_lines, size
    from pipeline.spec.project import store_root
    from pipeline.store import open_store
    from pipeline.sweep import removal
    from pipeline.sweep.folder import removed_sweeps

    opened = open_store(store_root(store))
    ids = _ids(opened, sweeps)
    keep: dict[str, str | None] | None = None
    if keep_models:
        keep = _best_models(opened, ids)
        ids = list(keep)
    finished = [] if keep_models else [id for id in ids if _is_finished(opened, id)]
    # Files that an earlier removal left, since other sweeps needed them, may be free now.
    before = [] if keep_models else sorted(removed_sweeps(opened) - set(ids))
    removals = [*removal.plan(opened, [*ids, *before], keep)]
    removals = [planned for planned in removals if planned.sweep.id in ids or planned.files]
    for line in removal_lines(removals):
        print(line)
    total = size(sum(planned.size for planned in removals))
    if dry_run:
        print(f"would free {total}")
        return
    for planned in removals:
        removal.check_idle(planned.sweep, complain)
    if not yes:
        if not sys.stdin.isatty():
            raise UserError("there is nobody to ask: say --yes, or --dry-run to see what would go")
        if not typer.confirm(f"free {total}?"):
            raise typer.Exit
    for id in finished:
        _leave_to_later_sweeps(opened, id)
    freed = removal.remove(removals, complain)
    with suppress(InfrastructureError, UserError):  # the next sweep that ends brings the page up to date
        if front.link(opened):
            front.bring_up_to_date(opened)
    print(f"freed {size(freed)}")


def _ids(store: "Store", names: "Sequence[str]") -> list[str]:
    """The ids of sweeps, each once. A damaged or partly removed sweep must be named by its whole id."""
    from pipeline.sweep import find
    from pipeline.sweep.layout import is_sweep_id

    return list(dict.fromkeys(name if is_sweep_id(name) else find(store, name).id for name in names))


def _is_finished(store: "Store", id: str) -> bool:
    """True if a sweep is done: then the ledger must hold its results before it goes.

    Raises UserError if the sweep must not be removed, since it is neither done nor stopped.
    """
    from pipeline.report.state import state_of
    from pipeline.sweep import Sweep
    from pipeline.sweep.layout import removed_key

    sweep = Sweep(store, id)
    if store.exists(removed_key(id)) or not store.exists(sweep.definition_key):
        return False
    try:
        state = state_of(sweep)
    except UserError as error:
        complain(f"{error}; it is removed as it is")
        return False
    if not state.done and not state.stopped:
        raise UserError(f"{id} is not done ({state.words}), and nobody stopped it: `hpt stop {id}` does")
    return state.done


def _best_models(store: "Store", ids: "Sequence[str]") -> dict[str, str | None]:
    """{sweep: key of its best model}; the key is None if no model was saved. Sweeps without a best one are left out.

    Raises UserError if a sweep is not done.
    """
    from pipeline.report.answer import newest_model
    from pipeline.report.state import state_of
    from pipeline.store.address import model_address
    from pipeline.sweep import find
    from pipeline.sweep.layout import model_key

    keep: dict[str, str | None] = {}
    for id in ids:
        state = state_of(find(store, id))
        problem = f"{id}: its best model is not known ({state.words})"
        if not state.done:
            raise UserError(problem)
        rows = _rows_of_best(state)
        if rows is None:
            complain(f"{problem}; it is passed over")
            continue
        row = newest_model(state.sweep.definition, rows)
        keep[id] = model_key(model_address(row["model_url"])) if row else None
    return keep


def _rows_of_best(state: "State") -> "list[Row] | None":
    """The rows of the setting whose model is kept; None if the sweep has no best setting.

    A sweep that judges a claim keeps the claim's setting, or the incumbent if the claim has ended as not real.
    """
    from pipeline.report.judged_claim import REAL, rows_of_setting, standing_of

    if claim := standing_of(state.sweep):
        is_lost = claim.has_ended and claim.kind != REAL
        return rows_of_setting(state.rows, state.sweep.definition.incumbent if is_lost else claim.setting)
    if state.best is None:
        return None
    return [row for row in state.rows if row["experiment"] == state.best.experiment]


def _leave_to_later_sweeps(store: "Store", id: str) -> None:
    """Writes the ledger entries of a finished sweep again, in case an older version or a crash left some out."""
    from pipeline.compare.front import conclude
    from pipeline.sweep import Sweep
    from pipeline.sweep.merge import merge

    sweep = Sweep(store, id)
    conclude(sweep, merge(sweep))
