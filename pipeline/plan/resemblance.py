"""Plans the study of how alike a user's date ranges are: a few settings, fully trained on many ranges.

It is a sweep like any other, and later sweeps learn from its digest. Its rows are evaluated in
`analysis/resemblance.py` and `analysis/ranges_needed.py`.
"""

from collections.abc import Sequence
from datetime import timedelta
from itertools import pairwise
from typing import Any

from pipeline import dates
from pipeline.analysis.resemblance import MONTHS_DIFFER
from pipeline.dates import DateRange
from pipeline.errors import UserError
from pipeline.plan import calibration
from pipeline.spec import Spec, normalize
from pipeline.sweep import Definition, Resembling

NAME = "resemblance"
SETTINGS, RANGES, SEEDS = 8, 12, 2
"""Defaults of the study's size; `SEEDS` counts trainings per setting and range."""
FEWEST_SETTINGS, FEWEST_RANGES = 3, 4


def ordinary(spec: Spec) -> Spec:
    """The spec without `day-of-month`, as if it confirmed today: the study is about that confirmation."""
    return spec.model_copy(update={"confirm": spec.confirm.model_copy(update={"day_of_month": None})})


def sample(spec: Spec, settings: int, ranges: Sequence[DateRange]) -> Spec:
    """The spec of the study: random settings on these ranges, the incumbent among them.

    Raises UserError if the spec names no space of its own.
    """
    sampled = calibration.sample(spec, settings)
    changes: dict[str, Any] = {"date_range": list(ranges), "range_months": None}
    return sampled.model_copy(update=changes)


def ranges_of(usual: Definition, covered: DateRange | None, count: int) -> list[DateRange]:
    """The newest ranges of the data, `count` at most, oldest first.

    They have the length and the distance of the ranges that would judge. `usual` is the spec's own sweep, `covered` the
    days of the data. Raises UserError if there are too few ranges.
    """
    judging = judging_of(usual)
    every = [date_range for phase in usual.of_settings for date_range in phase.ranges]
    alike = [date_range for date_range in every if abs(date_range.days - judging[-1].days) <= MONTHS_DIFFER]
    newest = max([*alike, *judging], key=lambda date_range: date_range.end)

    # From the newest range back in steps: of whole months if the ranges are whole months, else of days.
    if all(day.day == 1 for date_range in judging for day in (date_range.start, date_range.end)):
        months = _months(newest.start, newest.end)
        step = min((_months(a.end, b.end) for a, b in pairwise(judging)), default=months)
        candidates = [dates.whole_months(newest.end, months, back=step * at) for at in range(count)]
    else:
        days = min(((b.end - a.end).days for a, b in pairwise(judging)), default=newest.days)
        shifts = [timedelta(days=days * at) for at in range(count)]
        candidates = [DateRange(newest.start - shift, newest.end - shift) for shift in shifts]
    ranges = [date_range for date_range in candidates if covered is None or covered.start <= date_range.start]
    if len(ranges) < FEWEST_RANGES:
        raise UserError(
            f"calibrate: there are {len(ranges)} date ranges like those that would judge, and to learn how alike they "
            f"are takes at least {FEWEST_RANGES}; ask for more --ranges, for shorter ones, or wait for more data"
        )
    return sorted(ranges)


def _months(start: Any, end: Any) -> int:
    return int((end.year - start.year) * 12 + end.month - start.month)


def judging_of(usual: Definition) -> list[DateRange]:
    """The ranges that would judge, oldest first; without such a phase, those of the last phase that chooses."""
    return sorted((usual.confirm or usual.choosing[-1]).ranges)


def define(resolved: Definition, spec: Spec, usual: Definition, seeds: int) -> Definition:
    """The definition of the study. `resolved` is the definition of the `sample`, `usual` the spec's own sweep.

    Raises UserError if the sample has too few settings.
    """
    screen = resolved.phases[0]
    if screen.experiments < FEWEST_SETTINGS:
        raise UserError(
            f"calibrate: to learn how alike date ranges are takes at least {FEWEST_SETTINGS} settings, not "
            f"{screen.experiments}; let `parameters` allow more, or ask for more --experiments"
        )
    phase = screen.model_copy(
        update={
            "name": NAME,
            "strategy": "random",
            "seeds": seeds,
            "race": False,
            "batch": None,
            "early_stopping": None,
        }
    )
    confirm = usual.confirm
    return resolved.model_copy(
        update={
            "phases": (phase,),
            "spec": normalize.as_written(spec),
            "chosen_before": {},
            "resembling": Resembling(
                chosen_on=tuple(dict.fromkeys(date_range for each in usual.choosing for date_range in each.ranges)),
                judging=tuple(judging_of(usual)),
                settings=sum(each.experiments for each in usual.searching),
                rope=confirm.judging.rope if confirm and confirm.judging else spec.rope,
            ),
        }
    )
