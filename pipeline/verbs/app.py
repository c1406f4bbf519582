"""All verbs together. Importing this module is cheap: what a verb needs is imported by the verb."""

import typer

from pipeline.verbs import compare, data, doctor, export, jenkins, remove, run, spec, stages, sweeps

app = typer.Typer(
    name="hpt",
    help="Tune hyperparameters: which setting is best, is that real, and what did it cost.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for verbs in (run, sweeps, compare, data, export, remove, spec, stages, jenkins, doctor):
    app.add_typer(verbs.app)
