"""Makes the first spec of a repository, and the `data` of its `hpt.toml`, from a person's answers."""

import json
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from pipeline import spec as specs
from pipeline.adopt import local_paths, script
from pipeline.adopt.answers import Answers
from pipeline.adopt.declared import learning_rate_declaration, parse_declarations
from pipeline.dates import MONTHS_PER_RANGE, DateRange
from pipeline.errors import UserError
from pipeline.jenkins.render import FIRST_SPEC
from pipeline.space import Hyperparameter, Scalar, Values
from pipeline.spec import trainer

_EXPERIMENTS = 8
_STALE_DAYS = 62
"""Data that ended more days ago than this count as complete: no new days will come."""


@dataclass(frozen=True)
class FirstSpec:
    """The first spec and data of a repository."""

    spec: dict[str, Any]
    data: dict[str, Any] | None
    remarks: tuple[str, ...]
    """Lines about things that a person should check."""

    @property
    def text(self) -> str:
        """The content of the spec's file."""
        return json.dumps(self.spec, indent=2, ensure_ascii=False) + "\n"


def make_first_spec(answers: Answers, today: date) -> FirstSpec:
    """The first spec, checked; `today` decides the date ranges. Raises UserError, a line per mistake or gap."""
    is_own = bool(answers.trainer or answers.command)
    data, remarks = _data(answers, is_own)
    spec: dict[str, Any] = {"notes": "The first sweep: `hpt validate specs/first.json` says what it comes to."}
    spec |= _own_trainer(answers) if is_own else _built_in(data)
    covered = _covered(data)
    if covered is not None:
        for key, (value, reason) in _dates(covered, today).items():
            spec[key] = value
            remarks.append(f'"{key}" is {value}, as the data {reason}')
    else:
        remarks.append("date ranges end this month, as the days of the data are not known: name the files by --data")
    spec |= {"budget": {"experiments": _EXPERIMENTS}}
    _check(spec, data)
    for content, name in (({"data": data}, "hpt.toml"), (spec, FIRST_SPEC)):
        remarks += local_paths.of_this_checkout(content, name, Path.cwd())
        remarks += local_paths.outside(content, name, Path.cwd())
    return FirstSpec(spec, data, tuple(remarks))


def _check(spec: dict[str, Any], data: dict[str, Any] | None) -> None:
    """Raises UserError if the spec is invalid, or does not fit the hyperparameters that its trainer declares itself."""
    parsed = specs.from_dict(spec if data is None else spec | {"data": data}, FIRST_SPEC)
    mistakes = trainer.misfits(parsed, trainer.hyperparameters(parsed))
    if lines := [f"{FIRST_SPEC}: {path}: {message}" for path, message in mistakes]:
        raise UserError("\n".join(lines))


def _data(answers: Answers, is_own: bool) -> tuple[dict[str, Any] | None, list[str]]:
    """The `data` key for the named files, and remarks; None without files, or if only an own trainer can read them."""
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
    """The keys for a built-in architecture that suits the columns."""
    assert data is not None
    architecture = "bag-of-words" if "text" in data else "tabular"
    return {"architecture": architecture, "tune": "automatic"}


def _own_trainer(answers: Answers) -> dict[str, Any]:
    """The keys for a team's own trainer: what runs, its hyperparameters unless it declares them itself, and `tune`."""
    if answers.function:
        spec: dict[str, Any] = {"trainer": answers.function}
        if answers.hyperparameters:
            spec["hyperparameters"] = parse_declarations(answers.hyperparameters, {})
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
    """The spec with nothing to tune: enough to ask its trainer for hyperparameters."""
    return specs.from_dict(spec | {"tune": "nothing"}, FIRST_SPEC)


def _tune(hyperparameters: dict[str, Hyperparameter], declared_by: str) -> str:
    """The value of `tune` that searches these hyperparameters. Raises UserError if none of them has several values."""
    searched = [
        each for each in hyperparameters.values() if not isinstance(each.domain, Values) or len(each.domain.values) > 1
    ]
    if not searched:
        raise UserError(
            f"{declared_by}: declares no bounds, so nothing can be searched: give a field ge= and le= (minimum and "
            "maximum), or name it by --hyperparameter lr=0.0001..0.1:log"
        )
    return "learning-rate" if all(each.phase == "learning-rate" for each in searched) else "automatic"


def _hyperparameters(answers: Answers, command: script.Command) -> dict[str, Any]:
    """The declarations of a command's hyperparameters: those that a person named are searched, the others are fixed.

    If a person named none, a learning rate is searched around its default.
    """
    searched = parse_declarations(answers.hyperparameters, command.defaults)
    others: dict[str, Scalar] = {name: default for name, default in command.defaults.items() if name not in searched}
    if unknown := [name for name, default in others.items() if default is None]:
        raise UserError(f"--hyperparameter is missing: what may {', '.join(unknown)} be? {unknown[0]}=0.0001..0.1:log")
    if not searched:
        searched = {
            name: rate for name, default in others.items() if (rate := learning_rate_declaration(name, default))
        }
    if not searched:
        names = ", ".join(f"{name} ({json.dumps(default)})" for name, default in others.items()) or "none that is known"
        raise UserError(f"--hyperparameter is missing: which is tuned, like lr=0.0001..0.1:log? There are {names}")
    return searched | {name: default for name, default in others.items() if name not in searched}


def _covered(data: dict[str, Any] | None) -> DateRange | None:
    if data is None:
        return None
    from pipeline.data.load import covered_days

    source = specs.from_dict({"architecture": "tabular", "tune": "nothing", "data": data}, "data").data
    assert source is not None
    return covered_days(source)


def _dates(covered: DateRange, today: date) -> dict[str, tuple[Any, str]]:
    """`{key: (value, reason)}` for keys about dates whose defaults do not suit data that ended, or cover few months."""
    keys: dict[str, tuple[Any, str]] = {}
    if (today - covered.end).days > _STALE_DAYS:
        reason = f"end on {covered.end}: take it out when they get new days, so that date ranges rotate"
        keys["as-of"] = covered.end.isoformat(), reason
    end = min(covered.end, today)
    months = (end.year - covered.start.year) * 12 + end.month - covered.start.month
    # The longest ranges that leave six others to judge on.
    if (longest := max(1, (months - 7) // 2)) < MONTHS_PER_RANGE:
        reason = f"cover {months} months: longer date ranges would leave too few to judge a winner on"
        keys["range-months"] = longest, reason
    return keys
