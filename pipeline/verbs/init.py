"""The verb that sets up tuning in a team's own repository."""

import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.errors import FINE, SOME_FAILED, UserError
from pipeline.places import is_relative, project_file
from pipeline.verbs.common import complain, warn

if TYPE_CHECKING:
    from pipeline.adopt.write import Outcome

app = typer.Typer()

FilesOption = Annotated[
    str | None, typer.Option("--data", metavar="FILES", help="CSV or Parquet: a path, a pattern or gs://…")
]
TargetOption = Annotated[
    str | None, typer.Option("--target", metavar="COLUMN", help="What to predict. Default: a guess.")
]
LeaveOutOption = Annotated[
    list[str] | None, typer.Option("--leave-out", metavar="COLUMN", help="No feature: it gives the target away.")
]
TrainerOption = Annotated[
    str | None,
    typer.Option("--trainer", metavar="SCRIPT|MODULE:FUNCTION", help="Your training code. Default: hpt's networks."),
]
CommandOption = Annotated[
    str | None, typer.Option("--command", help="Instead: a program and its arguments, as in a spec's `command`.")
]
DescribeOption = Annotated[
    str | None, typer.Option("--describe", help="A JSON Schema of its hyperparameters, or the program that prints one.")
]
PrintsOption = Annotated[
    list[str] | None,
    typer.Option("--prints", metavar="LINE", help="How it prints metrics: 'epoch {epoch} validation {mse_valid}'."),
]
HyperparameterOption = Annotated[
    list[str] | None,
    typer.Option("--hyperparameter", metavar="NAME=VALUES", help="What to tune: lr=0.0001..0.1:log, layers=1,2,3."),
]
GoalOption = Annotated[
    str | None, typer.Option("--goal", metavar="minimize|maximize", help="Of a metric that nobody knows.")
]
PlaceOption = Annotated[
    str | None, typer.Option("--store", help="Where results go: gs://bucket/prefix or a directory. Default: hpt-store.")
]
RequirementOption = Annotated[
    str | None, typer.Option("--hpt", metavar="REQUIREMENT", help="What machines install. Default: this version.")
]
StandaloneOption = Annotated[bool, typer.Option("--standalone", help="A Jenkinsfile that needs no shared library.")]
JenkinsfileOption = Annotated[
    str | None,
    typer.Option("--jenkinsfile", metavar="NAME", help="The file of hpt's pipeline, where Jenkinsfile is your own."),
]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Write nothing: show what would be, as a diff.")]
CheckOption = Annotated[
    bool, typer.Option("--check", help="Only say whether what is here still fits this version; exit code 1 if not.")
]


@app.command()
def init(
    data: FilesOption = None,
    target: TargetOption = None,
    leave_out: LeaveOutOption = None,
    trainer: TrainerOption = None,
    command: CommandOption = None,
    describe: DescribeOption = None,
    prints: PrintsOption = None,
    hyperparameter: HyperparameterOption = None,
    goal: GoalOption = None,
    store: PlaceOption = None,
    requirement: RequirementOption = None,
    standalone: StandaloneOption = False,
    jenkinsfile: JenkinsfileOption = None,
    dry_run: DryRunOption = False,
    check: CheckOption = False,
) -> None:
    """Make this repository tune: write what `hpt run` and Jenkins need. Nothing that is here is overwritten."""
    from pipeline.adopt import files
    from pipeline.adopt.answers import Answers, ask_for_missing
    from pipeline.adopt.first_spec import make_first_spec
    from pipeline.adopt.fits import specs_of
    from pipeline.adopt.local_paths import made_relative
    from pipeline.adopt.write import write
    from pipeline.spec import project

    folder = Path.cwd()
    _check_place(folder)
    if check:
        raise typer.Exit(_check(folder))

    # Take the answers from options, else from the terminal. An unreadable hpt.toml is reported before any question.
    written = project.load(folder)
    answers = Answers(
        data=data or None,
        target=target,
        leave_out=tuple(leave_out or ()),
        trainer=trainer,
        command=command,
        describe=describe,
        prints=tuple(prints or ()),
        hyperparameters=tuple(hyperparameter or ()),
        goal=goal,
        store=store,
        requirement=requirement,
    )
    describes_sweep = answers != Answers(store=store, requirement=requirement)
    needs_spec = describes_sweep or not any(specs_of(folder))
    if needs_spec and sys.stdin.isatty():
        answers = ask_for_missing(replace(answers, store=store or written.store), _ask)
    answers = made_relative(answers, folder)

    # Write the first spec and the other files.
    first_spec = make_first_spec(answers.checked(), date.today()) if needs_spec else None
    adoption = files.plan_files(folder, answers, first_spec, standalone=standalone, name=jenkinsfile)
    _show(write(folder, adoption.files, dry=dry_run), dry_run)
    for remark in (*(first_spec.remarks if first_spec else ()), *adoption.remarks):
        warn(remark)
    if first_spec:
        _advise(adoption.store, dry_run)


def _check_place(folder: Path) -> None:
    """Raises UserError below a folder with an hpt.toml; warns below the root of a git repository."""
    from pipeline.adopt import files

    if (above := project_file()) and above.parent != folder.resolve():
        raise UserError(f"this is a folder of {above.parent}, whose hpt.toml counts here: call `hpt init` there")
    if within := files.place_in_git(folder):
        warn(f"this is {within}/ of a git repository, and Jenkins looks for a Jenkinsfile and hpt.toml at its root")


def _advise(store: str, is_dry: bool) -> None:
    """Prints the next steps after a first spec."""
    from pipeline.adopt import files

    if is_relative(store):
        warn(f"results go into {store} here: Jenkins' machines need a place that all see (store, HPT_STORE)")
    if not is_dry:
        print(f"next: hpt validate {files.FIRST_SPEC}, hpt run {files.FIRST_SPEC}; then commit these files")


def _ask(question: str, default: str) -> str:
    """A person's answer on the terminal."""
    return str(typer.prompt(question, default=default, show_default=bool(default), err=True)).strip()


def _show(outcomes: "Sequence[Outcome]", is_dry: bool) -> None:
    """Prints a line for each file; then the changes that were not written, as a diff for `git apply`."""
    from pipeline.adopt.write import Fate

    width = max(len(outcome.file.path) for outcome in outcomes)
    for outcome in outcomes:
        fate = f"would be {outcome.fate}" if is_dry and outcome.fate in (Fate.WRITTEN, Fate.EXTENDED) else outcome.fate
        line = f"{outcome.file.path:{width}}  {fate}: {outcome.file.purpose}"
        # In a dry run, standard output holds nothing but the diff.
        print(line, file=sys.stderr if is_dry else sys.stdout)
    for outcome in outcomes:
        if outcome.fate is Fate.DIFFERS or (is_dry and outcome.fate is not Fate.SAME):
            print("".join(outcome.diff()), end="")


def _check(folder: Path) -> int:
    """Prints a line for each thing that does not fit this version; returns the exit code."""
    from pipeline.adopt.fits import misfits, paths_outside

    for line in paths_outside(folder):
        warn(line)
    lines = list(misfits(folder))
    complain("\n".join(lines))
    if not lines:
        print("all fits")
    return SOME_FAILED if lines else FINE
