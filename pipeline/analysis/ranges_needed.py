"""Evaluates a study of resemblance: how alike date ranges are, and how many ranges and seeds it takes to find a gain.

The result is for people. Later sweeps learn how alike ranges are from the study's digest (`resemblance.py`).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.analysis import resemblance as learning
from pipeline.analysis.power import correction, smallest_gain
from pipeline.analysis.resemblance import Floats, Geometry, Table
from pipeline.analysis.verdict import ALPHA, FEWEST_RANGES
from pipeline.results import Row
from pipeline.scale import Scale
from pipeline.sweep import Definition, digests
from pipeline.sweep.definition import Resemblance

GAINS = (0.01, 0.02, 0.05)
"""Gains in the table: 1 %, 2 % and 5 % of the metric, or as many points of a metric between 0 and 1."""
SEEDS = (1, 2, 3, 5)
"""Numbers of seeds in the table."""
MOST_RANGES = 24
"""Largest number of ranges in the table."""


@dataclass(frozen=True)
class Noise:
    """Variance of a gain on a single range with a single seed, split by cause."""

    of_ranges: float
    """Part that differs between ranges; 0 if seeds explain everything."""
    of_seeds: float | None
    """Part that differs between seeds; None if the study had one seed."""

    def variance(self, seeds: int) -> float:
        """Variance of a gain on one range, averaged over `seeds`. Raises ValueError for more than one seed if the study
        had only one."""
        if self.of_seeds is None:
            if seeds > 1:
                raise ValueError("a study with one seed cannot tell what more seeds do")
            return self.of_ranges
        return self.of_ranges + self.of_seeds / seeds


@dataclass(frozen=True)
class RangesNeeded:
    """Result of a study of resemblance."""

    resemblance: Resemblance
    """The resemblance with which an ordinary sweep of the study's spec would judge, if it trained one seed."""
    noise: Noise
    metric: str
    scale: Scale
    gains: tuple[float, ...]
    """The gains of the table, on `scale`."""
    smallest: Mapping[int, Mapping[int, float]]
    """{seeds: {ranges: smallest gain that is found four times in five}}."""

    def ranges(self, gain: float, seeds: int) -> int | None:
        """Fewest ranges that find a gain of this size four times in five; None if `MOST_RANGES` do not."""
        return next((count for count, least in self.smallest[seeds].items() if least <= gain), None)

    def cheapest(self, gain: float) -> tuple[int, int] | None:
        """(ranges, seeds) that find a gain with the fewest trainings; None if none do."""
        pairs = [(count, seeds) for seeds in self.smallest if (count := self.ranges(gain, seeds)) is not None]
        return min(pairs, key=lambda pair: (pair[0] * pair[1], pair[1]), default=None)

    def table(self) -> list[tuple[str, list[str]]]:
        """[(gain, [ranges it takes with each number of seeds])], in words."""
        return [
            (self.scale.words(gain), [_count_in_words(self.ranges(gain, seeds)) for seeds in self.smallest])
            for gain in self.gains
        ]

    @property
    def seed_share(self) -> float | None:
        """Share of a single pair's variance that seeds explain; None if the study had one seed."""
        return None if self.noise.of_seeds is None else self.noise.of_seeds / self.noise.variance(1)

    @property
    def answer(self) -> str:
        """The result in one sentence."""
        alike = self.resemblance
        ways = [f"a gain of {self.scale.words(gain)} takes {_in_words(self.cheapest(gain))}" for gain in self.gains]
        return (
            f"Your date ranges resemble each other {alike.how_much}: {alike.correlation:.2g} (at most "
            f"{alike.correlation_at_most:.2g}), from {alike.trainings:,} trainings of {alike.settings} settings on "
            f"{alike.ranges} date ranges; to find it four times in five, {', '.join(ways)}."
        )

    def as_json(self) -> dict[str, Any]:
        """The content of `resemblance.json`."""
        return {
            "answer": self.answer,
            "metric": self.metric,
            "resemblance": self.resemblance.model_dump(mode="json", by_alias=True),
            "standard-deviation-of-gains": math.sqrt(self.noise.variance(1)),
            "share-of-seeds": self.seed_share,
            "ranges": {
                self.scale.words(gain): {str(seeds): self.ranges(gain, seeds) for seeds in self.smallest}
                for gain in self.gains
            },
            "smallest-gain": {
                str(seeds): {str(count): round(least, 5) for count, least in by_count.items()}
                for seeds, by_count in self.smallest.items()
            },
        }


def _count_in_words(count: int | None) -> str:
    return str(count) if count else f"more than {MOST_RANGES}"


def _in_words(way: tuple[int, int] | None) -> str:
    if way is None:
        return f"more than {MOST_RANGES} date ranges"
    return f"{way[0]} date ranges with {way[1]} seed{'s' if way[1] > 1 else ''}"


def ranges_needed(definition: Definition, rows: Sequence[Row]) -> RangesNeeded | str:
    """Result of a study of resemblance, or a sentence that says why there is none (yet)."""
    study, phase = definition.resembling, definition.phases[0]
    assert study is not None
    single = phase.model_copy(update={"seeds": 1})
    evidence = learning.evidence([digests.digest(definition, rows)], definition, single)
    geometry = Geometry.of(phase.ranges)
    if evidence is None or geometry is None:
        above = " above zero" if definition.objective.scale == "ratio" else ""
        return (
            f"Nothing can be said of how alike date ranges are: that takes at least two settings with a finished "
            f"{definition.objective.valid}{above} on the same {learning.FEWEST_RANGES} date ranges, and gains that "
            "differ between these."
        )

    # The noise of a gain, and the usual size of the metric.
    noise = noise_of(evidence.tables)
    size = np.abs(np.concatenate([table.scores.ravel() for table in evidence.tables]))
    scale = definition.objective.gains
    scale = scale.fitting(map(float, size)) if scale.name == "difference" else scale

    # Without evidence, the spec's sweep would judge R ranges with c = `usual` / (R - 1).
    judging = sorted(study.judging)
    choosing = geometry.positions(study.chosen_on)
    usual = correction(judging if len(judging) > 1 else phase.ranges)
    usual *= (len(judging) if len(judging) > 1 else len(phase.ranges)) - 1
    newest = geometry.positions(judging).max()
    probabilities = learning.posterior(evidence.blocks)

    # The smallest gain for each number of seeds and ranges.
    def c(count: int, seeds: int) -> float:
        # Ranges that are added to the spec's lie before them.
        positions = newest - np.arange(count)[::-1]
        noise_share = noise.variance(seeds) / noise.variance(1)
        values = learning.corrections(choosing, positions, study.settings, noise_share)
        return float(learning.learned(values, probabilities, usual / (count - 1)))

    def least(count: int, seeds: int) -> float:
        spread = math.sqrt(noise.variance(seeds))
        return scale.as_gain(study.rope) + smallest_gain(count, c(count, seeds), ALPHA) * spread

    all_seeds = SEEDS if noise.of_seeds is not None else SEEDS[:1]
    counts = range(FEWEST_RANGES, MOST_RANGES + 1)
    positions = geometry.positions(judging if len(judging) >= FEWEST_RANGES else phase.ranges)
    return RangesNeeded(
        resemblance=learning.resemblance(
            evidence, learning.corrections(choosing, positions, study.settings), usual / (len(positions) - 1)
        ),
        noise=noise,
        metric=definition.objective.valid,
        scale=scale,
        gains=tuple(_gain(scale, share, size) for share in GAINS),
        smallest={seeds: {count: least(count, seeds) for count in counts} for seeds in all_seeds},
    )


def _gain(scale: Scale, share: float, size: Floats) -> float:
    """A share of the metric as a gain. If the metric has units, of its median score."""
    gain = scale.of_share(share)
    return share * float(np.median(size)) if gain is None else gain


def noise_of(tables: Sequence[Table]) -> Noise:
    """Variance of the gain of one setting over another, split into parts of ranges and seeds.

    The means of ranges and of settings are removed first: a range that is hard for all settings changes no gain, and a
    setting that is better everywhere is no noise.
    """
    total, of_seeds = list[float](), list[float]()
    for table in tables:
        settings, ranges = table.scores.shape
        residuals = table.scores - table.scores.mean(axis=0)
        residuals = residuals - residuals.mean(axis=-1, keepdims=True)
        total += [float((residuals**2).sum()) / ((settings - 1) * (ranges - 1))]
        within = [_within(residuals, group) for group in _by_setting(table)]
        of_seeds += [value for value in within if value is not None]
    # A gain is a difference: twice the variance of a single setting.
    variance = 2 * float(np.mean(total))
    if not of_seeds:
        return Noise(variance, None)
    seeds = min(2 * float(np.mean(of_seeds)), variance)
    return Noise(variance - seeds, seeds)


def _by_setting(table: Table) -> list[list[int]]:
    groups: dict[Any, list[int]] = {}
    for at, key in enumerate(table.keys):
        groups.setdefault(key[0], []).append(at)
    return list(groups.values())


def _within(residuals: Floats, group: Sequence[int]) -> float | None:
    """Variance between the seeds of a setting; None if it has one seed."""
    if len(group) < 2:
        return None
    rows = residuals[list(group)]
    return float(((rows - rows.mean(axis=0)) ** 2).sum()) / ((len(group) - 1) * (rows.shape[-1] - 1))
