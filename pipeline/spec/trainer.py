"""The hyperparameters of a spec's trainer.

A built-in architecture declares them in its file. Those of a team's own trainer are declared in the spec, or
the trainer is run once, when a sweep is made, to print them (`training/own/ask.py`).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pipeline.errors import UserError
from pipeline.places import project_folder
from pipeline.space import Hyperparameter, Scalar
from pipeline.spec.check import declaration_mistakes
from pipeline.spec.hyperparameters import from_json_schema
from pipeline.spec.model import Spec
from pipeline.spec.normalize import as_written
from pipeline.training import architectures
from pipeline.training.own import ask, placeholders
from pipeline.training.own.code import Own

PLACEHOLDERS = placeholders.NAMES
"""The placeholders of a command that are no hyperparameters."""


@dataclass(frozen=True)
class Argument:
    """An argument that a script reads with argparse."""

    option: str
    """`--lr`; empty for a positional argument."""
    name: str
    type: str | None
    """The name of argparse's converter, like `float`; None for text."""
    default: Scalar
    choices: tuple[Scalar, ...]
    required: bool
    takes_value: bool
    """True if the option takes exactly one value."""
    is_flag: bool
    """True if the option takes no value, and turns something on or off."""


def arguments(script: str) -> list[Argument]:
    """The arguments of a Python script. Runs the script until it parses them; raises UserError if that fails."""
    described = ask.script_arguments(script, str(project_folder()))
    return [Argument(**argument | {"choices": tuple(argument["choices"])}) for argument in described]


def own_trainer(spec: Spec, hyperparameters: Mapping[str, Hyperparameter]) -> Own | None:
    """The spec's own trainer, with these hyperparameters; None if the spec trains a built-in architecture."""
    if not spec.trains_own_code:
        return None
    command = None if spec.command is None else tuple(spec.command)
    return Own(
        trainer=spec.trainer,
        command=command,
        metrics_pattern=spec.metrics_pattern,
        hyperparameters=dict(hyperparameters),
    )


def hyperparameters(spec: Spec) -> dict[str, Hyperparameter]:
    """All hyperparameters of a spec's trainer by name.

    Runs an own trainer to ask for them, if the spec does not declare them. Raises UserError if that fails.
    """
    if not spec.trains_own_code:
        return architectures.hyperparameters(spec.architecture)
    if spec.hyperparameters is not None:
        return {name: declaration.hyperparameter() for name, declaration in spec.hyperparameters.items()}
    folder = str(project_folder())
    if spec.trainer is not None:
        return from_json_schema(ask.function_schema(spec.trainer, folder), f"trainer: {spec.trainer}")
    if spec.describe is not None:
        return from_json_schema(ask.program_schema(tuple(spec.describe), folder), "describe")
    raise UserError(f"hyperparameters: the spec does not say which ones its command has: {ask.ADVICE}")


def misfits(spec: Spec, hyperparameters: Mapping[str, Hyperparameter]) -> Iterator[tuple[str, str]]:
    """Mistakes of a spec whose own trainer has printed its hyperparameters, each as path and message.

    Empty for any other spec: parsing has checked it.
    """
    if spec.trains_own_code and spec.hyperparameters is None:
        yield from declaration_mistakes(as_written(spec), hyperparameters)
