"""Verbs for specs: check one, print the schema, list the architectures."""

import typer

from pipeline.verbs.common import (
    ArchitectureOption,
    AsOfOption,
    BudgetOption,
    DataOption,
    ModeOption,
    NoDataOption,
    SpecArgument,
    StoreOption,
    request_of,
    warn,
)

app = typer.Typer()


@app.command()
def validate(
    spec: SpecArgument = None,
    architecture: ArchitectureOption = None,
    data: DataOption = None,
    as_of: AsOfOption = None,
    mode: ModeOption = None,
    budget: BudgetOption = None,
    store: StoreOption = None,
    no_data: NoDataOption = False,
) -> None:
    """Check a spec and its data, and print what would run."""
    from pipeline.plan import estimate
    from pipeline.plan.create import prepare
    from pipeline.plan.data_access import Reach
    from pipeline.plan.power import power_of
    from pipeline.plan.unseen import prepare_unseen
    from pipeline.screen.plan import plan_lines, power_line, total_line

    request = request_of(spec, architecture, data, as_of, mode, budget)
    prepared = prepare_unseen(request, store, warn) if no_data else prepare(request, store, Reach.MOSTLY, warn)
    for line in plan_lines(prepared.definition, prepared.rows):
        print(line)
    if power := power_line(power_of(prepared.definition, prepared.digests)):
        print(power)
    print(total_line(estimate.estimate(prepared)))


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
        for hyperparameter, declared in architectures.hyperparameters(name).items():
            space = to_cell(declared.domain.model_dump(mode="json", exclude_defaults=True))
            print(f"  {hyperparameter} = {to_cell(declared.default)}  {space}  {declared.help}")
