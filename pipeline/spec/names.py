"""Names that trainers and hyperparameters may have."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from pipeline.results import RESERVED
from pipeline.training import architectures

LABEL = r"^[a-z0-9]+(-[a-z0-9]+)*$"
"""What an own trainer may be called: it becomes a part of a sweep's id."""
_LABEL_AT_MOST = 40
# An argument that names a program: not an option, a number, a setting or a placeholder.
_FILE = re.compile(r"[^-={}][^={}]*\.[A-Za-z]\w*")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")


def wrong_names(names: Sequence[str], metric: str) -> Iterator[tuple[str, str]]:
    """Names that no hyperparameter can have, as path in the spec and message."""
    for name in names:
        if name in RESERVED:
            yield f"hyperparameters.{name}", "is the name of a results column, no hyperparameter can be called so"
        elif name in (f"{metric}_valid", f"{metric}_test"):
            yield f"hyperparameters.{name}", "is the name of the objective's column, no hyperparameter can be called so"
        elif not _NAME.fullmatch(name):
            yield f"hyperparameters.{name}", "a name has letters, digits, _ and -, and begins with a letter or _"


def label(trainer: str | None, command: Sequence[str] | None) -> str:
    """What a trainer is called where the spec does not say it: after its function, or its program's file."""
    if trainer is not None:
        text = trainer
    else:
        arguments = list(command or ())
        module = arguments[arguments.index("-m") + 1 :][:1] if "-m" in arguments else []
        files = [one for one in arguments[1:] if _FILE.fullmatch(one)]
        text = (module or [Path(one).stem for one in files or arguments] or [""])[0]
    words = [word for word in re.split(r"[^a-z0-9]+", text.lower()) if word]
    kept = [word for at, word in enumerate(words) if at == 0 or words[at - 1] != word]
    found = "-".join(kept)[:_LABEL_AT_MOST].strip("-") or "own"
    return f"own-{found}" if found in architectures.names() else found
