"""The list of a store and the best settings of a sweep, as a terminal of some width shows them."""

import io
from datetime import date

import pytest
from rich.console import Console
from rich.table import Table

from pipeline.analysis.ranking import standings, tried
from pipeline.dates import DateRange
from pipeline.report.listing import Listed, listing
from pipeline.report.state import State
from pipeline.screen.sweeps import best_table, sweeps_table
from pipeline.store import Store
from pipeline.sweep import Sweep
from tests.support import nights
from tests.support.simulation import AUTOMATIC, Simulation
from tests.support.sweeps import define

DAYS = DateRange(date(2013, 1, 1), date(2014, 1, 1))
BEST = "e012 mse_valid 0.0312 learning_rate=0.03 hidden_size=128 dropout=0.1 batch_size=256"
LONG = [
    Listed("20260614-0210-lstm-attention-3f9c", "done", BEST, "not testable", "+76.9 %", 30000.0, DAYS),
    Listed("20260614-0215-cnn-aa01", "12 of 31 trials, 1 failed", BEST, "not judged", "", 60.0, DAYS, "12/31", 1),
    Listed("20260615-0210-cnn-aa02", "done", BEST, "keep the defaults", "", 60.0, DAYS),
    Listed("20260616-0210-cnn-aa03", "damaged", "sweep.json is damaged at its start: [bold] is no JSON"),
]


def printed(table: Table, width: int) -> list[str]:
    out = io.StringIO()
    Console(file=out, width=width).print(table)
    return [line.rstrip() for line in out.getvalue().splitlines()]


@pytest.mark.parametrize("width", [80, 100, 120, 160, 200, 1000])
def test_a_sweep_takes_a_line_with_verdict_gain_cost_and_days_whatever_the_width(width: int) -> None:
    lines = printed(sweeps_table(LONG, width), width)
    assert len(lines) == 1 + len(LONG)
    assert max(map(len, lines)) <= width
    for line, sweep in zip(lines[1:], LONG, strict=True):
        assert line.startswith(sweep.id)
    assert all(word in lines[1] for word in ("not testable", "+76.9 %", "8.3 h"))
    assert "2013-01 to 2013-12" in lines[1] or "13-01/13-12" in lines[1]
    assert "12/31, 1 failed" in lines[2] or "12 of 31 trials, 1 failed" in lines[2]
    assert "defaults" in lines[3]
    assert "damaged" in lines[4]
    assert not any("incumbent" in line for line in lines)


def test_a_wide_terminal_has_the_best_setting_cut_where_it_ends() -> None:
    lines = printed(sweeps_table(LONG, 120), 120)
    assert lines[1].endswith("…")
    assert len(lines[1]) == 120
    assert BEST in printed(sweeps_table(LONG, 1000), 1000)[1]


def test_the_list_has_the_verdict_that_was_noted_and_the_gain_on_what_judged(
    store: Store, tiny_spec: dict[str, object]
) -> None:
    nights.night(
        store, nights.judged_on(tiny_spec), lambda name, at: nights.wave(0.1, at, 0.1) if name == "e001" else 0.4
    )
    nights.night(store, tiny_spec, token="aaaa")
    nights.night(store, nights.judged_on(tiny_spec), nights.steady(best=0.6), token="bbbb")
    nights.night(store, tiny_spec, token="cccc", done=False)
    by_token = {sweep.id[-4:]: sweep for sweep in listing(store)}
    assert (by_token["3f9c"].verdict, by_token["3f9c"].gain) == ("real", "+75.5 %")
    assert by_token["aaaa"].verdict == "not judged"
    assert (by_token["bbbb"].verdict, by_token["bbbb"].gain) == ("keep your setting", "")
    assert by_token["cccc"].progress == "5/6"
    assert by_token["3f9c"].days == DateRange(date(2013, 1, 1), date(2024, 4, 1))
    assert by_token["3f9c"].seconds == 30.0 * 18


def test_all_that_were_tried_are_ranked_finalists_first(store: Store) -> None:
    simulation = Simulation(define(AUTOMATIC)).to_the_end()
    definition = simulation.definition
    ranked = standings(definition, simulation.rows)
    every = tried(definition, simulation.rows)
    assert [standing for _, standing in every[: len(ranked)]] == ranked
    chosen = {row["experiment"] for row in simulation.rows if definition.phase(row["phase"]).chooses}
    assert {standing.experiment for _, standing in every} == chosen
    assert len(every) == len(chosen) > len(ranked)

    state = State(Sweep.create(store, definition), simulation.rows, (), simulation.planned(), True, False)
    lines = printed(best_table(state, 100), 1000)
    assert len(lines) == 1 + len(every)
    assert lines[1].startswith(" 1.")
    assert lines[1].endswith(ranked[0].experiment)
    phases = [line.split()[5] for line in lines[1:]]
    assert list(dict.fromkeys(phases)) == ["replicate", "near-best", "architecture", "learning-rate"]
    assert len(printed(best_table(state, 3), 1000)) == 4
