"""Suggests corrections for mistakes in a spec: keys of other tools, values in a form that a spec does not have.

A mistake has one cause and becomes one line; `parse.py` decides which lines are reported.
"""

import difflib
import json
import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from pipeline.errors import did_you_mean
from pipeline.spec import locations
from pipeline.spec.locations import Location
from pipeline.training import architectures

Steps = tuple[str | int, ...]
"""The steps of a path in a spec: `("phases", 0, "name")`."""

# {key of a spec: its names in other tools}. For a name that stands twice, `hint_for_key` takes the nearest key.
_PLACES = {
    "training.max-epochs short.max-epochs": "epochs n-epochs num-epochs max-epoch nb-epochs total-epochs max-steps",
    "training.time-limit-minutes": "timeout time-limit max-time time-limit-per-trial",
    "training.validation-share": "validation-split val-split valid-share val-share validation-fraction val-size",
    "training.test-share": "test-split test-size test-fraction",
    "search.strategy": "method algorithm sampler searcher search-alg search-algorithm search-method search-strategy",
    "search.experiments": "n-trials num-trials max-trials n-iter num-samples n-samples max-evals runs run-cap samples "
    "experiment iterations count",
    "search.seed": "random-seed random-state rng-seed",
    "search.seeds-per-range": "seeds n-seeds num-seeds repeats replicates",
    "search.early-stopping": "early-terminate earlystopping pruner pruning scheduler asha hyperband halving",
    "search.batch": "batch-per-round round-size",
    "budget.device-hours": "gpu-hours gpuhours gpu-hour compute-hours machine-hours",
    "budget.hours": "max-hours time time-budget wall-hours wall-clock wall-time hour",
    "budget.money": "cost max-cost dollars usd euros",
    "budget.price-per-device-hour": "price gpu-price price-per-gpu-hour price-per-hour hourly-price",
    "objective.metric": "metrics metric-name name loss-metric monitor score",
    "objective.goal": "direction directions objective-mode greater-is-better maximize minimize",
    "confirm.ranges": "confirmation judge judging holdout",
    "date-range": "date-ranges dates range period periods date ranges time-range",
    "confirm-range": "confirm-ranges test-range holdout-range",
    "architecture": "model network arch net model-type backbone",
    "parameters": "params param hyperparams search-space space grid parameter hyper-parameters sweep",
    "hyperparameters": "defaults default-params",
    "incumbent": "baseline default-setting current",
    "command": "cmd script program run entrypoint entry-point",
    "trainer": "train train-fn function fn objective-function module",
    "metrics-pattern": "pattern regex metric-pattern metrics-regex",
    "data": "dataset data-path data-set csv source file path files",
    "notes": "note name comment comments description project title",
    "store": "storage output out output-dir results-dir",
    "image": "docker docker-image container",
    "tune": "tuning auto automatic",
    "as-of": "today as-of-date reference-date",
    "constraints": "constraint conditions",
    "phases": "phase stages",
    "reuse": "cache",
}
_ELSEWHERE: dict[str, list[Steps]] = {}
for _paths, _foreign_names in _PLACES.items():
    for _foreign_name in _foreign_names.split():
        _ELSEWHERE.setdefault(_foreign_name, []).extend(tuple(_path.split(".")) for _path in _paths.split())

_HYPERPARAMETERS = {
    "lr": "learning_rate",
    "eta": "learning_rate",
    "learningrate": "learning_rate",
    "wd": "weight_decay",
    "l2": "weight_decay",
    "bs": "batch_size",
    "batch": "batch_size",
    "batchsize": "batch_size",
    "clip": "gradient_clip",
    "grad_clip": "gradient_clip",
    "patience": "early_stopping_patience",
    "hidden": "hidden_size",
    "hidden_dim": "hidden_size",
    "units": "hidden_size",
    "embedding_dim": "embedding_size",
}
_WORDS = {
    **dict.fromkeys(("max", "maximise", "maximum", "higher", "up", "ascending"), "maximize"),
    **dict.fromkeys(("min", "minimise", "minimum", "lower", "down", "descending"), "minimize"),
    **dict.fromkeys(("auto", "all", "full-auto"), "automatic"),
    **dict.fromkeys(("lr", "learningrate"), "learning-rate"),
    **dict.fromkeys(("none", "off", "false"), "nothing"),
    **dict.fromkeys(("bayes", "bayesian", "optuna", "hyperopt", "bayesopt", "bo"), "tpe"),
    **dict.fromkeys(("gaussian-process", "kriging"), "gp"),
    **dict.fromkeys(("asha", "hyperband", "sha", "successive-halving"), "halving"),
    **dict.fromkeys(("qmc", "quasi-random", "lhs", "halton"), "sobol"),
}

# The keys of a domain under the names that other tools use.
_LOW = frozenset(["low", "min", "minimum", "lower", "lo", "from", "start"])
_HIGH = frozenset(["high", "max", "maximum", "upper", "hi", "to", "end", "stop"])
_STEP = frozenset(["step", "q", "by", "increment"])
_VALUES = frozenset(["values", "choices", "options", "categories", "enum", "choice", "list", "grid"])
_SCALES = frozenset(
    ["log", "distribution", "type", "scale", "prior", "sampling", "dtype", "kind", "log-scale", "logarithmic"]
)
_A_VALUE = "a value is a number, text, true, false or null"
_ONE_VALUE = frozenset(["value", "const", "constant", "fixed"])


def hint_for_key(location: Location, raw: Mapping[str, Any]) -> tuple[str, Steps | None]:
    """A hint for an unknown key, and the place where the key belongs; None if that place is unknown."""
    *above, key = location
    possible, steps = locations.keys(tuple(above)), locations.steps(tuple(above))
    name = _normal(str(key))
    if name == "$schema":
        return "leave it out, and name the schema in your editor's settings", None
    if name in possible:
        return f'did you mean "{name}"?', (*steps, name)

    # The nearest place counts: beside the key, spelt alike, below it, elsewhere.
    places = [place for place in (*_ELSEWHERE.get(name, ()), *_paths_to(name)) if place != steps[: len(place)]]
    if beside := [place for place in places if place[:-1] == steps]:
        return f'did you mean "{beside[0][-1]}"?', beside[0]
    if near := difflib.get_close_matches(name, possible, n=1, cutoff=0.8):
        return f'did you mean "{near[0]}"?', (*steps, near[0])
    below = [(*steps, *place) for place in places if place[0] in possible]
    if target := (below or places)[:1]:
        return f"did you mean `{'.'.join(map(str, target[0]))}`?", target[0]
    if steps in ((), ("training",), ("search",)) and (hyperparameter := _hyperparameter(str(key), _names(raw))):
        return f"did you mean `parameters.{hyperparameter}`?", ("parameters", hyperparameter)
    if near := difflib.get_close_matches(name, possible, n=1, cutoff=0.6):
        return f'did you mean "{near[0]}"?', (*steps, near[0])
    return did_you_mean(str(key), possible), None


def hint_for_hyperparameter(name: str, hyperparameters: Collection[str]) -> str:
    """A hint for the name of a hyperparameter that does not exist."""
    if match := _hyperparameter(name, hyperparameters):
        return f'did you mean "{match}"?'
    hint = did_you_mean(name, hyperparameters)
    return hint if hint.startswith("did") else hint_elsewhere(name) or hint


def hint_elsewhere(name: str) -> str:
    """`did you mean `training.max-epochs`?` for a name that a spec sets elsewhere; else empty."""
    places = _ELSEWHERE.get(_normal(name)) or _paths_to(_normal(name))
    return f"did you mean `{'.'.join(map(str, places[0]))}`?" if places else ""


def hint_for_word(word: Any, possible: Collection[str]) -> str:
    """`; did you mean "maximize"?` for a word that is not possible; empty if no possible word is near."""
    if not isinstance(word, str):
        return ""
    synonym = _WORDS.get(_normal(word))
    near = [synonym] if synonym in possible else difflib.get_close_matches(word.lower(), possible, n=1, cutoff=0.6)
    return f'; did you mean "{near[0]}"?' if near else ""


def malformed(raw: Mapping[str, Any]) -> Iterator[tuple[Steps, str]]:
    """Values in a form that a spec does not have, each as its path and the text to write instead."""
    for key in ("date-range", "confirm-range"):
        ranges = raw.get(key)
        if isinstance(ranges, list) and len(ranges) == 2 and all(isinstance(day, str) for day in ranges):
            yield (key,), f"is a list of ranges: write [{json.dumps(ranges)}]"
    command = raw.get("command")
    if isinstance(command, str):
        yield ("command",), f"is a list, a text for each argument: write {_cut(json.dumps(command.split()))}"
    phases = raw.get("phases")
    phases_by_path = [(("phases", at), phase) for at, phase in enumerate(phases if isinstance(phases, list) else ())]
    for steps, part in [((), raw), *phases_by_path]:
        space = part.get("parameters") if isinstance(part, dict) else None
        for name, domain in space.items() if isinstance(space, dict) else ():
            if problem := _domain_problem(name, domain):
                yield (*steps, "parameters", name), problem
    declared = raw.get("hyperparameters")
    for name, declaration in declared.items() if isinstance(declared, dict) else ():
        if problem := _declaration_problem(name, declaration):
            yield ("hyperparameters", name), problem


def _domain_problem(name: str, domain: Any) -> str | None:
    """The mistake in the form of a domain, and its correction; None if there is none."""
    if isinstance(domain, list):
        return _list_problem(domain)
    if not isinstance(domain, dict):
        return None
    if isinstance(domain.get("values"), list) and (problem := _list_problem(domain["values"])):
        return problem
    by_name = {_normal(key): key for key in domain}
    ours = {"low", "high", "log", "step", "when"} if "values" not in domain else {"values", "when"}
    if by_name.keys() <= ours and all(key in ours for key in domain):
        return None
    if problem := _nesting_problem(name, domain):
        return problem

    def values_of(keys: Collection[str]) -> list[Any]:
        return [domain[by_name[key]] for key in sorted(keys & by_name.keys())]

    if by_name.keys() - (_LOW | _HIGH | _STEP | _VALUES | _SCALES | _ONE_VALUE | {"when"}):
        return None
    when = {"when": domain["when"]} if "when" in domain else {}
    if values := values_of(_VALUES):
        written: Any = {"values": values[0], **when} if when else values[0]
    elif value := values_of(_ONE_VALUE):
        written = value[0]
    elif (low := values_of(_LOW)) and (high := values_of(_HIGH)):
        written = {"low": low[0], "high": high[0]}
        if any(scale is True or (isinstance(scale, str) and "log" in scale.lower()) for scale in values_of(_SCALES)):
            written["log"] = True
        if (step := values_of(_STEP)) and step[0] is not None:
            written["step"] = step[0]
        written |= when
    else:
        return None
    strange = [key for key in domain if key not in ours]
    return f"unknown {_counted_keys(strange)}; write {_cut(json.dumps(written, ensure_ascii=False))}"


def _list_problem(values: list[Any]) -> str | None:
    for value in values:
        if isinstance(value, list):
            text = json.dumps(",".join(map(str, value)), ensure_ascii=False)
            return f"{_cut(json.dumps(value))} is a list, but {_A_VALUE}: write {_cut(text)}"
        if isinstance(value, dict):
            return f"{_cut(json.dumps(value))} is an object, but {_A_VALUE}"
    return None


def _declaration_problem(name: str, declaration: Any) -> str | None:
    if not isinstance(declaration, dict):
        return None
    if "default" in declaration:
        if isinstance(declaration["default"], list | dict):
            return f"default: {(_list_problem([declaration['default']]) or '')}"
        return None
    keys = {_normal(key) for key in declaration}
    if keys and not keys & {"domain", "limits", "help", "phase"}:
        if keys & (_LOW | _HIGH | _VALUES):
            return 'has no default: write {"default": …, "domain": …}, or name what to try in `parameters`'
        return _nesting_problem(name, declaration)
    return None


def _nesting_problem(name: str, value: Mapping[str, Any]) -> str | None:
    """The mistake of an object that holds further hyperparameters, like `{"lr": [0.1]}`; None if it holds none."""
    inner = value.get("parameters", value)
    if not isinstance(inner, dict) or not inner:
        return None
    child, domain = next(iter(inner.items()))
    is_name = re.fullmatch(r"[A-Za-z_][\w-]*", child) and _normal(child) not in (
        _LOW | _HIGH | _STEP | _VALUES | _SCALES | _ONE_VALUE | {"when", "default", "domain"}
    )
    if not is_name or (inner is value and not isinstance(domain, dict | list | int | float | str)):
        return None
    if inner is value and not isinstance(domain, dict | list) and len(inner) == 1:
        return None
    return f'hyperparameters do not nest: write each by itself, like "{name}_{child}"'


def hint_for_type(kind: str, value: Any, location: Location) -> str | None:
    """A hint for a value of the wrong type; None if pydantic's message is as clear. `kind` is pydantic's error type."""
    if kind in ("int_type", "float_type", "int_from_float") and isinstance(value, str):
        try:
            number = json.loads(value)
        except (ValueError, RecursionError):
            return None
        return "write the number without quotes" if isinstance(number, int | float) else None
    if kind in ("int_type", "int_from_float"):
        return "a whole number is wanted"
    if kind == "bool_type":
        return "write true or false"
    if kind == "string_type":
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        return "text is wanted" + (f': write "{_cut(str(value))}"' if is_number else "")
    if kind in ("list_type", "tuple_type") and isinstance(value, str | int | float | dict):
        return f"a list is wanted: write {_cut(json.dumps([value], ensure_ascii=False))}"
    if kind in ("model_type", "dict_type", "model_attributes_type") and not isinstance(value, dict):
        keys = locations.keys(location)
        if not keys or isinstance(value, bool):
            return "an object is wanted, like {}" if keys else "an object is wanted, {…}"
        inner = "…" if isinstance(value, list | None) else json.dumps(value, ensure_ascii=False)
        return f'an object is wanted, like {_cut(f"""{{"{keys[0]}": {inner}}}""")}'
    return None


def corrected(raw: Mapping[str, Any], moves: Mapping[Steps, Steps | None]) -> dict[str, Any]:
    """The spec with every misnamed key moved to its place in `moves`, or left out if that place is taken or None."""
    result: dict[str, Any] = json.loads(json.dumps(raw, default=str))
    for steps, target in moves.items():
        parent: Any = _at(result, steps[:-1])
        if not isinstance(parent, dict) or steps[-1] not in parent:
            continue
        value = parent.pop(str(steps[-1]))
        # A deeper place need not be filled: no other check reads it.
        if target is None or len(target) > 2:
            continue
        place: Any = result
        for step in target[:-1]:
            place = place.setdefault(str(step), {}) if isinstance(place, dict) else _at(place, (step,))
        if isinstance(place, dict):
            place.setdefault(str(target[-1]), value)
    return result


def _at(value: Any, steps: Steps) -> Any:
    for step in steps:
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError):
            return None
    return value


def _paths_to(name: str) -> list[Steps]:
    """The paths of a spec that end in a key of this name, two steps long at most."""
    return [path for path in _all_paths() if path[-1] == name]


def _all_paths() -> Iterator[Steps]:
    """The paths of one and two steps, without `data`, `phases` and `hyperparameters`, whose form varies."""
    groups = [key for key in locations.keys(()) if key not in ("data", "phases", "hyperparameters")]
    for key in groups:
        yield (key,)
    for key in groups:
        for below in locations.keys((key,)):
            yield key, below


def _names(raw: Mapping[str, Any]) -> list[str]:
    """The hyperparameters of a raw spec's trainer; empty if it declares none and is no built-in architecture."""
    declared = raw.get("hyperparameters")
    if isinstance(declared, dict):
        return list(declared)
    architecture = raw.get("architecture")
    is_built_in = isinstance(architecture, str) and architecture in architectures.names()
    return list(architectures.hyperparameters(str(architecture))) if is_built_in else []


def _hyperparameter(name: str, hyperparameters: Collection[str]) -> str | None:
    """The hyperparameter that a short, foreign or misspelt name stands for: `learning_rate` for `lr`; None if none."""
    plain = name.strip().lower().replace("-", "_")
    synonyms = [full for full in hyperparameters if plain in (_HYPERPARAMETERS.get(full.lower()), full.lower())]
    for candidate in (name, plain, _HYPERPARAMETERS.get(plain), *synonyms):
        if candidate in hyperparameters:
            return candidate
    words = set(plain.split("_"))
    longer = [full for full in hyperparameters if words <= set(full.lower().split("_"))]
    near = difflib.get_close_matches(plain, hyperparameters, n=1, cutoff=0.8)
    return longer[0] if len(longer) == 1 else near[0] if near else None


def _normal(key: str) -> str:
    """`maxEpochs`, `max_epochs` and `Max epochs` are `max-epochs`."""
    return re.sub(r"[_\s-]+", "-", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", key.strip())).lower()


def _counted_keys(keys: Collection[str]) -> str:
    return f"key{'s' if len(keys) > 1 else ''} {', '.join(json.dumps(key, ensure_ascii=False) for key in keys)}"


def _cut(text: str) -> str:
    return text if len(text) <= 120 else text[:119] + "…"
