"""The nights of a series as a table for a terminal."""

from collections.abc import Iterable
from statistics import fmean

from rich.table import Table
from rich.text import Text

from pipeline.compare.differences import NOTHING
from pipeline.compare.nights import LAST, Night, Series
from pipeline.compare.scores import RangeScore
from pipeline.report.words import values_in_words


def nights_table(series: Series, last: int = LAST) -> Table:
    """The last nights, newest last."""
    metric = series.nights[-1].definition.objective.metric
    table = Table("night", "state", "best setting", f"{metric}_test", "to beat", "better by", "on", box=None)
    for night in series.nights[-last:]:
        table.add_row(night.id, night.state.words, *map(Text, _cells(night)))
    return table


def _cells(night: Night) -> list[str]:
    definition, best = night.definition, night.state.best
    if best is None:
        return [NOTHING] * 5
    fresh = any(one.fresh for one in night.best.values())
    shown = {range_: one for range_, one in night.best.items() if one.fresh == fresh}
    gains = night.gains(fresh, night.scale)
    gain = night.scale.words(fmean(gains.values()), plus="+") if gains else NOTHING
    first, end = min(range_.start for range_ in shown), max(range_.end for range_ in shown)
    return [
        f"{best.experiment}: {values_in_words(definition, best.assignment)}",
        _mean(shown.values()),
        _mean(one for range_, one in night.incumbent.items() if range_ in shown),
        gain,
        f"{len(shown)} {'fresh' if fresh else 'choosing'} ranges, {first} to {end}",
    ]


def _mean(found: Iterable[RangeScore]) -> str:
    scores = [one.score for one in found if one.score is not None]
    return f"{fmean(scores):.4g}" if scores else NOTHING
