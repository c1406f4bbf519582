"""Parses the words of `hpt init --hyperparameter`: `lr=0.0001..0.1:log`, `layers=1,2,3`, `lr=0..1:default=0.1`."""

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.errors import UserError
from pipeline.space import Scalar

_USAGE = "write lr=0.0001..0.1:log or layers=1,2,3, and add :default=0.01 to a range if the command gives no default"
_LEARNING_RATE_NAMES = ("lr", "learning_rate")


def parse_declarations(words: Sequence[str], defaults: Mapping[str, Scalar]) -> dict[str, dict[str, Any]]:
    """Declarations of hyperparameters by name, as a spec has them.

    `size=8..64:default=16` gives `{"size": {"default": 16, "domain": {"low": 8, "high": 64}}}`. Without `:default=`,
    the default is that in `defaults`, else the first value of a list. Raises UserError, a line per mistake, if a word
    cannot be parsed, or if a range has no default.
    """
    declarations, mistakes = dict[str, dict[str, Any]](), list[str]()
    for word in words:
        name, _, text = word.partition("=")
        try:
            declarations[name.strip()] = _declaration(name.strip(), text, defaults)
        except ValueError as error:
            mistakes.append(f"--hyperparameter {word}: {error}; {_USAGE}")
    if mistakes:
        raise UserError("\n".join(mistakes))
    return declarations


def learning_rate_declaration(name: str, default: Scalar) -> dict[str, Any] | None:
    """Declares a learning rate with a range around its default, to be searched. None for other hyperparameters."""
    if not _is_learning_rate(name) or not isinstance(default, float) or not 0 < default < math.inf:
        return None
    domain = {"low": _rounded(default / 10), "high": _rounded(default * 10), "log": True}
    return {"default": default, "domain": domain, "phase": "learning-rate"}


def _is_learning_rate(name: str) -> bool:
    return name.lower().replace("-", "_") in _LEARNING_RATE_NAMES


def _declaration(name: str, text: str, defaults: Mapping[str, Scalar]) -> dict[str, Any]:
    """The declaration of a hyperparameter; `text` stands after its `=`. Raises ValueError if it cannot be parsed."""
    if not name or not text:
        raise ValueError("has no name or no values")
    values, *options = text.split(":")
    domain: Any
    if ".." in values:
        low, high = (_number(end) for end in values.split("..", 1))
        domain = {"low": low, "high": high}
    else:
        domain = [_scalar(value) for value in values.split(",")]
    default = defaults.get(name)
    for option in options:
        if option == "log" and isinstance(domain, dict):
            domain["log"] = True
        elif option.startswith("default="):
            default = _scalar(option.removeprefix("default="))
        else:
            raise ValueError(f'":{option}" is neither :default=VALUE nor the :log of a range')
    if default is None and isinstance(domain, list):
        default = domain[0]
    if default is None:
        raise ValueError("has no default")
    declaration = {"default": default, "domain": domain}
    return declaration | {"phase": "learning-rate"} if _is_learning_rate(name) else declaration


def _number(text: str) -> int | float:
    value = _scalar(text)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f'"{text}" is no number')
    return value


def _scalar(text: str) -> Scalar:
    try:
        value = json.loads(text)
    except ValueError:
        return text.strip()
    return value if value is None or isinstance(value, bool | int | float | str) else text.strip()


def _rounded(number: float) -> float:
    return float(f"{number:.6g}")
