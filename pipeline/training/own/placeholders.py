"""What a team's own program is told of its training, as variables of its environment and as `{placeholders}`."""

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
    """What the names stand for. Raises UserError if the date range is too short for three parts."""
    split = job.split
    days = {"": job.date_range, "train_": split.train, "valid_": split.valid, "test_": split.test}
    return {
        **{f"{part}start": str(one.start) for part, one in days.items()},
        **{f"{part}end": str(one.end) for part, one in days.items()},
        "seed": str(job.seed),
        "max_epochs": str(job.max_epochs),
        "trial": job.trial,
        "folder": str(job.folder),
        "parameters": str(scratch / "parameters.json"),
        "metrics": str(scratch / "metrics.jsonl"),
        "stop": str(scratch / "stop"),
        "python": sys.executable,
    }


def filled(command: Sequence[str], told: Mapping[str, str], hyperparameters: Mapping[str, Scalar]) -> list[str]:
    """The command with a value in each placeholder. Text stands as it is, everything else as JSON writes it."""
    texts = {name: value if isinstance(value, str) else json.dumps(value) for name, value in hyperparameters.items()}
    return [_BRACES.sub(lambda found: _value(found, {**texts, **told}), argument) for argument in command]


def _value(found: re.Match[str], texts: Mapping[str, str]) -> str:
    return texts[found[1]] if found[1] is not None else found[0][0]


def mistakes(command: Sequence[str], hyperparameters: Collection[str]) -> Iterator[tuple[str, str]]:
    """What is wrong with a command's placeholders, as path in the spec and message."""
    known = [*hyperparameters, *NAMES]
    for at, argument in enumerate(command):
        for found in _BRACES.finditer(argument):
            if found[0] in ("{", "}"):
                yield f"command.{at}", f"a single {found[0]}: write {found[0] * 2} for a brace"
            elif found[1] is not None and found[1] not in known:
                yield (
                    f"command.{at}",
                    f"{found[0]} stands for nothing; possible are {', '.join(known)}; for braces write {{{{ and }}}}",
                )
    for name in hyperparameters:
        if name in NAMES:
            yield f"hyperparameters.{name}", f"{{{name}}} stands for something else already: choose another name"
