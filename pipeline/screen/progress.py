"""Shows a running sweep: live bars on a terminal, plain lines anywhere else."""

import sys
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime

from rich.console import Console, RenderableType
from rich.progress import BarColumn, Progress, TaskID, TextColumn
from rich.table import Column
from rich.text import Text

from pipeline.analysis.forecast import Forecast, forecast
from pipeline.analysis.history import History
from pipeline.analysis.ranking import standings
from pipeline.analysis.spending import was_trained
from pipeline.plan.rounds import packs_in_words
from pipeline.report.answer import decide
from pipeline.report.sentence import in_words
from pipeline.report.words import duration, outcome
from pipeline.results import Row, is_reference, trainings
from pipeline.screen.build import trial_line
from pipeline.screen.console import tell
from pipeline.sweep import Definition, Pack, Trial, trials_of

_MOST_OVERHEAD = 0.05
"""Share of a run that ranking and forecasts may take: with a thousand trials each of them takes a while."""
_BAR_PARTS = 1000
"""Length of the bar. It counts no trials, because their number is an estimate."""


class _Throttled:
    """Calls a slow function only so often that it takes a small share of the time."""

    def __init__(self, act: Callable[[], None]) -> None:
        self._act, self._next = act, 0.0

    def __call__(self) -> None:
        began = time.monotonic()
        if began >= self._next:
            self._act()
            ended = time.monotonic()
            self._next = ended + (ended - began) / _MOST_OVERHEAD


class _Tally:
    """The numbers of both views, without references: rows, best so far, time left. Several threads add rows."""

    def __init__(self, definition: Definition) -> None:
        self.definition = definition
        self.rows: dict[str, Row] = {}
        self._planned: frozenset[Trial] = frozenset()
        self._began = time.monotonic()
        self._trained = 0.0
        """Seconds of the trainings that have ended since `_began`."""
        self._forecast = Forecast(0, True, None)
        self._rows_in_forecast = 0
        self._lock = threading.Lock()
        self._refresh = _Throttled(self._update_forecast)

    def begin_round(self, packs: Sequence[Pack], done: Sequence[Row]) -> None:
        """Counts the trials of a new round; `done` are the rows that the store holds."""
        with self._lock:
            to_run = {trial for trial in trials_of(packs) if not trial.is_reference}
            ids = set(map(str, to_run))
            self.rows |= {row["trial"]: row for row in trainings(done) if row["trial"] not in ids}
            self.rows = {id: row for id, row in self.rows.items() if id not in ids}
            self._planned = frozenset(to_run | {Trial.parse(id) for id in self.rows})
        self._update_forecast()

    def add(self, row: Row) -> int:
        """Adds the row of a trial that ended. Returns the number of trials with a row."""
        with self._lock:
            self.rows[row["trial"]] = row
            self._trained += row["training_time"] if was_trained(row) else 0.0
            return len(self.rows)

    def _update_forecast(self) -> None:
        with self._lock:
            rows, planned = list(self.rows.values()), self._planned
        self._forecast = forecast(History(self.definition, datetime.now(UTC), planned=planned, rows=rows))
        self._rows_in_forecast = len(rows)

    @property
    def total(self) -> int:
        """Trials of the whole sweep, later rounds included."""
        self._refresh()
        return max(self._forecast.trials, len(self.rows))

    def total_in_words(self) -> str:
        """`31`, or `~31` if some of these are not planned yet."""
        total = self.total
        return f"~{total}" if self._forecast.is_estimate else str(total)

    def time_left(self) -> str:
        """The time until the whole sweep is done, in words, at the pace of this runner; empty while unknown."""
        self._refresh()
        training = self._forecast.seconds
        if training is None or not self._trained:
            return ""
        # Since the forecast, more trials may have ended.
        remaining = self._forecast.trials - self._rows_in_forecast
        share = (self.total - len(self.rows)) / remaining if remaining > 0 else 1.0
        seconds = training * min(1.0, share) * (time.monotonic() - self._began) / self._trained
        if len(self.rows) >= self.total and not self._forecast.is_estimate:
            return "nothing left to train"
        return "less than a minute left" if seconds < 60 else f"about {duration(seconds)} left"

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
        self.say(f"{packs_in_words(packs)}, {len(self._tally.rows)} done before")

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
        time_left = tally.time_left()
        self.say(
            f"[{done}/{tally.total_in_words()}] {row['trial']} {outcome(row, tally.definition.objective.metric)}"
            + (f" | {time_left}" if time_left else "")
        )

    def idle(self, lane: int) -> None:
        pass


class Events:
    """A line per epoch and per finished trial, for the log of a stage that runs one pack."""

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


class _Bars(Progress):
    """The bars, under a line with the best setting so far."""

    best = ""

    def get_renderables(self) -> Iterable[RenderableType]:
        yield Text(self.best, no_wrap=True, overflow="ellipsis")
        yield self.make_tasks_table(self.tasks)


class Live:
    """A bar for the whole sweep, with the best setting so far and the time left, and a bar for each lane."""

    def __init__(self, console: Console, definition: Definition, name: str) -> None:
        self._tally = _Tally(definition)
        self._progress = _Bars(
            TextColumn(
                "{task.fields[name]}", style="bold", markup=False, table_column=Column(no_wrap=True, min_width=7)
            ),
            BarColumn(bar_width=20, table_column=Column(min_width=20)),
            TextColumn("{task.fields[count]}", table_column=Column(no_wrap=True, min_width=7)),
            # The only column that shrinks on a narrow terminal.
            TextColumn(
                "{task.fields[note]}", markup=False, table_column=Column(no_wrap=True, overflow="ellipsis", ratio=1)
            ),
            console=console,
            expand=True,
        )
        self._sweep = self._progress.add_task("", total=_BAR_PARTS, name=name, count="", note="")
        self._bars: dict[int, TaskID] = {}
        self._parts_done = 0
        self._update_best = _Throttled(self._show_best)

    def __enter__(self) -> "Live":
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._show_best()
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
            self._bars[lane] = self._progress.add_task("", total=None, name=f"lane {lane}", count="", note="")
        self._progress.update(self._bars[lane], completed=0, total=None, count="", note=pack.label, visible=True)

    def epoch(self, lane: int, trial: str, epoch: int, of: int) -> None:
        self._progress.update(self._bars[lane], completed=epoch, total=of, count=f"{epoch}/{of}")

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
        self._update_best()
        tally = self._tally
        done, total = len(tally.rows), tally.total
        # The bar never goes back: if the sweep turns out to be longer, it stands still for a while.
        self._parts_done = max(self._parts_done, _BAR_PARTS * done // max(1, total))
        self._progress.update(
            self._sweep, completed=self._parts_done, count=f"{done}/{tally.total_in_words()}", note=tally.time_left()
        )

    def _show_best(self) -> None:
        self._progress.best = f"best so far: {self._tally.best()}"


def view_for(console: Console, definition: Definition, name: str = "trials") -> Live | Lines:
    """Bars on a terminal, lines anywhere else, as a context manager. `name` is the title of the bar."""
    is_live = console.is_terminal and not console.is_dumb_terminal
    return Live(console, definition, name) if is_live else Lines(console, definition)
