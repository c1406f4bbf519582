"""The built-in architectures: names, hyperparameters, networks.

An architecture is one file in this folder, `lstm_attention.py` for `lstm-attention`, with a literal dict
`HYPERPARAMETERS` and a class `Network`. No list of architectures exists elsewhere. Hyperparameters are read without
importing the file, and only `network` and `build` import torch, so that validating a spec is fast.
"""

import ast
import importlib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.data.inputs import Inputs
from pipeline.errors import UserError, did_you_mean
from pipeline.space import Assignment, Hyperparameter
from pipeline.space import key as key_of
from pipeline.training.hyperparameters import HYPERPARAMETERS, LAYER_HYPERPARAMETERS

if TYPE_CHECKING:
    from pipeline.training.architectures._base import Regressor


def names() -> list[str]:
    """Names of the architectures as a spec writes them, in alphabetical order."""
    return sorted(_files())


def hyperparameters(name: str) -> dict[str, Hyperparameter]:
    """Hyperparameters that a spec may set: the network's, then those of the training loop.

    A field that the architecture declares replaces the shared one: `"gradient_clip": {"default": 1.0}` changes only a
    default of the loop, and `"dropout": {}` takes the dropout of `LAYER_HYPERPARAMETERS` unchanged.

    Raises UserError if there is no such architecture.
    """
    declared = _literal(_file(name))
    of_network = {key: LAYER_HYPERPARAMETERS.get(key, {}) | declared[key] for key in network_hyperparameters(name)}
    of_loop = {key: fields | declared.get(key, {}) for key, fields in HYPERPARAMETERS.items()}
    return {key: Hyperparameter.model_validate(fields) for key, fields in (of_network | of_loop).items()}


def network_hyperparameters(name: str) -> list[str]:
    """Names of the hyperparameters that the architecture's `Network` takes: all but the training loop's."""
    return [key for key in _literal(_file(name)) if key not in HYPERPARAMETERS]


def complete(name: str, assignment: Assignment) -> Assignment:
    """The assignment with the defaults of all hyperparameters that it leaves out.

    Raises UserError for an unknown name.
    """
    declared = hyperparameters(name)
    for key in assignment:
        if key not in declared:
            raise UserError(f'{name} has no hyperparameter "{key}"; {did_you_mean(key, declared)}')
    return {key: assignment.get(key, hyperparameter.default) for key, hyperparameter in declared.items()}


def shapes(name: str, assignment: Assignment) -> tuple[tuple[str, tuple[str, str]], ...]:
    """The part of an assignment that shapes the network or its batches, as hashable pairs of name and value.

    Networks for which it is equal can train side by side.
    """
    declared = hyperparameters(name)
    return tuple((key, key_of(value)) for key, value in assignment.items() if declared[key].shapes)


def network(name: str) -> "type[Regressor]":
    """The class `Network` in the architecture's file. Imports torch."""
    module = importlib.import_module(f"{__name__}.{_file(name).stem}")
    cls: type[Regressor] = module.Network
    return cls


def build(name: str, assignment: Assignment, inputs: Inputs) -> "Regressor":
    """An untrained network. Ignores hyperparameters of the training loop. Imports torch.

    Raises UserError if there is no such architecture or hyperparameter.
    """
    values = complete(name, assignment)
    arguments: dict[str, Any] = {key: values[key] for key in network_hyperparameters(name)}
    return network(name)(inputs, **arguments)


def _files() -> dict[str, Path]:
    """`{architecture: file}`."""
    files = (file for folder in __path__ for file in Path(folder).glob("*.py"))
    return {file.stem.replace("_", "-"): file for file in files if not file.stem.startswith("_")}


def _file(name: str) -> Path:
    files = _files()
    if name not in files:
        raise UserError(f'there is no architecture "{name}"; {did_you_mean(name, files)}')
    return files[name]


@cache
def _literal(path: Path) -> dict[str, dict[str, Any]]:
    """`HYPERPARAMETERS` of an architecture's file, read without running the file."""
    for statement in ast.parse(path.read_text(encoding="utf-8")).body:
        match statement:
            case (
                ast.Assign(targets=[ast.Name("HYPERPARAMETERS")], value=value)
                | ast.AnnAssign(target=ast.Name("HYPERPARAMETERS"), value=ast.expr() as value)
            ):
                literal: dict[str, dict[str, Any]] = ast.literal_eval(value)
                return literal
    raise ValueError(f"{path.name} declares no HYPERPARAMETERS")
