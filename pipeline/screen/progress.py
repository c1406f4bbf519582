"""Shows a running sweep: live bars on a terminal, plain lines anywhere else."""

import math
import sys
import threading
import time
from collections.abc import Iterable, Sequence
from datetime import timedelta

from rich.console import Console, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn
from rich.table import Column
from rich.text import Text

from pipeline.analysis.ranking import standings
from pipeline.plan.rounds import counted
from pipeline.report.answer import decide
from pipeline.report.sentence import in_words
from pipeline.report.words import outcome
from pipeline.results import Row, is_reference, trainings
from pipeline.screen.build import trial_line
from pipeline.screen.console import tell
from pipeline.sweep import Definition, Pack, trials_of


class _Tally:
    """What both views count, without references: rows, the best so far, time left. Rows come from several threads."""

    def __init__(self, definition: Definition) -> None:
        self.definition = definition
        self.rows: dict[str, Row] = {}
        self.total = 0
        """Trials of this round and all before it."""
        self._began = time.monotonic()
        self._to_run = self._ran = 0
        """Trials of this round."""
        self._lock = threading.Lock()

    def begin_round(self, packs: Sequence[Pack], done: Sequence[Row]) -> None:
        with self._lock:
            to_run = {str(trial) for trial in trials_of(packs) if not trial.is_reference}
            self.rows |= {row["trial"]: row for row in trainings(done) if row["trial"] not in to_run}
            self.total = len(to_run | self.rows.keys())
            self._began, self._to_run, self._ran = time.monotonic(), len(to_run), 0

    def add(self, row: Row) -> int:
        """Takes the row of a trial that ended; the number of trials that have one."""
        with self._lock:
            self.rows[row["trial"]] = row
            self._ran += 1
            return len(self.rows)

    def time_left(self) -> str:
        """Of this round, in words, at the pace so far."""
        if not self._ran:
            return "…"
        seconds = (time.monotonic() - self._began) / self._ran * max(0, self._to_run - self._ran)
        return str(timedelta(seconds=math.ceil(seconds)))

    def best(self) -> str:
        """The best setting so far and its score, in words."""
        with self._lock:
            rows = list(self.rows.values())
        ranked = standings(self.definition, rows)
        return in_words(self.definition, decide(self.definition, rows, ranked, None, done=False))


class Lines:
    """Plain lines: one per finished trial, for logs and pipes."""

    def __init__(self, console: Console, definition: Definition) -> None:
        self._console = console
        self._tally = _Tally(definition)

    def __enter__(self) -> "Lines":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def say(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)

    def round(self, packs: Sequence[Pack], done: Sequence[Row]) -> None:
        self._tally.begin_round(packs, done)
        self.say(f"{counted(packs)}, {len(self._tally.rows)} done before")

    def started(self, lane: int, pack: Pack) -> None:
        pass

    def epoch(self, lane: int, trial: str, epoch: int, of: int) -> None:
        pass

    def row(self, lane: int, row: Row) -> None:
        tally = self._tally
        if is_reference(row):
            self.say(f"{row['trial']} {outcome(row, tally.definition.objective.metric)}")
            return
        done = tally.add(row)
        self.say(
            f"[{done}/{tally.total}] {row['trial']} {outcome(row, tally.definition.objective.metric)}"
            f" | time left {tally.time_left()}"
        )

    def idle(self, lane: int) -> None:
        pass


class Events:
    """Bare events: a line per epoch and per trial that ended, for the log of a stage that runs one pack."""

    def __init__(self, sweep: str) -> None:
        self._sweep = sweep

    def say(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    def round(self, packs: Sequence[Pack], done: Sequence[Row]) -> None:
        pass

    def started(self, lane: int, pack: Pack) -> None:
        pass

    def epoch(self, lane: int, trial: str, epoch: int, of: int) -> None:
        self.say(f"{trial} epoch {epoch} of {of}")

    def row(self, lane: int, row: Row) -> None:
        tell(trial_line(self._sweep, row))

    def idle(self, lane: int) -> None:
        pass


_RANKING_AT_MOST = 0.05
"""The share of the time that may go into ranking: with a thousand trials it takes a while."""


class _Bars(Progress):
    """The bars, under a line that says what is best so far."""

    best = ""

    def get_renderables(self) -> Iterable[RenderableType]:
        yield Text(self.best, no_wrap=True, overflow="ellipsis")
        yield self.make_tasks_table(self.tasks)


class Live:
    """A bar per lane and one for the sweep, with the best setting so far and the time left."""

    def __init__(self, console: Console, definition: Definition) -> None:
        self._tally = _Tally(definition)
        self._progress = _Bars(
            TextColumn("{task.fields[name]}", style="bold", table_column=Column(no_wrap=True, min_width=7)),
            BarColumn(bar_width=20, table_column=Column(min_width=20)),
            MofNCompleteColumn(table_column=Column(no_wrap=True, min_width=7)),
            # The one column that gives way where the terminal is narrow.
            TextColumn(
                "{task.fields[what]}", markup=False, table_column=Column(no_wrap=True, overflow="ellipsis", ratio=1)
            ),
            console=console,
            expand=True,
        )
        self._sweep = self._progress.add_task("", total=None, name="trials", what="")
        self._bars: dict[int, TaskID] = {}
        self._rank_at = 0.0

    def __enter__(self) -> "Live":
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._rank()
        for bar in self._bars.values():
            self._progress.remove_task(bar)
        self._progress.stop()

    def say(self, text: str) -> None:
        self._progress.console.print(Text(text))

    def round(self, packs: Sequence[Pack], done: Sequence[Row]) -> None:
        self._tally.begin_round(packs, done)
        self._show()

    def started(self, lane: int, pack: Pack) -> None:
        if lane not in self._bars:
            self._bars[lane] = self._progress.add_task("", total=None, name=f"lane {lane}", what="")
        self._progress.update(self._bars[lane], completed=0, total=None, what=pack.label, visible=True)

    def epoch(self, lane: int, trial: str, epoch: int, of: int) -> None:
        self._progress.update(self._bars[lane], completed=epoch, total=of)

    def row(self, lane: int, row: Row) -> None:
        if not is_reference(row):
            self._tally.add(row)
        if row["status"] != "complete":
            self.say(f"{row['trial']}: {outcome(row, self._tally.definition.objective.metric)}")
        self._show()

    def idle(self, lane: int) -> None:
        if lane in self._bars:
            self._progress.update(self._bars[lane], visible=False)

    def _show(self) -> None:
        tally, now = self._tally, time.monotonic()
        if now >= self._rank_at:
            self._rank()
            self._rank_at = now + (time.monotonic() - now) / _RANKING_AT_MOST
        what = f"{tally.time_left()} left"
        self._progress.update(self._sweep, completed=len(tally.rows), total=tally.total, what=what)

    def _rank(self) -> None:
        self._progress.best = f"best so far: {self._tally.best()}"


def view_for(console: Console, definition: Definition) -> Live | Lines:
    """Bars on a terminal, lines anywhere else; use it as a context."""
    is_live = console.is_terminal and not console.is_dumb_terminal
    return Live(console, definition) if is_live else Lines(console, definition)
