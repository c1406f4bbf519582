"""The answers that `hpt init` needs about a repository, and the questions for those that no option gives."""

import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from pipeline.errors import UserError
from pipeline.spec.project import DEFAULT_STORE

Ask = Callable[[str, str], str]
"""Asks a person: takes a question and the default for an empty answer, returns the answer."""


@dataclass(frozen=True)
class Answers:
    """A person's answers, from options or a terminal. None and empty mean no answer."""

    data: str | None = None
    """Files in the form of a spec: a path, a pattern or gs://."""
    target: str | None = None
    leave_out: tuple[str, ...] = ()
    trainer: str | None = None
    """A Python script, or a function as `module:function`."""
    command: str | None = None
    """A program and its arguments, written as in a shell, with placeholders."""
    describe: str | None = None
    """A file with the JSON Schema of the command's hyperparameters, or a program that prints it."""
    prints: tuple[str, ...] = ()
    """Lines of the command's output with metrics in braces: `epoch {epoch} validation {mse_valid}`."""
    hyperparameters: tuple[str, ...] = ()
    """Items like `lr=0.0001..0.1:log`."""
    goal: str | None = None
    """`minimize` or `maximize` the metric."""
    store: str | None = None
    requirement: str | None = None
    """The requirement of `hpt` for hpt.toml: `hpt==0.1.0`, a wheel, or an address."""

    @property
    def script(self) -> str | None:
        """The Python script that trains; None if something else does."""
        return self.trainer if self.trainer and self.trainer.endswith(".py") else None

    @property
    def function(self) -> str | None:
        """The Python function that trains; None if something else does."""
        return self.trainer if not self.script else None

    @property
    def is_sufficient(self) -> bool:
        """True if the answers suffice for a first spec."""
        return bool(self.data or self.trainer or self.command)

    def checked(self) -> "Answers":
        """The same answers. Raises UserError if they do not suffice, or contradict one another."""
        if not self.is_sufficient:
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
        """The command that prints a JSON Schema: `cat` for a file. Raises UserError if the words cannot be split."""
        if not self.describe:
            return None
        words = split(self.describe, "--describe")
        return ["cat", *words] if len(words) == 1 and words[0].endswith(".json") else words


def split(command: str, option: str) -> list[str]:
    """The words of a command. Raises UserError, which names the option, if a quote stays open."""
    try:
        return shlex.split(command)
    except ValueError as error:
        raise UserError(f"{option}: {command}: {error}") from None


def ask_for_missing(answers: Answers, ask: Ask) -> Answers:
    """Asks a person for the missing answers, and returns all of them."""
    if not answers.is_sufficient:
        trainer = ask("What trains? A script (train.py) or a function (module:function); empty: hpt's own networks", "")
        answers = replace(answers, trainer=trainer or None)
    if answers.data is None:
        data = ask("Which files hold the data? CSV or Parquet: a path, a pattern, or gs://…", "")
        answers = replace(answers, data=data or None)
    if answers.target is None and answers.data and not (answers.trainer or answers.command):
        answers = replace(answers, target=ask("Which column is to be predicted? Empty: a guess", "") or None)
    if answers.script and not answers.prints and not writes_metrics(answers.script):
        answers = replace(answers, prints=tuple(_metric_lines(ask)))
    if answers.store is None:
        answers = replace(answers, store=ask("Where do results go? gs://bucket/prefix or a directory", DEFAULT_STORE))
    return answers


def _metric_lines(ask: Ask) -> Iterator[str]:
    """Lines of a script's output with metrics in braces, from two questions."""
    yield ask(
        "How does it print the metric that chooses? Like: epoch {epoch} validation {mse_valid}",
        "epoch {epoch} validation {mse_valid}",
    )
    yield ask("And the one that judges? Like: test {mse_test}", "test {mse_test}")


def writes_metrics(script: str) -> bool:
    """True if a script writes its metrics into the file that HPT_METRICS names."""
    return "HPT_METRICS" in source_of(script)


def source_of(script: str) -> str:
    """The text of a script. Raises UserError if it cannot be read."""
    try:
        return Path(script).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"--trainer: {script} cannot be read: {error}") from None
