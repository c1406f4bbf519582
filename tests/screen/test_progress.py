"""A running sweep on a terminal: bars, lines, time left."""

import io
import time
from concurrent.futures import ThreadPoolExecutor

from rich.console import Console

from pipeline.plan import rounds
from pipeline.results import Row
from pipeline.screen import progress
from pipeline.sweep import Definition, Pack, Trial, trials_of
from tests.support.rows import bare_row
from tests.support.simulation import AUTOMATIC, Simulation
from tests.support.sweeps import define


def test_fast_trials_are_not_ranked_after_each_row_but_always_after_the_last(new_sweep, tiny_spec, monkeypatch):
    sweep = new_sweep(tiny_spec)
    packs = rounds.plan_packs(sweep)
    row: Row = {"phase": "screen", "date-range": ["2024-01-01", "2024-03-01"], "status": "complete", "epochs": 2}
    rows = [row | {"trial": str(trial), "experiment": trial.experiment, "mse_valid": 0.5} for trial in trials_of(packs)]
    ranked = []

    def slow_standings(definition, rows):
        time.sleep(0.01)
        ranked.append(len(rows))
        return []

    monkeypatch.setattr(progress, "standings", slow_standings)
    console = Console(file=io.StringIO(), force_terminal=True)
    with progress.view_for(console, sweep.definition) as live:
        live.round(packs, [])
        for at in range(1000):
            live.row(0, rows[at % len(rows)])
    assert len(ranked) < 500
    assert ranked[-1] == len(rows)


def test_lines_count_each_row_once_even_if_lanes_finish_trials_at_the_same_time(new_sweep, tiny_spec):
    sweep = new_sweep(tiny_spec)
    packs = rounds.plan_packs(sweep)
    written = io.StringIO()
    lines = progress.Lines(Console(file=written), sweep.definition)
    lines.round(packs, [])
    rows: list[Row] = [bare_row(sweep, trial, status="failed", error="why") for trial in trials_of(packs)]
    with ThreadPoolExecutor(len(rows)) as pool:
        list(pool.map(lambda row: lines.row(0, row), rows))
    counts = [line.split()[0] for line in written.getvalue().splitlines() if line.startswith("[")]
    assert sorted(counts) == [f"[{n}/6]" for n in range(1, 7)]


def packs_of(definition: Definition, trials: list[Trial]) -> list[Pack]:
    return [Pack(f"r0-p{at:03d}", "label", definition.image, (trial,)) for at, trial in enumerate(trials)]


def test_one_bar_covers_the_rounds_to_come_and_never_goes_back() -> None:
    simulation = Simulation(define(AUTOMATIC))
    definition = simulation.definition
    written = io.StringIO()
    live = progress.Live(Console(file=written, force_terminal=True, width=200), definition, "trials")
    lines = progress.Lines(Console(file=written, width=200), definition)
    shares, times_left, totals = [], [], []
    while trials := simulation.plan():
        for view in (live, lines):
            view.round(packs_of(definition, trials), simulation.rows)
        for trial in trials:
            row = simulation.finish(trial)
            for view in (live, lines):
                view.row(0, row)
            task = live._progress.tasks[0]
            shares.append(task.completed)
            times_left.append(task.fields["note"])
            totals.append(task.fields["count"].partition("/")[2])
    assert shares == sorted(shares)
    assert shares[-1] == 1000
    # Only in the last round is it certain that no round follows.
    assert len(simulation.rounds) > 4
    assert all(text != "nothing left to train" for text in times_left[:-1])
    assert totals[0].startswith("~")
    assert 0.7 < int(totals[0][1:]) / len(simulation.rows) < 1.5
    assert totals[-1] == str(len(simulation.rows))
    assert f"[1/{totals[0]}] " in written.getvalue()
    assert "0:00:00" not in written.getvalue()
