"""What a team's own program is given: `{placeholders}` of its command, and variables of its environment."""

import json
import re
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

from pipeline.space import Scalar
from pipeline.training.job import Job

NAMES = (
    *("start", "end", "train_start", "train_end", "valid_start", "valid_end", "test_start", "test_end"),
    *("seed", "max_epochs", "trial", "folder", "parameters", "metrics", "stop", "python"),
)
"""Each is the variable `HPT_<NAME>` as well."""

_BRACES = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")


def values(job: Job, scratch: Path) -> dict[str, str]:
    """The value of each name. Raises UserError if the date range is too short for three parts."""
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


def filled(command: Sequence[str], values: Mapping[str, str], hyperparameters: Mapping[str, Scalar]) -> list[str]:
    """The command with a value in each placeholder. Text stands as it is, everything else as JSON writes it."""
    texts = {name: value if isinstance(value, str) else json.dumps(value) for name, value in hyperparameters.items()}
    texts |= values

    def text_of(braces: re.Match[str]) -> str:
        return texts[braces[1]] if braces[1] is not None else braces[0][0]

    return [_BRACES.sub(text_of, argument) for argument in command]


def mistakes(command: Sequence[str], hyperparameters: Collection[str]) -> Iterator[tuple[str, str]]:
    """Mistakes in a command's placeholders, as pairs of path in the spec and message."""
    names = [*hyperparameters, *NAMES]
    for at, argument in enumerate(command):
        for braces in _BRACES.finditer(argument):
            if braces[0] in ("{", "}"):
                yield f"command.{at}", f"a single {braces[0]}: write {braces[0] * 2} for a brace"
            elif braces[1] is not None and braces[1] not in names:
                yield (
                    f"command.{at}",
                    f"{braces[0]} stands for nothing; possible are {', '.join(names)}; for braces write {{{{ and }}}}",
                )
    for name in hyperparameters:
        if name in NAMES:
            yield f"hyperparameters.{name}", f"{{{name}}} stands for something else already: choose another name"
