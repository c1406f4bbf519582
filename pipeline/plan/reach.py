"""Whether what the trials of a sweep need is here: a team's program or module, the files of the data.

Looked at before a sweep is made and before one is gone on with, so that not its trials find it out, one by one. Only
whether things are there; what they hold is for others.
"""

import functools
import glob
import importlib.util
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.machinery import PathFinder
from pathlib import Path

from pipeline.data.source import FilesSource
from pipeline.errors import UserError
from pipeline.places import in_project, project_folder, where_looked
from pipeline.sweep import Definition
from pipeline.training.own.code import Own
from pipeline.training.own.trainer import environment

_PYTHON = re.compile(r"(python|pypy)[\d.]*")
_SHELL = re.compile(r"(ba|da|k|z)?sh")
_OTHERS = ("Rscript", "julia", "node", "perl", "ruby")
_WITH_VALUE = {"-W", "-X", "-o", "-O", "+o", "+O", "--check-hash-based-pycs"}
"""Options of interpreters that are followed by a value."""
_ANSWERS_WITHIN_S = 60.0
_HAS_MODULE = "import importlib.util, sys; sys.exit(70 if importlib.util.find_spec(sys.argv[1]) is None else 0)"


@dataclass(frozen=True)
class Missing:
    """What is not here, as a line for people."""

    line: str
    everywhere: bool
    """Whether no other machine would have it: it is no part of the checkout that all of them get."""


def missing(own: Own | None, folder: Path) -> Iterator[Missing]:
    """What a team's own trainer, started in `folder`, would not find."""
    if own is None:
        return
    if own.trainer is not None:
        module, colon, _ = own.trainer.partition(":")
        if colon and not _is_importable(module, folder):
            yield Missing(f"trainer: there is no module {module} in {folder}, nor is one installed here", False)
        return
    assert own.command is not None
    # What may be left out is as an option to this: never the program, hardly its script.
    words = [word if isinstance(word, str) else "--" for word in own.command]
    command = [sys.executable if word == "{python}" else word for word in words]
    program = command[0]
    if _is_open(program):
        return
    path = environment({})["PATH"]
    if shutil.which(str(folder / program) if "/" in program else program, path=path) is None:
        is_there = "/" in program and (folder / program).is_file()
        why = "is no file that can be executed: chmod +x" if is_there else f"is not in {_place(program, folder)}"
        yield Missing(f"command: {program} {why}", "/" in program and not Path(program).is_absolute())
        return
    yield from _missing_script(program, command[1:], folder)


def _missing_script(program: str, arguments: Sequence[str], folder: Path) -> Iterator[Missing]:
    """What an interpreter that is here would be told to run, and is not."""
    name = Path(program).name
    is_python = _PYTHON.fullmatch(name) is not None
    if not is_python and not _SHELL.fullmatch(name) and name not in _OTHERS:
        return
    skip = False
    for at, argument in enumerate(arguments):
        if skip or argument in _WITH_VALUE:
            skip = not skip
        elif is_python and argument.startswith("-m"):
            module = argument[2:] or "".join(arguments[at + 1 : at + 2])
            if module and not _is_open(module) and not _python_has(program, module, folder):
                yield Missing(f"command: {program} finds no module {module} in {folder}, nor installed", False)
            return
        elif argument == "-" or (
            argument.startswith("-") and not argument.startswith("--") and set("ces") & set(argument)
        ):
            return  # the program stands in the command itself, or comes from its input
        elif not argument.startswith("-"):
            script = folder / argument
            by_path = not is_python and "/" not in argument and shutil.which(argument)
            if not _is_open(argument) and not script.exists() and not by_path:
                line = f"command: {argument} is not in {_place(argument, folder)}"
                yield Missing(line, not Path(argument).is_absolute())
            return


def _is_open(argument: str) -> bool:
    """Whether only a trial knows what the argument comes to: it has a placeholder."""
    return "{" in argument


def _place(name: str, folder: Path) -> str:
    if Path(name).is_absolute():
        return "place on this machine"
    return str(folder) if "/" in name or "." in name else "PATH"


def _is_importable(module: str, folder: Path) -> bool:
    """Whether this Python would find a module, `folder` first. Nothing of it is run."""
    first, *below = module.split(".")
    spec = PathFinder.find_spec(first, [str(folder)])
    if spec is None:
        try:
            spec = importlib.util.find_spec(first)
        except (ImportError, ValueError):
            return False
    for name in below:
        if spec is None or spec.submodule_search_locations is None:
            return False
        spec = PathFinder.find_spec(name, list(spec.submodule_search_locations))
    return spec is not None


@functools.cache
def _python_has(program: str, module: str, folder: Path) -> bool:
    """The same of another Python; True where it cannot be asked."""
    first = module.split(".")[0]
    if program == sys.executable or (folder / first).exists() or (folder / f"{first}.py").exists():
        return _is_importable(module, folder)
    try:
        done = subprocess.run(
            [program, "-c", _HAS_MODULE, first],
            cwd=folder,
            env=environment({}),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_ANSWERS_WITHIN_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return True
    return done.returncode != 70


def check(definition: Definition) -> None:
    """Raises UserError, a line for each, if something that the sweep's trials need is not on this machine."""
    lines = [found.line for found in missing(definition.own, project_folder())]
    data = definition.data
    if definition.own is None and isinstance(data, FilesSource) and not data.path.startswith("gs://"):
        path = in_project(data.path)
        if not glob.glob(path, recursive=True):
            looked = "here" if Path(data.path).is_absolute() else where_looked()
            lines.append(f"data.path: there are no files {data.path} {looked}")
    if lines:
        raise UserError("\n".join([*lines, f"{definition.id} runs no trial here: go on with it where these are"]))
