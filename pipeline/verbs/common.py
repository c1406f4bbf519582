"""What several verbs share: options, exit codes, finding a sweep or making one of a spec."""

import sys
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.table import Table

    from pipeline.analysis.calibration import Calibration
    from pipeline.data.source import DataSource
    from pipeline.dates import DateRange
    from pipeline.spec import Spec
    from pipeline.store import Store
    from pipeline.sweep import Definition, Sweep
    from pipeline.sweep.merge import Merged


FINE, SOME_FAILED, WRONG, INFRASTRUCTURE, INTERRUPTED = 0, 1, 2, 3, 130


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
    for line in text.splitlines():
        print(f"hpt: {line}", file=sys.stderr)


def open_sweep(sweep: str, store: str | None) -> "Sweep":
    from pipeline.spec.project import store_root
    from pipeline.store import open_store
    from pipeline.sweep import find

    return find(open_store(store_root(store)), sweep)


@dataclass(frozen=True)
class Asked:
    """What a person says about a new sweep."""

    spec: Path | None
    architecture: str | None
    data: str | None
    as_of: datetime | None
    mode: str | None
    budget: "Sequence[str] | None"

    def changes(self) -> list[str]:
        """The options that only a new sweep takes."""
        given = {
            "--architecture": self.architecture,
            "--data": self.data,
            "--as-of": self.as_of,
            "--mode": self.mode,
            "--budget": self.budget,
        }
        return [name for name, value in given.items() if value]

    def read(self) -> "Spec":
        """The spec, with what the options change. Raises UserError if there is none, or it is wrong."""
        from pipeline import spec as specs

        if (self.spec is None) == (self.architecture is None):
            raise UserError("name either a SPEC or an --architecture to tune automatically")
        if self.spec is not None:
            asked = specs.read(self.spec)
        else:
            asked = specs.from_dict({"architecture": self.architecture, "tune": "automatic"}, "--architecture")
        changes: dict[str, Any] = {"mode": self.mode} if self.mode else {}
        if self.budget:
            changes["budget"] = specs.parse_budget(self.budget, "--budget")
        return asked.model_copy(update=changes)


def sweep_of(asked: Asked, sweep: str | None, store: str | None, *, here: bool) -> "Sweep":
    """The sweep to go on with, or a new one; `here` says that this machine runs it."""
    from pipeline.sweep import Sweep

    if sweep is None:
        if asked.spec is None and asked.architecture is None:
            raise UserError("name a SPEC, an --architecture to tune automatically, or --sweep ID to go on with")
        return Sweep.create(*definition_of(asked, store, here=here))
    if asked.spec is not None:
        raise UserError("name either a SPEC, or a sweep to go on with: --sweep ID")
    if changes := asked.changes():
        raise UserError(f"{', '.join(changes)}: fixed when a sweep starts, so leave that out with --sweep")
    folder = open_sweep(sweep, store)
    folder.forget_stop()
    return folder


def definition_of(asked: Asked, store: str | None, *, here: bool) -> "tuple[Store, Definition]":
    """What a new sweep would be, and where. Raises UserError if that cannot be."""
    from pipeline.spec.project import store_root
    from pipeline.store import open_store

    spec = asked.read()
    place = open_store(store_root(store, spec.store))
    return place, resolved(spec, asked.data, asked.as_of, place, here=here)


def resolved(
    asked: "Spec", data: str | None, as_of: datetime | None, store: "Store | None", *, here: bool
) -> "Definition":
    """With a store, what earlier sweeps chose on and the days that the data cover are looked up first."""
    import secrets

    from pipeline import provenance
    from pipeline.plan.resolve import resolve, source_of
    from pipeline.spec import project
    from pipeline.sweep import ledger

    known = data_of(data) if data else project.load().data
    used, covered = [], None
    if store is not None:
        source = source_of(asked, known)
        used = ledger.chosen_on(store, asked.architecture, source)
        covered = days_of(source, here=here) if source is not None else None
    return resolve(
        asked,
        now=datetime.now(UTC),
        token=secrets.token_hex(2),
        data=known,
        as_of=as_of.date() if as_of else None,
        covered=covered,
        used=used,
        git_commit=provenance.commit_here() if asked.trains_own_code else provenance.git_commit(),
        image=provenance.image(),
    )


def days_of(source: "DataSource", *, here: bool) -> "DateRange | None":
    """The days of the data, looked up before anything starts. Raises UserError if they cannot be what is meant.

    Data that are not on this machine are a mistake only where the trials run `here`.
    """
    import glob

    from pipeline.data.source import FilesSource

    if not isinstance(source, FilesSource):
        return source.covers
    local = not source.path.startswith("gs://")
    if local and not here and not glob.glob(str(Path(source.path).expanduser()), recursive=True):
        return None
    from pipeline.data.load import covered_days

    return covered_days(source)


def data_of(text: str) -> "DataSource":
    import json

    import pydantic

    from pipeline.data.source import DataSource

    try:
        value = json.loads(text) if text.lstrip().startswith("{") else text
        return pydantic.TypeAdapter(DataSource).validate_python(value)
    except ValueError as error:
        first = error.errors()[0]["msg"] if isinstance(error, pydantic.ValidationError) else error
        raise UserError(f"--data: {first}") from None


def place_in_words(folder: "Sweep") -> str:
    """What a verb must be told to find this sweep again, where the store is not the usual one."""
    import shlex

    from pipeline.spec.project import store_root

    root = folder.store.root
    return "" if store_root(None) == root else f" --store {shlex.quote(root)}"


def judge(merged: "Merged") -> int:
    from pipeline.results import Status

    for key, why in merged.skipped:
        complain(f"{key} is skipped: {why}")
    failed = sum(1 for row in merged.rows if not Status(row["status"]).is_result)
    if failed:
        complain(f"{failed} of {len(merged.rows)} trials failed; the summary says why")
    return SOME_FAILED if failed or merged.skipped else FINE


@contextmanager
def terminated_is_interrupted() -> "Iterator[None]":
    """SIGTERM, as Jenkins and `kill` send it, ends a verb as Ctrl-C does."""
    import signal

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def print_table(table: "Table") -> None:
    from rich.console import Console

    # A pipe has no width: nothing is cut or folded for it.
    Console(width=None if sys.stdout.isatty() else 1000).print(table)


def print_calibration(found: "Calibration") -> None:
    import json

    from rich.table import Table

    from pipeline.analysis.calibration import percent

    headers = ("data", "training days", "epochs", "time", f"best {found.top} kept", "Spearman", "Kendall")
    table = Table(*headers, caption="in brackets: 90 % intervals; * is the cheapest that keeps what was asked for")
    for one in found.table():
        agreed = one.agreement
        low, high = (round(value * found.top) for value in (agreed.overlap.low, agreed.overlap.high))
        table.add_row(
            ("* " if one is found.chosen else "  ") + one.amount.words,
            str(one.amount.train_days),
            str(one.epochs),
            percent(one.time_share),
            f"{one.kept} ({low} to {high})",
            *(f"{e.value:.2f} ({e.low:.2f} to {e.high:.2f})" for e in (agreed.spearman, agreed.kendall)),
        )
    print_table(table)
    print("settings", json.dumps(found.settings))
