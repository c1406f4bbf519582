"""Writes a calibration's pictures, as SVG files for `<img>`, and its `calibration.json`.

The numbers come from `analysis/calibration.py`.
"""

import json
import math
from typing import Any

from pipeline.analysis.calibration import Calibration, percent
from pipeline.sweep import Sweep

# Okabe and Ito's colours, which colour-blind people can tell apart; the shape of a point repeats the colour.
COLOURS = ["#E69F00", "#56B4E9", "#009E73", "#CC79A7", "#0072B2"]
_BEST, _OTHERS, _MARK = "#0072B2", "#BBBBBB", "#D55E00"
_FONT = "Helvetica, Arial, sans-serif"


def write(sweep: Sweep, study: Calibration) -> None:
    """Writes the pictures and the numbers into the sweep's `report/`."""
    text = json.dumps(study.as_json() | {"sweep": sweep.id}, indent=2, ensure_ascii=False) + "\n"
    sweep.write_report("calibration.json", text.encode())
    for name, chart in (("calibration-fidelity", fidelity_chart(study)), ("calibration-curves", curves_chart(study))):
        sweep.write_report(f"charts/{name}.svg", svg(chart))


def fidelity_alt(study: Calibration) -> str:
    """Alternative text of `fidelity_chart`."""
    return (
        f"Two panels over the share of the full training time (logarithmic): how many of the best {study.top} settings "
        f"are kept, and Spearman's rank correlation; a line per amount of data, a point per epoch. Marked: "
        f"{_chosen_in_words(study)} at {percent(study.chosen.time_share)} of the time keep "
        f"{study.chosen.overlap_count}."
    )


def curves_alt(study: Calibration) -> str:
    """Alternative text of `curves_chart`."""
    return (
        f"Best {study.metric} so far after each epoch, a curve per setting, a panel per amount of data; the settings "
        f"that are best in the full result are dark. A line marks the chosen epoch: {_chosen_in_words(study)}."
    )


def fidelity_chart(study: Calibration) -> Any:
    """Agreement with the full result against its cost: the best kept, and the rank correlation."""
    import altair as alt

    words = [amount.words for amount in study.amounts]
    rows: list[dict[str, Any]] = [
        {
            "data": fidelity.amount.words,
            "epochs": fidelity.epochs,
            "time": 100 * fidelity.time_share,
            "kept": fidelity.agreement.overlap.value * study.top,
            "spearman": fidelity.agreement.spearman.value,
            "low": fidelity.agreement.spearman.low,
            "high": fidelity.agreement.spearman.high,
            "chosen": fidelity is study.chosen,
        }
        for fidelity in study.fidelities
    ]
    colour = alt.Color("data:N", sort=words, scale=alt.Scale(domain=words, range=COLOURS[-len(words) :]))
    colour = colour.title("data to train on")
    shape = alt.Shape("data:N", sort=words, scale=alt.Scale(domain=words)).title("data to train on")
    time = alt.X("time:Q", scale=alt.Scale(type="log", nice=False, padding=10), axis=alt.Axis(tickCount=5))
    time = time.title("training time, % of the full trainings (log scale)")
    base = alt.Chart(alt.Data(values=rows))

    def panel(y: alt.Y, title: str, *background: Any) -> Any:
        lines = base.mark_line(opacity=0.6).encode(x=time, y=y, color=colour, order="epochs:Q")
        points = base.mark_point(filled=True, size=45, opacity=1).encode(x=time, y=y, color=colour, shape=shape)
        ring = base.transform_filter("datum.chosen").mark_point(size=260, color=_MARK, strokeWidth=2.5, opacity=1)
        layers = [*background, lines, points, ring.encode(x=time, y=y)]
        return alt.layer(*layers).properties(title=title, width=380, height=260)

    # On the left the best that are kept, on the right the rank correlation.
    rule = alt.Chart(alt.Data(values=[{"asked": study.overlap_required * study.top}])).mark_rule(
        strokeDash=[4, 3], color="#666666"
    )
    overlap = alt.Y("kept:Q", scale=alt.Scale(domain=[0, study.top]), axis=alt.Axis(tickMinStep=1, format="d"))
    overlap = overlap.title(f"of the best {study.top} settings, kept")
    lowest = math.floor(10 * min(row["low"] for row in rows)) / 10
    ranks = alt.Y("spearman:Q", scale=alt.Scale(domain=[lowest, 1.0], zero=False))
    ranks = ranks.title("Spearman's rank correlation")
    bars = base.mark_rule(opacity=0.45, strokeWidth=1.5).encode(x=time, y=alt.Y("low:Q"), y2="high:Q", color=colour)
    title = f"{study.chosen.overlap_count} of the best {study.top} for {percent(study.chosen.time_share)} of the time"
    best_kept = panel(overlap, title, rule.encode(y="asked:Q"))
    rank_correlation = panel(ranks, "Likeness of the whole rankings, with 90 % intervals", bars)
    return alt.hconcat(best_kept, rank_correlation).properties(
        title=alt.Title(
            "Cost of a cheaper fidelity, and how well it predicts the full result",
            subtitle=f"a point per epoch; ringed: {_chosen_in_words(study)}; dashed: the share to keep",
        )
    )


def curves_chart(study: Calibration) -> Any:
    """Learning curves, a panel per amount of data, with the chosen epoch marked."""
    import altair as alt

    kinds = [f"best {study.top} in the full result", "others"]
    rows: list[dict[str, Any]] = [
        {
            "experiment": curve.experiment,
            "data": curve.amount.words,
            "epoch": at,
            "value": value,
            "kind": kinds[curve.experiment not in study.best],
        }
        for curve in study.curves
        for at, value in enumerate(curve.values, 1)
    ]
    positive = all(row["value"] > 0 for row in rows)
    last = max(row["epoch"] for row in rows)
    panels: list[Any] = []
    for amount in study.amounts:
        values = [row for row in rows if row["data"] == amount.words]
        epoch = alt.X("epoch:Q", scale=alt.Scale(domain=[1, max(last, 2)]), axis=alt.Axis(tickMinStep=1, format="d"))
        y = alt.Y("value:Q", scale=alt.Scale(type="log" if positive else "linear", zero=False, nice=False))
        y = y.title(None if panels else f"{study.metric}{' (log scale)' if positive else ''}")
        colour = alt.Color("kind:N", scale=alt.Scale(domain=kinds, range=[_BEST, _OTHERS])).title(None)
        width = alt.StrokeWidth("kind:N", scale=alt.Scale(domain=kinds, range=[2.2, 1])).title(None)
        dots = alt.Chart(alt.Data(values=values))
        lines = dots.mark_line(point={"size": 12}).encode(
            x=epoch.title("epoch"), y=y, color=colour, strokeWidth=width, detail="experiment:N"
        )
        layers: list[Any] = [lines]
        if amount == study.chosen.amount:
            mark = alt.Chart(alt.Data(values=[{"epoch": study.chosen.epochs}]))
            layers.append(mark.mark_rule(color=_MARK, strokeWidth=2.5, strokeDash=[6, 3]).encode(x=epoch))
        title = f"{amount.words}: {amount.train_days} training days"
        panels.append(alt.layer(*layers).properties(title=title, width=210, height=240))
    return (
        alt.hconcat(*panels)
        .resolve_scale(y="shared")
        .properties(
            title=alt.Title(
                "Learning curves of the same settings with more and more data",
                subtitle=[
                    f"{study.metric}, the best so far, of standardised targets; a curve per setting",
                    f"dashed: the chosen epoch ({_chosen_in_words(study)})",
                ],
            )
        )
    )


def _chosen_in_words(study: Calibration) -> str:
    chosen = study.chosen
    return f"{chosen.amount.words}, {chosen.epochs} epoch" + ("s" if chosen.epochs > 1 else "")


def svg(chart: Any) -> bytes:
    """The picture as SVG."""
    import altair as alt
    import vl_convert

    # White background: a picture in `<img>` does not know whether the page is dark.
    chart = chart.configure(background="white", font=_FONT, padding={"left": 12, "top": 12, "bottom": 12, "right": 48})
    chart = chart.configure_title(anchor="start", frame="group", offset=12)
    version = ".".join(alt.SCHEMA_VERSION.removeprefix("v").split(".")[:2])
    svg: str = vl_convert.vegalite_to_svg(chart.to_dict(), vl_version=version)
    return svg.encode()
