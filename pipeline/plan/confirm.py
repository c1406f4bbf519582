"""The phase that judges: on which ranges, on how many of them, and with how many seeds on each.

A spec that leaves their number open gets more of them where they cost little beside choosing, for nothing else finds
smaller gains for the same trainings (`docs/judging.md`, "More ranges and seeds"). How ranges lie is for
`calendar.py` to say, how alike they are for `analysis/resemblance.py`.
"""

import math
from collections.abc import Iterator, Sequence

from pipeline.analysis.power import correction, smallest_gain
from pipeline.analysis.verdict import ALPHA, FEWEST_RANGES
from pipeline.dates import DateRange
from pipeline.plan.calendar import Calendar
from pipeline.plan.phases import TRAIN
from pipeline.spec import Spec
from pipeline.sweep import Definition, Fidelity, Judging, Phase
from pipeline.sweep.digests import Digest

MORE = (12, 9)
"""Ranges that judge where that costs little, the best first."""
ADDS_AT_MOST = 0.25
"""What they may add to the trainings that choose."""
PAYS = 0.9
"""More seeds must find gains so much smaller, or smaller still."""


def judging(spec: Spec, choosing: Sequence[Phase], calendar: Calendar) -> list[Phase]:
    """The phase that judges, if there is to be one: on fresh ranges, else on the same ones with new seeds."""
    confirm, last = spec.confirm, choosing[-1]
    is_another_day = confirm.day_of_month is not None and confirm.day_of_month != calendar.today.day
    if last.name == TRAIN or confirm.ranges == 0 or is_another_day:
        return []
    chosen_on = [date_range for phase in choosing for date_range in phase.ranges]
    ranges = calendar.judging(chosen_on, is_short=_is_short(choosing))
    return [
        Phase(
            name="confirm",
            space=last.space,
            ranges=tuple(ranges) or last.ranges,
            fidelity=Fidelity(name="full", max_epochs=spec.training.max_epochs),
            strategy="finalists",
            experiments=confirm.finalists + 1,
            seeds=confirm.seeds_per_range,
            first_seed=0 if ranges else last.seeds,
            role="judge",
            judging=Judging(rope=spec.rope, fresh=bool(ranges) and calendar.is_unused(ranges)),
        )
    ]


def with_more_ranges(
    spec: Spec, choosing: Sequence[Phase], judging: Sequence[Phase], calendar: Calendar
) -> list[Phase]:
    """The phase that judges, with more ranges where nobody said how many and they cost little beside choosing.

    Only where the days of the data are known, and all of the ranges are as fresh. A budget that judging uses up, too,
    gets no more of it.
    """
    if not judging or not leaves_open(spec, "ranges") or spec.confirm_range or calendar.covered is None:
        return list(judging)
    (phase,) = judging
    if len(phase.ranges) < spec.confirm.ranges or not phase.judging or not phase.judging.fresh:
        return [phase]
    chosen_on = [date_range for one in choosing for date_range in one.ranges]
    for count in MORE:
        ranges = calendar.fresh(chosen_on, count, is_short=_is_short(choosing))
        wider = phase.model_copy(update={"ranges": tuple(ranges)})
        is_cheap = wider.trials_at_most - phase.trials_at_most <= ADDS_AT_MOST * cost_of_choosing(choosing, phase)
        if len(ranges) == count and is_cheap and calendar.is_unused(ranges):
            return [wider]
    return [phase]


def leaves_open(spec: Spec, key: str) -> bool:
    """Whether a spec says nothing of a key of `confirm`, and no budget counts the trainings that judge."""
    budget = spec.budget
    is_counted = budget is not None and (budget.trials is not None or budget.is_timed)
    return key not in spec.confirm.model_fields_set and not is_counted


def cost_of_choosing(choosing: Sequence[Phase], judging: Phase) -> float:
    """The trainings that choose, in trainings like those that judge: fewer epochs and days cost so much less."""
    return sum(phase.trials_at_most * _cost(phase, judging) for phase in choosing)


def _cost(phase: Phase, judging: Phase) -> float:
    epochs = phase.fidelity.max_epochs / judging.fidelity.max_epochs
    return min(1.0, epochs) * min(1.0, _days(phase.ranges) / _days(judging.ranges))


def _days(ranges: Sequence[DateRange]) -> float:
    return sum(date_range.days for date_range in ranges) / len(ranges)


def _is_short(choosing: Sequence[Phase]) -> bool:
    return any(phase.fidelity.name == "short" for phase in choosing)


def more_ranges_in_words(spec: Spec, phases: Sequence[Phase]) -> Iterator[str]:
    """A line if there are more ranges than usual: how many, for what, and what that is worth."""
    usual = spec.confirm.ranges
    for phase in phases:
        if phase.judging is None or len(phase.ranges) <= usual or not leaves_open(spec, "ranges"):
            continue
        if spec.confirm_range or usual < FEWEST_RANGES:
            continue
        fewer = phase.ranges[-usual:]
        found = [
            smallest_gain(len(ranges), correction(ranges), ALPHA / spec.confirm.finalists)
            for ranges in (fewer, phase.ranges)
        ]
        added = phase.trials_at_most - phase.model_copy(update={"ranges": fewer}).trials_at_most
        yield (
            f"confirm.ranges: {len(phase.ranges)} in place of {usual}: {added} trainings more are few beside those "
            f"that choose, and gains {100 * (1 - found[1] / found[0]):.0f} % smaller are found"
        )


# -- what earlier sweeps tell


def by_evidence(spec: Spec, definition: Definition, earlier: Sequence[Digest]) -> Definition:
    """A definition that judges by what earlier sweeps of its series tell: how alike its ranges are, and how many seeds
    pay.

    It is frozen with the sweep: what is learned later changes no verdict.
    """
    phase = definition.confirm
    if phase is None or phase.judging is None or not earlier:
        return definition
    learned = _learned(definition, phase, earlier)
    lines: tuple[str, ...] = ()
    if better := _with_more_seeds(spec, definition, learned, earlier):
        added = better.trials_at_most - learned.trials_at_most
        lines = (
            f"confirm.seeds-per-range: {better.seeds} in place of {learned.seeds}: so much of what gains differ by "
            f"comes from seeds, as an earlier study tells, that {added} trainings more pay",
        )
        learned = better
    phases = tuple(learned if one is phase else one for one in definition.phases)
    return definition.model_copy(update={"phases": phases, "decided": (*definition.decided, *lines)})


def _learned(definition: Definition, phase: Phase, earlier: Sequence[Digest]) -> Phase:
    """The phase; with how alike its ranges are, if that can be told."""
    # Not above: scipy comes with it, which a plan does without where there is nothing to learn.
    from pipeline.analysis.resemblance import learn

    assert phase.judging is not None
    constant = correction(phase.ranges) if len(phase.ranges) > 1 else math.inf
    resemblance = learn(earlier, definition, constant, phase)
    return phase.model_copy(update={"judging": phase.judging.model_copy(update={"resemblance": resemblance})})


def _with_more_seeds(spec: Spec, definition: Definition, phase: Phase, earlier: Sequence[Digest]) -> Phase | None:
    """The phase with the seeds that find the smallest gains at little cost; None if those that it has do well enough.

    Only where a study had several seeds, and so tells what another one changes.
    """
    from pipeline.analysis.ranges_needed import SEEDS, noise_of
    from pipeline.analysis.resemblance import evidence

    if not leaves_open(spec, "seeds_per_range") or len(phase.ranges) < FEWEST_RANGES:
        return None
    found = evidence(earlier, definition, phase)
    noise = noise_of(found.tables) if found else None
    if noise is None or noise.of_seeds is None:
        return None

    def finds(one: Phase) -> float:
        assert one.judging is not None
        learned = one.judging.resemblance
        c = learned.correction if learned else correction(one.ranges)
        return smallest_gain(len(one.ranges), c, ALPHA / (one.experiments - 1)) * math.sqrt(noise.variance(one.seeds))

    room = ADDS_AT_MOST * cost_of_choosing(definition.choosing, phase)
    more = [phase.model_copy(update={"seeds": seeds}) for seeds in SEEDS if seeds > phase.seeds]
    cheap = [_learned(definition, one, earlier) for one in more if one.trials_at_most - phase.trials_at_most <= room]
    best = min(cheap, key=finds, default=None)
    return best if best and finds(best) <= PAYS * finds(phase) else None
