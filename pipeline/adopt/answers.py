"""What `hpt init` needs to know of a repository, and the questions for what nobody has said."""

import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from pipeline.errors import UserError
from pipeline.spec.project import DEFAULT_STORE

Ask = Callable[[str, str], str]
"""Asks a person: a question and what an empty answer means."""


@dataclass(frozen=True)
class Answers:
    """What a person has said, by options or on a terminal. None and empty: nothing."""

    data: str | None = None
    """Files as a spec names them: a path, a pattern or gs://."""
    target: str | None = None
    leave_out: tuple[str, ...] = ()
    trainer: str | None = None
    """A Python script, or a function as `module:function`."""
    command: str | None = None
    """A program and its arguments, as in a shell, with placeholders."""
    describe: str | None = None
    """A JSON Schema of the command's hyperparameters, or the program that prints it."""
    prints: tuple[str, ...] = ()
    """Lines of the command's output with metrics in braces: `epoch {epoch} validation {mse_valid}`."""
    hyperparameters: tuple[str, ...] = ()
    """`lr=0.0001..0.1:log`, each."""
    goal: str | None = None
    store: str | None = None
    requirement: str | None = None

    @property
    def script(self) -> str | None:
        """The Python script that trains; None if something else does."""
        return self.trainer if self.trainer and self.trainer.endswith(".py") else None

    @property
    def function(self) -> str | None:
        """The Python function that trains; None if something else does."""
        return self.trainer if not self.script else None

    @property
    def says_what_trains(self) -> bool:
        """Whether a first spec can be made of it."""
        return bool(self.data or self.trainer or self.command)

    def checked(self) -> "Answers":
        """Itself. Raises UserError if it says nothing of what trains, or what cannot be together."""
        if not self.says_what_trains:
            raise UserError(
                "--data or --trainer is missing: name the files to train on, or what trains: train.py, module:function"
            )
        if self.command and self.trainer:
            raise UserError("--command and --trainer: name one of them")
        if self.script and not Path(self.script).is_file():
            raise UserError(f"--trainer: there is no {self.script} in {Path.cwd()}")
        if self.function and ":" not in self.function:
            raise UserError(f"--trainer: {self.function} is no script (train.py) and no function (module:function)")
        for name, value in (("--describe", self.describe), ("--prints", self.prints), ("--goal", self.goal)):
            if value and not (self.command or self.trainer):
                raise UserError(f"{name}: is for a trainer of your own: name it by --trainer or --command")
        return self

    def described_by(self) -> list[str] | None:
        """The program that prints a JSON Schema: for a file of one, `cat`. Raises UserError if it is no command."""
        if not self.describe:
            return None
        words = split(self.describe, "--describe")
        return ["cat", *words] if len(words) == 1 and words[0].endswith(".json") else words


def split(command: str, where: str) -> list[str]:
    """The words of a command. Raises UserError if a quote stays open."""
    try:
        return shlex.split(command)
    except ValueError as error:
        raise UserError(f"{where}: {command}: {error}") from None


def asked(answers: Answers, ask: Ask) -> Answers:
    """The answers with what a person says to the questions that are left."""
    if not answers.says_what_trains:
        trainer = ask("What trains? A script (train.py) or a function (module:function); empty: hpt's own networks", "")
        answers = replace(answers, trainer=trainer or None)
    if answers.data is None:
        data = ask("Which files hold the data? CSV or Parquet: a path, a pattern, or gs://…", "")
        answers = replace(answers, data=data or None)
    if answers.target is None and answers.data and not (answers.trainer or answers.command):
        answers = replace(answers, target=ask("Which column is to be predicted? Empty: a guess", "") or None)
    if answers.script and not answers.prints and not writes_metrics(answers.script):
        answers = replace(answers, prints=tuple(_lines(ask)))
    if answers.store is None:
        answers = replace(answers, store=ask("Where do results go? gs://bucket/prefix or a directory", DEFAULT_STORE))
    return answers


def _lines(ask: Ask) -> Iterator[str]:
    yield ask(
        "How does it print the metric that chooses? Like: epoch {epoch} validation {mse_valid}",
        "epoch {epoch} validation {mse_valid}",
    )
    yield ask("And the one that judges? Like: test {mse_test}", "test {mse_test}")


def writes_metrics(script: str) -> bool:
    """Whether a script writes its metrics into the file that HPT_METRICS names."""
    return "HPT_METRICS" in source_of(script)


def source_of(script: str) -> str:
    """The text of a script. Raises UserError if it cannot be read."""
    try:
        return Path(script).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"--trainer: {script} cannot be read: {error}") from None
