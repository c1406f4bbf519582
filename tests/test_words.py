"""Plain words: names say the thing, and docstrings begin with it."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import ROOT

NAMES = """
    one ones found known own asked wanted said told some those them what which who whom whose how where why seen meant
    had given gone got whoever whatever nobody somebody
"""
"""Names that say nothing of their value."""
FROZEN = {"pipeline/sweep/definition.py": {"own", "wanted"}}
"""File -> names that are keys of files in stores, which never change."""
QUESTIONS = "What Which How Where Whether Who Whom Whose Why When If Whatever Whoever"
MODULES = [path for room in ("pipeline", "hpt", "benchmarks") for path in sorted((ROOT / room).rglob("*.py"))]


def names(tree: ast.AST) -> Iterator[str]:
    """The names that a file gives to functions, arguments and variables."""
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef(name=name) | ast.arg(arg=name) | ast.Name(id=name, ctx=ast.Store()):
                yield name.strip("_")


def docstrings(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            yield ast.get_docstring(node) or ""


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_names_and_docstrings_say_the_thing(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    allowed = FROZEN.get(str(path.relative_to(ROOT)), set())
    assert not set(NAMES.split()) & set(names(tree)) - allowed
    assert not [
        text for text in docstrings(tree) if text.split(maxsplit=1)[:1] and text.split()[0] in QUESTIONS.split()
    ]
