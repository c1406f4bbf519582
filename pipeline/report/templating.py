"""The Jinja environment of all pages, with the filters and functions that templates call.

The content of a page comes from the module that renders it: `page.py`, `interactive.py`, `compare/page.py`.
"""

import json
from collections.abc import Sequence
from functools import cache
from importlib import resources
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from pipeline import results
from pipeline.analysis.failures import causes
from pipeline.analysis.ranking import Standing
from pipeline.report.charts.calendar import strip
from pipeline.report.phases import phase_summaries, seconds_per_trial
from pipeline.report.words import (
    better_heading,
    duration,
    failure_in_words,
    incumbent_in_words,
    resemblance_in_words,
    setting_name,
    times_better,
)
from pipeline.space import identity_of

LONGEST_TEXT = 2000
"""Characters of a text that a page shows."""


@cache
def environment() -> Environment:
    """The environment of all pages. Values are escaped; an unknown name in a template is an error."""
    environment = Environment(
        loader=PackageLoader("pipeline.report"),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"duration": duration, "number": number, "cell": results.to_cell, "share": _share}
    environment.filters |= {"resemblance_in_words": resemblance_in_words, "failure_in_words": failure_in_words}
    environment.filters |= {"pretty": pretty, "cut": cut, "percent": percent}
    environment.globals |= {
        "causes": causes,
        "setting_name": setting_name,
        "varying": varying,
        "times_better": times_better,
        "better_heading": better_heading,
        "incumbent_in_words": incumbent_in_words,
        "strip": strip,
    }
    environment.globals |= {"phase_summaries": phase_summaries, "seconds_per_trial": seconds_per_trial}
    environment.globals |= {"fidelity_alt": _fidelity_alt, "curves_alt": _curves_alt}
    environment.globals |= {"ranges_needed_alt": _ranges_needed_alt}
    return environment


def asset(name: str) -> str:
    """The text of a file in `assets/`: `style.css`, `interactive.js`."""
    return resources.files("pipeline.report").joinpath("assets", name).read_text(encoding="utf-8")


def number(value: Any) -> str:
    """A cell of a table: floats to four digits, integers in groups of three, other values as text."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "" if value is None else str(value)
    return f"{value:.4g}" if isinstance(value, float) else f"{value:,}".replace(",", "\u202f")


def percent(place: float) -> str:
    """A place between 0 and 1 on an axis as a CSS length, `50.00%`, with room for a mark at both ends."""
    return f"{5 + 90 * place:.2f}%"


def varying(standings: Sequence[Standing], names: Sequence[str]) -> list[str]:
    """Those of the hyperparameters `names` in which these settings differ."""
    return [
        name for name in names if len({identity_of({name: standing.assignment[name]}) for standing in standings}) > 1
    ]


def pretty(value: Any) -> str:
    """Indented JSON. Text that UTF-8 cannot hold is escaped, so that a copy has the same value."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    return text if text.isascii() or _is_encodable(text) else json.dumps(value, indent=2)


def _is_encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def cut(value: Any) -> str:
    """A value as text, shortened for a page."""
    text = str(value)
    return text if len(text) <= LONGEST_TEXT else f"{text[:LONGEST_TEXT]}… ({len(text)} characters, all in results.csv)"


# The modules of calibrations are imported late: they load scipy, and the page of a running sweep is written every few
# seconds.
def _share(value: float) -> str:
    from pipeline.analysis.calibration import percent

    return percent(value)


def _fidelity_alt(calibration: Any) -> str:
    from pipeline.report.charts.calibration import fidelity_alt

    return fidelity_alt(calibration)


def _ranges_needed_alt(needed: Any) -> str:
    from pipeline.report.charts.ranges_needed import alt_text

    return alt_text(needed)


def _curves_alt(calibration: Any) -> str:
    from pipeline.report.charts.calibration import curves_alt

    return curves_alt(calibration)
