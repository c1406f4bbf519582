"""Rules for the names of trainers and hyperparameters."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from pipeline.results import RESERVED
from pipeline.training import architectures

LABEL = r"^[a-z0-9]+(-[a-z0-9]+)*$"
"""The pattern of an own trainer's name, which becomes a part of a sweep's id."""
_LABEL_AT_MOST = 40
# An argument that names a file: not an option, a number, a setting or a placeholder.
_FILE = re.compile(r"[^-={}][^={}]*\.[A-Za-z]\w*")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")


def wrong_names(names: Sequence[str], metric: str) -> Iterator[tuple[str, str]]:
    """The names that no hyperparameter can have, each as its path in the spec and the reason.

    `metric` is the objective's: its columns are reserved.
    """
    for name in names:
        if name in RESERVED:
            yield f"hyperparameters.{name}", "is the name of a results column, no hyperparameter can be called so"
        elif name in (f"{metric}_valid", f"{metric}_test"):
            yield f"hyperparameters.{name}", "is the name of the objective's column, no hyperparameter can be called so"
        elif "." in name and _NAME.fullmatch(plain := name.replace(".", "_")):
            yield (
                f"hyperparameters.{name}",
                f'a name has no dots: call it "{plain}"; if your program wants dots, write {name}={{{plain}}} in '
                "`command`",
            )
        elif not _NAME.fullmatch(name):
            yield f"hyperparameters.{name}", "a name has letters, digits, _ and -, and begins with a letter or _"


def label(trainer: str | None, command: Sequence[str] | None) -> str:
    """A name for an own trainer without `architecture`, made of its function, or of its program's module or file.

    `my_package.train:train` is `my-package-train`, `python -m forest.fit` is `forest-fit`, `python net.py` is `net`.
    """
    if trainer is not None:
        text = trainer
    else:
        arguments = list(command or ())
        module = arguments[arguments.index("-m") + 1 :][:1] if "-m" in arguments else []
        files = [argument for argument in arguments[1:] if _FILE.fullmatch(argument)]
        text = (module or [Path(argument).stem for argument in files or arguments] or [""])[0]
    words = [word for word in re.split(r"[^a-z0-9]+", text.lower()) if word]
    distinct = [word for at, word in enumerate(words) if at == 0 or words[at - 1] != word]
    name = "-".join(distinct)[:_LABEL_AT_MOST].strip("-") or "own"
    return f"own-{name}" if name in architectures.names() else name
