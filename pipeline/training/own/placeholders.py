"""Values that a team's own program gets, as `{placeholders}` of its command and as environment variables."""

import json
import re
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.errors import did_you_mean
from pipeline.space import Scalar
from pipeline.training.job import Job
from pipeline.training.own.code import ArgumentsIf, Word, is_on

NAMES = (
    *("start", "end", "train_start", "train_end", "valid_start", "valid_end", "test_start", "test_end"),
    *("seed", "max_epochs", "trial", "folder", "parameters", "metrics", "stop", "python"),
)
"""Names of placeholders. Each is an environment variable, too: `valid_start` is `HPT_VALID_START`."""

_BRACES = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")
"""`{{`, `}}`, a placeholder, whose name is the group, or a single brace, which is a mistake."""


def values(job: Job, scratch: Path) -> dict[str, str]:
    """{name in `NAMES`: value}. Raises UserError if the date range is too short to be split in three parts."""
    split = job.split
    days = {"": job.date_range, "train_": split.train, "valid_": split.valid, "test_": split.test}
    return {
        **{f"{part}start": str(dates.start) for part, dates in days.items()},
        **{f"{part}end": str(dates.end) for part, dates in days.items()},
        "seed": str(job.seed),
        "max_epochs": str(job.max_epochs),
        "trial": job.trial,
        "folder": str(job.folder),
        "parameters": str(scratch / "parameters.json"),
        "metrics": str(scratch / "metrics.jsonl"),
        "stop": str(scratch / "stop"),
        "python": sys.executable,
    }


def filled(command: Sequence[Word], values: Mapping[str, str], hyperparameters: Mapping[str, Scalar]) -> list[str]:
    """The command with values in its placeholders, without the arguments of hyperparameters that are off.

    Text is inserted as it is, other values as JSON: `true`, `0.1`.
    """
    texts = {name: value if isinstance(value, str) else json.dumps(value) for name, value in hyperparameters.items()}
    texts |= values

    def text_of(braces: re.Match[str]) -> str:
        return texts[braces[1]] if braces[1] is not None else braces[0][0]

    arguments: list[str] = []
    for word in command:
        if not isinstance(word, ArgumentsIf):
            arguments.append(word)
        elif is_on(hyperparameters[word.hyperparameter]):
            arguments += word.arguments
    return [_BRACES.sub(text_of, argument) for argument in arguments]


def mistakes(command: Sequence[Any], hyperparameters: Collection[str]) -> Iterator[tuple[str, str]]:
    """Mistakes in the placeholders and conditions of a spec's command: `("command.1", message)`."""
    names = [*hyperparameters, *NAMES]
    for at, word in enumerate(command):
        path = f"command.{at}"
        if isinstance(word, dict):
            if isinstance(word.get("if"), str) and word["if"] not in hyperparameters:
                yield f"{path}.if", f"no hyperparameter has this name; {did_you_mean(word['if'], hyperparameters)}"
            arguments = word.get("arguments")
            within = enumerate(arguments if isinstance(arguments, list) else ())
            places = [(f"{path}.arguments.{n}", argument) for n, argument in within]
        else:
            places = [(path, word)]
        for place, argument in places:
            if isinstance(argument, str) and (problem := _problem(argument, names)):
                yield place, problem
    for name in hyperparameters:
        if name in NAMES:
            yield f"hyperparameters.{name}", f"{{{name}}} already stands for a value from hpt: choose another name"


def possibly_empty(command: Sequence[Word], may_be_empty: Collection[str]) -> Iterator[tuple[int, str]]:
    """Arguments that would be empty if a hyperparameter is: those that are its placeholder and nothing else.

    `may_be_empty` are hyperparameters; yields `(place in the command, hyperparameter)`.
    """
    for at, word in enumerate(command):
        if isinstance(word, str) and word[:1] == "{" and word[1:-1] in may_be_empty:
            yield at, word[1:-1]


def _problem(argument: str, names: Sequence[str]) -> str | None:
    """The first mistake in an argument's placeholders."""
    for braces in _BRACES.finditer(argument):
        if braces[0] in ("{", "}"):
            return f"a single {braces[0]}: write {braces[0] * 2} for a brace"
        if braces[1] is not None and braces[1] not in names:
            return f"{braces[0]} stands for nothing; possible are {', '.join(names)}; for braces write {{{{ and }}}}"
    return None
