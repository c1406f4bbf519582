"""The application `hpt`, with all of its verbs. Importing it is cheap: each verb imports what it needs when it runs."""

from typing import Annotated

import typer

from pipeline.provenance import __version__
from pipeline.verbs import compare, data, doctor, export, init, jenkins, judge, remove, run, spec, stages, sweeps

app = typer.Typer(
    name="hpt",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for verbs in (run, init, judge, sweeps, compare, data, export, remove, spec, stages, jenkins, doctor):
    app.add_typer(verbs.app)


def _print_version(is_asked: bool) -> None:
    if is_asked:
        print(f"hpt {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and end.")
    ] = False,
) -> None:
    """Tune hyperparameters: which setting is best, is that real, and what did it cost."""
