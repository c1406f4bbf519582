"""What mattered: which hyperparameters set the best experiments apart, their best values, and the two most important
ones together. The numbers are `analysis/importance.py`'s; here they become two pictures and a table per phase.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt

from pipeline.analysis.importance import FEWEST
from pipeline.report import experiments
from pipeline.report.charts import drawing
from pipeline.report.charts.drawing import LARGE, Picture
from pipeline.report.experiments import Choosing, Searched
from pipeline.report.summary import Summary
from pipeline.space import Scalar

CLEAR, CHANCE = "more than chance gives", "no more than chance gives"


@dataclass(frozen=True)
class Line:
    """What is said of one hyperparameter."""

    name: str
    share: float | None
    """How much it set the best apart; None where there were too few experiments to say."""
    clear: bool
    best: str
    """The value, or the part of its range, with the best median."""
    median: float
    experiments: int
    """Behind that median."""
    of: int
    chosen: Scalar
    """In the best setting."""


@dataclass(frozen=True)
class Mattered:
    phase: str
    lines: tuple[Line, ...]
    experiments: int
    words: str
    """What the medians are of."""
    fewest: int = FEWEST
    """Experiments from which on it is said how much each mattered."""


def mattered(summary: Summary, known: Choosing, every: Sequence[Searched]) -> list[Mattered]:
    """By phase, the most important hyperparameter first; nothing where there is no best setting."""
    best_setting = summary.best
    if best_setting is None or len(known.tried) < 2:
        return []
    found = []
    for own in every:
        shares = {one.name: one for one in own.importances}
        lines = [
            Line(
                name=name,
                share=shares[name].share if name in shares else None,
                clear=name in shares and shares[name].clear,
                best=experiments.words(best.part),
                median=experiments.as_shown(known, best.median),
                experiments=len(best.part.members),
                of=best.of,
                chosen=best_setting.assignment[name],
            )
            for name, best in own.best_values.items()
            if math.isfinite(best.median)
        ]
        lines.sort(key=lambda line: -(line.share or 0))
        if lines:
            found.append(Mattered(own.phase.name, tuple(lines), len(own.tried), drawing.value_words(known, summary)))
    return found


def pictures(summary: Summary, known: Choosing, every: Sequence[Searched]) -> list[Picture]:
    """For each phase that tried enough: what mattered, and the two that mattered most together."""
    found = []
    for own in every:
        mark = f"-{own.phase.name}" if len(every) > 1 else ""
        where = f" in phase {own.phase.name}" if len(every) > 1 else ""
        found += [_importance(own, mark, where), _heat_map(summary, known, own, mark, where)]
    return [picture for picture in found if picture is not None]


def _importance(own: Searched, mark: str, where: str) -> Picture | None:
    shares = own.importances
    if len(shares) < 2:
        return None
    names = [experiments.label(one.name) for one in shares]
    bars: Any = [
        {"y": name, "x": one.share, "kind": CLEAR if one.clear else CHANCE}
        for name, one in zip(names, shares, strict=True)
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
    clear = [name for name, one in zip(names, shares, strict=True) if one.clear]
    words = ", ".join(
        f"{name}: {100 * one.share:.0f} %{'' if one.clear else ' (no more than chance)'}"
        for name, one in zip(names, shares, strict=True)
    )
    return Picture(
        name=f"importance{mark}",
        title=f"What mattered most{where}: {clear[0]}" if clear else f"Nothing clearly mattered{where}",
        alt=f"How much each hyperparameter sets the best quarter of the experiments apart. {words}.",
        note=f"How much the values that the best quarter of {len(own.tried)} experiments have differ from those of "
        "all, each hyperparameter taken alone; what shuffled results give is subtracted.",
        spec=drawing.spec(
            chart.encode(x=x, y=y, color=colour, tooltip=tooltip), (LARGE[0] - 120, 26 * len(names) + 10), ""
        ),
        mattered=True,
    )


def _heat_map(summary: Summary, known: Choosing, own: Searched, mark: str, where: str) -> Picture | None:
    pair = own.interaction
    if pair is None or not known.positive:
        return None
    first, second = map(experiments.label, pair.names)
    across, down = ([experiments.words(part) for part in side] for side in pair.parts)
    cells: list[dict[str, Any]] = [
        {"x": across[x], "y": down[y], "value": experiments.as_shown(known, median), "n": count}
        for (x, y), (median, count) in pair.cells.items()
    ]
    values = [cell["value"] for cell in cells]
    middle = math.sqrt(min(values) * max(values))
    for cell in cells:
        cell["text"] = f"{cell['value']:.2g}"
        cell["light"] = known.sign * cell["value"] > known.sign * middle
    x = alt.X("x:N", sort=across, axis=alt.Axis(labelAngle=0, labelLimit=100, labelFontSize=10))
    y = alt.Y("y:N", sort=list(reversed(down)), axis=alt.Axis(labelLimit=120))
    x, y = x.title(first), y.title(second)
    scheme = alt.Scale(type="log", scheme="viridis", reverse=known.sign > 0)
    legend = alt.Legend(
        title=drawing.y_words(known, summary), orient="top", gradientLength=200, format="~g", titleLimit=400
    )
    base = alt.Chart(alt.Data(values=cells)).encode(x=x, y=y)
    tooltip = [alt.Tooltip("value:Q", title="median", format=".4g"), alt.Tooltip("n:Q", title="experiments")]
    boxes = base.mark_rect(stroke="white").encode(
        color=alt.Color("value:Q", scale=scheme, legend=legend), tooltip=tooltip
    )
    ink = alt.condition("datum.light", alt.value("white"), alt.value("black"))
    texts = base.mark_text(fontSize=13).encode(text="text:N", color=ink)
    verdict = (
        f"what one does depends on the other: together they explain {100 * pair.share:.0f} % of the differences beyond "
        "what each explains alone"
        if pair.clear
        else "each seems to act for itself: together they explain no more, but for chance, than each alone"
    )
    return Picture(
        name=f"heat-map{mark}",
        title=f"{first} and {second} together{where}",
        alt=f"Median {drawing.value_words(known, summary)} for {len(cells)} combinations of {first} and {second}; "
        f"{verdict}.",
        note=f"{drawing.sentence(verdict)} The two that mattered most; medians, and an empty cell was not tried.",
        spec=drawing.spec(alt.layer(boxes, texts), (LARGE[0] - 40, 40 * len(down) + 10), ""),
        mattered=True,
    )
