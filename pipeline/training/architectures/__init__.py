"""The built-in architectures: their names and hyperparameters, read from their files without importing them.

An architecture is one file here, `lstm_attention.py` for `lstm-attention`, with a literal `HYPERPARAMETERS` and a class
`Network`; nothing else has to know of it. Only `network` and `build` import torch: validating a spec stays fast.
"""

import ast
import difflib
import importlib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.data.inputs import Inputs
from pipeline.errors import UserError
from pipeline.space import Assignment, Hyperparameter
from pipeline.space import key as key_of
from pipeline.training.hyperparameters import HYPERPARAMETERS

if TYPE_CHECKING:
    from pipeline.training.architectures._base import Regressor


def names() -> list[str]:
    """All architectures as a spec writes them, in alphabetical order."""
    return sorted(_files())


def hyperparameters(name: str) -> dict[str, Hyperparameter]:
    """What a spec may set: the architecture's own hyperparameters, then those of the training loop.

    Where an architecture declares one of the loop's, the fields that it gives replace the loop's.
    """
    declared = _literal(_file(name))
    of_network = {key: fields for key, fields in declared.items() if key not in HYPERPARAMETERS}
    of_loop = {key: fields | declared.get(key, {}) for key, fields in HYPERPARAMETERS.items()}
    return {key: Hyperparameter.model_validate(fields) for key, fields in (of_network | of_loop).items()}


def network_hyperparameters(name: str) -> list[str]:
    """Names of the hyperparameters that the architecture's `Network` takes: those that are not the training loop's."""
    return [key for key in _literal(_file(name)) if key not in HYPERPARAMETERS]


def complete(name: str, assignment: Assignment) -> Assignment:
    """Every hyperparameter of the architecture: as assigned, else its default. Raises UserError for an unknown one."""
    declared = hyperparameters(name)
    for key in assignment:
        if key not in declared:
            raise UserError(f"{name} has no hyperparameter {key!r}{_hint(key, list(declared))}")
    return {key: assignment.get(key, hyperparameter.default) for key, hyperparameter in declared.items()}


def shapes(name: str, assignment: Assignment) -> tuple[tuple[str, tuple[str, str]], ...]:
    """Those values of an assignment that shape the network or its batches, as hashable pairs of name and value."""
    declared = hyperparameters(name)
    return tuple((key, key_of(value)) for key, value in assignment.items() if declared[key].shapes)


def network(name: str) -> "type[Regressor]":
    """The architecture's class of networks. Imports torch."""
    module = importlib.import_module(f"{__name__}.{_file(name).stem}")
    cls: type[Regressor] = module.Network
    return cls


def build(name: str, assignment: Assignment, inputs: Inputs) -> "Regressor":
    """An untrained network; hyperparameters of the training loop are passed over. Imports torch.

    Raises UserError if there is no such architecture or hyperparameter.
    """
    values = complete(name, assignment)
    arguments: dict[str, Any] = {key: values[key] for key in network_hyperparameters(name)}
    return network(name)(inputs, **arguments)


def _files() -> dict[str, Path]:
    """The file of each architecture, by its name."""
    files = (file for folder in __path__ for file in Path(folder).glob("*.py"))
    return {file.stem.replace("_", "-"): file for file in files if not file.stem.startswith("_")}


def _file(name: str) -> Path:
    files = _files()
    if name not in files:
        raise UserError(f"there is no architecture {name!r}{_hint(name, sorted(files))}")
    return files[name]


def _hint(name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(name.lower(), known, n=1)
    return f": did you mean {close[0]!r}?" if close else f": choose one of {', '.join(known)}"


@cache
def _literal(path: Path) -> dict[str, dict[str, Any]]:
    for statement in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(statement, ast.Assign) and [ast.unparse(target) for target in statement.targets] == [
            "HYPERPARAMETERS"
        ]:
            literal: dict[str, dict[str, Any]] = ast.literal_eval(statement.value)
            return literal
    raise ValueError(f"{path.name} declares no HYPERPARAMETERS")
