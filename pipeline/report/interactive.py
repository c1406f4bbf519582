"""Renders `interactive.html`: pictures to zoom into, and the whole table to sort and filter.

One file that loads nothing from elsewhere. It needs scripts, which Jenkins forbids, so people open it from the bucket
or from a disk.
"""

import json
import math
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from jinja2 import Environment

from pipeline.report.charts.drawing import Picture
from pipeline.report.next_spec import NextSpec
from pipeline.report.row_links import Links
from pipeline.report.summary import Summary
from pipeline.report.templating import asset
from pipeline.results import to_cell

_MOST_DISTINCT = 200
"""A column with at most so many distinct values is written as indices into the list of them."""

_WHEEL = "wheel![event.ctrlKey || event.metaKey]"
_DRAG = "[pointerdown[event.pointerType !== 'touch'], window:pointerup] > window:pointermove!"


def interactive(
    environment: Environment,
    summary: Summary,
    pictures: Sequence[Picture],
    columns: Sequence[str],
    next_spec: NextSpec | None,
    links: Mapping[str, Links],
) -> str:
    """The page as text; `links` are columns of links, by heading."""
    link_columns = {
        heading: {"pattern": column.pattern, "of": _column([*column.of_rows])}
        for heading, column in links.items()
        if set(column.of_rows) - {None}
    }
    if any(row.get("error") for row in summary.rows):
        columns = [*columns, "error"]
    data = {
        "pictures": [_rounded(_zoomable(picture.spec)) for picture in pictures],
        "columns": list(columns),
        "table": [_column([_cell(row.get(name)) for row in summary.rows]) for name in columns],
        "trials": [row["trial"] for row in summary.rows],
        "attempts": [str(row.get("attempt") or "") for row in summary.rows],
        "links": link_columns,
    }
    return environment.get_template("interactive.html").render(
        summary=summary,
        pictures=pictures,
        next_spec=next_spec,
        data=for_script(data),
        style=asset("style.css") + asset("interactive.css"),
        vega=_vega(),
        script=asset("filter.js") + asset("interactive.js"),
    )


@cache
def _vega() -> str:
    """Vega, Vega-Lite and Vega-Embed as one script; building it takes a second."""
    import vl_convert

    return vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;").replace("</script", "<\\/script")


def for_script(data: Any) -> str:
    """JSON for the inside of `<script>`: no text in it can end the script or begin a comment."""
    text = json.dumps(data, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _zoomable(spec: dict[str, Any]) -> dict[str, Any]:
    """The picture with Ctrl + wheel and drag bound to its continuous scales.

    The wheel alone, or a finger, scrolls the page: a picture must not stop that.
    """
    axes = list(spec.get("usermeta", {}).get("zoom", ""))
    if not axes:
        return spec
    select = {"type": "interval", "encodings": axes, "zoom": _WHEEL, "translate": _DRAG}
    zoom = {"name": "zoom", "select": select, "bind": "scales"}
    layers = list(spec["layer"])
    at = next(at for at, layer in enumerate(layers) if {"x", "y"} <= layer["encoding"].keys())
    layers[at] = layers[at] | {"params": [zoom]}
    return spec | {"layer": layers}


def _rounded(spec: Any) -> Any:
    """A picture with its numbers rounded to five digits: a screen shows no more."""
    if isinstance(spec, dict):
        return {name: _rounded(value) for name, value in spec.items()}
    if isinstance(spec, list):
        return [_rounded(value) for value in spec]
    return float(f"{spec:.5g}") if isinstance(spec, float) else spec


def _cell(value: Any) -> Any:
    """A value for JSON and a column of a table, floats rounded to five digits."""
    if isinstance(value, float):
        return float(f"{value:.5g}") if math.isfinite(value) else str(value)
    if isinstance(value, list):
        return f"[{', '.join(map(str, value))})"
    return value if value is None or isinstance(value, str | int) else to_cell(value)


def _column(values: list[Any]) -> Any:
    """The values, or `{"of": distinct values, "at": indices}` if few are distinct."""
    distinct = list({(type(value), value): value for value in values}.values())
    if len(distinct) > min(_MOST_DISTINCT, len(values) / 4):
        return values
    place = {(type(value), value): at for at, value in enumerate(distinct)}
    return {"of": distinct, "at": [place[type(value), value] for value in values]}
