"""The pictures of a summary, each with title, alternative text, note, and Vega-Lite.

The same Vega-Lite gives the SVG file in `index.html` and the zoomable chart in `interactive.html`. The numbers come
from `experiments.py`. The page of a running sweep does not import this module: altair takes a second.
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
"""Least distance of a point (radius 6) from the labels of an axis, in pixels."""


def pictures(
    summary: Summary,
    choosing: ChoosingResults,
    searches: Sequence[PhaseSearch],
    epochs: Callable[[Sequence[Row]], Mapping[str, Sequence[Row]]],
    predicted: Callable[[Sequence[Row]], predictions.Notes] = lambda _: {},
) -> list[Picture]:
    """The pictures for which this sweep has data, the most useful for a decision first.

    `epochs` and `predicted` read what the trials of some rows stored: by trial, the lines of its `epochs.csv`, and the
    notes of its predictions. Each is called with few rows, however large the sweep is.
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
    """The picture as an SVG file."""
    import json

    import vl_convert

    return fixed(vl_convert.vegalite_to_svg(json.dumps(picture.spec)))


# -- the pictures


def _hyperparameter(
    summary: Summary, choosing: ChoosingResults, search: PhaseSearch, at: int, name: str
) -> Picture | None:
    """Results by value of one hyperparameter, with the median of each value, or of each part of its range."""
    groups = [group for group in search.groups(name) if group.members]
    if len(groups) < 2:
        return None
    phases = {phase.name for phase in summary.definition.choosing if name in phase.space}
    results = [result for result in choosing.comparable if result.phases & phases]
    drawn = experiments.sample(results, drawing.MOST_POINTS)
    interval = search.experiments.interval(name)
    with_median = [group for group in groups if group.counts and math.isfinite(group.median)]
    label = experiments.label(name)

    # The axis and the medians: of the parts of a range, or of single values.
    if interval is not None:
        drawn = [result for result in drawn if isinstance(result.assignment[name], int | float)]
        ends = [edge for group in groups for edge in (group.low, group.high) if edge is not None]
        x = drawing.axis(alt.X, "x:Q", ends, label, log=interval.log and min(ends) > 0, width=SMALL[0])
        medians = _medians_of_parts(summary, choosing, with_median, x)
    else:
        order = [group.label for group in groups]
        drawn = [result for result in drawn if experiments.label(result.assignment[name]) in order]
        x = alt.X("x:N", sort=order, scale=alt.Scale(domain=order), axis=drawing.steps_axis(order, SMALL[0]))
        x = x.title(label)
        medians = _medians_of_values(summary, choosing, with_median, x, min(38.0, 0.8 * SMALL[0] / len(order)))

    # The experiments; those of a single value stand side by side.
    points = [
        drawing.point(summary, choosing, result)
        | {"x": result.assignment[name] if interval is not None else experiments.label(result.assignment[name])}
        | {"jitter": drawing.jitter_of(result.experiment) if interval is None else 0}
        for result in drawn
    ]
    dots = drawing.dots(points, x, label, choosing, summary, jitter=interval is None, legend=False)
    layers = alt.layer(*drawing.reference(choosing), dots, medians)
    return Picture(
        name=f"hyperparameter-{at + 1}-{slug(name)}",
        title=_title_of_values(label, with_median, choosing),
        alt=f"{drawing.value_words(choosing, summary)} of {len(drawn)} experiments against {label}. Medians: "
        + "; ".join(f"{group.label}: {choosing.minimised(group.median):.3g}" for group in with_median)
        + ".",
        note=f"Medians of phase {search.phase.name}." if len(phases) > 1 else "",
        spec=drawing.spec(layers, SMALL, "xy" if interval is not None else "y"),
        section="each",
        size="small",
    )


def _medians_of_parts(summary: Summary, choosing: ChoosingResults, groups: Sequence[Group], x: Any) -> Any:
    """A line across each part of a range, at its median."""
    lines: Any = [
        {"x": group.low, "x2": group.high, "y": drawing.within(choosing, choosing.minimised(group.median))}
        for group in groups
    ]
    medians = alt.Chart(alt.Data(values=lines)).mark_rule(strokeWidth=3, color=drawing.INK, opacity=0.85)
    return medians.encode(x=x, x2="x2:Q", y=drawing.y_axis(choosing, summary))


def _medians_of_values(
    summary: Summary, choosing: ChoosingResults, groups: Sequence[Group], x: Any, width: float
) -> Any:
    """A line of `width` pixels over each value, at its median."""
    lines: Any = [
        {"x": group.label, "y": drawing.within(choosing, choosing.minimised(group.median))} for group in groups
    ]
    medians = alt.Chart(alt.Data(values=lines)).mark_tick(thickness=3, size=width, color=drawing.INK, opacity=0.85)
    tooltip = [alt.Tooltip("y:Q", title="median", format=".4g")]
    return medians.encode(x=x, y=drawing.y_axis(choosing, summary), tooltip=tooltip)


def _title_of_values(name: str, groups: Sequence[Group], choosing: ChoosingResults) -> str:
    """A title that names the groups whose median, to three digits, is the best."""
    if not groups:
        return f"{name}: most fell behind with every value"
    best = min(groups, key=lambda group: group.median)
    medians = {group.label: f"{choosing.minimised(group.median):.3g}" for group in groups}
    winners = [label for label, median in medians.items() if median == medians[best.label]]
    if len(winners) == 1:
        return f"{name}: {best.label} has the best median"
    if len(winners) == len(medians):
        return f"{name}: no difference between the medians"
    return f"{name}: {', '.join(winners[:-1])} and {winners[-1]} share the best median"


def _curves(summary: Summary, epochs: Callable[[Sequence[Row]], Mapping[str, Sequence[Row]]]) -> Picture | None:
    """Learning curves on one date range, the curves of the best and of the incumbent in front."""
    phase = _last_choosing(summary)
    # A calibration has curves of its own, by amount of data.
    if phase is None or summary.definition.calibrating:
        return None
    rows = experiments.curve_rows(summary, phase, MOST_CURVES)
    metric = summary.definition.objective.valid
    incumbent = next((standing.experiment for standing in summary.ranked if standing.is_incumbent), None)
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
    # Curves that diverge are cut at the upper edge.
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
    date_range = range_of(rows[0])
    return Picture(
        name="curves",
        title=f"Learning curves on {date_range}",
        alt=f"{metric} by epoch of {len(names)} trainings on {date_range}; the best's and "
        f"{drawing.the_incumbents(summary)} stand out.",
        note=f"{len(names)} of {total} experiments, on a date range that chose"
        + (", evenly along the ranking." if len(names) < total else "."),
        spec=drawing.spec(alt.layer(*layers), LARGE, "xy"),
        section="search",
    )


def _ranges(summary: Summary) -> list[Picture]:
    """Each finalist and the incumbent, range by range; if nothing was judged, the best of choosing."""
    confirmed, metric = summary.confirmed, summary.definition.objective.test
    comparisons = []
    if confirmed is not None:
        for name, compared in confirmed.compared.items():
            pairs = [
                (pair.date_range, pair.finalist, pair.incumbent)
                for pair in compared
                if pair.finalist is not None and pair.incumbent is not None
            ]
            fresh = "fresh date ranges" if confirmed.design.fresh else "the date ranges that chose"
            setting = setting_name(summary.definition, confirmed.settings[name])
            title = f"{f'{setting}, on' if len(confirmed.compared) > 1 else 'On'} {fresh}"
            comparisons.append((name, title, "", pairs))
    elif summary.best is not None and not summary.best.is_incumbent:
        name = summary.best.experiment
        pairs = [(pair.date_range, pair.setting, pair.incumbent) for pair in summary.comparisons]
        note = "These ranges also chose it, so this proves nothing yet."
        comparisons.append((name, "On the date ranges that chose it", note, pairs))
    return [_dumbbells(summary, metric, *comparison) for comparison in comparisons if comparison[3]]


def _dumbbells(
    summary: Summary, metric: str, name: str, title: str, note: str, pairs: Sequence[tuple[DateRange, float, float]]
) -> Picture:
    """A setting and the incumbent as the two ends of a bar per date range."""
    labels = [f"{date_range.start} to {date_range.end}" for date_range, _, _ in pairs]
    bars: Any = [
        {"y": label, "x": value, "x2": incumbent} for label, (_, value, incumbent) in zip(labels, pairs, strict=True)
    ]
    points: Any = [
        {"y": label, "x": value, "role": drawing.roles(summary, finalist=True)[1 if is_incumbent else 2]}
        for label, (_, setting, incumbent) in zip(labels, pairs, strict=True)
        for is_incumbent, value in ((False, setting), (True, incumbent))
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
            f"{label}: {value:.3g} against {incumbent:.3g}"
            for label, (_, value, incumbent) in zip(labels, pairs, strict=True)
        )
        + ".",
        note=note,
        spec=drawing.spec(alt.layer(lines, dots), size, "x"),
        section="evidence",
    )


def _best_so_far(summary: Summary, choosing: ChoosingResults) -> Picture | None:
    """The best result over the training time that the sweep had spent."""
    steps = experiments.best_so_far(choosing)
    end = max(result.spent for result in choosing.comparable)
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
    points = [drawing.point(summary, choosing, result) | {"x": result.spent / unit} for result in drawn]
    dots = drawing.dots(points, x, name, choosing, summary)
    last = steps[-1]
    # A race finishes its best experiments last, so the time says nothing.
    found_after = (
        ""
        if any(phase.race for phase in summary.definition.choosing)
        else (f", found after {100 * last.spent / end:.0f} % of the training time")
    )
    return Picture(
        name="best-so-far",
        title=f"Best so far{found_after}",
        alt=f"Best {drawing.value_words(choosing, summary)} over training time: {last.value:.3g} after "
        f"{duration(last.spent)}.",
        note="A point is an experiment, at the time its last training ended. Confirmation is not included.",
        spec=drawing.spec(alt.layer(*drawing.reference(choosing), dots, stairs), LARGE, "xy"),
        section="search",
    )


def _time(summary: Summary, choosing: ChoosingResults) -> Picture | None:
    """The experiments' results against the time of one training."""
    if min(result.seconds for result in choosing.comparable) <= 0:
        return None
    front = experiments.pareto_front(choosing)
    drawn = experiments.sample(choosing.comparable, drawing.MOST_POINTS, [result.experiment for result in front])
    seconds = [result.seconds for result in choosing.comparable]
    x = drawing.axis(alt.X, "x:Q", seconds, "training time of a trial, seconds")
    points = [drawing.point(summary, choosing, result) | {"x": result.seconds} for result in drawn]
    edge: Any = [{"x": result.seconds, "y": drawing.within(choosing, result.value)} for result in front]
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
        note="Dashed: the front. No experiment beats it in both time and accuracy.",
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
