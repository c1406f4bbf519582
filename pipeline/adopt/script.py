"""Turns a team's Python script into the command of a spec: fills in its arguments, and finds the hyperparameters.

Arguments are recognized by their names. If a required one is not recognized, a person must name the command.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.adopt.answers import Answers, source_of, split, writes_metrics
from pipeline.errors import UserError
from pipeline.space import Scalar
from pipeline.spec.trainer import PLACEHOLDERS, Argument, arguments

_ARGUMENTS = {
    "{start}": "from start start_date start_day date_from from_date begin",
    "{train_start}": "train_start train_from train_begin",
    "{train_end}": "train_end train_to",
    "{valid_start}": "valid valid_start valid_from validate_from validation_start val_start val_from",
    "{valid_end}": "valid_end valid_to val_end validation_end",
    "{test_start}": "test test_start test_from",
    "{test_end}": "test_end test_to",
    "{end}": "to end end_date end_day date_to to_date until",
    "{seed}": "seed random_seed random_state",
    "{max_epochs}": "epochs max_epochs num_epochs n_epochs",
    "{folder}": "out_dir output_dir save_dir model_dir folder out_folder checkpoint_dir",
    "{folder}/model": "save out output model model_path save_path checkpoint",
    "{metrics}": "metrics metrics_file",
    "{stop}": "stop_file",
}
"""{placeholder: names of arguments that take its value}. `{folder}/model` is a file in the trial's folder."""
_DATA = "data data_path csv input file path dataset data_file data_dir train_data"
"""Names of arguments that take the address of the data."""
_NOT_TUNED = re.compile(
    r"workers|threads|device|gpu|verbose|interval|every|port|rank|local_rank|world_size|log|print|debug|resume"
)
_DAYS = ("{start}", "{train_start}", "{valid_start}", "{test_start}", "{end}", "{test_end}")
"""Placeholders of days: a script that takes none of them always trains on the same days."""
_PLACEHOLDER = re.compile(r"(?<!\{)\{(\w+)\}(?!\})")


@dataclass(frozen=True)
class Command:
    """The command of a program that trains, as a spec holds it, and the defaults that the program shows."""

    words: list[Any]
    defaults: dict[str, Scalar]
    """{hyperparameter: default}; None if the program does not show its default."""
    max_epochs: int | None = None
    """The program's default number of epochs; None if it does not show one."""


def command_of(answers: Answers) -> Command:
    """The command that a person named, or that follows from a script's arguments.

    Raises UserError if the script reads no arguments, or needs values that are unknown.
    """
    if answers.command:
        words = split(answers.command, "--command")
        names = {name for word in words for name in _PLACEHOLDER.findall(word)} - set(PLACEHOLDERS)
        return Command(list(words), dict.fromkeys(sorted(names)))
    script = answers.script
    assert script is not None
    source = source_of(script)
    if "argparse" not in source:
        if "HPT_" not in source:
            raise UserError(
                f"--trainer: {script} reads no arguments by argparse, so its arguments are not known: write the "
                f'command, like --command "python {script} --lr {{lr}} --from {{start}} --valid {{valid_start}} --test '
                '{test_start} --to {end}"'
            )
        return Command(["{python}", script], {})
    return _by_arguments(script, source, arguments(script), answers)


def pattern_of(answers: Answers) -> str | None:
    """The regular expression that finds the metrics in a program's output; None if they go into a file.

    Raises UserError if the form of the output is unknown, or lacks the metric that chooses or the one that judges.
    """
    if answers.prints:
        for line in answers.prints:
            if not _PLACEHOLDER.search(line):
                raise UserError(f'--prints: "{line}" has no metric in braces: like "test {{mse_test}}"')
        groups: set[str] = set()
        pattern = "|".join(_as_pattern(line, groups) for line in answers.prints)
        if metric_of(pattern) is None:
            names = ", ".join(f"{{{name}}}" for name in _PLACEHOLDER.findall(" ".join(answers.prints)))
            raise UserError(
                f"--prints: {names} should hold {{X_valid}}, by which settings are chosen, and {{X_test}}, by which "
                "they are judged, with one name for X: like {mse_valid} and {mse_test}"
            )
        return pattern
    if answers.script and not writes_metrics(answers.script):
        raise UserError(
            f"--prints is missing: how {answers.script} prints its metrics, like --prints "
            '"epoch {epoch} validation {mse_valid}" --prints "test {mse_test}"'
        )
    return None


def metric_of(pattern: str | None) -> str | None:
    """The objective in a pattern: `acc`, if it has the groups `acc_valid` and `acc_test`; None without such a pair."""
    groups = re.findall(r"\(\?P<(\w+)>", pattern or "")
    bases = (name.removesuffix("_valid") for name in groups if name.endswith("_valid"))
    return next((base for base in bases if f"{base}_test" in groups), None)


def _by_arguments(script: str, source: str, listed: Sequence[Argument], answers: Answers) -> Command:
    words: list[Any] = ["{python}", script]
    defaults: dict[str, Scalar] = {}
    max_epochs, filled, unknown = None, set[str](), list[str]()
    # A flag is tuned only if a person names it: its effect is unknown.
    to_tune = {word.partition("=")[0].strip() for word in answers.hyperparameters}
    for argument in listed:
        name = argument.name.strip("_").replace("-", "_").lower()
        value = _value(name, answers)
        if value is not None and argument.takes_value:
            words += [*filter(None, [argument.option]), value]
            filled.add(value)
            if value == "{max_epochs}" and isinstance(argument.default, int):
                max_epochs = argument.default
        elif argument.required or not argument.option:
            unknown.append(argument.option or argument.name)
        elif _is_tunable(argument) and (not argument.is_flag or argument.name in to_tune):
            defaults[argument.name] = argument.default
            words += _tuned(argument)
    if data := [name for name in unknown if name.strip("-").replace("-", "_").lower() in _DATA.split()]:
        raise UserError(f"--data is missing: {script} reads it by {data[0]}")
    if unknown:
        raise UserError(
            f"--command is missing: {script} needs {', '.join(unknown)}, whose meaning is not known; its other "
            f'arguments come to --command "{" ".join(word for word in words if isinstance(word, str))}"'
        )
    if not filled & set(_DAYS) and "HPT_" not in source:
        raise UserError(
            f"--trainer: {script} takes no days, so a winner could only be judged on the days that chose it: give it "
            "arguments --from, --valid, --test and --to with days like 2024-01-31"
        )
    return Command(words, defaults, max_epochs)


def _value(name: str, answers: Answers) -> str | None:
    """The value for an argument of this name; None if the name is not recognized."""
    if name in _DATA.split() and answers.data:
        return answers.data.replace("{", "{{").replace("}", "}}")
    return next((value for value, names in _ARGUMENTS.items() if name in names.split()), None)


def _is_tunable(argument: Argument) -> bool:
    if _NOT_TUNED.search(argument.name) or argument.default is None:
        return False
    is_number = argument.takes_value and argument.type in ("int", "float")
    # A command can add a flag, but not take it away: a flag that is on by default cannot be tuned.
    is_off_by_default = argument.is_flag and argument.default is False
    return is_number or is_off_by_default or (argument.takes_value and bool(argument.choices))


def _tuned(argument: Argument) -> Iterator[Any]:
    if argument.is_flag:
        yield {"if": argument.name, "arguments": [argument.option]}
    else:
        yield from (argument.option, f"{{{argument.name}}}")


def _as_pattern(line: str, groups: set[str]) -> str:
    """`test {mse_test}` as a regular expression. A name already in `groups` gets no second group.

    It matches any text there: a group may stand only once in an expression. Adds the new names to `groups`.
    """
    parts = re.split(r"\{(\w+)\}", line)
    pattern = ""
    for at, part in enumerate(parts):
        if at % 2 == 0:
            pattern += re.escape(part).replace(r"\ ", " ")
        else:
            pattern += r"\S+" if part in groups else rf"(?P<{part}>\S+)"
            groups.add(part)
    return pattern
