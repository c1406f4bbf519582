"""What gain a sweep that is to start would find, by how its ranges lie and by how far gains differed in earlier sweeps.

Of earlier sweeps it reads what chose, never what judged. It says only: no plan follows it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import fmean, median, stdev

from pipeline.analysis.confirmation import design_of
from pipeline.analysis.power import detectable_in_sd
from pipeline.analysis.verdict import FEWEST_RANGES, Design
from pipeline.dates import DateRange
from pipeline.results import Status
from pipeline.space import identity_of
from pipeline.sweep import Definition
from pipeline.sweep.digests import LARGEST_SCORE, Digest

ASSUMED_PERCENT = 3.0
"""By how much a gain differs between date ranges where no earlier sweep tells: in per cent, or in points of a share."""


@dataclass(frozen=True)
class Power:
    """What a confirmation would find four times in five."""

    design: Design
    in_spreads: float | None
    """The smallest gain beyond the rope, in standard deviations of a gain between ranges; None: too few for a test."""
    spread: float | None
    """That standard deviation, as earlier sweeps had it; None: they do not tell."""
    sweeps: int
    """So many of them."""

    def finds(self, spread: float) -> float | None:
        """The smallest gain that is found if gains differ so much."""
        return None if self.in_spreads is None else self.design.least_gain + self.in_spreads * spread


def power_of(definition: Definition, digests: Sequence[Digest] = ()) -> Power | None:
    """What the sweep's confirmation would find; None where it has none, or is one of several that judge
    a claim together. `digests` are those of its series."""
    phase = definition.confirm
    if phase is None or definition.claim:
        return None
    design = design_of(definition, phase)
    scores = [trial.valid for digest in digests if digest.has_data_of(definition) for trial in digest.trials]
    design = replace(design, scale=design.scale.fitting(scores))
    by_sweep = [_spreads(definition, digest) for digest in digests]
    spreads = [spread for of_one in by_sweep for spread in of_one]
    return Power(
        design=design,
        in_spreads=detectable_in_sd(design, phase.experiments - 1),
        spread=median(spreads) if spreads else None,
        sweeps=sum(map(bool, by_sweep)),
    )


def _spreads(definition: Definition, digest: Digest) -> list[float]:
    """By how much each setting's gain over the incumbent of an earlier sweep differed between ranges.

    Of the better half of its settings, which a winner is among, trained as the sweep will judge, on ranges as long.
    """
    phase = definition.confirm
    assert phase is not None
    is_of_another = digest.sweep == definition.id or not digest.has_data_of(definition) or digest.calibration
    if is_of_another or phase.fidelity not in digest.fidelities:
        return []
    days = phase.ranges[0].days

    # {experiment: {range: {phase and seed: score}}}
    scores: dict[str, dict[DateRange, dict[tuple[str, int], float]]] = {}
    for trial in digest.trials:
        if (at := digest.range_of(trial)) is None:
            continue
        date_range = at.range
        is_alike = trial.fidelity == phase.fidelity.name and abs(date_range.days - days) <= days / 10
        if (
            is_alike
            and trial.status is Status.COMPLETE
            and trial.valid is not None
            and abs(trial.valid) < LARGEST_SCORE
        ):
            by_seed = scores.setdefault(trial.experiment, {}).setdefault(date_range, {})
            by_seed[trial.phase, trial.seed] = trial.valid
    incumbent = identity_of(digest.incumbent)
    base = next((name for name, one in digest.experiments.items() if identity_of(one) == incumbent), "")

    gains: list[list[float]] = []
    scale = definition.objective.gains
    for by_range in (of_one for name, of_one in scores.items() if name != base):
        of_ranges = []
        for date_range, by_seed in by_range.items():
            theirs = scores.get(base, {}).get(date_range, {})
            pairs = [scale.gain(theirs[at], own) for at, own in by_seed.items() if at in theirs]
            if pairs and None not in pairs:
                of_ranges.append(fmean(gain for gain in pairs if gain is not None))
        if len(of_ranges) >= FEWEST_RANGES:
            gains.append(of_ranges)
    gains.sort(key=fmean, reverse=True)
    return [stdev(of_ranges) for of_ranges in gains[: (len(gains) + 1) // 2]]
