"""Checks that this machine has what the trials of a sweep need: a team's program or module, and the files of the data.

It runs before a sweep is made or resumed, so that its trials do not fail one by one. It checks only that files and
modules exist, not what they hold.
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
from pipeline.places import in_project, project_folder, search_folder_in_words
from pipeline.sweep import Definition
from pipeline.training.own.code import Own
from pipeline.training.own.trainer import environment

_PYTHON = re.compile(r"(python|pypy)[\d.]*")
_SHELL = re.compile(r"(ba|da|k|z)?sh")
_OTHERS = ("Rscript", "julia", "node", "perl", "ruby")
_WITH_VALUE = {"-W", "-X", "-o", "-O", "+o", "+O", "--check-hash-based-pycs"}
"""Options of interpreters that are followed by a value."""
_ANSWERS_WITHIN_S = 60.0
"""Time limit to ask another Python for a module."""
_HAS_MODULE = "import importlib.util, sys; sys.exit(70 if importlib.util.find_spec(sys.argv[1]) is None else 0)"
"""Program that exits with 70 if a module is missing; other failures exit with 1."""


@dataclass(frozen=True)
class Missing:
    """A missing program, module or file, as a line for people."""

    line: str
    everywhere: bool
    """True if it is missing on all machines: a file of the checkout that is not in it."""


def missing(code: Own | None, folder: Path) -> Iterator[Missing]:
    """Yields what a team's own trainer would lack if it were started in `folder`."""
    if code is None:
        return
    if code.trainer is not None:
        module, colon, _ = code.trainer.partition(":")
        if colon and not _is_importable(module, folder):
            yield Missing(f"trainer: there is no module {module} in {folder}, nor is one installed here", False)
        return
    assert code.command is not None
    # Conditional arguments count as options, `--`: they are never the program, and rarely its script.
    words = [word if isinstance(word, str) else "--" for word in code.command]
    command = [sys.executable if word == "{python}" else word for word in words]
    program = command[0]
    if _has_placeholder(program):
        return
    path = environment({})["PATH"]
    if shutil.which(str(folder / program) if "/" in program else program, path=path) is None:
        is_file = "/" in program and (folder / program).is_file()
        problem = "is no file that can be executed: chmod +x" if is_file else f"is not in {_place(program, folder)}"
        yield Missing(f"command: {program} {problem}", "/" in program and not Path(program).is_absolute())
        return
    yield from _missing_script(program, command[1:], folder)


def _missing_script(program: str, arguments: Sequence[str], folder: Path) -> Iterator[Missing]:
    """Yields the module or script in the arguments of an interpreter, if it is missing."""
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
            if module and not _has_placeholder(module) and not _python_has(program, module, folder):
                yield Missing(f"command: {program} finds no module {module} in {folder}, nor installed", False)
            return
        elif argument == "-" or (
            argument.startswith("-") and not argument.startswith("--") and set("ces") & set(argument)
        ):
            return  # the program is in the command itself, or comes from standard input
        elif not argument.startswith("-"):
            script = folder / argument
            by_path = not is_python and "/" not in argument and shutil.which(argument)
            if not _has_placeholder(argument) and not script.exists() and not by_path:
                line = f"command: {argument} is not in {_place(argument, folder)}"
                yield Missing(line, not Path(argument).is_absolute())
            return


def _has_placeholder(argument: str) -> bool:
    """True if the argument has a placeholder, whose value only a trial knows."""
    return "{" in argument


def _place(name: str, folder: Path) -> str:
    if Path(name).is_absolute():
        return "place on this machine"
    return str(folder) if "/" in name or "." in name else "PATH"


def _is_importable(module: str, folder: Path) -> bool:
    """True if this Python finds a module, in `folder` first. None of its code runs."""
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
    """True if another Python finds a module; True, too, if that Python does not answer."""
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
    """Raises UserError, a line for each missing thing, if this machine lacks what the sweep's trials need."""
    lines = [missing_part.line for missing_part in missing(definition.own, project_folder())]
    data = definition.data
    if definition.own is None and isinstance(data, FilesSource) and not data.path.startswith("gs://"):
        path = in_project(data.path)
        if not glob.glob(path, recursive=True):
            looked = "here" if Path(data.path).is_absolute() else search_folder_in_words()
            lines.append(f"data.path: there are no files {data.path} {looked}")
    if lines:
        raise UserError(
            "\n".join([*lines, f"{definition.id} cannot run here: go on with it on a machine that has these"])
        )
