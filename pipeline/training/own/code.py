"""A team's own trainer as a sweep keeps it: its function or program, and its hyperparameters."""

from typing import Annotated, Any

from pydantic import Discriminator, Field, StrictStr, Tag

from pipeline.base import Frozen, Recorded
from pipeline.space import Hyperparameter, Scalar


class ArgumentsIf(Frozen):
    """Arguments that a command gets only if a hyperparameter is on: `{"if": "amp", "arguments": ["--amp"]}`."""

    hyperparameter: StrictStr = Field(
        alias="if", description="The arguments are left out if this hyperparameter is false, null or empty text."
    )
    arguments: Annotated[list[StrictStr], Field(min_length=1)]


def is_on(value: Scalar) -> bool:
    """False for a value that leaves out the arguments: false, null or empty text. True for all others, also for 0."""
    return value not in ("", None) and value is not False


def _tag(word: Any) -> str:
    return "if" if isinstance(word, dict | ArgumentsIf) else "text"


Word = Annotated[Annotated[StrictStr, Tag("text")] | Annotated[ArgumentsIf, Tag("if")], Discriminator(_tag)]
"""A part of a command: an argument, or several that may be left out."""


class Own(Recorded):
    """A team's own trainer: a function or a command, and the hyperparameters that it declares."""

    trainer: str | None = None
    """`module:function`, or the name of an entry point."""
    command: tuple[Word, ...] | None = None
    metrics_pattern: str | None = None
    """Regular expression for metrics in the output: `epoch (?P<epoch>[0-9]+): (?P<mse_valid>[0-9.]+)`."""
    hyperparameters: dict[str, Hyperparameter]
