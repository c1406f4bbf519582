"""A study of resemblance: rows -> how alike date ranges are, and how many of them, with how many seeds, find a gain.

What later sweeps learn from the study is the same, by way of its digest.
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
"""Shares of the metric; of one that is a share itself, points of a hundred."""
SEEDS = (1, 2, 3, 5)
MOST_RANGES = 24


@dataclass(frozen=True)
class Noise:
    """The variance of a gain on one range, of a single pair of trainings; the true gain is the same on all."""

    of_ranges: float
    """What another range makes of it; 0 where seeds explain everything."""
    of_seeds: float | None
    """What another seed makes of it; None if the study had one seed."""

    def variance(self, seeds: int) -> float:
        """Of the mean over so many seeds. Raises ValueError if there is no telling."""
        if self.of_seeds is None:
            if seeds > 1:
                raise ValueError("a study with one seed cannot tell what more seeds do")
            return self.of_ranges
        return self.of_ranges + self.of_seeds / seeds


@dataclass(frozen=True)
class RangesNeeded:
    """What a study found."""

    resemblance: Resemblance
    """As the spec's own sweep would judge by it, with one seed."""
    noise: Noise
    metric: str
    scale: Scale
    gains: tuple[float, ...]
    """Those that people ask for."""
    smallest: Mapping[int, Mapping[int, float]]
    """Per number of seeds and ranges: the smallest gain that is found four times in five."""

    def ranges(self, gain: float, seeds: int) -> int | None:
        """The fewest that find a gain of this size four times in five; None if `MOST_RANGES` do not."""
        return next((count for count, least in self.smallest[seeds].items() if least <= gain), None)

    def cheapest(self, gain: float) -> tuple[int, int] | None:
        """The ranges and seeds that find a gain with the fewest trainings; None: out of reach."""
        found = [(count, seeds) for seeds in self.smallest if (count := self.ranges(gain, seeds)) is not None]
        return min(found, key=lambda one: (one[0] * one[1], one[1]), default=None)

    def table(self) -> list[tuple[str, list[str]]]:
        """Per gain, in words: how many ranges it takes with each number of seeds."""
        return [
            (self.scale.words(gain), [_count_in_words(self.ranges(gain, seeds)) for seeds in self.smallest])
            for gain in self.gains
        ]

    @property
    def seed_share(self) -> float | None:
        """Of the variance of a single pair, the seeds' part."""
        return None if self.noise.of_seeds is None else self.noise.of_seeds / self.noise.variance(1)

    @property
    def answer(self) -> str:
        """One sentence."""
        found = self.resemblance
        ways = [f"a gain of {self.scale.words(gain)} takes {_in_words(self.cheapest(gain))}" for gain in self.gains]
        return (
            f"Your date ranges resemble each other {found.how_much}: {found.correlation:.2g} (at most "
            f"{found.correlation_at_most:.2g}), from {found.trainings:,} trainings of {found.settings} settings on "
            f"{found.ranges} date ranges; to find it four times in five, {', '.join(ways)}."
        )

    def as_json(self) -> dict[str, Any]:
        """`resemblance.json`."""
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
    """What the study found; where nothing can be said (yet), a sentence says why."""
    asked, phase = definition.resembling, definition.phases[0]
    assert asked is not None
    single = phase.model_copy(update={"seeds": 1})
    found = learning.evidence([digests.digest(definition, rows)], definition, single)
    geometry = Geometry.of(phase.ranges)
    if found is None or geometry is None:
        above = " above zero" if definition.objective.scale == "ratio" else ""
        return (
            f"Nothing can be said of how alike date ranges are: that takes at least two settings with a finished "
            f"{definition.objective.valid}{above} on the same {learning.FEWEST_RANGES} date ranges, and gains that "
            "differ between these."
        )
    noise, size = noise_of(found.tables), np.abs(np.concatenate([table.scores.ravel() for table in found.tables]))
    scale = definition.objective.gains
    scale = scale.fitting(map(float, size)) if scale.name == "difference" else scale
    judging = sorted(asked.judging)
    choosing = geometry.positions(asked.chosen_on)
    # The spec's own constant, were it to judge on more ranges or fewer.
    usual = correction(judging if len(judging) > 1 else phase.ranges)
    usual *= (len(judging) if len(judging) > 1 else len(phase.ranges)) - 1
    newest = geometry.positions(judging).max()
    probabilities = learning.posterior(found.blocks)

    def c(count: int, seeds: int) -> float:
        # Further ranges lie further back.
        positions = newest - np.arange(count)[::-1]
        left = noise.variance(seeds) / noise.variance(1)
        values = learning.corrections(choosing, positions, asked.settings, left)
        return float(learning.learned(values, probabilities, usual / (count - 1)))

    def least(count: int, seeds: int) -> float:
        spread = math.sqrt(noise.variance(seeds))
        return scale.as_gain(asked.rope) + smallest_gain(count, c(count, seeds), ALPHA) * spread

    all_seeds = SEEDS if noise.of_seeds is not None else SEEDS[:1]
    counts = range(FEWEST_RANGES, MOST_RANGES + 1)
    positions = geometry.positions(judging if len(judging) >= FEWEST_RANGES else phase.ranges)
    return RangesNeeded(
        resemblance=learning.resemblance(
            found, learning.corrections(choosing, positions, asked.settings), usual / (len(positions) - 1)
        ),
        noise=noise,
        metric=definition.objective.valid,
        scale=scale,
        gains=tuple(_gain(scale, share, size) for share in GAINS),
        smallest={seeds: {count: least(count, seeds) for count in counts} for seeds in all_seeds},
    )


def _gain(scale: Scale, share: float, size: Floats) -> float:
    """A share of the metric as a gain; of one in units of its own, of what it usually comes to."""
    gain = scale.of_share(share)
    return share * float(np.median(size)) if gain is None else gain


def noise_of(tables: Sequence[Table]) -> Noise:
    """The variance of the gain of one setting over another, and how much of it is the seeds'.

    What all settings have in common on a range is no gain, nor is what a setting is better by everywhere.
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
    """The variance between the seeds of a setting; None if it has one."""
    if len(group) < 2:
        return None
    rows = residuals[list(group)]
    return float(((rows - rows.mean(axis=0)) ** 2).sum()) / ((len(group) - 1) * (rows.shape[-1] - 1))
