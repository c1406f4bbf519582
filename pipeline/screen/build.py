"""A build of Jenkins that is followed: a bar of trials on a terminal, plain lines anywhere else, and its log if wanted.

Notes go to stderr, so that stdout stays the log or the answer.
"""

import re
import sys

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

# The Jenkinsfile echoes this line; plugins may put a time before it or colours around it.
TRIALS = re.compile(r"(?:^|\s)trials: (\d+) of (\d+)\s*$")
COLOURS = re.compile(r"\x1b\[[0-9;]*m")


def trials_done(line: str) -> tuple[int, int] | None:
    """(done, planned) trials if this line of a log says so, else None."""
    match = TRIALS.search(COLOURS.sub("", line))
    return (int(match.group(1)), int(match.group(2))) if match else None


class BuildView:
    """Shows the notes and the log of a build that `hpt trigger` follows."""

    def __init__(self, *, follow: bool, stdout_is_taken: bool) -> None:
        """`stdout_is_taken`: somebody parses stdout, so the log goes to stderr, too."""
        self._follow, self._to_stderr = follow, stdout_is_taken
        self._console = Console(stderr=True)
        self._shown: tuple[int, int] | None = None
        self._bar = Progress(
            TextColumn("trials", style="bold"),
            BarColumn(bar_width=40),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=self._console,
            # rich would take a redirected stdout's lines to stderr.
            redirect_stdout=sys.stdout.isatty(),
        )
        self._task = self._bar.add_task("", total=None, visible=False)

    def __enter__(self) -> "BuildView":
        if self._console.is_terminal:
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._console.is_terminal:
            self._bar.stop()

    def say(self, text: str) -> None:
        """Prints a note to stderr."""
        self._console.print(Text(text), soft_wrap=True)

    def log(self, lines: list[str]) -> None:
        """Prints lines of the log, if it is followed, and moves the bar on."""
        for line in lines:
            if self._follow:
                print(line, file=sys.stderr if self._to_stderr else sys.stdout, flush=True)
        for line in reversed(lines):
            if now := trials_done(line):
                self._progress(now)
                break

    def _progress(self, now: tuple[int, int]) -> None:
        if now == self._shown:
            return
        self._shown = now
        if self._console.is_terminal:
            self._bar.update(self._task, completed=now[0], total=now[1], visible=True)
        elif not self._follow:
            self.say(f"trials: {now[0]} of {now[1]}")
