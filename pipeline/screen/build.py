"""Follows a Jenkins build: a bar of trials on a terminal, plain lines anywhere else, and the log if asked for.

Notes go to stderr, so that stdout holds only the log or the answer.
"""

import re
import sys

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from pipeline.results import Row, Status

# Plugins may add a time before a line, or colours around it.
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_TOTAL = re.compile(r"(?:^|\s)trials: (\d+) of (\d+)\s*$")
_TRIAL = re.compile(rf"(?:^|\s)([a-z0-9-]+ [a-z][a-z0-9-]*-d\d+-s\d+) (?:{'|'.join(Status)})(?::|\s*$)")


def total_line(done: int, planned: int) -> str:
    """The line of a build's log after planning.

    Its numbers are counted in the store. They correct a count by trial lines, which may have missed some.
    """
    return f"trials: {done} of {planned}"


def trial_line(sweep: str, row: Row) -> str:
    """The line of a build's log at the end of a trial."""
    return f"{sweep} {row['trial']} {row['status']}" + (f": {row['error']}" if row.get("error") else "")


class Count:
    """Counts a build's finished trials by the lines of its log: the last total, and the trials that ended since."""

    def __init__(self) -> None:
        self._done, self._planned = 0, 0
        self._since: set[str] = set()
        """A set, because a trial of a lost machine is reported again when its row is found."""

    def read(self, line: str) -> tuple[int, int] | None:
        """Reads a line. Returns (done, planned) trials if the line changes them, else None."""
        line = _COLOURS.sub("", line)
        if match := _TOTAL.search(line):
            self._done, self._planned = int(match[1]), int(match[2])
            self._since.clear()
        elif (match := _TRIAL.search(line)) and match[1] not in self._since:
            self._since.add(match[1])
        else:
            return None
        return min(self._done + len(self._since), self._planned), self._planned


class BuildView:
    """Shows the notes and the log of a build that `hpt trigger` follows."""

    def __init__(self, *, follow: bool, stdout_is_taken: bool) -> None:
        """`stdout_is_taken`: another program parses stdout, so the log goes to stderr, too."""
        self._follow, self._to_stderr = follow, stdout_is_taken
        self._console = Console(stderr=True)
        self._count = Count()
        self._last: tuple[int, int] | None = None
        self._bar = Progress(
            TextColumn("trials", style="bold"),
            BarColumn(bar_width=40),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=self._console,
            # rich would move the lines of a redirected stdout to stderr.
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
        """Prints lines of the log, if it is followed, and moves the bar."""
        for line in lines:
            if self._follow:
                print(line, file=sys.stderr if self._to_stderr else sys.stdout, flush=True)
        moves = [now for line in lines if (now := self._count.read(line))]
        if moves:
            self._progress(moves[-1])

    def _progress(self, now: tuple[int, int]) -> None:
        if now == self._last:
            return
        self._last = now
        if self._console.is_terminal:
            self._bar.update(self._task, completed=now[0], total=now[1], visible=True)
        elif not self._follow:
            self.say(f"trials: {now[0]} of {now[1]}")
