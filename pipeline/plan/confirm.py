"""Makes the phase that judges: its date ranges, and its seeds per range.

If the spec does not fix the number of ranges, there are more of them where that adds little to the cost of choosing. Of
all ways to spend trainings, more ranges find the smallest gains (`docs/judging.md`, "More ranges and seeds").
`calendar.py` places the ranges; `analysis/resemblance.py` measures how alike they are.
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
"""Numbers of ranges to try in place of the default, the best first: the first that is cheap enough is taken."""
ADDS_AT_MOST = 0.25
"""Trainings that more ranges or seeds may add, as a share of the trainings that choose."""
PAYS = 0.9
"""More seeds are worth their cost if they shrink the smallest gain that can be found to this share or less."""


def judging(spec: Spec, choosing: Sequence[Phase], calendar: Calendar) -> list[Phase]:
    """The phase that judges, as a list of one: on fresh ranges, else on the same ranges with new seeds.

    Empty if the spec asks for no confirmation today. Raises UserError as `Calendar.judging` does.
    """
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
    """The phase that judges, with more ranges where the spec does not say how many and they cost little.

    The number stays if the days of the data are not known, if a range would not be fresh, or if a budget counts the
    trainings that judge.
    """
    if not judging or not leaves_open(spec, "ranges") or spec.confirm_range or calendar.covered is None:
        return list(judging)
    (phase,) = judging
    if len(phase.ranges) < spec.confirm.ranges or not phase.judging or not phase.judging.fresh:
        return [phase]
    chosen_on = [date_range for chooser in choosing for date_range in chooser.ranges]
    for count in MORE:
        ranges = calendar.fresh(chosen_on, count, is_short=_is_short(choosing))
        wider = phase.model_copy(update={"ranges": tuple(ranges)})
        is_cheap = wider.trials_at_most - phase.trials_at_most <= ADDS_AT_MOST * cost_of_choosing(choosing, phase)
        if len(ranges) == count and is_cheap and calendar.is_unused(ranges):
            return [wider]
    return [phase]


def leaves_open(spec: Spec, key: str) -> bool:
    """True if a spec does not set this key of `confirm`, and no budget counts the trainings that judge."""
    budget = spec.budget
    is_counted = budget is not None and (budget.trials is not None or budget.is_timed)
    return key not in spec.confirm.model_fields_set and not is_counted


def cost_of_choosing(choosing: Sequence[Phase], judging: Phase) -> float:
    """The cost of choosing, counted in trainings that judge: those with fewer epochs or days cost less."""
    return sum(phase.trials_at_most * _cost(phase, judging) for phase in choosing)


def _cost(phase: Phase, judging: Phase) -> float:
    epochs = phase.fidelity.max_epochs / judging.fidelity.max_epochs
    return min(1.0, epochs) * min(1.0, _days(phase.ranges) / _days(judging.ranges))


def _days(ranges: Sequence[DateRange]) -> float:
    return sum(date_range.days for date_range in ranges) / len(ranges)


def _is_short(choosing: Sequence[Phase]) -> bool:
    return any(phase.fidelity.name == "short" for phase in choosing)


def more_ranges_in_words(spec: Spec, phases: Sequence[Phase]) -> Iterator[str]:
    """Yields a line if the sweep judges on more ranges than usual: how many, at what cost, with what gain."""
    usual = spec.confirm.ranges
    for phase in phases:
        if phase.judging is None or len(phase.ranges) <= usual or not leaves_open(spec, "ranges"):
            continue
        if spec.confirm_range or usual < FEWEST_RANGES:
            continue
        fewer = phase.ranges[-usual:]
        before, after = (
            smallest_gain(len(ranges), correction(ranges), ALPHA / spec.confirm.finalists)
            for ranges in (fewer, phase.ranges)
        )
        added = phase.trials_at_most - phase.model_copy(update={"ranges": fewer}).trials_at_most
        yield (
            f"confirm.ranges: {len(phase.ranges)} in place of {usual}: {added} trainings more are few beside those "
            f"that choose, and gains {100 * (1 - after / before):.0f} % smaller are found"
        )


# -- the evidence of earlier sweeps


def by_evidence(spec: Spec, definition: Definition, earlier: Sequence[Digest]) -> Definition:
    """The definition with what earlier sweeps of its series teach about judging.

    That is how alike its ranges are, and how many seeds are worth their cost. It is frozen with the sweep, so that
    later evidence changes no verdict.
    """
    phase = definition.confirm
    if phase is None or phase.judging is None or not earlier:
        return definition
    learned = _with_resemblance(definition, phase, earlier)
    lines: tuple[str, ...] = ()
    if better := _with_more_seeds(spec, definition, learned, earlier):
        added = better.trials_at_most - learned.trials_at_most
        lines = (
            f"confirm.seeds-per-range: {better.seeds} in place of {learned.seeds}: an earlier study shows that gains "
            f"differ between seeds so much that {added} more trainings pay",
        )
        learned = better
    phases = tuple(learned if each is phase else each for each in definition.phases)
    return definition.model_copy(update={"phases": phases, "decided": (*definition.decided, *lines)})


def _with_resemblance(definition: Definition, phase: Phase, earlier: Sequence[Digest]) -> Phase:
    """The phase with the resemblance of its ranges; without it if the evidence does not suffice."""
    # Imported here since it loads scipy, which a plan without earlier sweeps does not need.
    from pipeline.analysis.resemblance import learn

    assert phase.judging is not None
    constant = correction(phase.ranges) if len(phase.ranges) > 1 else math.inf
    resemblance = learn(earlier, definition, constant, phase)
    return phase.model_copy(update={"judging": phase.judging.model_copy(update={"resemblance": resemblance})})


def _with_more_seeds(spec: Spec, definition: Definition, phase: Phase, earlier: Sequence[Digest]) -> Phase | None:
    """The phase with the number of seeds that finds the smallest gains at little cost; None if it should stay as it is.

    It stays, too, without an earlier study of several seeds: only that shows how much gains differ between seeds.
    """
    from pipeline.analysis.ranges_needed import SEEDS, noise_of
    from pipeline.analysis.resemblance import evidence

    if not leaves_open(spec, "seeds_per_range") or len(phase.ranges) < FEWEST_RANGES:
        return None
    study = evidence(earlier, definition, phase)
    noise = noise_of(study.tables) if study else None
    if noise is None or noise.of_seeds is None:
        return None

    def least_gain(design: Phase) -> float:
        assert design.judging is not None
        learned = design.judging.resemblance
        c = learned.correction if learned else correction(design.ranges)
        gain = smallest_gain(len(design.ranges), c, ALPHA / (design.experiments - 1))
        return gain * math.sqrt(noise.variance(design.seeds))

    room = ADDS_AT_MOST * cost_of_choosing(definition.choosing, phase)
    designs = [phase.model_copy(update={"seeds": seeds}) for seeds in SEEDS if seeds > phase.seeds]
    cheap = [design for design in designs if design.trials_at_most - phase.trials_at_most <= room]
    best = min((_with_resemblance(definition, design, earlier) for design in cheap), key=least_gain, default=None)
    return best if best and least_gain(best) <= PAYS * least_gain(phase) else None
