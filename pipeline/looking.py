"""What a person can see of sweeps from any machine that reaches the store: which there are, how far, how good.

Nothing here writes to the store.
"""

import json
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from pipeline import results
from pipeline.analysis.ranking import Standing, standings
from pipeline.errors import UserError
from pipeline.results import Row, Status
from pipeline.store import Store
from pipeline.sweep import Sweep, Trial, all_sweeps, merge, models, trials_of
from pipeline.view import outcome, settings_in_words

if TYPE_CHECKING:
    from pipeline.report import Summary

BEST = 10


@dataclass(frozen=True)
class State:
    """How far a sweep is."""

    sweep: Sweep
    rows: Sequence[Row]
    skipped: Sequence[tuple[str, str]]
    planned: int
    """Trials that all rounds so far asked for."""
    done: bool
    """Whether the last round was empty, so that nothing more will come."""
    stopped: bool
    """Whether somebody stopped it, and nobody went on with it since."""

    @property
    def failed(self) -> list[Row]:
        return [row for row in self.rows if not Status(row["status"]).is_result]

    @property
    def ranked(self) -> list[Standing]:
        return standings(self.sweep.definition, self.rows)

    @property
    def words(self) -> str:
        if self.done and len(self.rows) >= self.planned:
            return "done" if not self.failed else f"done, {len(self.failed)} failed"
        so_far = "stopped at " if self.stopped else ""
        return f"{so_far}{len(self.rows)} of {self.planned} trials" + (
            f", {len(self.failed)} failed" if self.failed else ""
        )


def state(sweep: Sweep) -> State:
    merged = merge.look(sweep)
    rounds = [sweep.round(number) for number in range(sweep.rounds())]
    planned = sum(1 for packs in rounds for _ in trials_of(packs))
    done = bool(rounds) and not rounds[-1]
    return State(sweep, merged.rows, merged.skipped, planned, done, not done and sweep.stop_is_asked())


def listing(store: Store) -> Iterator[tuple[str, str, str]]:
    """Every sweep of a store, oldest first: its id, how far it is, its best setting so far.

    One whose `sweep.json` cannot be read is listed with the reason. Raises UserError if there is none at all.
    """
    ids = all_sweeps(store)
    if not ids:
        raise UserError(f"{store.root} holds no sweeps; is it the right store? (--store, HPT_STORE)")
    for id in ids:
        try:
            now = state(Sweep(store, id))
            yield id, now.words, best_in_words(now)
        except UserError as error:
            yield id, "damaged", str(error)


def best_in_words(state: State) -> str:
    ranked = state.ranked
    if not ranked:
        return "—"
    metric = f"{state.sweep.definition.objective.metric}_valid"
    return (
        f"{ranked[0].experiment} {metric} {ranked[0].score:.4g} {settings_in_words(state.sweep.definition, ranked[0])}"
    )


def sweeps_table(listed: Iterable[tuple[str, str, str]]) -> Table:
    table = Table("sweep", "state", "best so far", box=None)
    for id, words, best in listed:
        table.add_row(id, words, Text(best))
    return table


def best_table(state: State, best: int) -> Table:
    """The best experiments, a row each."""
    definition = state.sweep.definition
    searched = list(dict.fromkeys(name for phase in definition.phases for name in phase.space))
    metric = definition.objective.metric
    table = Table("experiment", *searched, f"{metric}_valid", "times better", "training time", box=None)
    for standing in state.ranked[:best]:
        table.add_row(
            standing.experiment + (" (incumbent)" if standing.is_incumbent else ""),
            *(Text(results.to_cell(standing.assignment[name])) for name in searched),
            f"{standing.score:.4g}",
            "" if standing.gain is None else f"{standing.gain:.3g}",
            f"{standing.training_time:.0f} s",
        )
    return table


def rows_of_best(state: State, best: int | None) -> list[Row]:
    """The rows of the `best` experiments (None: of all), in the order of the table."""
    if best is None:
        return list(state.rows)
    kept = {standing.experiment for standing in state.ranked[:best]}
    return [row for row in state.rows if row["experiment"] in kept]


def as_csv(state: State, rows: Sequence[Row]) -> bytes:
    return results.write_csv(rows, results.table_columns(rows, list(state.sweep.definition.incumbent)))


def as_json(rows: Sequence[Row]) -> str:
    """A JSON list of rows; numbers that JSON does not have (NaN, infinity) are null."""

    def plain(value: Any) -> Any:
        return (
            None if isinstance(value, float) and (value != value or value in (float("inf"), -float("inf"))) else value
        )

    return json.dumps([{name: plain(value) for name, value in row.items()} for row in rows], indent=1)


def watch(sweep: Sweep, console: Console, every: float) -> State:
    """Shows a sweep, and its rows as they come, until it is done or stopped; returns its last state."""
    seen: set[str] = set()
    metric = sweep.definition.objective.metric
    if not console.is_terminal:
        while True:
            now = state(sweep)
            for row in sorted(now.rows, key=lambda row: row.get("finished", "")):
                if row["trial"] not in seen:
                    seen.add(row["trial"])
                    line = f"[{len(seen)}/{now.planned}] {row['trial']} {outcome(row, metric)}"
                    console.print(line, markup=False, highlight=False, soft_wrap=True)
            if now.done or now.stopped:
                return now
            time.sleep(every)
    with Live(console=console, auto_refresh=False) as live:
        while True:
            now = state(sweep)
            live.update(_picture(now), refresh=True)
            if now.done or now.stopped:
                return now
            time.sleep(every)


def _picture(state: State) -> Group:
    metric = state.sweep.definition.objective.metric
    latest = sorted(state.rows, key=lambda row: row.get("finished", ""))[-5:]
    failed = [Text(f"{row['trial']} {outcome(row, metric)}", style="red") for row in state.failed[-5:]]
    return Group(
        Text(f"{state.sweep.id}: {state.words}", style="bold"),
        ProgressBar(total=max(1, state.planned), completed=len(state.rows), width=60),
        Text(f"best so far: {best_in_words(state)}"),
        *failed,
        Text("latest:", style="dim"),
        *(Text(f"  {row['trial']} {outcome(row, metric)}") for row in latest),
    )


def summary(state: State) -> "Summary":
    """What the sweep comes to; its `answer` says in one sentence what is best, whether that is real, what it cost."""
    from pipeline.conclude import summary_of

    return summary_of(state.sweep, merge.Merged(list(state.rows), list(state.skipped)))


def fetch_model(sweep: Sweep, which: str, to: Path | None) -> Path:
    """Downloads the model of a trial, of an experiment, or of the `best` experiment, on its newest range.

    Returns the folder, `to` or `<trial>` here, which `pipeline.load_model` takes if the architecture is a built-in one.
    Raises UserError if there is no such model.
    """
    now = state(sweep)
    experiment = which
    if which == "best":
        if not now.ranked:
            raise UserError(f"{sweep.id} has no best setting yet: {now.words}")
        experiment = now.ranked[0].experiment
    rows = [row for row in now.rows if experiment in (row["experiment"], row["trial"]) and row.get("model_url")]
    if not rows:
        raise UserError(f'{sweep.id} has no model of "{which}": name `best`, an experiment or a trial that finished')
    row = max(rows, key=lambda row: (row["date-range"], -Trial.parse(row["trial"]).seed))
    folder = to or Path(row["trial"])
    models.download(sweep.store, row, folder)
    return folder
