"""The picture of the answer beside models that nobody tuned. The numbers are `report/references.py`'s."""

from typing import Any

import altair as alt

from pipeline.report import experiments
from pipeline.report.charts import drawing
from pipeline.report.charts.drawing import SMALL, Picture
from pipeline.report.summary import Summary


def picture(summary: Summary) -> Picture | None:
    """Every model's metric as a multiple of the answer's, on one axis; None where there are no ratios."""
    references = summary.references
    lines = [line for line in references.lines if line.ratio is not None] if references else []
    if references is None or len(lines) < 2:
        return None
    names = [experiments.label(line.name) for line in lines]
    ratios = [line.ratio for line in lines if line.ratio is not None]
    ours = {references.answer.name: drawing.BEST} | (
        {references.incumbent.name: drawing.INCUMBENT} if references.incumbent else {}
    )
    points: Any = [
        {"y": name, "x": ratio, "colour": ours.get(line.name, drawing.OTHERS)}
        for name, ratio, line in zip(names, ratios, lines, strict=True)
    ]
    metric = summary.definition.objective.test
    x = drawing.axis(alt.X, "x:Q", ratios, f"{metric} ÷ that of {experiments.label(references.answer.name)}")
    y = alt.Y("y:N", sort=names, axis=alt.Axis(labelLimit=200, ticks=False, grid=True, domain=False)).title(None)
    dots = alt.Chart(alt.Data(values=points)).mark_point(filled=True, size=110, opacity=1)
    tooltip = [alt.Tooltip("y:N", title="model"), alt.Tooltip("x:Q", title="ratio", format=".4g")]
    better = "less" if references.goal == "minimize" else "more"
    return Picture(
        name="references",
        title=drawing.sentence(references.words),
        alt=f"{metric} as a multiple of that of {references.answer.name}: "
        + "; ".join(f"{name}: {ratio:.3g}" for name, ratio in zip(names, ratios, strict=True))
        + ".",
        note=f"{drawing.sentence(f'{better} is better')} A dot is a mean over date ranges.",
        spec=drawing.spec(
            dots.encode(x=x, y=y, color=alt.Color("colour:N", scale=None), tooltip=tooltip),
            (SMALL[0], 26 * len(names)),
            "",
        ),
        section="references",
    )
