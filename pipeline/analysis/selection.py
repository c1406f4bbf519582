"""Estimates the winner's gain in choosing without selection bias.

It judges nothing. The ranges that chose can show what choosing was worth, but never that a gain is real.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from pipeline.analysis.ranking import Standing
from pipeline.dates import DateRange
from pipeline.sweep import Definition

FEWEST_RANGES = 2


@dataclass(frozen=True)
class ChoosingGain:
    """Gains over the incumbent on the ranges that chose, by validation metric, on the objective's scale."""

    winner: str
    """The incumbent, if nothing was better."""
    apparent: float
    """The winner's mean gain on the ranges that chose it. It is too high, and more so with more experiments."""
    unbiased: float | None
    """The cross-validated mean gain. For each range, the other ranges choose an experiment, and its gain on the range
    counts. None for a single range."""
    chosen_without: dict[DateRange, str]
    """{range: experiment chosen without it}. If it is the same everywhere, the choice depends on no single range."""
    left_out: tuple[str, ...]
    """Experiments without a gain on every range; they cannot be chosen."""

    @property
    def luck(self) -> float | None:
        """The part of the apparent gain that is selection bias."""
        return None if self.unbiased is None else self.apparent - self.unbiased


def choosing_gain(gains: Mapping[str, Mapping[DateRange, float]], incumbent: str) -> ChoosingGain | None:
    """Leave-one-range-out selection over {experiment: {range: gain over the incumbent}}; None if no range has a gain.

    Choosing itself is cross-validated, after Varma & Simon, "Bias in error estimation when using cross-validation for
    model selection", BMC Bioinformatics 7, 2006, and Tsamardinos et al., "Bootstrapping the out-of-sample predictions",
    Machine Learning 107, 2018 (BBC-CV). BBC-CV resamples rows. Three date ranges are too few to resample, so each is
    left out once. The estimate is a little low, because it chooses on one range less. It is somewhat high if
    neighbouring ranges resemble each other.

    The incumbent takes part with a gain of zero, whether `gains` holds it or not. Of several equals, the first wins.
    """
    ranges = sorted({range_ for by_range in gains.values() for range_ in by_range})
    if not ranges:
        return None
    complete = {name: by_range for name, by_range in gains.items() if by_range.keys() == set(ranges)}
    contest = {incumbent: dict.fromkeys(ranges, 0.0)} | {n: dict(g) for n, g in complete.items() if n != incumbent}

    def best_on(ranges: list[DateRange]) -> str:
        return max(contest, key=lambda name: fmean(contest[name][range_] for range_ in ranges))

    winner = best_on(ranges)
    chosen = {}
    if len(ranges) >= FEWEST_RANGES:
        chosen = {out: best_on([range_ for range_ in ranges if range_ != out]) for out in ranges}
    return ChoosingGain(
        winner=winner,
        apparent=fmean(contest[winner].values()),
        unbiased=fmean(contest[name][range_] for range_, name in chosen.items()) if chosen else None,
        chosen_without=chosen,
        left_out=tuple(name for name in gains if name not in complete and name != incumbent),
    )


def gain_of_choosing(definition: Definition, ranked: Sequence[Standing]) -> ChoosingGain | None:
    """The gain of a ranking's winner without selection bias; None if the incumbent is not ranked."""
    base = next((standing for standing in ranked if standing.is_incumbent), None)
    if base is None:
        return None
    metric, scale = definition.objective.valid, definition.objective.gains
    gains: dict[str, dict[DateRange, float]] = {}
    for standing in ranked:
        for date_range, row in standing.by_range.items():
            base_score = base.by_range.get(date_range, {}).get(metric)
            gain = None if base_score is None else scale.gain(base_score, row[metric])
            if gain is not None:
                gains.setdefault(standing.experiment, {})[date_range] = gain
    return choosing_gain(gains, base.experiment)
