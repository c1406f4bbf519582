"""`hpt`: one verb per stage, and those for looking at what came of it.

Importing this module is cheap: what a verb needs is imported by the verb.
"""

import sys
import traceback
from typing import NoReturn

import typer

from pipeline.errors import InfrastructureError, UserError
from pipeline.verbs import compare, data, doctor, export, jenkins, run, spec, stages, sweeps
from pipeline.verbs.common import FINE, INFRASTRUCTURE, INTERRUPTED, WRONG, complain

app = typer.Typer(
    name="hpt",
    help="Tune hyperparameters: which setting is best, is that real, and what did it cost.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for verbs in (run, sweeps, compare, data, export, spec, stages, jenkins, doctor):
    app.add_typer(verbs.app)


def main() -> NoReturn:
    """The entry point: every error that a person or Jenkins can cause is one line and its exit code."""
    try:
        app()
    except UserError as error:
        complain(str(error))
        sys.exit(WRONG)
    except InfrastructureError as error:
        complain(str(error))
        sys.exit(INFRASTRUCTURE)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except Exception:
        traceback.print_exc()
        complain("this should not have happened: please report the lines above")
        sys.exit(INFRASTRUCTURE)
    sys.exit(FINE)


if __name__ == "__main__":
    main()
