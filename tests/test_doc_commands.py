"""Every `hpt …` in README.md and docs/ is a command that exists: its verb, its options, its number of arguments."""

import re
import shlex
from collections.abc import Iterable, Iterator
from pathlib import Path

import click
import pytest
import typer

from pipeline.verbs.app import app
from tests.support.docs import PAGES, blocks, read, without_blocks

VERBS = typer.main.get_command(app).commands  # type: ignore[attr-defined]

every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


def shell_lines(text: str) -> Iterator[str]:
    """The commands of a page's shell blocks, a line each."""
    for block in blocks(text):
        if block.language in ("sh", "bash", "console") and not block.file:
            for line in re.sub(r"\\\n\s*", " ", block.text).splitlines():
                if block.language != "console" or line.startswith("$ "):
                    yield line.removeprefix("$ ").strip()


def lines_in_sentences(text: str) -> list[str]:
    return re.findall(r"`((?:bin/)?hpt [a-z][^`]*)`", without_blocks(text))


def commands(lines: Iterable[str]) -> Iterator[list[str]]:
    """The arguments of each line that calls `hpt`: ["run", "spec.json"]."""
    for line in lines:
        words = shlex.split(re.split(r" (?:\||&&|;|>|…)", line.replace("\n", " "))[0], comments=True)
        while words and "=" in words[0]:  # HPT_STORE=… in front
            words = words[1:]
        if words and words[0] in {"hpt", "bin/hpt"} and len(words) > 1 and not words[1].startswith("-"):
            yield words[1:]


@every_page
def test_every_command_that_a_page_shows_exists(page: Path) -> None:
    for verb, *arguments in commands([*shell_lines(read(page)), *lines_in_sentences(read(page))]):
        shown = " ".join(["hpt", verb, *arguments])
        assert verb in VERBS, shown
        # A sentence may name an option without its value, or a verb without its arguments: what it names must exist.
        known = {name for parameter in VERBS[verb].params for name in (*parameter.opts, *parameter.secondary_opts)}
        assert {word.split("=")[0] for word in arguments if word.startswith("--")} <= known, shown


@every_page
def test_every_command_in_a_shell_block_can_be_parsed(page: Path) -> None:
    for verb, *arguments in commands(shell_lines(read(page))):
        try:
            VERBS[verb].make_context(verb, arguments)
        except click.exceptions.Exit:
            pass
        except click.ClickException as error:
            pytest.fail(f"hpt {verb} {' '.join(arguments)}: {error.format_message()}")


def test_the_pages_show_commands() -> None:
    lines = (line for page in PAGES for line in (*shell_lines(read(page)), *lines_in_sentences(read(page))))
    assert len(list(commands(lines))) > 100
