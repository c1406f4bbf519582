"""Statistical power of a sweep that is to start: the smallest gain that its confirmation would find.

It depends on the layout of its ranges, and on how far gains differed in earlier sweeps. Of earlier sweeps it reads
validation scores, never test scores. It is for people, and no plan depends on it.
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
"""Standard deviation of a gain between date ranges, assumed if no earlier sweep shows it: in per cent, or in points of
a share."""


@dataclass(frozen=True)
class Power:
    """The gain that a confirmation would find four times in five."""

    design: Design
    in_spreads: float | None
    """The smallest gain beyond the rope, in standard deviations of a gain between ranges; None: too few for a test."""
    spread: float | None
    """That standard deviation in earlier sweeps; None: not known."""
    sweeps: int
    """Number of these earlier sweeps."""

    def finds(self, spread: float) -> float | None:
        """The smallest gain that is found if gains have this standard deviation; None: too few ranges for a test."""
        return None if self.in_spreads is None else self.design.least_gain + self.in_spreads * spread


def power_of(definition: Definition, digests: Sequence[Digest] = ()) -> Power | None:
    """The power of the sweep's confirmation; None if it has none, or if the sweep is only a part of judging a claim.

    `digests` are those of its series.
    """
    phase = definition.confirm
    if phase is None or definition.claim:
        return None
    design = design_of(definition, phase)
    scores = [trial.valid for digest in digests if digest.has_data_of(definition) for trial in digest.trials]
    design = replace(design, scale=design.scale.fitting(scores))
    by_sweep = [_spreads(definition, digest) for digest in digests]
    spreads = [spread for spreads in by_sweep for spread in spreads]
    return Power(
        design=design,
        in_spreads=detectable_in_sd(design, phase.experiments - 1),
        spread=median(spreads) if spreads else None,
        sweeps=sum(map(bool, by_sweep)),
    )


def _spreads(definition: Definition, digest: Digest) -> list[float]:
    """Standard deviations between ranges of the settings' gains over the incumbent in an earlier sweep.

    Only the better half of its settings counts, since a winner is among them; and only trainings like those that will
    judge: at the same fidelity, on ranges of about the same length.
    """
    phase = definition.confirm
    assert phase is not None
    is_unusable = digest.sweep == definition.id or not digest.has_data_of(definition) or digest.calibration
    if is_unusable or phase.fidelity not in digest.fidelities:
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
    base = next((name for name, values in digest.experiments.items() if identity_of(values) == incumbent), "")

    # Each setting's gains, one per range.
    gains: list[list[float]] = []
    scale = definition.objective.gains
    for by_range in (by_range for name, by_range in scores.items() if name != base):
        setting_gains = []
        for date_range, by_seed in by_range.items():
            incumbents = scores.get(base, {}).get(date_range, {})
            pairs = [scale.gain(incumbents[at], score) for at, score in by_seed.items() if at in incumbents]
            if pairs and None not in pairs:
                setting_gains.append(fmean(gain for gain in pairs if gain is not None))
        if len(setting_gains) >= FEWEST_RANGES:
            gains.append(setting_gains)
    gains.sort(key=fmean, reverse=True)
    return [stdev(setting_gains) for setting_gains in gains[: (len(gains) + 1) // 2]]
