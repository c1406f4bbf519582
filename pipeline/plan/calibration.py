"""Plans the study behind short mode: a sample of a user's search space, trained on several amounts of data.

A calibration is a sweep like any other; only its phases differ. Its rows and epochs are evaluated in
`analysis/calibration.py`.
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
    """The spec of the study: random settings of the spec's space in full mode, without races and confirmation.

    Raises UserError if the spec names no space of its own.
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
    """The definition of a calibration: one phase per amount of data. `resolved` is the definition of `sample(spec)`.

    The phases share their experiments and their date range, hence their validation and test days. `covered` are the
    days of the data, `used` the ranges that earlier sweeps chose on. Raises UserError if the sample is too small.
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
    """Yields each amount of data as (name, training days), smallest first; None: all training days of the range.

    An amount of one month is the training part of a range of one month, about 19 days, since `short.months` counts
    whole ranges, too. Validation and test days are those of the whole range.
    """
    everything = date_range.split(valid, test).train.days
    if everything > WEEK_DAYS:
        yield WEEK, WEEK_DAYS
    for name, months in MONTHS.items():
        if (days := training_days(date_range, months, valid, test)) and WEEK_DAYS < days < everything:
            yield name, days
    yield FULL, None


def _range_before(ranges: Sequence[DateRange], covered: DateRange | None) -> DateRange:
    """The range right before the ranges of full mode, of the same length; the oldest of these if the data begin later.

    Short mode chooses there, too. So a calibration uses up no range that could judge a winner of short mode.
    """
    oldest = min(ranges)
    months = (oldest.end.year - oldest.start.year) * 12 + oldest.end.month - oldest.start.month
    if oldest.start.day == oldest.end.day == 1:
        before = dates.whole_months(oldest.start, months)
    else:
        before = DateRange(oldest.start - timedelta(days=oldest.days), oldest.start)
    return before if covered is not None and covered.start <= before.start else oldest
