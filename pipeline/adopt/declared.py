"""Hyperparameters as a person names them in a word: `lr=0.0001..0.1:log`, `layers=1,2,3`, `lr=0..1:default=0.1`."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.errors import UserError
from pipeline.space import Scalar

_FORM = "write lr=0.0001..0.1:log or layers=1,2,3, with :default=0.01 where nobody says what is used today"
_RATES = ("lr", "learning_rate")


def declared(words: Sequence[str], defaults: Mapping[str, Scalar]) -> dict[str, dict[str, Any]]:
    """What a spec says of hyperparameters: the default, from `defaults` where the word has none, and the domain.

    Raises UserError, a line for each, if a word cannot be read or a default is missing.
    """
    found, mistakes = dict[str, dict[str, Any]](), list[str]()
    for word in words:
        name, _, rest = word.partition("=")
        try:
            found[name.strip()] = _declaration(name.strip(), rest, defaults)
        except ValueError as error:
            mistakes.append(f"--hyperparameter {word}: {error}; {_FORM}")
    if mistakes:
        raise UserError("\n".join(mistakes))
    return found


def as_rate(name: str, default: Scalar) -> dict[str, Any] | None:
    """A learning rate, searched around its default; None of any other hyperparameter."""
    is_number = isinstance(default, float) and default > 0
    if name.lower().replace("-", "_") not in _RATES or not is_number:
        return None
    assert isinstance(default, float)
    domain = {"low": _rounded(default / 10), "high": _rounded(default * 10), "log": True}
    return {"default": default, "domain": domain, "phase": "learning-rate"}


def phase_of(name: str) -> dict[str, str]:
    """The key that says when the automatic mode searches it; empty where that is the usual."""
    return {"phase": "learning-rate"} if name.lower().replace("-", "_") in _RATES else {}


def _declaration(name: str, rest: str, defaults: Mapping[str, Scalar]) -> dict[str, Any]:
    """Raises ValueError if it is none."""
    if not name or not rest:
        raise ValueError("has no name or no values")
    values, *marks = rest.split(":")
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
    return {"default": default, "domain": domain, **phase_of(name)}


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
