"""Links between the pages of documentation: each leads to a file that is there, and to a heading in it."""

import re
from functools import cache
from pathlib import Path

import pytest

from tests.support import ROOT
from tests.support.docs import PAGES, read, without_blocks


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_relative_link_leads_to_a_file_and_to_a_heading_in_it(page: Path) -> None:
    dead = [link for link in links(prose(page)) if not is_alive(page, link)]
    assert not dead


def test_a_dead_link_is_noticed() -> None:
    text = "[a](docs/nowhere.md), [b](docs/results.md#nowhere), ![c](docs/results.md#exit-codes), [d](https://pypi.org)"
    dead = [link for link in links(text) if not is_alive(ROOT / "README.md", link)]
    assert dead == ["docs/nowhere.md", "docs/results.md#nowhere"]


def prose(page: Path) -> str:
    """The page without its blocks and spans of code."""
    return re.sub(r"`[^`\n]+`(?!\])", "", without_blocks(read(page)))


def links(text: str) -> list[str]:
    """Targets of the relative links and pictures."""
    targets = re.findall(r"\]\(([^()\s]+)\)", text)
    return [target for target in targets if not re.match(r"[a-z]+:", target)]


def is_alive(page: Path, link: str) -> bool:
    path, _, anchor = link.partition("#")
    target = (page.parent / path).resolve() if path else page
    return target.exists() and (not anchor or anchor in anchors(target))


@cache
def anchors(page: Path) -> frozenset[str]:
    """The headings as GitHub names them in addresses: "What it costs" is `what-it-costs`."""
    headings = re.findall(r"^#+ +(.+?) *$", without_blocks(read(page)), flags=re.MULTILINE)
    return frozenset(re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings)
