"""What is wrong with a spec that its shape does not tell: names that its trainer does not have, values it cannot take.

It works on raw JSON, so that these mistakes are told together with all others; the shape is `model.py`'s.
"""

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

import pydantic

from pipeline.errors import did_you_mean
from pipeline.results import RESERVED
from pipeline.space import Hyperparameter, Interval, Values
from pipeline.spec import names
from pipeline.spec.hyperparameters import Declaration, Declared
from pipeline.training import architectures
from pipeline.training.own import placeholders

_DECLARED: pydantic.TypeAdapter[Declaration] = pydantic.TypeAdapter(Declared)


def mistakes(raw: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Each as path in the spec and message."""
    if raw.get("trainer") is not None or raw.get("command") is not None:
        yield from _own_unasked(raw)
        return
    for key in ("hyperparameters", "describe", "metrics-pattern"):
        if key in raw:
            yield key, 'is for a trainer of your own: name a "trainer" or a "command", too'
    architecture = raw.get("architecture")
    if not isinstance(architecture, str):
        if architecture is None:
            yield "architecture", "is missing"
        return
    if architecture not in architectures.names():
        yield "architecture", f'there is no "{architecture}"; {did_you_mean(architecture, architectures.names())}'
        return
    known = architectures.hyperparameters(architecture)
    objective = raw.get("objective")
    metric = objective.get("metric", "mse") if isinstance(objective, dict) else "mse"
    if metric != "mse":
        yield "objective.metric", f"{json.dumps(metric)} is reported by no architecture; possible is mse"
    yield from _misfits(raw, known, architecture)


def _own_unasked(raw: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The same for a trainer of the user's own, as far as it can be told without asking the trainer."""
    if raw.get("trainer") is not None and raw.get("command") is not None:
        yield "command", 'either a "trainer" or a "command" trains, not both'
    for key in ("command", "describe"):
        words = raw.get(key)
        if isinstance(words, list) and words and (words[0] == "" or any("\0" in str(word) for word in words)):
            yield key, "names no program, or has a character that no argument can have"
    if raw.get("describe") is not None and raw.get("command") is None:
        yield "describe", 'is for a "command"; a "trainer" says its hyperparameters by the model of its first parameter'
    if raw.get("reuse") is True:
        yield "reuse", "is for built-in architectures: whether your own trainer is still the same, nobody knows"
    name = raw.get("architecture")
    if name in architectures.names():
        yield "architecture", f'"{name}" is a built-in one: choose another name for your own, or leave it out'
    elif isinstance(name, str) and not re.fullmatch(names.LABEL, name):
        yield "architecture", f"{json.dumps(name)} is not possible: small letters, digits, and - between them"
    if isinstance(said := raw.get("hyperparameters"), dict):
        known = {}
        for hyperparameter, declaration in said.items():
            with suppress(pydantic.ValidationError):  # told by the spec's own validation
                known[hyperparameter] = _DECLARED.validate_python(declaration).hyperparameter()
        if len(known) == len(said):
            yield from of_own(raw, known)


def of_own(raw: Mapping[str, Any], known: Mapping[str, Hyperparameter]) -> Iterator[tuple[str, str]]:
    """What is wrong with a spec's own trainer, now that its hyperparameters are known, as path and message."""
    objective, command = raw.get("objective"), raw.get("command")
    metric = objective.get("metric", "mse") if isinstance(objective, dict) else "mse"
    yield from names.wrong_names(list(known), metric)
    if isinstance(command, list):
        yield from placeholders.mistakes([one for one in command if isinstance(one, str)], known)
    yield from _misfits(raw, known, "the trainer")


def _misfits(raw: Mapping[str, Any], known: Mapping[str, Hyperparameter], who: str) -> Iterator[tuple[str, str]]:
    spaces = [("parameters", raw.get("parameters")), ("incumbent", raw.get("incumbent"))]
    phases = raw.get("phases")
    if isinstance(phases, list) and raw.get("tune") in ("automatic", "learning-rate"):
        yield "tune", f'"{raw["tune"]}" has phases of its own: leave out `phases`, or `tune`'
    for at, phase in enumerate(phases if isinstance(phases, list) else []):
        if isinstance(phase, dict):
            spaces.append((f"phases.{at}.parameters", phase.get("parameters")))
    for where, space in spaces:
        for name, domain in space.items() if isinstance(space, dict) else ():
            if name in RESERVED:
                yield f"{where}.{name}", "is the name of a results column, no hyperparameter can be called so"
            elif name not in known:
                yield f"{where}.{name}", f"{who} has no such hyperparameter; {did_you_mean(name, known)}"
            elif problem := _impossible(known[name], domain):
                yield f"{where}.{name}", problem


def _impossible(hyperparameter: Hyperparameter, domain: Any) -> str | None:
    """Why a hyperparameter cannot take what the spec asks for; None if it can, or if pydantic says why not."""
    limits = hyperparameter.limits or hyperparameter.domain
    if isinstance(domain, dict) and "values" in domain:
        domain = domain["values"]
    if isinstance(domain, dict):
        asked = [domain.get("low"), domain.get("high")]
        if isinstance(limits, Interval) and limits.integer and any(isinstance(n, float) for n in domain.values()):
            return "takes integers: low, high and step must be integers"
    else:
        asked = domain if isinstance(domain, list) else [domain]
    for value in asked:
        if isinstance(domain, dict) and value is None:
            continue
        if value not in limits:
            return f"{json.dumps(value)} is not possible: {described(limits)}"
    return None


def described(limits: Values | Interval) -> str:
    """A domain in words: `one of 1, 2, 3` or `from 1 to 64`."""
    if isinstance(limits, Values):
        return f"one of {', '.join(json.dumps(value) for value in limits.values)}"
    numbers = "an integer " if limits.integer else ""
    return f"{numbers}from {limits.low} to {limits.high}"
