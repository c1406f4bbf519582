"""The verb that checks whether this machine is fit to run trials."""

import typer

from pipeline.errors import InfrastructureError
from pipeline.verbs.common import StoreOption

app = typer.Typer()


@app.command()
def doctor(store: StoreOption = None) -> None:
    """Check that this machine can run trials: its GPU, the store, disk and clock."""
    from pipeline.spec.project import store_root
    from pipeline.trials import doctor as machine

    checks = []
    for check in machine.checks(store_root(store)):
        print(check, flush=True)
        checks.append(check)
    if verdict := machine.verdict(checks):
        raise InfrastructureError(verdict)
