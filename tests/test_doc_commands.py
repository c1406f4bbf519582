"""Every `hpt …` in README.md and docs/ is a command that exists: its verb, its options, its number of arguments."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import typer

from pipeline.verbs.app import app
from tests.support import ROOT

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "benchmarks").glob("*.md"))]
VERBS = typer.main.get_command(app).commands  # type: ignore[attr-defined]


def blocks(text: str) -> Iterator[str]:
    """The commands of a page's shell blocks, a line each."""
    for language, block in re.findall(r"^ *```(sh|bash|console)\n(.*?)^ *```", text, flags=re.MULTILINE | re.DOTALL):
        for line in re.sub(r"\\\n\s*", " ", block).splitlines():
            if language != "console" or line.startswith("$ "):
                yield line.removeprefix("$ ").strip()


def commands(text: str) -> Iterator[list[str]]:
    """The arguments of every `hpt` that a page shows, in a block or inside a sentence; ["run", "spec.json"]."""
    inside = re.sub(r"^ *```.*?^ *```", "", text, flags=re.MULTILINE | re.DOTALL)
    lines = [*blocks(text), *re.findall(r"`((?:bin/)?hpt [a-z][^`]*)`", inside)]
    for line in lines:
        words = shlex.split(re.split(r" (?:\||&&|;|>|…)", line.replace("\n", " "))[0], comments=True)
        while words and "=" in words[0]:  # HPT_STORE=… in front
            words = words[1:]
        if words and words[0] in {"hpt", "bin/hpt"} and len(words) > 1 and not words[1].startswith("-"):
            yield words[1:]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_that_a_page_shows_exists(page: Path) -> None:
    for verb, *arguments in commands(page.read_text(encoding="utf-8")):
        shown = " ".join(["hpt", verb, *arguments])
        assert verb in VERBS, shown
        # A sentence may name an option without its value, or a verb without its arguments: what it names must exist.
        known = {name for parameter in VERBS[verb].params for name in (*parameter.opts, *parameter.secondary_opts)}
        assert {word.split("=")[0] for word in arguments if word.startswith("--")} <= known, shown


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_in_a_shell_block_can_be_parsed(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for verb, *arguments in commands("\n".join(f"```sh\n{line}\n```" for line in blocks(text))):
        try:
            VERBS[verb].make_context(verb, arguments)
        except click.exceptions.Exit:
            pass
        except click.ClickException as error:
            pytest.fail(f"hpt {verb} {' '.join(arguments)}: {error.format_message()}")


def test_the_pages_show_commands() -> None:
    assert sum(len(list(commands(page.read_text(encoding="utf-8")))) for page in PAGES) > 100
