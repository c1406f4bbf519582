"""The first spec of a repository, and the `data` of its `hpt.toml`, from what a person has said."""

import json
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from pipeline import spec as specs
from pipeline.adopt import local_paths, script
from pipeline.adopt.answers import Answers
from pipeline.adopt.declared import as_rate, declared
from pipeline.dates import MONTHS_PER_RANGE, DateRange
from pipeline.errors import UserError
from pipeline.jenkins.render import FIRST_SPEC
from pipeline.space import Hyperparameter, Scalar, Values
from pipeline.spec import trainer
from pipeline.spec.check import of_own

_EXPERIMENTS = 8
_STALE_DAYS = 62
"""Data that ended longer ago get no new ones every month."""


@dataclass(frozen=True)
class First:
    """What a repository begins with."""

    spec: dict[str, Any]
    data: dict[str, Any] | None
    remarks: tuple[str, ...]
    """What a person should look at."""

    @property
    def text(self) -> str:
        """The spec as a file."""
        return json.dumps(self.spec, indent=2, ensure_ascii=False) + "\n"


def first(answers: Answers, today: date) -> First:
    """The first spec, checked. Raises UserError, a line for each, if something that it needs is not said."""
    is_own = bool(answers.trainer or answers.command)
    data, remarks = _data(answers, is_own)
    spec: dict[str, Any] = {"notes": "The first sweep: `hpt validate specs/first.json` says what it comes to."}
    spec |= _own(answers) if is_own else _built_in(data)
    covered = _covered(data)
    if covered is not None:
        for key, (value, why) in _dates(covered, today).items():
            spec[key] = value
            remarks.append(f'"{key}" is {value}, as the data {why}')
    else:
        remarks.append("date ranges end this month, as for data whose days are not known: name the files by --data")
    spec |= {"budget": {"experiments": _EXPERIMENTS}}
    _check(spec, data)
    for content, name in (({"data": data}, "hpt.toml"), (spec, FIRST_SPEC)):
        remarks += local_paths.of_this_checkout(content, name, Path.cwd())
        remarks += local_paths.outside(content, name, Path.cwd())
    return First(spec, data, tuple(remarks))


def _check(spec: dict[str, Any], data: dict[str, Any] | None) -> None:
    """Raises UserError if the spec is none, or does not fit what its trainer declares itself."""
    parsed = specs.from_dict(spec if data is None else spec | {"data": data}, FIRST_SPEC)
    if parsed.trains_own_code and parsed.hyperparameters is None:
        lines = [f"{FIRST_SPEC}: {path}: {message}" for path, message in of_own(spec, trainer.hyperparameters(parsed))]
        if lines:
            raise UserError("\n".join(lines))


def _data(answers: Answers, is_own: bool) -> tuple[dict[str, Any] | None, list[str]]:
    """The `data` key for the files that were named, and remarks; None where a trainer of one's own reads others."""
    if answers.data is None:
        return None, []
    from pipeline.data.proposal import propose

    try:
        proposal = propose(answers.data, answers.target, answers.leave_out)
    except UserError as error:
        if not is_own or answers.target:
            raise
        return None, [f"data is left out of hpt.toml: {str(error).splitlines()[0]}"]
    return proposal.data, [*proposal.remarks] if not is_own else []


def _built_in(data: dict[str, Any] | None) -> dict[str, Any]:
    """A network of ours that suits the columns."""
    assert data is not None
    architecture = "bag-of-words" if "text" in data else "tabular"
    return {"architecture": architecture, "tune": "automatic"}


def _own(answers: Answers) -> dict[str, Any]:
    """A team's own trainer, the hyperparameters that it does not declare itself, and how they are searched."""
    if answers.function:
        spec: dict[str, Any] = {"trainer": answers.function}
        if answers.hyperparameters:
            spec["hyperparameters"] = declared(answers.hyperparameters, {})
    else:
        spec = _command(answers)
    return spec | {
        "tune": _tune(trainer.hyperparameters(_bare(spec)), answers.function or answers.describe or FIRST_SPEC)
    }


def _command(answers: Answers) -> dict[str, Any]:
    command, pattern = script.command_of(answers), script.pattern_of(answers)
    spec: dict[str, Any] = {"command": command.words}
    if pattern:
        spec["metrics-pattern"] = pattern
    metric = script.metric_of(pattern)
    if answers.goal or metric not in (None, "mse"):
        goal = {"goal": answers.goal} if answers.goal else {}
        spec["objective"] = {"metric": metric or "mse", **goal}
    if describe := answers.described_by():
        spec["describe"] = describe
    else:
        spec["hyperparameters"] = _hyperparameters(answers, command)
    if command.max_epochs:
        spec["training"] = {"max-epochs": command.max_epochs}
    return spec


def _bare(spec: dict[str, Any]) -> specs.Spec:
    """A spec that only asks its trainer."""
    return specs.from_dict(spec | {"tune": "nothing"}, FIRST_SPEC)


def _tune(hyperparameters: dict[str, Hyperparameter], whose: str) -> str:
    """The mode that searches what a trainer declares. Raises UserError if it declares nothing to search."""
    searched = [
        one for one in hyperparameters.values() if not isinstance(one.domain, Values) or len(one.domain.values) > 1
    ]
    if not searched:
        raise UserError(
            f"{whose}: declares no bounds, so nothing can be searched: give a field ge= and le= (minimum and maximum), "
            "or name it by --hyperparameter lr=0.0001..0.1:log"
        )
    return "learning-rate" if all(one.phase == "learning-rate" for one in searched) else "automatic"


def _hyperparameters(answers: Answers, command: script.Command) -> dict[str, Any]:
    """What the spec declares: what was named, a learning rate around its default, and the rest as it is."""
    named = declared(answers.hyperparameters, command.defaults)
    rest: dict[str, Scalar] = script.untuned(command, named)
    if unknown := [name for name, default in rest.items() if default is None]:
        raise UserError(f"--hyperparameter is missing: what may {', '.join(unknown)} be? {unknown[0]}=0.0001..0.1:log")
    if not named:
        named = {name: rate for name, default in rest.items() if (rate := as_rate(name, default))}
    if not named:
        there = ", ".join(f"{name} ({json.dumps(default)})" for name, default in rest.items()) or "none that is known"
        raise UserError(f"--hyperparameter is missing: which is tuned, like lr=0.0001..0.1:log? There are {there}")
    return named | {name: default for name, default in rest.items() if name not in named}


def _covered(data: dict[str, Any] | None) -> DateRange | None:
    if data is None:
        return None
    from pipeline.data.load import covered_days

    source = specs.from_dict({"architecture": "tabular", "tune": "nothing", "data": data}, "data").data
    assert source is not None
    return covered_days(source)


def _dates(covered: DateRange, today: date) -> dict[str, tuple[Any, str]]:
    """{key: its value and why} where what is usual does not suit the days of the data: they ended, or are few."""
    keys: dict[str, tuple[Any, str]] = {}
    if (today - covered.end).days > _STALE_DAYS:
        why = f"end on {covered.end}: take it out when they get new days, so that date ranges rotate"
        keys["as-of"] = covered.end.isoformat(), why
    end = min(covered.end, today)
    months = (end.year - covered.start.year) * 12 + end.month - covered.start.month
    # As many as leave six ranges to judge on; three are usual.
    if (most := max(1, (months - 7) // 2)) < MONTHS_PER_RANGE:
        why = f"cover {months} months: longer date ranges would leave too few to judge a winner on"
        keys["range-months"] = most, why
    return keys
