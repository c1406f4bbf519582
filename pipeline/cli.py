"""`hpt`: one verb per stage. A verb parses its arguments, calls what lies beneath it, and prints.

Importing this module is cheap: what a verb needs is imported by the verb.
"""

import sys
import traceback
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from pipeline.errors import InfrastructureError, UserError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.table import Table

    from pipeline.analysis.calibration import Calibration
    from pipeline.data_source import DataSource
    from pipeline.dates import DateRange
    from pipeline.merge import Merged
    from pipeline.spec import Spec
    from pipeline.store import Store
    from pipeline.sweep import Definition, Sweep


class Mode(StrEnum):
    FULL = "full"
    SHORT = "short"


FINE, SOME_FAILED, WRONG, INFRASTRUCTURE, INTERRUPTED = 0, 1, 2, 3, 130

app = typer.Typer(
    name="hpt",
    help="Tune hyperparameters: which setting is best, is that real, and what did it cost.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

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
SweepArgument = Annotated[str, typer.Argument(metavar="SWEEP", help="A sweep's id, the end of one, or `latest`.")]
SpecArgument = Annotated[Path | None, typer.Argument(metavar="[SPEC]", help="A spec, as JSON.", show_default=False)]
LanesOption = Annotated[
    int | None, typer.Option("--lanes", min=1, help="Trials at a time. Default: one per GPU, else one per core.")
]
GoOnOption = Annotated[
    str | None, typer.Option("--sweep", metavar="ID", help="Go on with this sweep instead of starting one.")
]


def main() -> NoReturn:
    """The entry point: every error that a person or Jenkins can cause is one line and its exit code."""
    try:
        app()
    except UserError as error:
        _complain(str(error))
        sys.exit(WRONG)
    except InfrastructureError as error:
        _complain(str(error))
        sys.exit(INFRASTRUCTURE)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except Exception:
        traceback.print_exc()
        _complain("this should not have happened: please report the lines above")
        sys.exit(INFRASTRUCTURE)
    sys.exit(FINE)


def _complain(text: str) -> None:
    for line in text.splitlines():
        print(f"hpt: {line}", file=sys.stderr)


@app.command()
def validate(
    spec: Annotated[Path, typer.Argument(metavar="SPEC")],
    data: DataOption = None,
    as_of: AsOfOption = None,
    mode: ModeOption = None,
) -> None:
    """Check a spec and print what would run."""
    from pipeline import spec as specs

    asked = specs.read(spec)
    _print_plan(_resolve(asked, data, as_of, mode, None))


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
    store: StoreOption = None,
    data: DataOption = None,
    as_of: AsOfOption = None,
    mode: ModeOption = None,
    retry: Annotated[bool, typer.Option("--retry", help="Plan what failed again, too.")] = False,
    out: Annotated[Path | None, typer.Option(help="Write the packs to run here, a line each.")] = None,
) -> None:
    """Plan the next round of a sweep: prints its id; no packs left means that it is done."""
    from pipeline import plan as planning

    folder = _sweep(spec, sweep, store, data, as_of, mode)
    packs = planning.pending(folder, retry=retry)
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
    from pipeline import merge as merging
    from pipeline import trial as running
    from pipeline.sweep import Trial

    folder = _open(sweep, store)
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

        with _terminated_is_interrupted():
            fine = running.run_pack(folder, pack, parsed, running.Workbench(), retry=retry, on_event=show)
    merging.refresh(folder)
    raise typer.Exit(FINE if fine else SOME_FAILED)


@app.command()
def merge(sweep: SweepArgument, store: StoreOption = None) -> None:
    """Merge the trials' rows into results.csv."""
    from pipeline import merge as merging

    folder = _open(sweep, store)
    merged = merging.merge(folder)
    print(f"{len(merged.rows)} rows in {folder.store.link(folder.key('results.csv'))}")
    raise typer.Exit(_judge(merged))


@app.command()
def report(sweep: SweepArgument, store: StoreOption = None) -> None:
    """Render the HTML summary of what is finished."""
    from pipeline import merge as merging
    from pipeline.conclude import conclude

    folder = _open(sweep, store)
    merged = merging.merge(folder)
    summary = conclude(folder, merged)
    print(summary.answer)
    if summary.calibration:
        _print_calibration(summary.calibration)
    print(folder.store.link(folder.key("report/index.html")))
    raise typer.Exit(_judge(merged))


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
    from pipeline import calibration, ledger
    from pipeline import spec as specs
    from pipeline.project import store_root
    from pipeline.store import open_store
    from pipeline.sweep import Calibrating, Sweep

    asked = specs.read(spec)
    place = open_store(store_root(store, asked.store))
    resolved = _resolve(calibration.sample(asked, experiments), data, as_of, None, place)
    definition = calibration.define(
        resolved,
        asked,
        Calibrating(top=top, overlap=overlap),
        covered=_days_of(resolved.data),
        used=ledger.chosen_on(place, resolved.architecture, resolved.data),
    )
    folder = Sweep.create(place, definition)
    ledger.note_choosing(place, definition)
    _run(folder, lanes)


def _print_calibration(found: "Calibration") -> None:
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
    _print_table(table)
    print("settings", json.dumps(found.settings))


@app.command()
def run(
    spec: SpecArgument = None,
    sweep: GoOnOption = None,
    store: StoreOption = None,
    data: DataOption = None,
    as_of: AsOfOption = None,
    mode: ModeOption = None,
    lanes: LanesOption = None,
) -> None:
    """Run a whole sweep on this machine, or go on with one."""
    _run(_sweep(spec, sweep, store, data, as_of, mode), lanes)


@app.command()
def retry(sweep: SweepArgument, store: StoreOption = None, lanes: LanesOption = None) -> None:
    """Run exactly the failed or missing trials of a sweep again, keeping every attempt."""
    _run(_open(sweep, store), lanes, retry=True)


@app.command("list")
def list_sweeps(store: StoreOption = None) -> None:
    """List the sweeps of a store: how far each is, and its best setting so far."""
    from pipeline import looking
    from pipeline.project import store_root
    from pipeline.store import open_store

    _print_table(looking.sweeps_table(list(looking.listing(open_store(store_root(store))))))


@app.command()
def watch(
    sweep: SweepArgument,
    store: StoreOption = None,
    every: Annotated[float, typer.Option(min=0.1, help="Seconds between looks.")] = 5.0,
) -> None:
    """Follow a sweep from any machine until it is done: progress, best so far, failures, rows as they come."""
    from rich.console import Console

    from pipeline import looking

    last = looking.watch(_open(sweep, store), Console(), every)
    print(looking.best_in_words(last))
    raise typer.Exit(SOME_FAILED if last.failed or last.skipped else FINE)


@app.command()
def results(
    sweep: SweepArgument,
    store: StoreOption = None,
    best: Annotated[int | None, typer.Option(min=1, help="Only the rows of the best N experiments.")] = None,
    csv: Annotated[bool, typer.Option("--csv", help="The rows as CSV.")] = False,
    json: Annotated[bool, typer.Option("--json", help="The rows as a JSON list.")] = False,
) -> None:
    """Print the results so far: a table of the best experiments, or the rows of their trials."""
    from pipeline import looking

    if csv and json:
        raise UserError("--csv or --json, not both")
    now = looking.state(_open(sweep, store))
    rows = looking.rows_of_best(now, best)
    if csv:
        sys.stdout.write(looking.as_csv(now, rows).decode())
    elif json:
        print(looking.as_json(rows))
    else:
        _print_table(looking.best_table(now, best or looking.BEST))
        print(f"{now.sweep.id}: {now.words}", file=sys.stderr)


@app.command()
def fetch(
    sweep: SweepArgument,
    model: Annotated[str, typer.Option(help="`best`, an experiment (e012) or a trial.")] = "best",
    to: Annotated[
        Path | None, typer.Option(help="Folder for model.pt and model.json. Default: the trial's name.")
    ] = None,
    store: StoreOption = None,
) -> None:
    """Download a trained model; `pipeline.training.model.load(folder)` loads it."""
    from pipeline import looking

    print(looking.fetch_model(_open(sweep, store), model, to))


@app.command()
def trigger(
    spec: Annotated[Path, typer.Argument(metavar="SPEC")],
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="A parameter of the job, like LANES=4.")
    ] = None,
    job: Annotated[
        str | None, typer.Option(metavar="FOLDER/NAME", help="Default: JENKINS_JOB, else tuning/sweep.")
    ] = None,
    url: Annotated[str | None, typer.Option(help="Address of Jenkins. Default: JENKINS_URL.")] = None,
    request_id: Annotated[
        str | None, typer.Option(metavar="ID", help="Find what this id triggered, or trigger it by that id.")
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Wait for the end; the exit code is the build's.")] = False,
    follow: Annotated[bool, typer.Option("--follow", help="Wait, and show the build's log.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Start a build on Jenkins, as JENKINS_USER with JENKINS_TOKEN."""
    from pipeline.jenkins import trigger as triggering
    from pipeline.jenkins.view import Watching

    with _terminated_is_interrupted(), Watching(follow=follow, stdout_is_taken=as_json) as view:
        outcome = triggering.trigger(
            spec, settings or [], view, url=url, job=job, request_id=request_id, wait=wait or follow
        )
    print(outcome.as_json() if as_json else outcome)
    raise typer.Exit(outcome.exit_code)


@app.command()
def doctor(store: StoreOption = None) -> None:
    """Check that this machine can run trials: its GPU, the store, disk and clock."""
    from pipeline import doctor as machine
    from pipeline.project import store_root

    failed = []
    for check in machine.checks(store_root(store)):
        print(check, flush=True)
        if not check.fine:
            failed.append(check.name)
    if failed:
        raise InfrastructureError(f"this machine is not fit for trials: {', '.join(failed)}")


@app.command()
def stop(sweep: SweepArgument, store: StoreOption = None) -> None:
    """Ask a running sweep to stop. What is finished stays; `hpt run --sweep` goes on."""
    folder = _open(sweep, store)
    folder.ask_to_stop()
    print(f"{folder.id} will stop within seconds, where it runs; `hpt run --sweep {folder.id}` goes on with it")


@app.command()
def tensorboard(sweep: SweepArgument, store: StoreOption = None, port: int = 6006) -> None:
    """Open a sweep's learning curves in TensorBoard, at http://localhost:6006."""
    import subprocess
    import tempfile

    folder = _open(sweep, store)
    prefix = folder.key("tensorboard/")
    with tempfile.TemporaryDirectory(prefix="hpt-tensorboard-") as local:
        events = [entry.key for entry in folder.store.entries(prefix)]
        if not events:
            raise UserError(f"{folder.id} has no learning curves yet")
        for key in events:
            folder.store.download(key, Path(local, key[len(prefix) :]))
        command = [sys.executable, "-m", "tensorboard.main", "--logdir", local, "--port", str(port)]
        with _terminated_is_interrupted():
            raise typer.Exit(INFRASTRUCTURE if subprocess.run(command, check=False).returncode else FINE)


def _print_table(table: "Table") -> None:
    from rich.console import Console

    # A pipe has no width: nothing is cut or folded for it.
    Console(width=None if sys.stdout.isatty() else 1000).print(table)


def _run(folder: "Sweep", lanes: int | None, *, retry: bool = False) -> NoReturn:
    from rich.console import Console

    from pipeline import local
    from pipeline.conclude import conclude
    from pipeline.merge import merge as merge_all
    from pipeline.view import view_for

    console = Console(stderr=True)
    print(folder.id)
    with _terminated_is_interrupted():
        try:
            with view_for(console, folder.definition) as view:
                merged = local.run(folder, view, lanes=lanes, retry=retry)
        except (KeyboardInterrupt, InfrastructureError):
            with suppress(InfrastructureError):
                conclude(folder, merge_all(folder))
            _complain(f"stopped; what is finished is kept: `hpt run --sweep {folder.id}` goes on with it")
            raise
    summary = conclude(folder, merged)
    print(summary.answer)
    if summary.calibration:
        _print_calibration(summary.calibration)
    print("results", folder.store.link(folder.key("results.csv")))
    print("summary", folder.store.link(folder.key("report/index.html")))
    raise typer.Exit(_judge(merged))


def _judge(merged: "Merged") -> int:
    from pipeline.results import Status

    for key, why in merged.skipped:
        _complain(f"{key} is skipped: {why}")
    failed = sum(1 for row in merged.rows if not Status(row["status"]).is_result)
    if failed:
        _complain(f"{failed} of {len(merged.rows)} trials failed; the summary says why")
    return SOME_FAILED if failed or merged.skipped else FINE


def _open(sweep: str, store: str | None) -> "Sweep":
    from pipeline.project import store_root
    from pipeline.store import open_store
    from pipeline.sweep import find

    return find(open_store(store_root(store)), sweep)


def _sweep(
    spec: Path | None, sweep: str | None, store: str | None, data: str | None, as_of: datetime | None, mode: str | None
) -> "Sweep":
    """The sweep to go on with, or a new one of this spec."""
    from pipeline import ledger
    from pipeline import spec as specs
    from pipeline.project import store_root
    from pipeline.store import open_store
    from pipeline.sweep import Sweep

    if (spec is None) == (sweep is None):
        raise UserError("name either a SPEC, or a sweep to go on with: --sweep ID")
    if sweep is not None:
        return _open(sweep, store)
    assert spec is not None
    asked = specs.read(spec)
    place = open_store(store_root(store, asked.store))
    created = Sweep.create(place, _resolve(asked, data, as_of, mode, place))
    ledger.note_choosing(place, created.definition)
    return created


def _resolve(
    asked: "Spec", data: str | None, as_of: datetime | None, mode: str | None, store: "Store | None"
) -> "Definition":
    """With a store, what earlier sweeps chose on and the days that the data cover are looked up first."""
    import secrets

    from pipeline import ledger, project, provenance
    from pipeline.resolve import resolve, source_of

    if mode:
        asked = asked.model_copy(update={"mode": mode})
    known = _data(data) if data else project.load().data
    used, covered = [], None
    if store is not None:
        source = source_of(asked, known)
        used = ledger.chosen_on(store, asked.architecture, source)
        covered = _days_of(source)
    return resolve(
        asked,
        now=datetime.now(UTC),
        token=secrets.token_hex(2),
        data=known,
        as_of=as_of.date() if as_of else None,
        covered=covered,
        used=used,
        git_commit=provenance.git_commit(),
        image=provenance.image(),
    )


def _days_of(source: "DataSource") -> "DateRange | None":
    """The days of the data, where this machine can read them."""
    from pipeline.data_source import covers

    if known := covers(source):
        return known
    from pipeline.training.data import days

    with suppress(UserError):
        return days(source)
    return None


def _data(text: str) -> "DataSource":
    import json

    import pydantic

    from pipeline.data_source import DataSource

    try:
        value = json.loads(text) if text.lstrip().startswith("{") else text
        return pydantic.TypeAdapter(DataSource).validate_python(value)
    except ValueError as error:
        first = error.errors()[0]["msg"] if isinstance(error, pydantic.ValidationError) else error
        raise UserError(f"--data: {first}") from None


def _print_plan(definition: "Definition") -> None:
    from pipeline.plan import next_round
    from pipeline.results import to_cell

    experiments, _ = next_round(definition, 0, {}, (), ())
    training = definition.training
    for phase in definition.phases:
        per_range = phase.seeds * phase.experiments
        what = f"at most {phase.experiments} experiments" if phase.judging else f"{phase.experiments} experiments"
        print(
            f"phase {phase.name}: {per_range * len(phase.ranges)} trials: {what} ({phase.strategy}) on "
            f"{_count(len(phase.ranges), 'date range')}, {_count(phase.seeds, 'seed')} each, "
            f"up to {phase.fidelity.max_epochs} epochs" + (", racing" if phase.race else "")
        )
        if phase.judging and phase.judging.fresh:
            print("  these ranges play no part in choosing; they judge the winner against the incumbent")
        elif phase.judging:
            print("  no fresh date range: the same ones with new seeds, so the verdict is never above promising")
        for date_range in phase.ranges:
            split = date_range.split(training.validation_share, training.test_share)
            print(f"  {date_range}: train {split.train.days}, validate {split.valid.days}, test {split.test.days} days")
        if phase is definition.phases[0]:
            for at, experiment in enumerate(experiments[:5]):
                words = " ".join(f"{name}={to_cell(experiment.assignment[name])}" for name in phase.space)
                print(f"  {experiment.id} {words}" + (" (the incumbent)" if at == 0 else ""))
            if len(experiments) > 5:
                print(f"  … and {len(experiments) - 5} more")


def _count(number: int, what: str) -> str:
    return f"{number} {what}" + ("s" if number != 1 else "")


@contextmanager
def _terminated_is_interrupted() -> "Iterator[None]":
    """SIGTERM, as Jenkins and `kill` send it, ends a verb as Ctrl-C does."""
    import signal

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@app.command("jenkins-check", hidden=True)
def jenkins_check(folder: Annotated[Path, typer.Argument(metavar="FOLDER")]) -> None:
    """Check the parameters of a Jenkins build (in its environment); write settings.txt and spec.json for it."""
    import json
    import os

    from pipeline.jenkins import parameters

    asked, settings = parameters.read(os.environ)
    folder.mkdir(parents=True, exist_ok=True)
    if asked is not None:
        (folder / "spec.json").write_text(json.dumps(asked, indent=2) + "\n", encoding="utf-8")
    (folder / "settings.txt").write_text(settings.as_lines(), encoding="utf-8")


@app.command()
def publish(sweep: SweepArgument, folder: Annotated[Path, typer.Argument()], store: StoreOption = None) -> None:
    """Render the summary of what is finished and copy it, results.csv and a JUnit report into a folder."""
    import os

    from pipeline.jenkins.publish import publish as publish_to

    raise typer.Exit(_judge(publish_to(_open(sweep, store), folder, os.environ)))


if __name__ == "__main__":
    main()
