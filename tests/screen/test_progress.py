"""What a person sees of a running sweep on a terminal."""

import io
import time
from concurrent.futures import ThreadPoolExecutor

from rich.console import Console

from pipeline.plan import rounds
from pipeline.results import Row
from pipeline.screen import progress
from pipeline.sweep import trials_of


def test_a_thousand_short_trials_are_not_ranked_a_thousand_times_and_the_last_is(new_sweep, tiny_spec, monkeypatch):
    sweep = new_sweep(tiny_spec)
    packs = rounds.pending(sweep)
    row: Row = {"phase": "screen", "date-range": ["2024-01-01", "2024-03-01"], "status": "complete", "epochs": 2}
    rows = [row | {"trial": str(one), "experiment": one.experiment, "mse_valid": 0.5} for one in trials_of(packs)]
    ranked = []

    def slow(definition, rows):
        time.sleep(0.01)
        ranked.append(len(rows))
        return []

    monkeypatch.setattr(progress, "standings", slow)
    console = Console(file=io.StringIO(), force_terminal=True)
    with progress.view_for(console, sweep.definition) as live:
        live.round(packs, [])
        for at in range(1000):
            live.row(0, rows[at % len(rows)])
    assert len(ranked) < 500
    assert ranked[-1] == len(rows)


def test_lines_count_each_row_once_though_lanes_end_trials_at_the_same_time(new_sweep, tiny_spec):
    sweep = new_sweep(tiny_spec)
    packs = rounds.pending(sweep)
    written = io.StringIO()
    lines = progress.Lines(Console(file=written), sweep.definition)
    lines.round(packs, [])
    rows: list[Row] = [{"trial": str(one), "status": "failed", "error": "why"} for one in trials_of(packs)]
    with ThreadPoolExecutor(len(rows)) as pool:
        list(pool.map(lambda row: lines.row(0, row), rows))
    counts = [line.split()[0] for line in written.getvalue().splitlines() if line.startswith("[")]
    assert sorted(counts) == [f"[{n}/6]" for n in range(1, 7)]
