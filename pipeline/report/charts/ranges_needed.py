"""Writes the picture of a study of resemblance, as an SVG file for `<img>`, and its `resemblance.json`."""

import json
from typing import Any

from pipeline.analysis.ranges_needed import RangesNeeded
from pipeline.report.charts.calibration import COLOURS, svg
from pipeline.sweep import Sweep


def write(sweep: Sweep, needed: RangesNeeded) -> None:
    """Writes the picture and the numbers into the sweep's `report/`."""
    text = json.dumps(needed.as_json() | {"sweep": sweep.id}, indent=2, ensure_ascii=False) + "\n"
    sweep.write_report("resemblance.json", text.encode())
    sweep.write_report("charts/ranges-needed.svg", svg(chart(needed)))


def alt_text(needed: RangesNeeded) -> str:
    """Alternative text of `chart`."""
    seeds = ", ".join(map(str, needed.smallest))
    return (
        f"The smallest gain that is found four times in five (logarithmic) against the number of date ranges that "
        f"judge, a line per number of seeds ({seeds}); dashed: gains of {_gains_in_words(needed)}."
    )


def _gains_in_words(needed: RangesNeeded) -> str:
    return ", ".join(needed.scale.words(gain) for gain in needed.gains)


def chart(needed: RangesNeeded) -> Any:
    """The smallest gain that is found four times in five, by the number of ranges and seeds."""
    import altair as alt

    names = {seeds: f"{seeds} seed{'s' if seeds > 1 else ''}" for seeds in needed.smallest}
    rows = [
        {"ranges": count, "gain": needed.scale.in_units(least), "seeds": names[seeds]}
        for seeds, by_count in needed.smallest.items()
        for count, least in by_count.items()
    ]
    domain = list(names.values())
    unit = f", {needed.scale.unit}" if needed.scale.unit else ""
    lines = (
        alt.Chart(alt.Data(values=rows))
        .mark_line(point={"size": 18})
        .encode(
            x=alt.X("ranges:Q", scale=alt.Scale(zero=False), axis=alt.Axis(tickMinStep=1)).title(
                "date ranges that judge"
            ),
            y=alt.Y("gain:Q", scale=alt.Scale(type="log", nice=False)).title(
                f"gain in {needed.metric.removesuffix('_valid')}{unit}"
            ),
            color=alt.Color("seeds:N", sort=domain, scale=alt.Scale(domain=domain, range=COLOURS[: len(domain)])).title(
                "per range"
            ),
        )
    )
    marked = alt.Chart(alt.Data(values=[{"gain": needed.scale.in_units(gain)} for gain in needed.gains])).mark_rule(
        strokeDash=[4, 3], color="#666666"
    )
    return alt.layer(marked.encode(y="gain:Q"), lines).properties(
        width=520,
        height=300,
        title=alt.Title(
            "The smallest gain that is found four times in five",
            subtitle=f"one finalist, ranges as alike as the study allows for; dashed: {_gains_in_words(needed)}",
        ),
    )
