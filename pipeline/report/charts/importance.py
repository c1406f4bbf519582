"""The importance of hyperparameters: per phase a bar chart, a map of the two most important, and a table.

The numbers come from `analysis/importance.py`.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt

from pipeline.analysis.importance import FEWEST, Interaction, Part
from pipeline.report import experiments
from pipeline.report.charts import contour, drawing
from pipeline.report.charts.drawing import LARGE, Picture
from pipeline.report.experiments import ChoosingResults, PhaseSearch
from pipeline.report.summary import Summary
from pipeline.space import Scalar

CLEAR, CHANCE = "more than chance gives", "no more than chance gives"


@dataclass(frozen=True)
class ImportanceLine:
    """The line of one hyperparameter."""

    name: str
    share: float | None
    """Its share of what sets the best experiments apart; None with too few experiments."""
    clear: bool
    """True if the share is more than chance gives."""
    best: str
    """The value, or the part of its range, with the best median."""
    median: float
    experiments: int
    """Experiments with the best value."""
    of: int
    """Experiments in which the hyperparameter was active."""
    chosen: Scalar
    """Its value in the best of choosing."""


@dataclass(frozen=True)
class ImportanceTable:
    """The importance of the hyperparameters of one phase."""

    phase: str
    lines: tuple[ImportanceLine, ...]
    experiments: int
    value: str
    """The quantity of the medians, in words."""
    fewest: int = FEWEST
    """Experiments that a measure of importance needs."""


def importance_tables(
    summary: Summary, choosing: ChoosingResults, searches: Sequence[PhaseSearch]
) -> list[ImportanceTable]:
    """A table per phase, the most important hyperparameter first; empty if nothing is ranked."""
    leader = summary.leader
    if leader is None or len(choosing.comparable) < 2:
        return []
    tables = []
    for search in searches:
        importances = {importance.name: importance for importance in search.importances}
        lines = [
            ImportanceLine(
                name=name,
                share=importances[name].share if name in importances else None,
                clear=name in importances and importances[name].clear,
                best=experiments.part_label(best.part),
                median=choosing.minimised(best.median),
                experiments=len(best.part.members),
                of=best.of,
                chosen=leader.assignment[name],
            )
            for name, best in search.best_values.items()
            if math.isfinite(best.median)
        ]
        lines.sort(key=lambda line: -(line.share or 0))
        if lines:
            tables.append(
                ImportanceTable(
                    search.phase.name, tuple(lines), len(search.results), drawing.value_words(choosing, summary)
                )
            )
    return tables


def pictures(summary: Summary, choosing: ChoosingResults, searches: Sequence[PhaseSearch]) -> list[Picture]:
    """For each phase with enough experiments: the importances, and the two most important together."""
    candidates: list[Picture | None] = []
    for search in searches:
        suffix = f"-{search.phase.name}" if len(searches) > 1 else ""
        in_phase = f" in phase {search.phase.name}" if len(searches) > 1 else ""
        candidates += [_importance(search, suffix, in_phase), _together(summary, choosing, search, suffix, in_phase)]
    return [picture for picture in candidates if picture is not None]


def _importance(search: PhaseSearch, suffix: str, in_phase: str) -> Picture | None:
    importances = search.importances
    if len(importances) < 2:
        return None
    names = [experiments.label(importance.name) for importance in importances]
    bars: Any = [
        {"y": name, "x": importance.share, "kind": CLEAR if importance.clear else CHANCE}
        for name, importance in zip(names, importances, strict=True)
    ]
    x = alt.X("x:Q", axis=alt.Axis(format=".0%", tickCount=5), scale=alt.Scale(domain=[0, 1]))
    x = x.title("share of what sets the best quarter apart")
    y = alt.Y("y:N", sort=names, axis=alt.Axis(labelLimit=200, ticks=False)).title(None)
    colours = alt.Scale(domain=[CLEAR, CHANCE], range=[drawing.BEST, drawing.OTHERS])
    colour = alt.Color("kind:N", scale=colours, legend=alt.Legend(title=None, orient="top", labelLimit=300))
    tooltip = [
        alt.Tooltip("y:N", title="hyperparameter"),
        alt.Tooltip("x:Q", title="share", format=".1%"),
        alt.Tooltip("kind:N", title="which is"),
    ]
    chart = alt.Chart(alt.Data(values=bars)).mark_bar(height={"band": 0.6})
    clear = [name for name, importance in zip(names, importances, strict=True) if importance.clear]
    words = ", ".join(
        f"{name}: {100 * importance.share:.0f} %{'' if importance.clear else ' (no more than chance)'}"
        for name, importance in zip(names, importances, strict=True)
    )
    return Picture(
        name=f"importance{suffix}",
        title=f"What mattered most{in_phase}: {clear[0]}" if clear else f"Nothing clearly mattered{in_phase}",
        alt=f"How much each hyperparameter sets the best quarter of the experiments apart. {words}.",
        note=f"How far the values of the best quarter of {len(search.results)} experiments are from those of all, for "
        "each hyperparameter alone, less what chance gives.",
        spec=drawing.spec(
            chart.encode(x=x, y=y, color=colour, tooltip=tooltip), (LARGE[0] - 120, 22 * len(names) + 10), ""
        ),
        section="mattered",
    )


def _together(
    summary: Summary, choosing: ChoosingResults, search: PhaseSearch, suffix: str, in_phase: str
) -> Picture | None:
    """The two most important hyperparameters: a map if both have ranges, else a heat map of medians."""
    pair = search.interaction
    if pair is None or not choosing.positive:
        return None
    first, second = map(experiments.label, pair.names)
    verdict = (
        f"the two interact: together they explain {100 * pair.share:.0f} % of the differences beyond what each "
        "explains alone"
        if pair.clear
        else "each seems to act for itself: together they explain no more than each alone, apart from chance"
    )
    map_ = contour.chart(summary, choosing, search, pair.names)
    if map_ is not None:
        return Picture(
            name=f"contour{suffix}",
            title=f"{first} and {second} together{in_phase}",
            alt=f"A map of {drawing.value_words(choosing, summary)} over {first} and {second}; {verdict}.",
            note=f"{drawing.sentence(verdict)} The brighter, the better; what is empty was not tried.",
            spec=map_,
            section="mattered",
        )
    return Picture(
        name=f"heat-map{suffix}",
        title=f"{first} and {second} together{in_phase}",
        alt=f"Median {drawing.value_words(choosing, summary)} for {len(pair.cells)} combinations of {first} and "
        f"{second}; {verdict}.",
        note=f"{drawing.sentence(verdict)} Medians; an empty cell was not tried.",
        spec=_heat_map(summary, choosing, pair),
        section="mattered",
    )


def _heat_map(summary: Summary, choosing: ChoosingResults, pair: Interaction) -> dict[str, Any]:
    """A cell for each combination of values or parts of ranges, with the median of its experiments."""
    # Cells.
    across, down = ([experiments.part_label(part) for part in side] for side in pair.parts)
    cells: list[dict[str, Any]] = [
        {"x": across[x], "y": down[y], "value": choosing.minimised(median), "n": count}
        for (x, y), (median, count) in pair.cells.items()
    ]
    values = [cell["value"] for cell in cells]
    middle = math.sqrt(min(values) * max(values))
    for cell in cells:
        cell["text"] = f"{cell['value']:.2g}"
        # White letters on the worse half: viridis is dark there.
        cell["light"] = choosing.sign * cell["value"] > choosing.sign * middle

    # Axes and colours.
    first, second = map(experiments.label, pair.names)
    x = alt.X("x:N", sort=across, axis=_labels(pair.parts[0], (LARGE[0] - 40) // len(across)))
    y = alt.Y("y:N", sort=list(reversed(down)), axis=alt.Axis(labelLimit=120))
    scheme = alt.Scale(type="log", scheme="viridis", reverse=choosing.sign > 0)
    legend = alt.Legend(
        title=drawing.y_words(choosing, summary), orient="top", gradientLength=200, format=".4~g", titleLimit=400
    )
    base = alt.Chart(alt.Data(values=cells)).encode(x=x.title(first), y=y.title(second))
    tooltip = [alt.Tooltip("value:Q", title="median", format=".4g"), alt.Tooltip("n:Q", title="experiments")]
    boxes = base.mark_rect(stroke="white").encode(
        color=alt.Color("value:Q", scale=scheme, legend=legend), tooltip=tooltip
    )
    ink = alt.condition("datum.light", alt.value("white"), alt.value("black"))
    texts = base.mark_text(fontSize=13).encode(text="text:N", color=ink)
    return drawing.spec(alt.layer(boxes, texts), (LARGE[0] - 40, 34 * len(down) + 10), "")


def _labels(parts: Sequence[Part], width: int) -> Any:
    """The x axis of a heat map with columns of `width` pixels; parts of a range take two lines."""
    lines = "split(datum.label, '–')" if all(part.low is not None for part in parts) else "datum.label"
    return alt.Axis(labelAngle=0, labelLimit=max(30, width - 6), labelFontSize=10, labelExpr=lines, labelOverlap=False)
