"""Writes `report/` of a sweep: `index.html` and its style sheet."""

from functools import cache
from importlib import resources
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from pipeline import results
from pipeline.report.summary import Summary, duration, percent_of, setting
from pipeline.sweep import Sweep


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("pipeline.report"),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.policies["json.dumps_kwargs"] = {"sort_keys": False, "ensure_ascii": False}
    environment.filters |= {"duration": duration, "number": _number, "cell": results.to_cell}
    environment.globals |= {"setting": setting, "percent_of": percent_of}
    return environment


def _number(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "" if value is None else str(value)
    return f"{value:.4g}" if isinstance(value, float) else f"{value:,}".replace(",", "\u202f")


def page(summary: Summary) -> str:
    """`index.html` as text."""
    columns = results.table_columns(summary.rows, summary.searched)
    hidden = set(summary.definition.incumbent) - set(summary.searched)
    shown = [
        name
        for name in ("trial", "status", "date-range", *columns, "model_url")
        if name not in hidden and (name in ("trial", "status", "date-range") or name not in results.RESERVED)
    ]
    return _environment().get_template("index.html").render(summary=summary, columns=[*dict.fromkeys(shown)])


def render(sweep: Sweep, summary: Summary) -> None:
    """Writes the report that says what `summary` says."""
    style = resources.files("pipeline.report").joinpath("assets/style.css").read_bytes()
    sweep.store.write(sweep.key("report/style.css"), style)
    sweep.store.write(sweep.key("report/index.html"), page(summary).encode(errors="xmlcharrefreplace"))
