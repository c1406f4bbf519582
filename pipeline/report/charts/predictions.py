"""Prediction against truth, and error by week, of the answer, the incumbent and the references.

The numbers are what attempts noted of their predictions (`training/predictions.py`), on the ranges that judged.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from itertools import chain
from typing import Any

import altair as alt

from pipeline.report import experiments
from pipeline.report.charts import drawing
from pipeline.report.charts.drawing import BEST, INCUMBENT, LARGE, Picture
from pipeline.report.summary import Summary
from pipeline.results import Row, Status, range_of

Notes = Mapping[str, Mapping[str, Any]]
"""By trial, its notes: `{"bins": {target: [[prediction, truth, rows]]}, "weeks": [[monday, error, rows]]}`."""
Models = Mapping[str, tuple[str, list[dict[str, Any]]]]
"""By model: its colour, and the notes of its trials."""
_POINTS = 12
"""Points of a model in the picture of prediction against truth."""
_SIZE = (LARGE[0], 180)
_REFERENCES = {"linear": ("the linear model", "#CC79A7"), "trees": ("boosted trees", "#009E73")}
_SHAPES = ["circle", "diamond", "square", "triangle-up"]


def pictures(summary: Summary, read: Callable[[Sequence[Row]], Notes]) -> list[Picture]:
    """Both pictures; none if nothing was judged, or if no attempt noted its predictions."""
    rows_by_model = _rows_by_model(summary)
    notes = read(list(chain.from_iterable(rows for _, rows in rows_by_model.values())))
    models = {
        name: (colour, notes_of_model)
        for name, (colour, rows) in rows_by_model.items()
        if (notes_of_model := [_undamaged(notes[row["trial"]]) for row in rows if row["trial"] in notes])
    }
    if not models:
        return []
    target = next((name for _, trials in models.values() for trial in trials for name in trial["bins"]), None)
    candidates = [_against_truth(models, target) if target is not None else None, _by_week(models)]
    return [picture for picture in candidates if picture is not None]


def _rows_by_model(summary: Summary) -> dict[str, tuple[str, list[Row]]]:
    """By model, its colour and its rows on the ranges that judged: the answer, the incumbent, then the references."""
    definition, decided = summary.definition, summary.decided
    if definition.confirm is None or decided is None or summary.confirmed is None:
        return {}
    judged = [row for row in summary.rows if row["phase"] == definition.confirm.name]
    complete = [row for row in judged if row["status"] == Status.COMPLETE]
    ranges = {range_of(row) for row in complete}
    challenger = decided.rival or (None if decided.setting.is_incumbent else decided.setting.experiment)
    settings = {
        "the best tried" if decided.rival else drawing.FINALIST: (BEST, challenger),
        definition.incumbent_name: (INCUMBENT, summary.confirmed.incumbent),
    }
    models = {
        name: (colour, [row for row in complete if row["experiment"] == experiment])
        for name, (colour, experiment) in settings.items()
        if experiment
    }
    references = {phase.name for phase in definition.phases if phase.is_reference}
    fitted = [row for row in summary.rows if row["phase"] in references and range_of(row) in ranges]
    for experiment, (name, colour) in _REFERENCES.items():
        models[name] = (colour, [row for row in fitted if row["experiment"] == experiment])
    return {name: (colour, rows) for name, (colour, rows) in models.items() if rows}


def _undamaged(notes: Mapping[str, Any]) -> dict[str, Any]:
    """The notes of a trial without their damaged lines."""
    bins, weeks = notes.get("bins"), notes.get("weeks")
    of_targets = bins.items() if isinstance(bins, dict) else ()
    return {
        "bins": {
            name: [line for line in lines if _is_whole(line)] for name, lines in of_targets if isinstance(lines, list)
        },
        "weeks": [line for line in weeks if _is_whole(line, dated=True)] if isinstance(weeks, list) else [],
    }


def _is_whole(line: Any, *, dated: bool = False) -> bool:
    if not isinstance(line, list) or len(line) != 3:
        return False
    if not all(map(drawing.is_number, line[1:])):
        return False
    return _is_day(line[0]) if dated else drawing.is_number(line[0])


def _is_day(value: Any) -> bool:
    try:
        return bool(date.fromisoformat(value))
    except (TypeError, ValueError):
        return False


def _against_truth(models: Models, target: str) -> Picture | None:
    """Mean truth over mean prediction, in groups of rows with similar predictions."""
    points: list[dict[str, Any]] = []
    for name, (_, trials) in models.items():
        lines = sorted(line for trial in trials for line in trial["bins"].get(target, ()))
        size = math.ceil(len(lines) / _POINTS)
        for at in range(0, len(lines), size or 1):
            group = lines[at : at + size]
            rows = sum(line[2] for line in group) or 1
            means = [sum(line[place] * line[2] for line in group) / rows for place in (0, 1)]
            points.append({"x": means[0], "y": means[1], "model": name})
    if len(points) < 2:
        return None
    numbers = [point[axis] for point in points for axis in ("x", "y")]
    low, high = min(numbers), max(numbers)
    log = drawing.spans_much(numbers)
    words = experiments.label(target)
    x = drawing.axis(alt.X, "x:Q", [low, high], f"{words}, predicted", log=log)
    y = drawing.axis(alt.Y, "y:Q", [low, high], f"{words}, true", log=log)
    ends: Any = [{"x": low, "y": low}, {"x": high, "y": high}]
    line = alt.Chart(alt.Data(values=ends)).mark_line(color=drawing.INK, strokeDash=[4, 3], strokeWidth=1)
    return Picture(
        name="predictions",
        title="Prediction against truth",
        alt=f"Mean true {words} against its mean prediction, of {', '.join(models)}, in groups of similar predictions; "
        "on the dashed line both are the same.",
        note="A point: rows with similar predictions, on the test days that judged. Dashed: right on average.",
        spec=drawing.spec(alt.layer(line.encode(x=x, y=y), *_lines(points, x, y, models)), _SIZE, ""),
        section="evidence",
    )


def _by_week(models: Models) -> Picture | None:
    points: list[dict[str, Any]] = []
    for name, (_, trials) in models.items():
        weeks: dict[str, list[tuple[float, float]]] = {}
        for monday, error, rows in (line for trial in trials for line in trial["weeks"]):
            weeks.setdefault(monday, []).append((error, rows))
        for monday, errors in sorted(weeks.items()):
            mean = sum(error * rows for error, rows in errors) / (sum(rows for _, rows in errors) or 1)
            points.append({"x": monday, "y": mean, "model": name})
    if len({point["x"] for point in points}) < 2:
        return None
    y = drawing.axis(alt.Y, "y:Q", [point["y"] for point in points], "mse_test")
    x = alt.X("x:T", scale=alt.Scale(type="utc"), axis=alt.Axis(format="%Y-%m-%d", tickCount=4, labelOverlap=True))
    return Picture(
        name="weeks",
        title="Error by week",
        alt=f"Mean squared error of {', '.join(models)} in each week of the test days that judged.",
        note="Of standardised targets, on the test days that judged; a point is a week.",
        spec=drawing.spec(alt.layer(*_lines(points, x.title(None), y, models)), _SIZE, "y"),
        section="evidence",
    )


def _lines(points: list[dict[str, Any]], x: Any, y: Any, models: Models) -> list[Any]:
    names = list(models)
    legend = alt.Legend(title=None, orient="top", columns=2, symbolOpacity=1)
    colours = alt.Scale(domain=names, range=[colour for colour, _ in models.values()])
    colour = alt.Color("model:N", scale=colours, legend=legend)
    shape = alt.Shape("model:N", scale=alt.Scale(domain=names, range=_SHAPES[: len(names)]), legend=legend)
    base = alt.Chart(alt.Data(values=points)).encode(x=x, y=y, color=colour)
    tooltip = [alt.Tooltip("model:N"), alt.Tooltip("y:Q", format=".4g")]
    marks = base.mark_point(filled=True, size=40, opacity=0.9).encode(shape=shape, tooltip=tooltip)
    return [base.mark_line(strokeWidth=1.2, opacity=0.6), marks]
