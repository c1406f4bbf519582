"""A team's Python script as the command of a spec: which of its arguments get what a training is told, which are tuned.

Only names that leave no doubt are filled in; for any other that must be given, a person is asked for the command.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.adopt.answers import Answers, source_of, split, writes_metrics
from pipeline.errors import UserError
from pipeline.space import Scalar
from pipeline.spec.trainer import PLACEHOLDERS, Argument, arguments

_TOLD = {
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
"""What a training is told -> names of arguments that want it. `{folder}/model`: a file there."""
_DATA = "data data_path csv input file path dataset data_file data_dir train_data"
_NOT_TUNED = re.compile(
    r"workers|threads|device|gpu|verbose|interval|every|port|rank|local_rank|world_size|log|print|debug|resume"
)
_DAYS = ("{start}", "{train_start}", "{valid_start}", "{test_start}", "{end}", "{test_end}")
_PLACEHOLDER = re.compile(r"(?<!\{)\{(\w+)\}(?!\})")


@dataclass(frozen=True)
class Command:
    """What a spec says of a program that trains."""

    words: list[Any]
    defaults: dict[str, Scalar]
    """Of the hyperparameters that it has, as far as it says."""
    max_epochs: int | None = None
    """As many as it makes where nobody says how many."""


def command_of(answers: Answers) -> Command:
    """The command that was named, or that follows from a script's arguments.

    Raises UserError if the script is no such one, or wants what nobody has named.
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
                f"--trainer: {script} reads no arguments by argparse, so what it is told is not known: write the "
                f'command, like --command "python {script} --lr {{lr}} --from {{start}} --valid {{valid_start}} --test '
                '{test_start} --to {end}"'
            )
        return Command(["{python}", script], {})
    return _by_arguments(script, source, arguments(script), answers)


def pattern_of(answers: Answers) -> str | None:
    """The regular expression that finds the metrics in what is printed; None where they go into a file.

    Raises UserError if nobody says how they are printed, or not how the one that chooses, or judges, is.
    """
    if answers.prints:
        for line in answers.prints:
            if not _PLACEHOLDER.search(line):
                raise UserError(f'--prints: "{line}" has no metric in braces: like "test {{mse_test}}"')
        named: set[str] = set()
        pattern = "|".join(_as_pattern(line, named) for line in answers.prints)
        if metric_of(pattern) is None:
            there = ", ".join(f"{{{name}}}" for name in _PLACEHOLDER.findall(" ".join(answers.prints)))
            raise UserError(
                f"--prints: {there} should hold {{X_valid}}, by which settings are chosen, and {{X_test}}, by which "
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
    """The objective's name, where the pattern says one: `acc`, of which it has `acc_valid` and `acc_test`."""
    named = re.findall(r"\(\?P<(\w+)>", pattern or "")
    bases = (name.removesuffix("_valid") for name in named if name.endswith("_valid"))
    return next((base for base in bases if f"{base}_test" in named), None)


def _by_arguments(script: str, source: str, listed: Sequence[Argument], answers: Answers) -> Command:
    words: list[Any] = ["{python}", script]
    defaults: dict[str, Scalar] = {}
    max_epochs, told, wanting = None, set[str](), list[str]()
    # What a flag does, nobody but a person knows.
    named = {word.partition("=")[0].strip() for word in answers.hyperparameters}
    for argument in listed:
        name = argument.name.strip("_").replace("-", "_").lower()
        value = _value(name, answers)
        if value is not None and argument.takes_value:
            words += [*filter(None, [argument.option]), value]
            told.add(value)
            if value == "{max_epochs}" and isinstance(argument.default, int):
                max_epochs = argument.default
        elif argument.required or not argument.option:
            wanting.append(argument.option or argument.name)
        elif _is_tunable(argument) and (not argument.is_flag or argument.name in named):
            defaults[argument.name] = argument.default
            words += _tuned(argument)
    if data := [one for one in wanting if one.strip("-").replace("-", "_").lower() in _DATA.split()]:
        raise UserError(f"--data is missing: {script} reads it by {data[0]}")
    if wanting:
        raise UserError(
            f"--command is missing: {script} needs {', '.join(wanting)}, and what for is not known; its other "
            f'arguments come to --command "{" ".join(word for word in words if isinstance(word, str))}"'
        )
    if not told & set(_DAYS) and "HPT_" not in source:
        raise UserError(
            f"--trainer: {script} takes no days, so no winner could be judged on others than chose it: give it "
            "arguments --from, --valid, --test and --to with days like 2024-01-31"
        )
    return Command(words, defaults, max_epochs)


def _value(name: str, answers: Answers) -> str | None:
    """What an argument of this name gets; None where that is not known."""
    if name in _DATA.split() and answers.data:
        return answers.data.replace("{", "{{").replace("}", "}}")
    return next((value for value, names in _TOLD.items() if name in names.split()), None)


def _is_tunable(argument: Argument) -> bool:
    if _NOT_TUNED.search(argument.name) or argument.default is None:
        return False
    is_number = argument.takes_value and argument.type in ("int", "float")
    # A flag that is on unless it is given cannot be said in a command.
    is_off = argument.is_flag and argument.default is False
    return is_number or is_off or (argument.takes_value and bool(argument.choices))


def _tuned(argument: Argument) -> Iterator[Any]:
    if argument.is_flag:
        yield {"if": argument.name, "arguments": [argument.option]}
    else:
        yield from (argument.option, f"{{{argument.name}}}")


def _as_pattern(line: str, named: set[str]) -> str:
    """`test {mse_test}` as a regular expression. A name that an earlier line has, in `named`, is any text here."""
    parts = re.split(r"\{(\w+)\}", line)
    pattern = ""
    for at, part in enumerate(parts):
        if at % 2 == 0:
            pattern += re.escape(part).replace(r"\ ", " ")
        else:
            pattern += r"\S+" if part in named else rf"(?P<{part}>\S+)"
            named.add(part)
    return pattern


def untuned(command: Command, named: Mapping[str, Any]) -> dict[str, Scalar]:
    """The hyperparameters that the program has and nobody named, with their defaults."""
    return {name: default for name, default in command.defaults.items() if name not in named}
