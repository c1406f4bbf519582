"""Who may import whom: the table that docs/house.md draws, held against every import, also those inside functions."""

import ast
import re
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import pipeline

GROUND = {"errors", "base", "dates", "space", "results", "provenance", "places", "scale"}
MAY_IMPORT = {
    "store": "",
    "search": "",
    "data": "store",
    "training": "data store",
    "spec": "data training",
    "sweep": "spec training data store",
    "analysis": "sweep search",
    "plan": "analysis sweep spec search training data store",
    "trials": "plan analysis sweep spec training store",
    "report": "analysis sweep spec search training data store",
    "compare": "report analysis sweep data store",
    "adopt": "jenkins spec data",
    "jenkins": "compare report plan sweep spec training data store",
    "local": "trials report plan analysis sweep store",
    "screen": "compare report plan analysis sweep data",
    "verbs": "screen local adopt jenkins compare report trials plan analysis sweep spec search training data store",
    "cli": "verbs local screen",
    "": "training",
}
"""Room -> the rooms that it may import besides the ground; "" is `pipeline` itself, which hands `load_model` on."""

ROOT = Path(pipeline.__file__).parent


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT.parent).with_suffix("").parts).removesuffix(".__init__")


MODULES = {module_of(path): path for path in sorted(ROOT.rglob("*.py"))}


def room_of(module: str) -> str:
    """`plan` of `pipeline.plan.rounds`; the file's own name on the ground floor; "" of `pipeline`."""
    return module.split(".")[1] if "." in module else ""


def imports_of(path: Path) -> Iterator[str]:
    """The modules of ours that a file imports, wherever in it that stands."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in MODULES)
        elif isinstance(node, ast.ImportFrom) and node.module in MODULES:
            names = (f"{node.module}.{alias.name}" for alias in node.names)
            yield from (name if name in MODULES else node.module for name in names)


@pytest.mark.parametrize("module", MODULES)
def test_a_room_imports_only_what_lies_below_it(module: str) -> None:
    room = room_of(module)
    allowed = GROUND | {room} | (set() if room in GROUND else set(MAY_IMPORT[room].split()))
    found = {imported: room_of(imported) for imported in imports_of(MODULES[module])}
    assert not {imported for imported, of in found.items() if of not in allowed}


def test_no_imports_run_in_a_circle() -> None:
    TopologicalSorter({module: set(imports_of(path)) for module, path in MODULES.items()}).prepare()


@pytest.mark.parametrize("room", [name for name in MAY_IMPORT if name and (ROOT / name).is_dir()])
def test_a_room_says_what_stands_in_it_and_what_does_not(room: str) -> None:
    text = ast.get_docstring(ast.parse((ROOT / room / "__init__.py").read_text(encoding="utf-8"))) or ""
    assert "Here: " in text
    assert "Not here: " in " ".join(text.split())


@pytest.mark.parametrize("module", MODULES)
def test_the_files_that_a_module_names_are_there(module: str) -> None:
    path = MODULES[module]
    near = [path.parent, *(parent for parent in path.parents if parent.is_relative_to(ROOT))]
    for name in re.findall(r"`([\w/]+\.py)`", path.read_text(encoding="utf-8")):
        assert any((folder / name).is_file() for folder in near), name


def test_the_picture_of_the_house_is_current() -> None:
    from docs.house import svg

    assert (ROOT.parent / "docs/images/house.svg").read_text(encoding="utf-8") == svg()
