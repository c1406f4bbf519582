"""A page opens in the reader's browser where there is a screen, and nowhere else."""

import os
import subprocess
import sys
from pathlib import Path

OPENS = "import sys; from pipeline.screen.browser import open_in_browser; print(open_in_browser(sys.argv[1]))"
ROOT = Path(__file__).parents[2]


def opened(link: str, **environment: str) -> str:
    """What `open_in_browser` says, in a process of its own: Python looks for browsers once."""
    usual = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", OPENS, link], env=usual | environment, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def test_a_file_and_an_address_are_handed_to_the_browser(tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    own = tmp_path / "browser"
    own.write_text(f'#!/bin/sh\necho "$1" >> {seen}\n')
    own.chmod(0o755)
    assert opened("/a b/index.html", BROWSER=f"{own} %s") == "True"
    assert opened("https://storage.cloud.google.com/b/index.html", BROWSER=f"{own} %s") == "True"
    assert seen.read_text().splitlines() == [
        "file:///a%20b/index.html",
        "https://storage.cloud.google.com/b/index.html",
    ]


def test_without_a_screen_nothing_is_started() -> None:
    assert opened("/a/index.html") == "False"
