"""The study behind short mode, on a user's own data: a sample of the space at several amounts of data.

A calibration is a sweep like any other; only its phases differ. What its rows and epochs come to is worked out in
`analysis/calibration.py`; nothing here trains or judges.
"""

from collections.abc import Iterator, Sequence
from datetime import timedelta

from pipeline import dates
from pipeline.analysis.agreement import FEWEST_EXPERIMENTS
from pipeline.analysis.calibration import FULL, MONTHS, WEEK, WEEK_DAYS, training_days
from pipeline.dates import DateRange
from pipeline.errors import UserError
from pipeline.spec import Spec, normalize
from pipeline.spec.model import Confirm, PhaseSpec
from pipeline.sweep import Calibrating, Definition, Fidelity, Phase


def sample(spec: Spec, experiments: int | None) -> Spec:
    """The spec of a study of a spec: random settings of its space in full mode, nothing raced, nothing confirmed.

    Raises UserError if the spec leaves the space to the pipeline.
    """
    if spec.tune != "parameters":
        raise UserError(f'tune: calibrating samples the spec\'s own `parameters`, so leave "{spec.tune}" out')
    once = {"seeds_per_range": 1, "race": False, "early_stopping": None}
    search = spec.search.model_copy(update={"strategy": "random", "experiments": experiments, **once})
    phases = [PhaseSpec(name="screen", parameters=spec.phases[-1].parameters)] if spec.phases else None
    return spec.model_copy(
        update={
            "search": search,
            "mode": "full",
            "budget": None,
            "reuse": False,
            "references": False,
            "phases": phases,
            "confirm": Confirm.model_validate({"ranges": 0}),
            "confirm_range": None,
        }
    )


def define(
    resolved: Definition,
    spec: Spec,
    calibrating: Calibrating,
    *,
    covered: DateRange | None = None,
    used: Sequence[DateRange] = (),
) -> Definition:
    """The definition of a calibration, made from what `sample(spec)` resolved to: one phase per amount of data.

    The phases share their experiments, their date range and with it their validation and test days. `covered` are the
    days of the data, `used` the ranges that earlier sweeps chose on.
    """
    screen = resolved.phases[0]
    needed = max(FEWEST_EXPERIMENTS, calibrating.top + 1)
    if screen.experiments < needed:
        raise UserError(
            f"calibrate: comparing the best {calibrating.top} takes at least {needed} experiments, not "
            f"{screen.experiments}; let `parameters` allow more, ask for more --experiments, or for a smaller --top"
        )
    date_range = _range_before(screen.ranges, covered)
    shares = resolved.training.validation_share, resolved.training.test_share
    phases = tuple(
        Phase(
            name=f"calibrate-{name}",
            space=screen.space,
            ranges=(date_range,),
            fidelity=Fidelity(name=name, max_epochs=screen.fidelity.max_epochs, train_days=days),
            strategy="random",
            experiments=screen.experiments,
        )
        for name, days in amounts(date_range, *shares)
    )
    times = list(used).count(date_range)
    return resolved.model_copy(
        update={
            "phases": phases,
            "calibrating": calibrating,
            "spec": normalize.as_written(spec),
            "chosen_before": {str(date_range): times} if times else {},
        }
    )


def amounts(date_range: DateRange, valid: float, test: float) -> Iterator[tuple[str, int | None]]:
    """How many training days each amount of data has, least first; None: all that the range has.

    A month is worth the training days that a range of one month has, which are fewer than a month: that is what
    `short.months` gives. The validation and test days are those of the whole range.
    """
    everything = date_range.split(valid, test).train.days
    if everything > WEEK_DAYS:
        yield WEEK, WEEK_DAYS
    for name, months in MONTHS.items():
        if (days := training_days(date_range, months, valid, test)) and WEEK_DAYS < days < everything:
            yield name, days
    yield FULL, None


def _range_before(ranges: Sequence[DateRange], covered: DateRange | None) -> DateRange:
    """A range as long as those that full mode chooses on, right before them if the data go so far back.

    Short mode chooses there, too: calibrating uses up no range that could judge its winner.
    """
    oldest = min(ranges)
    months = (oldest.end.year - oldest.start.year) * 12 + oldest.end.month - oldest.start.month
    if oldest.start.day == oldest.end.day == 1:
        before = dates.whole_months(oldest.start, months)
    else:
        before = DateRange(oldest.start - timedelta(days=oldest.days), oldest.start)
    return before if covered is not None and covered.start <= before.start else oldest
