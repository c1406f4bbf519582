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
    # Fresh ranges if there are any, else those that chose.
    fresh = any(score.fresh for score in night.best.values())
    scores = {date_range: score for date_range, score in night.best.items() if score.fresh == fresh}
    gains = night.gains(fresh, night.scale)
    gain = night.scale.words(fmean(gains.values()), plus="+") if gains else NOTHING
    first, end = min(date_range.start for date_range in scores), max(date_range.end for date_range in scores)
    return [
        f"{best.experiment}: {values_in_words(definition, best.assignment)}",
        _mean(scores.values()),
        _mean(score for date_range, score in night.incumbent.items() if date_range in scores),
        gain,
        f"{len(scores)} {'fresh' if fresh else 'choosing'} ranges, {first} to {end}",
    ]


def _mean(scores: Iterable[RangeScore]) -> str:
    values = [score.score for score in scores if score.score is not None]
    return f"{fmean(values):.4g}" if values else NOTHING
