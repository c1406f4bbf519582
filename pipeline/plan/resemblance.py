"""The study of how alike a user's date ranges are: a few settings on many ranges, in full.

It is a sweep like any other, whose digest later ones learn from. What its rows come to is worked out in
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
FEWEST_SETTINGS, FEWEST_RANGES = 3, 4


def ordinary(spec: Spec) -> Spec:
    """The spec whose confirmation the study is for: as on a day on which it confirms."""
    return spec.model_copy(update={"confirm": spec.confirm.model_copy(update={"day_of_month": None})})


def sample(spec: Spec, settings: int, ranges: Sequence[DateRange]) -> Spec:
    """The spec of the study: random settings on these ranges, the incumbent among them.

    Raises UserError if the spec leaves the space to the pipeline.
    """
    sampled = calibration.sample(spec, settings)
    changes: dict[str, Any] = {"date_range": list(ranges), "range_months": None}
    return sampled.model_copy(update=changes)


def ranges_of(usual: Definition, covered: DateRange | None, count: int) -> list[DateRange]:
    """Up to `count` ranges that lie as those do that would judge, the newest ones of the data, oldest first.

    `usual` is the spec's own sweep, `covered` the days of the data. Raises UserError if there are too few of them.
    """
    like = judging_of(usual)
    every = [date_range for phase in usual.of_settings for date_range in phase.ranges]
    alike = [one for one in every if abs(one.days - like[-1].days) <= MONTHS_DIFFER]
    newest = max([*alike, *like], key=lambda date_range: date_range.end)
    whole = all(day.day == 1 for one in like for day in (one.start, one.end))
    if whole:
        months = _months(newest.start, newest.end)
        step = min((_months(a.end, b.end) for a, b in pairwise(like)), default=months)
        candidates = [dates.whole_months(newest.end, months, back=step * at) for at in range(count)]
    else:
        days = min(((b.end - a.end).days for a, b in pairwise(like)), default=newest.days)
        shifts = [timedelta(days=days * at) for at in range(count)]
        candidates = [DateRange(newest.start - shift, newest.end - shift) for shift in shifts]
    ranges = [one for one in candidates if covered is None or covered.start <= one.start]
    if len(ranges) < FEWEST_RANGES:
        raise UserError(
            f"calibrate: there are {len(ranges)} date ranges like those that would judge, and to learn how alike they "
            f"are takes at least {FEWEST_RANGES}; ask for more --ranges, for shorter ones, or wait for more data"
        )
    return sorted(ranges)


def _months(start: Any, end: Any) -> int:
    return int((end.year - start.year) * 12 + end.month - start.month)


def judging_of(usual: Definition) -> list[DateRange]:
    """The ranges that would judge, oldest first; those that would choose where nothing does."""
    return sorted((usual.confirm or usual.choosing[-1]).ranges)


def define(resolved: Definition, spec: Spec, usual: Definition, seeds: int) -> Definition:
    """The definition of the study, made from what `sample` resolved to. Raises UserError if it has too few settings."""
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
                chosen_on=tuple(dict.fromkeys(one for each in usual.choosing for one in each.ranges)),
                judging=tuple(judging_of(usual)),
                settings=sum(each.experiments for each in usual.searching),
                rope=confirm.judging.rope if confirm and confirm.judging else spec.rope,
            ),
        }
    )
