"""A comparison of sweeps as tables for a terminal."""

from rich.table import Table
from rich.text import Text

from pipeline.compare.differences import NOTHING
from pipeline.compare.sweeps import Comparison, Pair
from pipeline.report.sentence import doubt
from pipeline.report.state import State
from pipeline.report.words import settings_in_words


def sweeps_table(comparison: Comparison) -> Table:
    """The sweeps side by side: how far, the best setting, and what differs."""
    table = Table("", *(state.sweep.id for state in comparison.states), box=None)
    table.add_row("state", *(state.words for state in comparison.states))
    table.add_row("best setting", *map(_best, comparison.states))
    table.add_row("chosen by", *(Text(_chosen_by(state)) for state in comparison.states))
    for name, values in comparison.changed.items():
        table.add_row(Text(name), *map(Text, values))
    return table


def _best(state: State) -> Text:
    if state.decided is None:
        return Text(NOTHING)
    words = settings_in_words(state.sweep.definition, state.decided.setting)
    return Text(", ".join(filter(None, (f"{state.decided.setting.experiment}: {words}", doubt(state.decided)))))


def _chosen_by(state: State) -> str:
    best = state.best
    return f"{state.sweep.definition.objective.metric}_valid {best.score:.4g}" if best else NOTHING


def ranges_table(pair: Pair, metric: str) -> Table:
    """The metric that judges, range by range."""
    table = Table(f"{metric}_test on", pair.base, pair.other, "better by", "", box=None)
    for one in pair.ranges:
        gain = NOTHING if one.gain is None else pair.scale.words(one.gain, plus="+")
        values = (NOTHING if value is None else f"{value:.4g}" for value in (one.base, one.other))
        table.add_row(Text(str(one.date_range)), *values, gain, "fresh" if one.fresh else "")
    return table


def tables(comparison: Comparison) -> list[Table]:
    objective = comparison.states[0].sweep.definition.objective
    own = [ranges_table(pair, objective.metric) for pair in comparison.pairs if pair.ranges]
    return [sweeps_table(comparison), *own]
