"""The pages of documentation, and the blocks of code that they show."""

import re
from dataclasses import dataclass
from pathlib import Path

from tests.support import ROOT

PAGES = [ROOT / "README.md", *sorted(ROOT.glob("docs/*.md")), *sorted(ROOT.glob("benchmarks/*.md"))]
_BLOCK = re.compile(r"^( *)```(\w*) ?(\S*)\n(.*?)^ *```$", flags=re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    language: str
    file: str
    """The path of the file that the block shows; empty for commands and their output."""
    text: str


def read(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def blocks(text: str) -> list[Block]:
    """The blocks of a page, in their order, without the indentation that a block in a list has."""
    return [
        Block(language, file, re.sub(f"^{indent}", "", code, flags=re.MULTILINE))
        for indent, language, file, code in _BLOCK.findall(text)
    ]


def without_blocks(text: str) -> str:
    return _BLOCK.sub("", text)
