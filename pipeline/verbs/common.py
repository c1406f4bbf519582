"""Parts that several verbs share: options, a request made of options, exit codes, messages."""

import sys
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.errors import FINE, SOME_FAILED, UserError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.plan.create import Request
    from pipeline.sweep import Sweep
    from pipeline.sweep.merge import Merged


class Mode(StrEnum):
    FULL = "full"
    SHORT = "short"


StoreOption = Annotated[
    str | None,
    typer.Option("--store", help="gs://bucket/prefix or a directory. Default: HPT_STORE, spec, hpt.toml, ./hpt-store."),
]
DataOption = Annotated[
    str | None, typer.Option("--data", help='Data for a spec that names none: "flights", or the JSON of a `data` key.')
]
AsOfOption = Annotated[
    datetime | None, typer.Option("--as-of", formats=["%Y-%m-%d"], help='"Today" for rotating date ranges.')
]
ModeOption = Annotated[
    Mode | None, typer.Option("--mode", help="How much choosing gets: all, or one month and few epochs.")
]
ArchitectureOption = Annotated[
    str | None,
    typer.Option("--architecture", metavar="NAME", help="Instead of a SPEC: tune this architecture automatically."),
]
BudgetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--budget",
        metavar="KEY=N",
        help="What it may cost: experiments, trials, hours, device-hours, money (with price-per-device-hour).",
    ),
]
VerboseOption = Annotated[
    bool, typer.Option("--verbose", "-v", help="Print more: how the plan came about, all that differs, range by range.")
]
NoDataOption = Annotated[bool, typer.Option("--no-data", help="Do not look at the data.")]
SweepArgument = Annotated[str, typer.Argument(metavar="SWEEP", help="A sweep's id, the end of one, or `latest`.")]
SpecArgument = Annotated[Path | None, typer.Argument(metavar="[SPEC]", help="A spec, as JSON.", show_default=False)]
PackLanesOption = Annotated[
    int | None,
    typer.Option(
        "--lanes",
        min=1,
        help="So many packs will run at a time: trials that can train side by side share one. Default: one per trial.",
    ),
]
LanesOption = Annotated[
    int | None, typer.Option("--lanes", min=1, help="Processes that train. Default: one per GPU, else one per core.")
]
GoOnOption = Annotated[
    str | None, typer.Option("--sweep", metavar="ID", help="Go on with this sweep instead of starting one.")
]


def complain(text: str) -> None:
    """Prints each line to stderr, with `hpt:` before it."""
    for line in text.splitlines():
        print(f"hpt: {line}", file=sys.stderr)


def complain_of_stop(sweep: "Sweep") -> None:
    """Says that a sweep is stopped, and why."""
    cause = sweep.why_stopped()
    complain(f"{sweep.id} is stopped" + (f", since all trials failed alike: {cause}" if cause else " by `hpt stop`"))


def warn(line: str) -> None:
    """Prints a warning to stderr; it changes no exit code."""
    print(f"warning: {line}", file=sys.stderr)


def request_of(
    spec: Path | None,
    architecture: str | None = None,
    data: str | None = None,
    as_of: datetime | None = None,
    mode: Mode | None = None,
    budget: "Sequence[str] | None" = None,
) -> "Request":
    """The request for a new sweep that the options make. Raises UserError if an option is wrong."""
    from pipeline.plan.create import Request, parse_data
    from pipeline.spec import parse_budget

    return Request(
        file=spec,
        architecture=architecture,
        data=parse_data(data, "--data") if data else None,
        as_of=as_of.date() if as_of else None,
        mode=mode.value if mode else None,
        budget=parse_budget(budget, "--budget") if budget else None,
    )


def check_sweep_option(sweep: str | None, spec: Path | None, architecture: str | None, **options: object) -> None:
    """Raises UserError unless the options name a sweep to go on with, or a spec or an architecture for a new one.

    `options` are fixed when a sweep starts: they are an error with `sweep`.
    """
    if sweep is None:
        if spec is None and architecture is None:
            raise UserError("name a SPEC, an --architecture to tune automatically, or --sweep ID to go on with")
        return
    if spec is not None:
        raise UserError("name either a SPEC, or a sweep to go on with: --sweep ID")
    options = {"architecture": architecture, **options}
    if misplaced := [f"--{name.replace('_', '-')}" for name, value in options.items() if value]:
        raise UserError(f"{', '.join(misplaced)}: fixed when a sweep starts, so leave that out with --sweep")


def store_option_for(folder: "Sweep") -> str:
    """The option with which a verb finds this sweep, such as ` --store gs://b`; empty for the usual store."""
    import shlex

    from pipeline.spec.project import store_root

    root = folder.store.root
    return "" if store_root(None) == root else f" --store {shlex.quote(root)}"


def complain_of_failures(merged: "Merged") -> int:
    """Says which files were skipped and how many trials failed; returns the exit code."""
    from pipeline.results import Status, trainings

    for key, problem in merged.skipped:
        complain(f"{key} is skipped: {problem}")
    rows = trainings(merged.rows)
    failed = sum(1 for row in rows if not Status(row["status"]).is_result)
    if failed:
        complain(f"{failed} of {len(rows)} trials failed; the summary says why")
    return SOME_FAILED if failed or merged.skipped else FINE
