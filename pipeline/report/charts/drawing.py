"""Common parts of the pictures: colours, axes, points, and the last step to Vega-Lite.

A colour means the same in every picture, and a shape repeats it. `pictures.py` composes the pictures.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

import altair as alt

from pipeline.report import experiments
from pipeline.report.charts import lettering
from pipeline.report.experiments import ChoosingResults, ExperimentResult
from pipeline.report.summary import Summary
from pipeline.report.words import incumbent_in_words

MOST_POINTS = 200
"""More points hide one another in a small plot, and make its file large."""

SMALL, LARGE = (180, 130), (400, 220)

# Okabe and Ito's colours, which colour-blind people can tell apart.
BEST, INCUMBENT, OTHERS, INK = "#0072B2", "#D55E00", "#8F99A3", "#30363C"
BEST_QUARTER = "#56B4E9"
LABEL = 12
"""Font size of labels, in pixels."""
_LONGEST_LABEL, _TURNED_APART, _TURN = 90, 20, 55
"""Labels of single values: greatest length and, if turned, least distance, in pixels; angle in degrees."""


@dataclass(frozen=True)
class Picture:
    """A picture of the page."""

    name: str
    """Name of its file, without the suffix."""
    title: str
    alt: str
    note: str
    """Remarks on sampling and on what is left out."""
    spec: dict[str, Any]
    """Vega-Lite, as `spec()` makes it."""
    section: Literal["evidence", "mattered", "each", "search"]
    """Section of the page that shows it."""
    size: Literal["small", "large", "wide"] = "large"

    @property
    def small(self) -> bool:
        """True if several stand side by side."""
        return self.size == "small"


def sampled_in_words(choosing: ChoosingResults, summary: Summary) -> str:
    """A note on the pictures with a point per experiment."""
    total = len(choosing.comparable)
    words = [f"A point is an experiment, a short line is a median; the y axis is {y_words(choosing, summary)}."]
    if total > MOST_POINTS:
        drawn = len(experiments.sample(choosing.comparable, MOST_POINTS))
        words.append(f"{drawn} of {total} experiments are drawn, evenly along the ranking; medians are of all.")
    beyond = sum(value > choosing.edge for value in choosing.values)
    if beyond:
        words.append(f"{beyond} lie beyond the upper edge and are drawn on it.")
    if choosing.left_out:
        words.append(f"{choosing.left_out} without a result to compare are not shown.")
    return " ".join(words)


def y_words(choosing: ChoosingResults, summary: Summary) -> str:
    """The quantity of the y axis and its better direction."""
    metric = summary.definition.objective.valid
    direction = "less is better" if choosing.sign > 0 else "more is better"
    quantity = f"{metric} ÷ {the_incumbents(summary)}" if choosing.relative else f"{metric}, mean over date ranges"
    return f"{quantity} ({direction})"


def value_words(choosing: ChoosingResults, summary: Summary) -> str:
    """The quantity of an experiment's value."""
    metric = summary.definition.objective.valid
    return f"{metric} as a multiple of {the_incumbents(summary)}" if choosing.relative else metric


def the_incumbents(summary: Summary) -> str:
    """`the defaults'`, `your setting's`."""
    return incumbent_in_words(summary.definition).possessive


def y_axis(choosing: ChoosingResults, summary: Summary) -> Any:
    """The y axis of all pictures with a point per experiment."""
    metric = summary.definition.objective.valid
    values = [within(choosing, value) for value in choosing.values] + [1.0] * choosing.relative
    words = f"{metric} ÷ {the_incumbents(summary)}" if choosing.relative else metric
    return axis(alt.Y, "y:Q", values, words, log=spans_much(values), say_log=False)


def axis(
    channel: Any,
    field: str,
    values: Sequence[float],
    title: str,
    *,
    log: bool | None = None,
    say_log: bool = True,
    width: int = LARGE[0],
    padding: int = 0,
) -> Any:
    """An axis that just holds the values; logarithmic, with few ticks, if they span much.

    `width`, and `padding` at both ends, are in pixels. `log` None: decided by the values.
    """
    log = spans_much(values) if log is None else log
    if not log:
        plain = alt.Axis(format="~g", tickCount=max(2, min(5, width // 60)))
        scale = alt.Scale(zero=False, padding=padding) if padding else alt.Scale(zero=False)
        return channel(field, scale=scale, axis=plain).title(title)

    # A log axis: its ends, then as many ticks as fit.
    first, last = math.log10(min(values)), math.log10(max(values))
    room = max(0.04, padding / width) * (last - first)
    low, high = 10 ** max(first - room, -300), 10 ** min(last + room, 300)
    exponents = range(math.floor(first - room), math.ceil(last + room) + 1)
    ticks: list[float] = []
    for steps in ((1, 2, 5), (1, 3), (1,)):
        ticks = [step * 10.0**exponent for exponent in exponents if abs(exponent) < 300 for step in steps]
        ticks = [value for value in ticks if low <= value <= high]
        if len(ticks) <= 7:
            break
    ticks = ticks[:: math.ceil(len(ticks) / 8) or 1]
    if channel is alt.X:
        per_decade = width / (math.log10(high) - math.log10(low))
        ticks = thinned(ticks, [per_decade * math.log10(value) for value in ticks], [f"{v:g}" for v in ticks])
    scale = alt.Scale(type="log", domain=[low, high], nice=False)
    return channel(field, scale=scale, axis=alt.Axis(format="~g", values=ticks)).title(
        f"{title} (log scale)" if say_log else title
    )


def thinned(values: Sequence[Any], places: Sequence[float], texts: Sequence[str]) -> list[Any]:
    """Every value, every second, or fewer, so that their labels do not touch; `places` are in pixels."""
    widths = [lettering.width(text, LABEL) for text in texts]
    for step in range(1, len(values) + 1):
        at = range(0, len(values), step)
        if all(places[b] - places[a] > (widths[a] + widths[b]) / 2 + 6 for a, b in pairwise(at)):
            return list(values[::step])
    return list(values[:1])


def steps_axis(order: Sequence[str], width: int) -> Any:
    """An x axis of single values, `width` pixels long.

    Labels that do not fit side by side are turned. If that is not enough, some are left out, but never the first and
    the last.
    """
    apart = width / len(order)
    longest = max(min(lettering.width(text, LABEL), _LONGEST_LABEL) for text in order)
    if longest + 6 <= apart:
        return alt.Axis(labelAngle=0, labelLimit=_LONGEST_LABEL, labelOverlap=False, values=list(order))
    count = max(2, (len(order) - 1) // math.ceil(_TURNED_APART / apart) + 1)
    labels = [order[round(at * (len(order) - 1) / (count - 1))] for at in range(count)] if len(order) > 1 else [*order]
    # The first label points down to the left, to the title of the other axis.
    limit = min(_LONGEST_LABEL, (apart / 2 + 20) / math.cos(math.radians(_TURN)))
    return alt.Axis(labelAngle=-_TURN, labelLimit=limit, labelOverlap=False, values=labels)


def within(choosing: ChoosingResults, value: float) -> float:
    """A value, or the edge of the pictures if it lies beyond."""
    return min(value, choosing.edge)


def reference(choosing: ChoosingResults) -> list[Any]:
    """A line at the incumbent's level, if values are multiples of it."""
    if not choosing.relative:
        return []
    line: Any = [{"y": 1}]
    return [alt.Chart(alt.Data(values=line)).mark_rule(color=INCUMBENT, strokeDash=[6, 3], opacity=0.8).encode(y="y:Q")]


def point(summary: Summary, choosing: ChoosingResults, result: ExperimentResult) -> dict[str, Any]:
    """The datum of an experiment's point, without its x."""
    kind = role(summary, result.experiment, result.is_incumbent)
    size, opacity = {"others": (34, 0.8), summary.definition.incumbent_name: (90, 1)}.get(kind, (110, 1))
    value = {
        "y": within(choosing, result.value),
        "value": result.value,
        "experiment": experiments.label(result.experiment),
    }
    return value | {"role": kind, "size": size, "opacity": opacity}


def dots(
    points: list[dict[str, Any]],
    x: Any,
    words: str,
    choosing: ChoosingResults,
    summary: Summary,
    *,
    jitter: bool = False,
    legend: bool = True,
) -> Any:
    """A layer with a point per experiment. `words` name the x axis; `jitter` spreads points of a single value."""
    # The largest are drawn last, on top.
    data = alt.Data(values=sorted(points, key=lambda point: point["size"]))
    chart = alt.Chart(data).mark_point(filled=True, stroke="white", strokeWidth=0.5)
    tooltip = [
        alt.Tooltip("experiment:N"),
        alt.Tooltip("x:N", title=words) if jitter else alt.Tooltip("x:Q", title=words, format=".4g"),
        alt.Tooltip("value:Q", title=y_words(choosing, summary), format=".4g"),
    ]
    chart = chart.encode(
        x=x,
        y=y_axis(choosing, summary),
        color=colour(summary) if legend else colour(summary).legend(None),
        shape=shape(summary) if legend else shape(summary).legend(None),
        size=alt.Size("size:Q", scale=None, legend=None),
        opacity=alt.Opacity("opacity:Q", scale=None, legend=None),
        tooltip=tooltip,
    )
    return chart.encode(xOffset=alt.XOffset("jitter:Q", scale=alt.Scale(domain=[-1, 1]))) if jitter else chart


LEADER, FINALIST = "best of choosing", "this setting"


def roles(summary: Summary, *, finalist: bool = False) -> tuple[str, str, str]:
    """The roles of points, as in the legend: others, the incumbent, the best of choosing (or a finalist)."""
    return "others", summary.definition.incumbent_name, FINALIST if finalist else LEADER


def role(summary: Summary, experiment: str, is_incumbent: bool) -> str:
    """The role of an experiment, one of `roles`."""
    others, incumbent, best = roles(summary)
    if is_incumbent:
        return incumbent
    return best if summary.leader and experiment == summary.leader.experiment else others


def colour(summary: Summary, *, finalist: bool = False, line: bool = False) -> Any:
    """The colour channel, by role."""
    kinds = roles(summary, finalist=finalist)
    scale = alt.Scale(domain=list(kinds), range=[OTHERS, INCUMBENT, BEST])
    return alt.Color("role:N", scale=scale, legend=_legend(summary, finalist=finalist, line=line))


def shape(summary: Summary, *, finalist: bool = False) -> Any:
    """The shape channel, by role, which repeats the colour."""
    kinds = roles(summary, finalist=finalist)
    scale = alt.Scale(domain=list(kinds), range=["circle", "diamond", "circle"])
    return alt.Shape("role:N", scale=scale, legend=_legend(summary, finalist=finalist))


def _legend(summary: Summary, *, finalist: bool, line: bool = False) -> Any:
    """The roles that a picture has: no others beside a finalist, no best if that is the incumbent."""
    others, incumbent, best = roles(summary, finalist=finalist)
    if finalist:
        entries = [best, incumbent]
    elif summary.leader is None or summary.leader.is_incumbent:
        entries = [incumbent, others]
    else:
        entries = [best, incumbent, others]
    legend = alt.Legend(title=None, orient="top", values=entries, symbolOpacity=1)
    if line:
        legend.symbolStrokeWidth = 3
    return legend


def sentence(words: str) -> str:
    """Words as a sentence, with a capital letter and a full stop."""
    return f"{words[:1].upper()}{words[1:]}."


def jitter_of(experiment: str) -> float:
    """A fixed offset from the middle; the golden ratio spreads consecutive experiments evenly."""
    number = int(re.sub(r"\D", "", experiment) or 0)
    return 0.9 * ((number * 0.6180339887) % 1 - 0.5)


def spans_much(values: Sequence[float]) -> bool:
    """True if numbers are better read on a log scale."""
    return bool(values) and min(values) > 0 and max(values) / min(values) > 5


def is_number(value: Any) -> bool:
    """True for a finite number, which can be drawn."""
    return isinstance(value, int | float) and math.isfinite(value)


def spec(chart: Any, size: tuple[int, int], zoom: str) -> dict[str, Any]:
    """A chart as Vega-Lite. `size` is in pixels; `zoom` (`"x"`, `"y"`, `"xy"` or empty) are the axes to zoom along."""
    spec: dict[str, Any] = chart.properties(width=size[0], height=size[1]).to_dict(validate=False)
    spec["config"] = {
        "aria": False,
        "background": "white",
        "font": "Helvetica, Arial, sans-serif",
        "padding": 8,
        "view": {"stroke": None},
        "axis": {"labelFontSize": 12, "titleFontSize": 12, "titleFontWeight": "normal", "labelColor": INK}
        | {
            "titlePadding": 9,
            "titleColor": INK,
            "gridColor": "#E6E9EC",
            "domainColor": "#8A939C",
            "tickColor": "#8A939C",
        },
        "legend": {"labelFontSize": 12, "titleFontSize": 12, "titleFontWeight": "normal", "labelColor": INK},
    }
    spec["usermeta"] = {"zoom": zoom}
    return spec


def slug(name: str) -> str:
    """A name as part of a file name."""
    return re.sub(r"[^A-Za-z0-9_-]+", "-", name)[:40]
