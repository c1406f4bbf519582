"""Checks a spec beyond its types: the trainer must have each hyperparameter, and accept each value.

The checks read raw JSON, so that these mistakes are reported together with those that `model.py` finds.
"""

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

import pydantic

from pipeline.errors import did_you_mean
from pipeline.results import RESERVED
from pipeline.scale import ROPE
from pipeline.space import Domain, Hyperparameter, Interval, in_words, kind
from pipeline.spec import cures, names
from pipeline.spec.hyperparameters import Declaration, Declared, any_number_in_words
from pipeline.spec.metrics import usual_goal, usual_rope
from pipeline.spec.model import Objective
from pipeline.training import architectures
from pipeline.training.own import placeholders

_DECLARED: pydantic.TypeAdapter[Declaration] = pydantic.TypeAdapter(Declared)


def mistakes(raw: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The mistakes of a spec, each as its path in the spec and a message."""
    yield from _rope_mistakes(raw)

    # A team's own trainer has checks of its own; the rest is for built-in architectures.
    if raw.get("trainer") is not None or raw.get("command") is not None:
        yield from _own_trainer_mistakes(raw)
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
    hyperparameters = architectures.hyperparameters(architecture)
    metric = _metric(raw)
    if metric != "mse":
        yield "objective.metric", f"{json.dumps(metric)} is reported by no architecture; possible is mse"
    yield from _hyperparameter_mistakes(raw, hyperparameters, architecture)


def _own_trainer_mistakes(raw: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Mistakes of a spec with an own trainer, found without running the trainer to ask for its hyperparameters."""
    if raw.get("trainer") is not None and raw.get("command") is not None:
        yield "command", 'either a "trainer" or a "command" trains, not both'
    for key in ("command", "describe"):
        words = raw.get(key)
        if not isinstance(words, list) or not words:
            continue
        if words[0] == "" or isinstance(words[0], dict):
            yield key, "begins with the name of a program"
        elif any("\0" in text for word in words for text in _texts(word)):
            yield key, "has a character that no argument can have: NUL"
    if raw.get("describe") is not None and raw.get("command") is None:
        yield (
            "describe",
            'is for a "command"; a "trainer" declares its hyperparameters by the type of its first parameter',
        )
    yield from _objective_mistakes(raw)
    if raw.get("reuse") is True:
        yield "reuse", "is for built-in architectures: nobody knows if your own trainer is still the same"
    name = raw.get("architecture")
    if name in architectures.names():
        yield "architecture", f'"{name}" is a built-in one: choose another name for your own, or leave it out'
    elif isinstance(name, str) and not re.fullmatch(names.LABEL, name):
        yield "architecture", f"{json.dumps(name)} is not possible: small letters, digits, and - between them"
    if isinstance(declared := raw.get("hyperparameters"), dict):
        valid = {}
        for hyperparameter, declaration in declared.items():
            with suppress(pydantic.ValidationError):  # reported by the validation of types
                valid[hyperparameter] = _DECLARED.validate_python(declaration).hyperparameter()
        if len(valid) == len(declared):
            yield from declaration_mistakes(raw, valid)


def _texts(word: Any) -> list[str]:
    """The texts of one word of a command; a conditional word holds several arguments."""
    arguments = word.get("arguments") if isinstance(word, dict) else word
    return [text for text in (arguments if isinstance(arguments, list) else [arguments]) if isinstance(text, str)]


def declaration_mistakes(
    raw: Mapping[str, Any], hyperparameters: Mapping[str, Hyperparameter]
) -> Iterator[tuple[str, str]]:
    """Mistakes of a spec whose own trainer has these hyperparameters, each as path and message."""
    yield from names.wrong_names(list(hyperparameters), _metric(raw))
    if isinstance(command := raw.get("command"), list):
        yield from placeholders.mistakes(command, hyperparameters)
    yield from _hyperparameter_mistakes(raw, hyperparameters, "the trainer")


def _objective_mistakes(raw: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Mistakes of the objective: no goal, though the metric's name implies none; a column in place of a metric."""
    objective, metric = raw.get("objective"), _metric(raw)
    if not isinstance(objective, Mapping) or not isinstance(metric, str):
        return  # reported by the validation of types
    name, _, part = metric.rpartition("_")
    reported = str(raw.get("metrics-pattern"))
    if name and part in ("valid", "test") and f"<{metric}>" in reported and f"<{metric}_valid>" not in reported:
        yield (
            "objective.metric",
            f'"{metric}" is a column: write "{name}", whose {name}_valid chooses and {name}_test judges',
        )
    elif "goal" not in objective and usual_goal(metric) is None:
        yield (
            "objective.goal",
            f'is missing: nobody knows if more or less {metric} is better; write "goal": "maximize", or '
            '"goal": "minimize"',
        )


def _rope_mistakes(raw: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """A rope that does not fit the scale on which the metric is judged."""
    confirm = raw.get("confirm")
    rope = confirm.get("rope") if isinstance(confirm, Mapping) else None
    try:
        objective = Objective.model_validate(raw.get("objective", {}))
    except pydantic.ValidationError:
        return
    metric, is_number = objective.metric, isinstance(rope, int | float)
    if objective.scale == "difference" and is_number and rope != 0:
        yield (
            "confirm.rope",
            f"{rope} would be a share of {metric}, which is judged by difference: write how much of it is no gain "
            f'worth having, {{"absolute": {usual_rope(metric, "difference") or 1:g}}}, or leave it out',
        )
    if objective.scale == "ratio" and isinstance(rope, Mapping):
        yield (
            "confirm.rope",
            f"{metric} is judged by ratio: write a share of it, like {ROPE:g}, or judge it by difference: "
            f'"objective": {{"metric": "{metric}", "goal": "{objective.goal}", "scale": "difference"}}',
        )


def _metric(raw: Mapping[str, Any]) -> Any:
    """The objective's metric as raw JSON, not yet checked."""
    objective, default = raw.get("objective"), Objective().metric
    return objective.get("metric", default) if isinstance(objective, dict) else default


def _hyperparameter_mistakes(
    raw: Mapping[str, Any], hyperparameters: Mapping[str, Hyperparameter], trainer: str
) -> Iterator[tuple[str, str]]:
    """Names in the spec's spaces that the trainer does not have, and values that it cannot take."""
    spaces = [("parameters", raw.get("parameters")), ("incumbent", raw.get("incumbent"))]
    phases = raw.get("phases")
    if isinstance(phases, list) and raw.get("tune") in ("automatic", "learning-rate"):
        yield "tune", f'"{raw["tune"]}" has phases of its own: leave out `phases`, or `tune`'
    for at, phase in enumerate(phases if isinstance(phases, list) else []):
        if isinstance(phase, dict):
            spaces.append((f"phases.{at}.parameters", phase.get("parameters")))
    for path, space in spaces:
        for name, domain in space.items() if isinstance(space, dict) else ():
            if name in RESERVED:
                hint = cures.hint_elsewhere(name)
                yield (
                    f"{path}.{name}",
                    f"is the name of a results column, no hyperparameter can be called so{hint and f'; {hint}'}",
                )
            elif name not in hyperparameters:
                yield (
                    f"{path}.{name}",
                    f"{trainer} has no such hyperparameter; {cures.hint_for_hyperparameter(name, hyperparameters)}",
                )
            elif problem := _impossible(hyperparameters[name], domain):
                yield f"{path}.{name}", problem


def _impossible(hyperparameter: Hyperparameter, domain: Any) -> str | None:
    """The reason why a hyperparameter cannot take these values.

    None if it can, or if the validation of types reports the mistake.
    """
    limits = hyperparameter.limits or hyperparameter.domain
    if isinstance(domain, dict) and "values" in domain:
        domain = domain["values"]
    if isinstance(domain, dict):
        values = [domain[end] for end in ("low", "high") if domain.get(end) is not None]
        if isinstance(limits, Interval) and limits.integer and any(isinstance(n, float) for n in domain.values()):
            return f"takes integers: low, high and step must be integers{_cure_of_integers(hyperparameter)}"
    else:
        values = domain if isinstance(domain, list) else [domain]
    if any(isinstance(value, list | dict) for value in values):
        return None
    # `[1, "auto"]` mixes kinds on purpose; `["1", "2"]` for a number is likelier a slip.
    like_default = [value for value in values if kind(value) in (kind(hyperparameter.default), "null")]
    is_mixed = bool(like_default) or kind(hyperparameter.default) in ("null", "text")
    for value in values:
        unquoted = _unquoted(value, limits)
        is_possible = value in limits or (kind(value) in hyperparameter.also and is_mixed and unquoted is None)
        if not is_possible:
            # An integer outside "any integer" is too large: then the message names the limits themselves.
            is_too_large = isinstance(value, int) and not isinstance(value, bool)
            possible = in_words(limits) if is_too_large else any_number_in_words(limits) or in_words(limits)
            cure = _cure_of_integers(hyperparameter) if isinstance(value, float) else ""
            if unquoted is not None:
                possible, cure = "it is text", f"; did you mean {unquoted}?"
            elif kind(value) in hyperparameter.also:
                domain_text = json.dumps([hyperparameter.default, value], ensure_ascii=False)
                cure = (
                    f'; if it is, declare {{"default": {json.dumps(hyperparameter.default)}, "domain": {domain_text}}}'
                )
            return f"{json.dumps(value, ensure_ascii=False)} is not possible: {possible}{cure}"
    return None


def _cure_of_integers(hyperparameter: Hyperparameter) -> str:
    """Advice for an integer hyperparameter that is declared by its default alone; else empty."""
    if any_number_in_words(hyperparameter.limits) != "an integer":
        return ""
    return f"; as its default is {hyperparameter.default}: write {hyperparameter.default}.0 there for real numbers"


def _unquoted(value: Any, limits: Domain) -> str | None:
    """The JSON value that a text probably stands for: `0.1` for `"0.1"`, `null` for `"None"`.

    None if the text is possible itself, or stands for no value within the limits.
    """
    if not isinstance(value, str) or value in limits:
        return None
    try:
        parsed = None if value.lower() == "none" else json.loads(value.lower())
    except (ValueError, RecursionError):
        return None
    return json.dumps(parsed) if parsed in limits and not isinstance(parsed, str) else None
