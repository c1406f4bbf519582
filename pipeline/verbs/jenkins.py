"""Verbs for Jenkins: from outside (trigger), and inside a build (jenkins-check, jenkins-plan, publish)."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.errors import SOME_FAILED, InfrastructureError
from pipeline.verbs.common import (
    ArchitectureOption,
    BudgetOption,
    PackLanesOption,
    SpecArgument,
    StoreOption,
    complain,
    complain_of_failures,
    complain_of_stop,
    warn,
)

if TYPE_CHECKING:
    from pipeline.jenkins.rounds import Line
    from pipeline.sweep import Sweep

app = typer.Typer()
SweepsArgument = Annotated[list[str], typer.Argument(metavar="SWEEP", help="One or several.")]


@app.command()
def trigger(
    spec: SpecArgument = None,
    architecture: ArchitectureOption = None,
    budget: BudgetOption = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="A parameter of the job, like LANES=4.")
    ] = None,
    job: Annotated[
        str | None, typer.Option(metavar="FOLDER/NAME", help="Default: JENKINS_JOB, else tuning/sweep.")
    ] = None,
    url: Annotated[str | None, typer.Option(help="Address of Jenkins. Default: JENKINS_URL.")] = None,
    request_id: Annotated[
        str | None, typer.Option(metavar="ID", help="Find the build with this id, or start it with this id.")
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Wait for the end; the exit code is the build's.")] = False,
    follow: Annotated[bool, typer.Option("--follow", help="Wait, and show the build's log.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Start a build on Jenkins, as JENKINS_USER with JENKINS_TOKEN."""
    from pipeline.jenkins import trigger as triggering
    from pipeline.screen.build import BuildView

    with BuildView(follow=follow, stdout_is_taken=as_json) as view:
        parameters = triggering.parameters_for(spec, architecture, budget or (), settings or (), view)
        outcome = triggering.trigger(parameters, view, url=url, job=job, request_id=request_id, wait=wait or follow)
    print(outcome.as_json() if as_json else outcome)
    raise typer.Exit(outcome.exit_code)


@app.command("jenkins-check", hidden=True)
def jenkins_check(folder: Annotated[Path, typer.Argument(metavar="FOLDER")]) -> None:
    """Check the parameters of a Jenkins build (in its environment); write settings.txt and specs/ for it."""
    import json
    import os

    from pipeline.jenkins.check import check
    from pipeline.spec.normalize import as_written

    specs, settings = check(os.environ, print)
    (folder / "specs").mkdir(parents=True, exist_ok=True)
    for name, spec in specs.items():
        (folder / f"specs/{name}.json").write_text(json.dumps(as_written(spec), indent=2) + "\n", encoding="utf-8")
    (folder / "settings.txt").write_text(settings.as_lines(), encoding="utf-8")


@app.command("jenkins-plan", hidden=True)
def jenkins_plan(
    sweeps: SweepsArgument,
    out: Annotated[Path, typer.Argument(metavar="FILE")],
    store: StoreOption = None,
    failures: Annotated[
        Path | None,
        typer.Option(help="Failures of this build, a line each. If the last line is empty: plan, as without a file."),
    ] = None,
    retry: Annotated[bool, typer.Option("--retry", help="Also run failed trials again, unless --again.")] = False,
    again: Annotated[
        bool, typer.Option("--again", help="The build has planned before: sweeps stopped since then stay stopped.")
    ] = False,
    lanes: PackLanesOption = None,
) -> None:
    """Write the packs that a build should run now into a file, a line each: the next round of its sweeps or, after a
    failure, what replaces the failed pack."""
    import os

    from pipeline.jenkins import rounds
    from pipeline.jenkins.others import WAIT
    from pipeline.screen.build import total_line

    # After a failure, the packs that replace the failed one.
    reports = failures.read_text(encoding="utf-8").split("\n") if failures else [""]
    if reports[-1]:
        out.write_text("".join(f"{line}\n" for line in _sequel(reports, store, retry=retry)), encoding="utf-8")
        return

    # Else the next round of the sweeps that go on.
    folders = _sweeps(sweeps, store)
    stopped = [folder for folder in folders if again and folder.stop_is_asked()]
    going_on = [folder for folder in folders if folder not in stopped]
    plan = rounds.plan(going_on, os.environ, retry=retry and not again, lanes=lanes)
    lines = [WAIT] if plan.waits_for else list(map(str, plan.lines))
    out.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    print(plan.waits_for or f"{len(lines)} packs to run")
    if going_on and not plan.waits_for:
        print(total_line(plan.done, plan.trials))
    if not again and not plan.waits_for:
        for folder in going_on:
            folder.forget_stop()
    for folder in stopped:
        complain_of_stop(folder)
    if not going_on:
        raise typer.Exit(SOME_FAILED)


def _sequel(reports: list[str], store: str | None, *, retry: bool) -> list[str]:
    """Handles the last of a build's failures: writes a row for each trial that is given up. Returns lines for the
    Jenkinsfile, such as packs to run again."""
    import os

    from pipeline.jenkins import failures as failing
    from pipeline.plan.create import open_sweep
    from pipeline.sweep import Trial, merge
    from pipeline.trials.pack import give_up

    *before, last = map(failing.Failure.parse, reports)
    line = last.line
    unfinished = () if line is None else _unfinished(line, store, retry=retry)
    # The file repeats this failure at its end, since other lanes may have failed after it.
    before.remove(last)
    sequel = failing.sequel([*before, last], unfinished)
    if (lost := sequel.given_up) is not None:
        folder = open_sweep(lost.sweep, store)
        trials = [Trial.parse(trial) for trial in lost.trials]
        give_up(folder, folder.pack_of(trials[0]).id, trials, sequel.reason)
        merge.refresh(folder)
        complain(f"{lost.label}: {sequel.reason}")
    machines = failing.machines_to_leave([*before, last])
    if last.machine in machines:
        complain(f"{last.machine} gets no more trials from this build")
    label = os.environ.get("LABEL", "")
    return [
        *map(str, sequel.again),
        *(f"left\t{name}\t{failing.label_without(label, machines)}" for name in machines),
        *([f"given-up\t{lost.label}: {sequel.reason}"] if lost is not None else []),
        *(["pause"] if sequel.pause else []),
    ]


def _unfinished(line: "Line", store: str | None, *, retry: bool) -> list[str]:
    """The trials of a line that have no row; all if the store fails, since a lane skips trials with a row anyway."""
    from pipeline.plan import rounds
    from pipeline.plan.create import open_sweep
    from pipeline.sweep import Pack, Trial, trials_of

    pack = Pack(line.id, line.label, None, tuple(map(Trial.parse, line.trials)))
    try:
        packs = rounds.unfinished(open_sweep(line.sweep, store), [pack], retry=retry)
    except InfrastructureError as error:
        complain(str(error))
        packs = [pack]
    return list(map(str, trials_of(packs)))


@app.command()
def publish(sweeps: SweepsArgument, folder: Annotated[Path, typer.Argument()], store: StoreOption = None) -> None:
    """Render a summary of the finished trials, and copy it, results.csv and a JUnit report into a folder.

    For several sweeps, the summary compares them and links to the summary of each.
    """
    from pipeline.jenkins.publish import publish as publish_to
    from pipeline.report.tracking import track

    folders = _sweeps(sweeps, store)
    merged = publish_to(folders, folder)
    for sweep, results in zip(folders, merged, strict=True):
        track(sweep, results.rows, warn)
    raise typer.Exit(max(map(complain_of_failures, merged)))


def _sweeps(ids: list[str], store: str | None) -> "list[Sweep]":
    """Opens sweeps by their ids. An argument may hold several, separated by spaces, since a build passes a variable."""
    from pipeline.plan.create import open_sweep

    return [open_sweep(id, store) for argument in ids for id in argument.split()]
