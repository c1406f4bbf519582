"""Which hyperparameters a spec's trainer has, and what each may be.

A built-in architecture declares them in its file. A team's own trainer has them declared in the spec, or says them
itself when it is asked (`training/own/ask.py`), which is done once, when a sweep is made.
"""

import os

from pipeline.errors import UserError
from pipeline.space import Hyperparameter
from pipeline.spec.hyperparameters import from_json_schema
from pipeline.spec.model import Spec
from pipeline.training import architectures
from pipeline.training.own import ask
from pipeline.training.own.code import Own


def own(spec: Spec) -> Own | None:
    """The spec's own trainer; None if it trains a built-in architecture.

    Raises UserError if the trainer has to be asked for its hyperparameters and does not say them.
    """
    if not spec.trains_own_code:
        return None
    command = None if spec.command is None else tuple(spec.command)
    return Own(
        trainer=spec.trainer,
        command=command,
        metrics_pattern=spec.metrics_pattern,
        hyperparameters=hyperparameters(spec),
    )


def hyperparameters(spec: Spec) -> dict[str, Hyperparameter]:
    """All hyperparameters of a spec's trainer, by name. Raises UserError as `own` does."""
    if not spec.trains_own_code:
        return architectures.hyperparameters(spec.architecture)
    if spec.hyperparameters is not None:
        return {name: declaration.hyperparameter() for name, declaration in spec.hyperparameters.items()}
    if spec.trainer is not None:
        return from_json_schema(ask.function_schema(spec.trainer, os.getcwd()), f"trainer: {spec.trainer}")
    if spec.describe is not None:
        return from_json_schema(ask.program_schema(tuple(spec.describe), os.getcwd()), "describe")
    raise UserError(f"hyperparameters: the spec does not say which ones its command has: {ask.ADVICE}")
