"""Where models are right: prediction against truth, and the error by week, of the answer and what stands beside it.

From what attempts noted of their predictions (`training/predictions.py`), on the date ranges that judged.
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

Noted = Mapping[str, Mapping[str, Any]]
"""By trial."""
_POINTS = 12
_SIZE = (LARGE[0], 180)
_REFERENCES = {"linear": ("the linear model", "#CC79A7"), "trees": ("boosted trees", "#009E73")}
_SHAPES = ["circle", "diamond", "square", "triangle-up"]


def pictures(summary: Summary, read: Callable[[Sequence[Row]], Noted]) -> list[Picture]:
    """Both pictures; none where nothing judged, or nobody noted predictions."""
    models = _models(summary)
    noted = read(list(chain.from_iterable(rows for _, rows in models.values())))
    found = {
        name: (colour, values)
        for name, (colour, rows) in models.items()
        if (values := [_sound(noted[row["trial"]]) for row in rows if row["trial"] in noted])
    }
    if not found:
        return []
    target = next((name for _, values in found.values() for one in values for name in one["bins"]), None)
    drawn = [_against_truth(found, target) if target is not None else None, _by_week(found)]
    return [picture for picture in drawn if picture is not None]


def _models(summary: Summary) -> dict[str, tuple[str, list[Row]]]:
    """By name: a colour, and the rows of the ranges that judged; the answer, the incumbent, then the references."""
    definition, decided = summary.definition, summary.decided
    if definition.confirm is None or decided is None or summary.confirmed is None:
        return {}
    judged = [row for row in summary.rows if row["phase"] == definition.confirm.name]
    complete = [row for row in judged if row["status"] == Status.COMPLETE]
    ranges = {range_of(row) for row in complete}
    challenger = decided.rival or (None if decided.setting.is_incumbent else decided.setting.experiment)
    models = {
        "the best tried" if decided.rival else drawing.FINALIST: (BEST, challenger),
        definition.incumbent_name: (INCUMBENT, summary.confirmed.incumbent),
    }
    found = {
        name: (colour, [row for row in complete if row["experiment"] == experiment])
        for name, (colour, experiment) in models.items()
        if experiment
    }
    references = {phase.name for phase in definition.phases if phase.is_reference}
    fitted = [row for row in summary.rows if row["phase"] in references and range_of(row) in ranges]
    for experiment, (name, colour) in _REFERENCES.items():
        found[name] = (colour, [row for row in fitted if row["experiment"] == experiment])
    return {name: (colour, rows) for name, (colour, rows) in found.items() if rows}


def _sound(noted: Mapping[str, Any]) -> dict[str, Any]:
    """What was noted, without what is damaged."""
    bins, weeks = noted.get("bins"), noted.get("weeks")
    of_targets = bins.items() if isinstance(bins, dict) else ()
    return {
        "bins": {
            name: [one for one in lines if _is_sound(one)] for name, lines in of_targets if isinstance(lines, list)
        },
        "weeks": [one for one in weeks if _is_sound(one, dated=True)] if isinstance(weeks, list) else [],
    }


def _is_sound(line: Any, *, dated: bool = False) -> bool:
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


def _against_truth(found: Mapping[str, tuple[str, list[dict[str, Any]]]], target: str) -> Picture | None:
    """Mean truth over mean prediction, of rows with alike predictions."""
    points: list[dict[str, Any]] = []
    for name, (_, values) in found.items():
        lines = sorted(line for one in values for line in one["bins"].get(target, ()))
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
        alt=f"Mean true {words} against its mean prediction, of {', '.join(found)}, in groups of alike predictions; on "
        "the dashed line they are the same.",
        note="Rows with alike predictions together, on the test days that judged; dashed: right on average.",
        spec=drawing.spec(alt.layer(line.encode(x=x, y=y), *_lines(points, x, y, found)), _SIZE, ""),
        section="evidence",
    )


def _by_week(found: Mapping[str, tuple[str, list[dict[str, Any]]]]) -> Picture | None:
    points: list[dict[str, Any]] = []
    for name, (_, values) in found.items():
        weeks: dict[str, list[tuple[float, float]]] = {}
        for monday, error, rows in (line for one in values for line in one["weeks"]):
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
        alt=f"Mean squared error of {', '.join(found)} in each week of the test days that judged.",
        note="Of standardised targets, on the test days that judged; a point is a week.",
        spec=drawing.spec(alt.layer(*_lines(points, x.title(None), y, found)), _SIZE, "y"),
        section="evidence",
    )


def _lines(points: list[dict[str, Any]], x: Any, y: Any, found: Mapping[str, tuple[str, Any]]) -> list[Any]:
    names = list(found)
    legend = alt.Legend(title=None, orient="top", columns=2, symbolOpacity=1)
    colours = alt.Scale(domain=names, range=[colour for colour, _ in found.values()])
    colour = alt.Color("model:N", scale=colours, legend=legend)
    shape = alt.Shape("model:N", scale=alt.Scale(domain=names, range=_SHAPES[: len(names)]), legend=legend)
    base = alt.Chart(alt.Data(values=points)).encode(x=x, y=y, color=colour)
    tooltip = [alt.Tooltip("model:N"), alt.Tooltip("y:Q", format=".4g")]
    marks = base.mark_point(filled=True, size=40, opacity=0.9).encode(shape=shape, tooltip=tooltip)
    return [base.mark_line(strokeWidth=1.2, opacity=0.6), marks]
