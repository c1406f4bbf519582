"""Which architectures there are and what each declares, read from their files without importing them.

An architecture is one file here, `lstm_attention.py` for `lstm-attention`, with a literal `HYPERPARAMETERS` and a class
`Network`; nothing else has to know of it. Only `network` imports torch, so that validating a spec stays fast.
"""

import ast
import difflib
import importlib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.errors import UserError
from pipeline.space import Assignment, Hyperparameter
from pipeline.space import key as key_of

if TYPE_CHECKING:
    from pipeline.training.architectures._base import Regressor

_FOLDER = Path(__file__).parent
_LOOP = _FOLDER.parent / "loop.py"


def names() -> list[str]:
    """All architectures as a spec writes them, in alphabetical order."""
    return sorted(path.stem.replace("_", "-") for path in _FOLDER.glob("*.py") if not path.stem.startswith("_"))


def hyperparameters(name: str) -> dict[str, Hyperparameter]:
    """What a spec may set: the architecture's own hyperparameters, then those of the training loop.

    Where an architecture declares one of the loop's, the fields that it gives replace the loop's.
    """
    declared, loop = _literal(_file(name)), _literal(_LOOP)
    own = {key: fields for key, fields in declared.items() if key not in loop}
    return {
        key: Hyperparameter.model_validate(fields)
        for key, fields in (own | {key: fields | declared.get(key, {}) for key, fields in loop.items()}).items()
    }


def own(name: str) -> list[str]:
    """The hyperparameters that the architecture's `Network` takes: those that are not the training loop's."""
    return [key for key in _literal(_file(name)) if key not in _literal(_LOOP)]


def complete(name: str, assignment: Assignment) -> Assignment:
    """Every hyperparameter of the architecture: as assigned, else its default."""
    declared = hyperparameters(name)
    for key in assignment:
        if key not in declared:
            raise UserError(f"{name} has no hyperparameter {key!r}{_hint(key, list(declared))}")
    return {key: assignment.get(key, one.default) for key, one in declared.items()}


def shapes(name: str, assignment: Assignment) -> tuple[tuple[str, tuple[str, str]], ...]:
    """What an assignment says of all that shapes the network or its batches."""
    declared = hyperparameters(name)
    return tuple((one, key_of(value)) for one, value in assignment.items() if declared[one].shapes)


def network(name: str) -> "type[Regressor]":
    """The class to build: `network(name)(inputs, **its own hyperparameters)`."""
    module = importlib.import_module(f"{__name__}.{_file(name).stem}")
    cls: type[Regressor] = module.Network
    return cls


def _file(name: str) -> Path:
    if name not in names():
        raise UserError(f"there is no architecture {name!r}{_hint(name, names())}")
    return _FOLDER / f"{name.replace('-', '_')}.py"


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
