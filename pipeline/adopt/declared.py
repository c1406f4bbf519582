"""Reads hyperparameters from words on a command line: `lr=0.0001..0.1:log`, `layers=1,2,3`, `lr=0..1:default=0.1`."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.errors import UserError
from pipeline.space import Scalar

_FORM = "write lr=0.0001..0.1:log or layers=1,2,3, with :default=0.01 where nobody says what is used today"
_LEARNING_RATES = ("lr", "learning_rate")


def declared(words: Sequence[str], defaults: Mapping[str, Scalar]) -> dict[str, dict[str, Any]]:
    """The declarations of a spec by name, `{"lr": {"default": 0.01, "domain": {"low": 0.001, "high": 0.1}}}`.

    A word without a default gets that of `defaults`. Raises UserError, a line per mistake, if a word cannot be read or
    has no default.
    """
    declarations, mistakes = dict[str, dict[str, Any]](), list[str]()
    for word in words:
        name, _, domain = word.partition("=")
        try:
            declarations[name.strip()] = _declaration(name.strip(), domain, defaults)
        except ValueError as error:
            mistakes.append(f"--hyperparameter {word}: {error}; {_FORM}")
    if mistakes:
        raise UserError("\n".join(mistakes))
    return declarations


def learning_rate(name: str, default: Scalar) -> dict[str, Any] | None:
    """The declaration of a learning rate that is searched around its default; None for other hyperparameters."""
    if not _is_learning_rate(name) or not isinstance(default, float) or default <= 0:
        return None
    domain = {"low": _rounded(default / 10), "high": _rounded(default * 10), "log": True}
    return {"default": default, "domain": domain, "phase": "learning-rate"}


def _is_learning_rate(name: str) -> bool:
    return name.lower().replace("-", "_") in _LEARNING_RATES


def _declaration(name: str, text: str, defaults: Mapping[str, Scalar]) -> dict[str, Any]:
    """The declaration in a word after its `=`. Raises ValueError if it cannot be read."""
    if not name or not text:
        raise ValueError("has no name or no values")
    values, *marks = text.split(":")
    domain: Any
    if ".." in values:
        low, high = (_number(end) for end in values.split("..", 1))
        domain = {"low": low, "high": high}
    else:
        domain = [_scalar(value) for value in values.split(",")]
    default = defaults.get(name)
    for mark in marks:
        if mark == "log" and isinstance(domain, dict):
            domain["log"] = True
        elif mark.startswith("default="):
            default = _scalar(mark.removeprefix("default="))
        else:
            raise ValueError(f'"{mark}" is not known here')
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
