"""A page opens in the reader's browser where there is a screen, and nowhere else."""

import os
import subprocess
import sys
from pathlib import Path

OPENS = "import sys; from pipeline.screen.browser import open_in_browser; print(open_in_browser(sys.argv[1]))"
ROOT = Path(__file__).parents[2]


def opened(link: str, **environment: str) -> str:
    """The answer of `open_in_browser`, in a process of its own: Python looks for browsers once."""
    usual = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", OPENS, link], env=usual | environment, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def test_a_file_and_an_address_are_handed_to_the_browser(tmp_path: Path) -> None:
    opened_links = tmp_path / "seen"
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" >> {opened_links}\n')
    browser.chmod(0o755)
    assert opened("/a b/index.html", BROWSER=f"{browser} %s") == "True"
    assert opened("https://storage.cloud.google.com/b/index.html", BROWSER=f"{browser} %s") == "True"
    assert opened_links.read_text().splitlines() == [
        "file:///a%20b/index.html",
        "https://storage.cloud.google.com/b/index.html",
    ]


def test_without_a_screen_nothing_is_started() -> None:
    assert opened("/a/index.html") == "False"
