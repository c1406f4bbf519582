"""One picture of all settings: an axis per hyperparameter, and a line per experiment that ends at its result.

Inselberg, "The plane with parallel coordinates", The Visual Computer 1, 1985.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt

from pipeline.report import experiments
from pipeline.report.charts import drawing
from pipeline.report.charts.drawing import BEST, BEST_QUARTER, INCUMBENT, INK, OTHERS, Picture
from pipeline.report.experiments import ChoosingResults, ExperimentResult, PhaseSearch
from pipeline.report.summary import Summary

FEWEST = 6
"""Experiments that the picture needs."""
MOST_AXES = 9
MOST_LINES = 150
_MOST_LABELS = 8
_WIDTH, _HEIGHT, _APART = 960, 170, (100, 250)
"""In pixels; the last is the least and the greatest distance of two axes."""


@dataclass(frozen=True)
class _Axis:
    """A vertical axis, from 0 to 1."""

    title: str
    place: Callable[[ExperimentResult], float | None]
    """Place of an experiment; None if it has no value on the axis."""
    labels: Sequence[tuple[float, str]]


def picture(summary: Summary, choosing: ChoosingResults, searches: Sequence[PhaseSearch]) -> Picture | None:
    """The picture, hyperparameters in the order of their importance; None if fewer than two vary."""
    # Axes.
    owners = {name: search for search in searches for name in search.experiments.domains}
    shares = {importance.name: importance.share for search in searches for importance in search.importances}
    names = sorted((name for name in summary.searched if name in owners), key=lambda name: -shares.get(name, 0))
    results = experiments.sample(choosing.comparable, MOST_LINES)
    axes = [axis for name in names if (axis := _axis(owners[name], name, results))][:MOST_AXES]
    if len(axes) < 2 or len(results) < FEWEST:
        return None
    axes.append(_value_axis(summary, choosing, results))

    # Lines, by role.
    best = {result.experiment for result in choosing.comparable[: math.ceil(len(choosing.comparable) / 4)]}
    kinds = ["others", "best quarter", *drawing.roles(summary)[1:]]
    lines: dict[str, list[dict[str, Any]]] = {kind: [] for kind in kinds}
    for result in results:
        kind = drawing.role(summary, result.experiment, result.is_incumbent)
        kind = "best quarter" if kind == "others" and result.experiment in best else kind
        places = [(at, axis.place(result)) for at, axis in enumerate(axes)]
        lines[kind] += [
            {"x": at, "y": place, "role": kind, "experiment": result.experiment, "value": result.value}
            for at, place in places
            if place is not None
        ]
    drawn_kinds = [kind for kind in kinds if lines[kind]]
    apart = max(_APART[0], min(_WIDTH / (len(axes) - 1), _APART[1]))
    left_out = len(names) - len(axes) + 1
    return Picture(
        name="parallel",
        title="All settings: from each hyperparameter to the result",
        alt=f"A line for each of {len(results)} experiments through its values of {', '.join(names[:MOST_AXES])}, and "
        f"last {drawing.value_words(choosing, summary)}.",
        note=f"The best quarter is blue; {'lower' if choosing.sign > 0 else 'higher'} on the last axis is better."
        + (f" {left_out} hyperparameters that mattered less are left out." if left_out else ""),
        spec=drawing.spec(
            alt.layer(*_rules(axes), *_lines(lines, kinds, drawn_kinds), *_texts(axes)),
            (round(apart * (len(axes) - 1)), _HEIGHT),
            "",
        ),
        section="mattered",
        size="wide",
    )


_X: Any = alt.X("x:Q", axis=None, scale=alt.Scale(nice=False, zero=False))
_Y: Any = alt.Y("y:Q", axis=None, scale=alt.Scale(domain=[0, 1], nice=False))


def _rules(axes: Sequence[_Axis]) -> list[Any]:
    rows: Any = [{"x": at, "y": 0, "y2": 1} for at in range(len(axes))]
    return [alt.Chart(alt.Data(values=rows)).mark_rule(color=INK).encode(x=_X, y=_Y, y2="y2:Q")]


def _lines(lines: dict[str, list[dict[str, Any]]], kinds: list[str], drawn_kinds: list[str]) -> list[Any]:
    """A layer for each role, the best on top."""
    colours = alt.Scale(domain=kinds, range=[OTHERS, BEST_QUARTER, INCUMBENT, BEST])
    legend = alt.Legend(title=None, orient="bottom", values=drawn_kinds[::-1], symbolOpacity=1, symbolStrokeWidth=3)
    # Width, opacity and dashes of each role.
    styles = zip(kinds, (0.8, 1.4, 2.5, 3.2), (0.4, 0.75, 1, 1), ([1, 0], [1, 0], [6, 3], [1, 0]), strict=True)
    return [
        alt.Chart(alt.Data(values=lines[kind]))
        .mark_line(strokeWidth=width, opacity=opacity, strokeDash=dash)
        .encode(
            x=_X,
            y=_Y,
            detail="experiment:N",
            color=alt.Color("role:N", scale=colours, legend=legend),
            tooltip=["experiment:N", alt.Tooltip("value:Q", format=".4g")],
        )
        for kind, width, opacity, dash in styles
        if lines[kind]
    ]


def _texts(axes: Sequence[_Axis]) -> list[Any]:
    """Titles above the axes, in two rows to make room for long ones, and labels beside the axes, on white."""
    layers = []
    for row in (0, 1):
        titles: Any = [{"x": at, "y": 1, "text": axis.title} for at, axis in enumerate(axes) if at % 2 == row]
        text = alt.Chart(alt.Data(values=titles)).mark_text(dy=-14 - 16 * row, fontSize=12, color=INK)
        layers.append(text.encode(x=_X, y=_Y, text="text:N"))
    labels: Any = [{"x": at, "y": place, "text": text} for at, axis in enumerate(axes) for place, text in axis.labels]
    base = alt.Chart(alt.Data(values=labels)).encode(x=_X, y=_Y, text="text:N")
    halo = base.mark_text(dx=5, align="left", fontSize=11, color="white", stroke="white", strokeWidth=3, opacity=0.85)
    return [*layers, halo, base.mark_text(dx=5, align="left", fontSize=11, color=INK)]


def _axis(search: PhaseSearch, name: str, results: Sequence[ExperimentResult]) -> _Axis | None:
    """None if all experiments have the same value."""
    interval = search.experiments.interval(name)
    if interval is not None:
        numbers = [value for result in results if drawing.is_number(value := result.assignment[name])]
        return _number_axis(experiments.label(name), numbers, lambda result: result.assignment[name], log=interval.log)
    order = [group.label for group in search.groups(name)]
    order += [text for result in results if (text := experiments.label(result.assignment[name])) not in order]
    order = list(dict.fromkeys(order))
    if len(order) < 2:
        return None
    places = {text: at / (len(order) - 1) for at, text in enumerate(order)}
    step = math.ceil(len(order) / _MOST_LABELS)
    return _Axis(
        experiments.label(name),
        lambda result: places.get(experiments.label(result.assignment[name])),
        [(places[text], _short(text)) for text in order[::step]],
    )


def _value_axis(summary: Summary, choosing: ChoosingResults, results: Sequence[ExperimentResult]) -> _Axis:
    values = [drawing.within(choosing, result.value) for result in results]
    words = f"÷ {drawing.the_incumbents(summary)}" if choosing.relative else ""
    title = f"{experiments.label(summary.definition.objective.valid)} {words}".strip()
    log = drawing.spans_much(values)
    axis = _number_axis(title, values, lambda result: drawing.within(choosing, result.value), log=log)
    return axis or _Axis(title, lambda _: 0.5, [(0.5, f"{values[0]:.3g}")])


def _number_axis(
    title: str, values: Sequence[Any], value: Callable[[ExperimentResult], Any], *, log: bool
) -> _Axis | None:
    if not values or min(values) == max(values):
        return None
    is_log = log and min(values) > 0
    scaled: Callable[[float], float] = math.log if is_log else float
    low, high = scaled(min(values)), scaled(max(values))

    def place(result: ExperimentResult) -> float | None:
        number = value(result)
        return (scaled(number) - low) / (high - low) if drawing.is_number(number) else None

    middle = (low + high) / 2
    ends = (min(values), math.exp(middle) if is_log else middle, max(values))
    return _Axis(title, place, [(at / 2, f"{end:.2g}") for at, end in enumerate(ends)])


def _short(text: str) -> str:
    return text if len(text) <= 13 else text[:12] + "…"
