"""A map of two hyperparameters: settings as points, on bands of the mean result of the settings near by."""

import math
from collections.abc import Sequence
from typing import Any

import altair as alt

from pipeline.report import experiments
from pipeline.report.charts import drawing
from pipeline.report.charts.drawing import LARGE
from pipeline.report.experiments import ChoosingResults, ExperimentResult, PhaseSearch
from pipeline.report.summary import Summary

FEWEST = 4
"""Settings that a map needs."""
_COLUMNS, _ROWS, _BANDS = 32, 22, 8
_WIDTH = 0.11
"""Standard deviation of the kernel, as a share of an axis."""
_LEAST_WEIGHT = 0.25
"""A place with less weight is left empty: no setting lies near it."""
_COLOURS = ("#440154", "#46327e", "#365c8d", "#277f8e", "#1fa187", "#4ac16d", "#a0da39", "#fde725")
"""Viridis, in steps."""


def chart(
    summary: Summary, choosing: ChoosingResults, search: PhaseSearch, names: tuple[str, str]
) -> dict[str, Any] | None:
    """The map as a layered chart. None unless both hyperparameters have ranges, and several values."""
    intervals = [interval for name in names if (interval := search.experiments.interval(name)) is not None]
    results = [
        result for result in choosing.comparable if search.phase.name in result.phases and _has_numbers(result, names)
    ]
    if len(intervals) < len(names) or len(results) < FEWEST:
        return None
    scales = [
        _Scale([result.assignment[name] for result in results], log=interval.log)
        for name, interval in zip(names, intervals, strict=True)
    ]
    if any(scale.low == scale.high for scale in scales):
        return None
    axes = [
        drawing.axis(channel, field, [scale.back(0), scale.back(1)], experiments.label(name), log=scale.log)
        for channel, field, scale, name in zip((alt.X, alt.Y), ("x:Q", "y:Q"), scales, names, strict=True)
    ]

    bands: Any = _bands(choosing, results, names, scales)
    fills = alt.Chart(alt.Data(values=bands)).mark_rect(clip=True, strokeWidth=0.7)
    fills = fills.encode(
        x=axes[0],
        x2="x2:Q",
        y=axes[1],
        y2="y2:Q",
        fill=alt.Fill("colour:N", scale=None),
        stroke=alt.Stroke("colour:N", scale=None),
    )
    return drawing.spec(alt.layer(fills, _points(summary, choosing, results, names, axes)), LARGE, "")


def _points(
    summary: Summary,
    choosing: ChoosingResults,
    results: Sequence[ExperimentResult],
    names: tuple[str, str],
    axes: Sequence[Any],
) -> Any:
    """A layer with a point per experiment."""
    points: Any = sorted(
        (
            drawing.point(summary, choosing, result)
            | {"x": result.assignment[names[0]], "y": result.assignment[names[1]]}
            for result in experiments.sample(results, drawing.MOST_POINTS)
        ),
        key=lambda point: point["size"],
    )
    return (
        alt.Chart(alt.Data(values=points))
        .mark_point(filled=True, stroke="white", strokeWidth=1.2)
        .encode(
            x=axes[0],
            y=axes[1],
            color=drawing.colour(summary),
            shape=drawing.shape(summary),
            size=alt.Size("size:Q", scale=None, legend=None),
            tooltip=["experiment:N", alt.Tooltip("value:Q", format=".4g")],
        )
    )


class _Scale:
    """Converts values of an axis to places between 0 and 1, and back."""

    def __init__(self, values: Sequence[Any], *, log: bool) -> None:
        self.log = log and min(values) > 0
        self.low, self.high = self._scaled(min(values)), self._scaled(max(values))

    def _scaled(self, value: float) -> float:
        return math.log(value) if self.log else float(value)

    def place(self, value: Any) -> float:
        return (self._scaled(value) - self.low) / (self.high - self.low)

    def back(self, place: float) -> float:
        value = self.low + place * (self.high - self.low)
        return math.exp(value) if self.log else value


def _bands(
    choosing: ChoosingResults, results: Sequence[ExperimentResult], names: tuple[str, str], scales: Sequence[_Scale]
) -> list[dict[str, Any]]:
    """Rectangles, each of one colour: the mean result of the settings near by, in steps; bright is good."""
    import numpy as np

    # The kernel mean on a grid; places without a setting near by have no band.
    places = np.array(
        [
            [scale.place(result.assignment[name]) for name, scale in zip(names, scales, strict=True)]
            for result in results
        ]
    )
    values = np.array([choosing.minimised(drawing.within(choosing, result.value)) for result in results])
    heights = np.log(values) if values.min() > 0 else values
    across, down = (np.arange(_COLUMNS) + 0.5) / _COLUMNS, (np.arange(_ROWS) + 0.5) / _ROWS
    grid = np.stack(np.meshgrid(across, down), axis=-1)
    weights = np.exp(-((grid[:, :, None, :] - places) ** 2).sum(axis=-1) / (2 * _WIDTH**2))
    total = weights.sum(axis=-1)
    means = (weights * heights).sum(axis=-1) / np.maximum(total, 1e-300)
    has_neighbours = total >= _LEAST_WEIGHT
    edges = np.quantile(means[has_neighbours], np.arange(1, _BANDS) / _BANDS)
    band = np.where(has_neighbours, _BANDS - 1 - np.searchsorted(edges, means), -1)

    # Neighbouring cells of a row with the same band become one rectangle.
    rectangles = []
    for row in range(_ROWS):
        start = 0
        for column in range(1, _COLUMNS + 1):
            if column < _COLUMNS and band[row, column] == band[row, start]:
                continue
            if band[row, start] >= 0:
                rectangles.append(
                    {
                        "x": scales[0].back(start / _COLUMNS),
                        "x2": scales[0].back(column / _COLUMNS),
                        "y": scales[1].back(row / _ROWS),
                        "y2": scales[1].back((row + 1) / _ROWS),
                        "colour": _COLOURS[band[row, start]],
                    }
                )
            start = column
    return rectangles


def _has_numbers(result: ExperimentResult, names: Sequence[str]) -> bool:
    return all(drawing.is_number(result.assignment[name]) for name in names)
