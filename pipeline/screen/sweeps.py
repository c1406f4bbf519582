"""Sweeps on a terminal: the list of a store, the best settings or all trials of a sweep, and a running sweep."""

import time
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta

from rich.cells import cell_len
from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from pipeline.analysis.forecast import Forecast, forecast
from pipeline.analysis.history import History
from pipeline.report.listing import Listed
from pipeline.report.sentence import in_words
from pipeline.report.state import State, state_of
from pipeline.report.words import (
    better_heading,
    duration,
    outcome,
    setting_name,
    times_better,
    values_in_words,
)
from pipeline.results import Row, is_reference, range_of
from pipeline.sweep import Sweep


def sweeps_table(listed: Sequence[Listed], width: int) -> Table:
    """A line per sweep in `width` columns: its id, its progress or verdict, its gain, and the rest if it fits."""
    full, short = (
        [_COLUMNS[name](listed) for name in names]
        for names in (
            ("sweep", "state", "verdict", "gain", "cost", "date ranges", "best so far"),
            ("sweep", "verdict so far", "gain", "cost", "date ranges", "best so far"),
        )
    )
    # The first layout that fits; the last one, if none does.
    days = _COLUMNS["days"](listed)
    for columns in (full, short, short[:-1], [*short[:-2], days], short[:-2], short[:-3]):
        widths = [max(map(cell_len, column)) for column in columns]
        if columns[-1] is full[-1] or columns[-1] is short[-1]:  # the best setting, which may be cut
            widths[-1] = min(widths[-1], _NARROWEST_SETTING)
        if sum(widths) + len(widths) - 1 <= width:
            break
    room = max(widths[-1], width - sum(widths[:-1]) - len(widths) + 1)
    table = Table(*(column[0] for column in columns), box=None, padding=(0, 1, 0, 0), pad_edge=False)
    for row in list(zip(*columns, strict=True))[1:]:
        cells = list(map(Text, row))
        cells[-1].truncate(room, overflow="ellipsis")
        table.add_row(*cells)
    return table


_NARROWEST_SETTING = 24
"""Columns of a terminal; with less room the best setting is left out."""


def _column(heading: str, cell: Callable[[Listed], str]) -> Callable[[Sequence[Listed]], list[str]]:
    """A function of sweeps: the heading, then a cell for each of them."""
    return lambda listed: [heading, *map(cell, listed)]


def _verdict(sweep: Listed) -> str:
    """The progress of an unfinished sweep, else its verdict, in few letters."""
    if not sweep.verdict and not sweep.progress:
        return sweep.words
    verdict = sweep.verdict.replace("keep the defaults", "defaults").replace("keep your setting", "yours")
    return (sweep.progress or verdict) + (f", {sweep.failed} failed" if sweep.failed else "")


def _days(sweep: Listed, form: str, to: str) -> str:
    """The months of a sweep's first and last day, joined by `to`."""
    if sweep.days is None:
        return ""
    first, last = sweep.days.start, sweep.days.end - timedelta(days=1)
    return to.join(dict.fromkeys(f"{day:{form}}" for day in (first, last)))


_COLUMNS = {
    "sweep": _column("sweep", lambda sweep: sweep.id),
    "state": _column("state", lambda sweep: sweep.words),
    "verdict": _column("verdict", lambda sweep: sweep.verdict),
    "verdict so far": _column("verdict", _verdict),
    "gain": _column("gain", lambda sweep: sweep.gain),
    "cost": _column("cost", lambda sweep: duration(sweep.seconds) if sweep.seconds else ""),
    "date ranges": _column("date ranges", lambda sweep: _days(sweep, "%Y-%m", " to ")),
    "days": _column("days", lambda sweep: _days(sweep, "%y-%m", "/")),
    "best so far": _column("best so far", lambda sweep: sweep.best),
}


def best_table(state: State, best: int) -> Table:
    """The `best` experiments of all that were tried, a row each."""
    definition = state.sweep.definition
    objective = definition.objective
    metric, scale = objective.metric, objective.gains.fitting(row.get(objective.valid) for row in state.rows)
    several = len({phase.name for phase, _ in state.tried}) > 1
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    for heading in ("", f"{metric}_valid", better_heading(definition), "time", *(["phase"] if several else [])):
        table.add_column(heading, no_wrap=True, justify="right" if heading != "phase" else "left")
    table.add_column("setting", overflow="fold")
    for at, (phase, standing) in enumerate(state.tried[:best], 1):
        words = values_in_words(definition, standing.assignment)
        table.add_row(
            f"{at}.",
            f"{standing.score:.4g}",
            times_better(standing, scale),
            duration(standing.training_time),
            *([phase.name] if several else []),
            Text.assemble(words, (f"  {standing.experiment}", "dim")),
        )
    return table


def trials_table(state: State) -> Table:
    """Every trial so far, a row each, for a sweep without a ranking. A study of resemblance shows no metric."""
    definition = state.sweep.definition
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    for heading in ("trial", "date range", definition.objective.test, "outcome"):
        table.add_column(heading, no_wrap=heading != "outcome")
    table.add_column("setting", overflow="fold")
    for row in sorted(state.rows, key=lambda row: str(row["trial"])):
        test = row.get(definition.objective.test)
        setting = setting_name(definition, {name: row.get(name) for name in definition.incumbent})
        table.add_row(
            *map(
                Text,
                (
                    str(row["trial"]),
                    str(range_of(row)),
                    "" if definition.resembling or not isinstance(test, int | float) else f"{test:.4g}",
                    row["status"] if definition.resembling else outcome(row, definition.objective.metric),
                    "" if is_reference(row) else setting,
                ),
            )
        )
    return table


def watch(sweep: Sweep, console: Console, every: float) -> State:
    """Shows a sweep and its new rows every `every` seconds, until it is done or stopped. Returns its last state."""
    printed: set[str] = set()
    metric = sweep.definition.objective.metric
    if not console.is_terminal or console.is_dumb_terminal:
        while True:
            now = state_of(sweep)
            for row in sorted(now.rows, key=lambda row: row.get("finished", "")):
                if row["trial"] not in printed:
                    printed.add(row["trial"])
                    line = f"{_count(now, printed, row)}{row['trial']} {outcome(row, metric)}"
                    console.print(line, markup=False, highlight=False, soft_wrap=True)
            if now.done or now.stopped:
                return now
            time.sleep(every)
    with Live(console=console, auto_refresh=False) as live:
        while True:
            now = state_of(sweep)
            live.update(_dashboard(now), refresh=True)
            if now.done or now.stopped:
                return now
            time.sleep(every)


def _count(state: State, printed: Iterable[str], row: Row) -> str:
    """`[12/31] `: the number of a printed trial; empty for a reference."""
    if is_reference(row):
        return ""
    done = sum(not is_reference(other) for other in state.rows if other["trial"] in printed)
    return f"[{done}/{_forecast(state).total}] "


def _forecast(state: State) -> Forecast:
    if state.done:
        return Forecast(state.counts[1], False, 0.0)
    planned = frozenset(state.planned)
    return forecast(History(state.sweep.definition, datetime.now(UTC), planned=planned, rows=state.rows))


def _dashboard(state: State) -> Group:
    metric = state.sweep.definition.objective.metric
    latest = sorted(state.rows, key=lambda row: row.get("finished", ""))[-5:]
    failed = [Text(f"{row['trial']} {outcome(row, metric)}", style="red") for row in state.failed[-5:]]
    return Group(
        Text(f"{state.sweep.id}: {state.words}", style="bold"),
        ProgressBar(total=max(1, state.counts[1], _forecast(state).trials), completed=state.counts[0], width=60),
        Text(f"best so far: {in_words(state.sweep.definition, state.decided)}"),
        *failed,
        Text("latest:", style="dim"),
        *(Text(f"  {row['trial']} {outcome(row, metric)}") for row in latest),
    )
