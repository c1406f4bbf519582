"""The pictures of a summary: what each shows, its title, its words for those who cannot see it, and its Vega-Lite.

One definition gives the SVG file that `index.html` shows and the chart that can be zoomed in `interactive.html`. The
numbers come from `experiments.py`. Nothing here is imported while a sweep runs: altair takes a second to import.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import altair as alt

from pipeline.dates import DateRange
from pipeline.report import experiments
from pipeline.report.charts import drawing, importance, parallel, predictions
from pipeline.report.charts.drawing import LARGE, SMALL, Picture, slug
from pipeline.report.charts.lettering import fixed
from pipeline.report.experiments import ChoosingResults, Group, PhaseSearch
from pipeline.report.summary import Summary
from pipeline.report.words import duration, setting_name
from pipeline.results import Row, range_of
from pipeline.sweep import Phase

MOST_CURVES = 40
_BESIDE_LABELS = 12
"""Pixels between the labels of an axis and a point, which has a radius of six."""


def pictures(
    summary: Summary,
    choosing: ChoosingResults,
    searches: Sequence[PhaseSearch],
    epochs: Callable[[Sequence[Row]], Mapping[str, Sequence[Row]]],
    predicted: Callable[[Sequence[Row]], predictions.Noted] = lambda _: {},
) -> list[Picture]:
    """The pictures that this sweep has something to show in, in the order in which they help to decide.

    `epochs` reads the lines of trials' `epochs.csv`, `predicted` what they noted of their predictions; each is asked
    for a bounded number of them.
    """
    candidates: list[Picture | None] = [*_ranges(summary), *predictions.pictures(summary, predicted)]
    if len(choosing.comparable) > 1:
        candidates += importance.pictures(summary, choosing, searches)
        candidates.append(parallel.picture(summary, choosing, searches))
        order = {name: at for at, name in enumerate(summary.searched)}
        by_name = {name: search for search in searches for name in search.experiments.domains}
        candidates += [
            _hyperparameter(summary, choosing, by_name[name], order[name], name) for name in order if name in by_name
        ]
        candidates.append(_best_so_far(summary, choosing))
    candidates.append(_curves(summary, epochs))
    if len(choosing.comparable) > 1:
        candidates.append(_time(summary, choosing))
    return [picture for picture in candidates if picture is not None]


def svg(picture: Picture) -> str:
    """The picture as a file of its search."""
    import json

    import vl_convert

    return fixed(vl_convert.vegalite_to_svg(json.dumps(picture.spec)))


# -- the pictures


def _hyperparameter(
    summary: Summary, choosing: ChoosingResults, search: PhaseSearch, at: int, name: str
) -> Picture | None:
    """One hyperparameter's values against what they came to, and the median of each value or part of the range."""
    groups = [group for group in search.groups(name) if group.members]
    if len(groups) < 2:
        return None
    phases = {phase.name for phase in summary.definition.choosing if name in phase.space}
    drawn = experiments.sample([one for one in choosing.comparable if one.phases & phases], drawing.MOST_POINTS)
    interval = search.experiments.interval(name)
    judged = [group for group in groups if group.counts and math.isfinite(group.median)]

    # The axis, and the medians on it: of the parts of a range, or of single values.
    if interval is not None:
        drawn = [one for one in drawn if isinstance(one.assignment[name], int | float)]
        ends = [edge for group in groups for edge in (group.low, group.high) if edge is not None]
        x = drawing.axis(
            alt.X, "x:Q", ends, experiments.label(name), log=interval.log and min(ends) > 0, width=SMALL[0]
        )
        edges: Any = [
            {"x": group.low, "x2": group.high, "y": drawing.within(choosing, choosing.minimised(group.median))}
            for group in judged
        ]
        medians = alt.Chart(alt.Data(values=edges)).mark_rule(strokeWidth=3, color=drawing.INK, opacity=0.85)
        medians = medians.encode(x=x, x2="x2:Q", y=drawing.y_axis(choosing, summary))
    else:
        order = [group.label for group in groups]
        drawn = [one for one in drawn if experiments.label(one.assignment[name]) in order]
        x = alt.X("x:N", sort=order, scale=alt.Scale(domain=order), axis=drawing.steps_axis(order, SMALL[0]))
        x = x.title(experiments.label(name))
        middles: Any = [
            {"x": group.label, "y": drawing.within(choosing, choosing.minimised(group.median))} for group in judged
        ]
        size = min(38.0, 0.8 * SMALL[0] / len(order))
        medians = alt.Chart(alt.Data(values=middles)).mark_tick(thickness=3, size=size, color=drawing.INK, opacity=0.85)
        medians = medians.encode(
            x=x, y=drawing.y_axis(choosing, summary), tooltip=[alt.Tooltip("y:Q", title="median", format=".4g")]
        )

    # The experiments; those that share a single value stand side by side.
    points = [
        drawing.point(summary, choosing, one)
        | {"x": one.assignment[name] if interval is not None else experiments.label(one.assignment[name])}
        | {"jitter": drawing.jitter_of(one.experiment) if interval is None else 0}
        for one in drawn
    ]
    dots = drawing.dots(points, x, experiments.label(name), choosing, summary, jitter=interval is None, legend=False)
    return Picture(
        name=f"hyperparameter-{at + 1}-{slug(name)}",
        title=_title_of_values(experiments.label(name), judged, choosing),
        alt=f"{drawing.value_words(choosing, summary)} of {len(drawn)} experiments against "
        f"{experiments.label(name)}. Medians: "
        + "; ".join(f"{group.label}: {choosing.minimised(group.median):.3g}" for group in judged)
        + ".",
        note=f"Medians of phase {search.phase.name}." if len(phases) > 1 else "",
        spec=drawing.spec(
            alt.layer(*drawing.reference(choosing), dots, medians), SMALL, "xy" if interval is not None else "y"
        ),
        section="each",
        size="small",
    )


def _title_of_values(name: str, judged: Sequence[Group], choosing: ChoosingResults) -> str:
    """Names the best of the medians that are drawn, and all that are equal to it in the digits that are shown."""
    if not judged:
        return f"{name}: most fell behind with every value"
    best = min(judged, key=lambda group: group.median)
    shown = {group.label: f"{choosing.minimised(group.median):.3g}" for group in judged}
    first = [label for label, median in shown.items() if median == shown[best.label]]
    if len(first) == 1:
        return f"{name}: {best.label} has the best median"
    if len(first) == len(shown):
        return f"{name}: no difference between the medians"
    return f"{name}: {', '.join(first[:-1])} and {first[-1]} share the best median"


def _curves(summary: Summary, epochs: Callable[[Sequence[Row]], Mapping[str, Sequence[Row]]]) -> Picture | None:
    """Learning curves on one date range, the best's and the incumbent's in front."""
    phase = _last_choosing(summary)
    # A calibration shows its own, by amount of data.
    if phase is None or summary.definition.calibrating:
        return None
    rows = experiments.curve_rows(summary, phase, MOST_CURVES)
    metric = summary.definition.objective.valid
    incumbent = next((one.experiment for one in summary.ranked if one.is_incumbent), None)
    lines = epochs(rows)
    points = [
        {
            "x": line["epoch"],
            "y": line[metric],
            "role": drawing.role(summary, row["experiment"], row["experiment"] == incumbent),
            "experiment": experiments.label(row["experiment"]),
        }
        for row in rows
        for line in lines.get(row["trial"], ())
        if drawing.is_number(line.get(metric)) and drawing.is_number(line.get("epoch"))
    ]
    if len({point["x"] for point in points}) < 2:
        return None

    # The axes.
    x = alt.X("x:Q", axis=alt.Axis(tickMinStep=1, format="d"), scale=alt.Scale(nice=False)).title("epoch")
    heights = sorted(point["y"] for point in points)
    # A curve that goes astray leaves through the upper edge.
    edge = 50 * heights[int(0.9 * (len(heights) - 1))]
    y = drawing.axis(alt.Y, "y:Q", [height for height in heights if height <= max(edge, heights[0])], metric)
    tooltip = ["experiment:N", alt.Tooltip("x:Q", title="epoch"), alt.Tooltip("y:Q", title=metric, format=".4g")]

    # A layer for each role, so that the best lies on top.
    layers = [
        alt.Chart(alt.Data(values=[point for point in points if point["role"] == role]))
        .mark_line(strokeWidth=width, opacity=opacity, strokeDash=dash, clip=True)
        .encode(x=x, y=y, color=drawing.colour(summary, line=True), detail="experiment:N", tooltip=tooltip)
        for role, width, opacity, dash in zip(
            drawing.roles(summary), (1, 2.5, 3), (0.55, 1, 1), ([1, 0], [6, 3], [1, 0]), strict=True
        )
    ]
    names = {point["experiment"] for point in points}
    total = len({row["experiment"] for row in summary.rows if row["phase"] == phase.name})
    where = range_of(rows[0])
    return Picture(
        name="curves",
        title=f"Learning curves on {where}",
        alt=f"{metric} by epoch of {len(names)} trainings on {where}; the best's and {drawing.whose(summary)} stand "
        "out.",
        note=f"{len(names)} of {total} experiments, on a date range that chose"
        + (", evenly along the ranking." if len(names) < total else "."),
        spec=drawing.spec(alt.layer(*layers), LARGE, "xy"),
        section="search",
    )


def _ranges(summary: Summary) -> list[Picture]:
    """A finalist and the incumbent, range by range."""
    confirmed, metric = summary.confirmed, summary.definition.objective.test
    comparisons = []
    if confirmed is not None:
        for name, compared in confirmed.compared.items():
            pairs = [
                (one.date_range, one.finalist, one.incumbent)
                for one in compared
                if one.finalist is not None and one.incumbent is not None
            ]
            fresh = "fresh date ranges" if confirmed.design.fresh else "the date ranges that chose"
            setting = setting_name(summary.definition, confirmed.settings[name])
            title = f"{f'{setting}, on' if len(confirmed.compared) > 1 else 'On'} {fresh}"
            comparisons.append((name, title, "", pairs))
    elif summary.best is not None and not summary.best.is_incumbent:
        name = summary.best.experiment
        pairs = [(one.date_range, one.setting, one.incumbent) for one in summary.judged]
        note = "These ranges also chose it, so this proves nothing yet."
        comparisons.append((name, "On the date ranges that chose it", note, pairs))
    return [_dumbbells(summary, metric, *comparison) for comparison in comparisons if comparison[3]]


def _dumbbells(
    summary: Summary, metric: str, name: str, title: str, note: str, pairs: Sequence[tuple[DateRange, float, float]]
) -> Picture:
    labels = [f"{one.start} to {one.end}" for one, _, _ in pairs]
    bars: Any = [
        {"y": label, "x": own, "x2": incumbent} for label, (_, own, incumbent) in zip(labels, pairs, strict=True)
    ]
    points: Any = [
        {"y": label, "x": value, "role": drawing.roles(summary, finalist=True)[1 if is_incumbent else 2]}
        for label, (_, own, incumbent) in zip(labels, pairs, strict=True)
        for is_incumbent, value in ((False, own), (True, incumbent))
    ]
    width = LARGE[0] - 60
    x = drawing.axis(alt.X, "x:Q", [point["x"] for point in points], metric, width=width, padding=_BESIDE_LABELS)
    y = alt.Y("y:N", sort=labels, axis=alt.Axis(labelLimit=200, ticks=False, grid=True)).title(None)
    lines = (
        alt.Chart(alt.Data(values=bars)).mark_rule(strokeWidth=2.5, color=drawing.OTHERS).encode(x=x, x2="x2:Q", y=y)
    )
    tooltip = [alt.Tooltip("y:N", title="date range"), alt.Tooltip("x:Q", title=metric, format=".4g")]
    dots = alt.Chart(alt.Data(values=points)).mark_point(filled=True, size=110, opacity=1)
    dots = dots.encode(
        x=x,
        y=y,
        color=drawing.colour(summary, finalist=True),
        shape=drawing.shape(summary, finalist=True),
        tooltip=tooltip,
    )
    size = (width, max(80, min(len(pairs), 20) * 26))
    return Picture(
        name=f"ranges-{slug(name)}",
        title=title,
        alt=f"{metric} of {name} and {summary.definition.incumbent_name}: "
        + "; ".join(
            f"{label}: {own:.3g} against {incumbent:.3g}"
            for label, (_, own, incumbent) in zip(labels, pairs, strict=True)
        )
        + ".",
        note=note,
        spec=drawing.spec(alt.layer(lines, dots), size, "x"),
        section="evidence",
    )


def _best_so_far(summary: Summary, choosing: ChoosingResults) -> Picture | None:
    """How good the best was after so much training."""
    steps = experiments.best_so_far(choosing)
    end = max(one.spent for one in choosing.comparable)
    unit, name = (3600, "hours") if end >= 7200 else (60, "minutes") if end >= 120 else (1, "seconds")
    if end <= 0:
        return None
    words = f"training time so far, all devices together ({name})"
    x = alt.X("x:Q", axis=alt.Axis(format="~r", tickCount=8), scale=alt.Scale(nice=False)).title(words)
    line: Any = [
        {"x": step.spent / unit, "y": drawing.within(choosing, step.value), "experiment": step.experiment}
        for step in steps
    ]
    line.append(line[-1] | {"x": end / unit})
    stairs = alt.Chart(alt.Data(values=line)).mark_line(interpolate="step-after", strokeWidth=3, color=drawing.BEST)
    stairs = stairs.encode(x=x, y=drawing.y_axis(choosing, summary))
    drawn = experiments.sample(choosing.comparable, drawing.MOST_POINTS)
    points = [drawing.point(summary, choosing, one) | {"x": one.spent / unit} for one in drawn]
    dots = drawing.dots(points, x, name, choosing, summary)
    last = steps[-1]
    # In a race the good ones are the last to be through.
    when = (
        ""
        if any(phase.race for phase in summary.definition.choosing)
        else (f", found after {100 * last.spent / end:.0f} % of the training time")
    )
    return Picture(
        name="best-so-far",
        title=f"Best so far{when}",
        alt=f"Best {drawing.value_words(choosing, summary)} over training time: {last.value:.3g} after "
        f"{duration(last.spent)}.",
        note="A point is an experiment, at the time its last training ended. Confirmation is not in it.",
        spec=drawing.spec(alt.layer(*drawing.reference(choosing), dots, stairs), LARGE, "xy"),
        section="search",
    )


def _time(summary: Summary, choosing: ChoosingResults) -> Picture | None:
    """What an experiment came to against what a training of it takes."""
    if min(one.seconds for one in choosing.comparable) <= 0:
        return None
    front = experiments.pareto_front(choosing)
    drawn = experiments.sample(choosing.comparable, drawing.MOST_POINTS, [one.experiment for one in front])
    x = drawing.axis(alt.X, "x:Q", [one.seconds for one in choosing.comparable], "training time of a trial, seconds")
    points = [drawing.point(summary, choosing, one) | {"x": one.seconds} for one in drawn]
    edge: Any = [{"x": one.seconds, "y": drawing.within(choosing, one.value)} for one in front]
    line = alt.Chart(alt.Data(values=edge)).mark_line(
        interpolate="step-after", color=drawing.INK, strokeWidth=1.5, strokeDash=[4, 3]
    )
    dots = drawing.dots(points, x, "seconds", choosing, summary)
    fastest, best = front[0], front[-1]
    return Picture(
        name="time",
        title="What accuracy costs in training time",
        alt=f"{drawing.value_words(choosing, summary)} against training time. The front goes from {fastest.value:.3g} "
        f"in {duration(fastest.seconds)} to {best.value:.3g} in {duration(best.seconds)}.",
        note="Dashed: the front, which no experiment beats in both.",
        spec=drawing.spec(
            alt.layer(*drawing.reference(choosing), line.encode(x=x, y=drawing.y_axis(choosing, summary)), dots),
            LARGE,
            "xy",
        ),
        section="search",
    )


def _last_choosing(summary: Summary) -> Phase | None:
    """The last phase of choosing that has rows."""
    with_rows = {row["phase"] for row in summary.rows}
    return next((phase for phase in reversed(summary.definition.choosing) if phase.name in with_rows), None)
