"""Sweeps on a terminal: the list of a store, the best settings of one, and one that is watched while it runs."""

import time
from collections.abc import Iterable
from datetime import UTC, datetime

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from pipeline import results
from pipeline.analysis.forecast import Forecast, forecast
from pipeline.analysis.history import History
from pipeline.report.sentence import in_words
from pipeline.report.state import State, state_of
from pipeline.report.words import better_heading, outcome, times_better
from pipeline.results import Row, is_reference
from pipeline.sweep import Sweep


def sweeps_table(listed: Iterable[tuple[str, str, str]]) -> Table:
    table = Table("sweep", "state", "best so far", box=None)
    for id, words, best in listed:
        table.add_row(id, words, Text(best))
    return table


def best_table(state: State, best: int) -> Table:
    """The best experiments, a row each."""
    definition = state.sweep.definition
    searched = list(dict.fromkeys(name for phase in definition.phases for name in phase.space))
    objective = definition.objective
    metric, scale = objective.metric, objective.gains.fitting(row.get(objective.valid) for row in state.rows)
    table = Table("experiment", *searched, f"{metric}_valid", better_heading(definition), "training time", box=None)
    for standing in state.ranked[:best]:
        table.add_row(
            standing.experiment + (f" ({definition.incumbent_name})" if standing.is_incumbent else ""),
            *(Text(results.to_cell(standing.assignment[name])) for name in searched),
            f"{standing.score:.4g}",
            times_better(standing, scale),
            f"{standing.training_time:.0f} s",
        )
    return table


def watch(sweep: Sweep, console: Console, every: float) -> State:
    """Shows a sweep, and its rows as they come, until it is done or stopped; returns its last state."""
    seen: set[str] = set()
    metric = sweep.definition.objective.metric
    if not console.is_terminal or console.is_dumb_terminal:
        while True:
            now = state_of(sweep)
            for row in sorted(now.rows, key=lambda row: row.get("finished", "")):
                if row["trial"] not in seen:
                    seen.add(row["trial"])
                    line = f"{_place(now, seen, row)}{row['trial']} {outcome(row, metric)}"
                    console.print(line, markup=False, highlight=False, soft_wrap=True)
            if now.done or now.stopped:
                return now
            time.sleep(every)
    with Live(console=console, auto_refresh=False) as live:
        while True:
            now = state_of(sweep)
            live.update(_picture(now), refresh=True)
            if now.done or now.stopped:
                return now
            time.sleep(every)


def _place(state: State, shown: Iterable[str], row: Row) -> str:
    """`[12/31] `: which of the trials it is; nothing where it is a reference's."""
    if is_reference(row):
        return ""
    done = sum(not is_reference(other) for other in state.rows if other["trial"] in shown)
    return f"[{done}/{_forecast(state).total}] "


def _forecast(state: State) -> Forecast:
    if state.done:
        return Forecast(state.counts[1], False, 0.0)
    planned = frozenset(state.planned)
    return forecast(History(state.sweep.definition, datetime.now(UTC), planned=planned, rows=state.rows))


def _picture(state: State) -> Group:
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
