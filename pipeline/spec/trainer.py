"""The hyperparameters of a spec's trainer.

A built-in architecture declares them in its file. Those of a team's own trainer are declared in the spec,
or the trainer is run once, when a sweep is made, to print them (`training/own/ask.py`).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pipeline.errors import UserError
from pipeline.places import project_folder
from pipeline.space import Hyperparameter, Scalar
from pipeline.spec import check
from pipeline.spec.hyperparameters import from_json_schema
from pipeline.spec.model import Spec
from pipeline.spec.normalize import as_written
from pipeline.training import architectures
from pipeline.training.own import ask, placeholders
from pipeline.training.own.code import Own

TOLD = placeholders.NAMES
"""The placeholders of a command that are no hyperparameters."""


@dataclass(frozen=True)
class Argument:
    """An argument that a script reads by argparse."""

    option: str
    """`--lr`; empty of one that is given by its position."""
    name: str
    type: str | None
    """The name of what converts it: `float`; None: it is text."""
    default: Scalar
    choices: tuple[Scalar, ...]
    required: bool
    takes_value: bool
    """Whether it takes exactly one."""
    is_flag: bool
    """Whether it is on or off by being there or not."""


def arguments(script: str) -> list[Argument]:
    """The arguments of a Python script, which runs up to where it parses them. Raises UserError if that fails."""
    described = ask.script_arguments(script, str(project_folder()))
    return [Argument(**one | {"choices": tuple(one["choices"])}) for one in described]


def own(spec: Spec, hyperparameters: Mapping[str, Hyperparameter]) -> Own | None:
    """The spec's own trainer, which has these hyperparameters; None if it trains a built-in architecture."""
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
    """All hyperparameters of a spec's trainer, by name.

    A trainer of the user's own that does not stand in the spec runs to say them. Raises UserError if it does not.
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


def misfits(spec: Spec, hyperparameters: Mapping[str, Hyperparameter]) -> Iterator[str]:
    """A line for each mistake of a spec that only its own trainer can tell, which declares these hyperparameters.

    Other specs were checked when they were parsed.
    """
    if spec.trains_own_code and spec.hyperparameters is None:
        for path, message in check.of_own(as_written(spec), hyperparameters):
            yield f"{path}: {message}"
