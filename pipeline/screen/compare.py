"""A comparison of sweeps for a terminal: the ranking, the next steps, and tables of the differences."""

import textwrap
from collections.abc import Iterator, Sequence

from rich.table import Table
from rich.text import Text

from pipeline.compare.differences import NOTHING
from pipeline.compare.next_steps import Step
from pipeline.compare.ranking import Place, Ranking
from pipeline.compare.sweeps import Comparison, Pair
from pipeline.report.sentence import doubt
from pipeline.report.state import State
from pipeline.report.words import duration, values_in_words

_MOST_DIFFERENCES = 5
"""Differences that are named; `--verbose` shows all."""


def ranking_table(ranking: Ranking) -> Table:
    """A line per sweep, best first: error, comparison with the first sweep and with the references, cost."""
    objective = ranking.base.state.sweep.definition.objective
    reference = next((place.reference for place in ranking.places if place.reference), "")
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
    for heading, justify in (
        ("", "right"),
        ("", "left"),
        (objective.test, "right"),
        (f"vs {ranking.base.name}", "left"),
        *([(f"vs {reference}", "left")] if reference else []),
        ("cost", "right"),
    ):
        table.add_column(heading, justify=justify)  # type: ignore[arg-type]
    for at, place in enumerate(ranking.places, 1):
        cells = [f"{at}." if place.score is not None else "", place.name, _number(place.score), _against(place)]
        if reference:
            other = f" than {place.reference}" if place.reference not in ("", reference) else ""
            cells.append(place.against_reference + other)
        table.add_row(*map(Text, [*cells, duration(place.seconds)]))
    return table


def _number(value: float | None) -> str:
    return NOTHING if value is None else f"{value:.4g}"


def _against(place: Place) -> str:
    return "; ".join(filter(None, (place.against, place.problem)))


def ranking_lines(ranking: Ranking, steps: Sequence[Step], width: int) -> Iterator[str]:
    """The lines below the table, wrapped to `width`; commands are not wrapped, so that they can be copied."""
    texts = [f"{name} has no sweep: {problem}" for name, problem in ranking.missing.items()] + [ranking.headline]
    if not ranking.by_architecture and (changed := list(ranking.comparison.changed)):
        others = f" and {len(changed) - _MOST_DIFFERENCES} more" if len(changed) > _MOST_DIFFERENCES else ""
        texts.append(f"they differ in {', '.join(changed[:_MOST_DIFFERENCES])}{others}: --verbose shows how")
    for text in texts:
        yield from _wrapped(text, width)
    for step in steps:
        yield from _wrapped(f"{step.reason}:", width)
        yield f"  {step.command}"


def _wrapped(text: str, width: int) -> list[str]:
    return textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False)


def sweeps_table(comparison: Comparison) -> Table:
    """The sweeps side by side: state, best setting, and differences."""
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
    words = values_in_words(state.sweep.definition, state.decided.setting.assignment)
    return Text(", ".join(filter(None, (f"{state.decided.setting.experiment}: {words}", doubt(state.decided)))))


def _chosen_by(state: State) -> str:
    best = state.best
    return f"{state.sweep.definition.objective.metric}_valid {best.score:.4g}" if best else NOTHING


def ranges_table(pair: Pair, metric: str) -> Table:
    """The metric that judges, range by range."""
    table = Table(f"{metric}_test on", pair.base, pair.other, "better by", "", box=None)
    for scores in pair.ranges:
        gain = NOTHING if scores.gain is None else pair.scale.words(scores.gain, plus="+")
        values = map(_number, (scores.base, scores.other))
        table.add_row(Text(str(scores.date_range)), *values, gain, "fresh" if scores.fresh else "")
    return table


def tables(comparison: Comparison) -> list[Table]:
    """The table of differences, then for each pair a table of the metric that judges, by date range."""
    objective = comparison.states[0].sweep.definition.objective
    pair_tables = [ranges_table(pair, objective.metric) for pair in comparison.pairs if pair.ranges]
    return [sweeps_table(comparison), *pair_tables]
