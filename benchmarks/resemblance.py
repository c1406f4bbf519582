"""Simulates our confirmation with and without learned resemblance of date ranges: false alarms and power.

Nothing is trained, and the truth is known. Gains are a slow component, autoregressive in time, with a share w of the
variance and a correlation rho between neighbours, and independent noise on each range. `--quick` takes some seconds.
"""

import argparse
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from benchmarks.significance import MONTHS, holm_rejects, wilcoxon_rejects
from pipeline.analysis import resemblance
from pipeline.analysis.power import correction
from pipeline.analysis.resemblance import Block
from pipeline.analysis.significance import corrected_t_test, wins_needed
from pipeline.analysis.verdict import ALPHA
from pipeline.dates import whole_months

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

EXPERIMENTS, CHOOSING, NIGHTS = 20, 3, 30
WORLDS = ((0.0, 0.0), (1.0, 0.3), (1.0, 0.6), (1.0, 0.8), (0.5, 0.3), (0.5, 0.6), (0.5, 0.8), (0.5, 0.95))
AIMED = WORLDS[:3] + WORLDS[4:7]
"""Worlds in which false alarms should stay at 6 %."""
EFFECTS = (0.0, 2.0)


@dataclass(frozen=True)
class World:
    share: float
    rho: float
    heavy: bool = False
    gap: int = 0
    """Empty steps between the ranges that choose and those that judge. 0 is the hardest case."""
    ranges: int = 6

    @property
    def choosing(self) -> Floats:
        return np.arange(CHOOSING, dtype=np.float64)

    @property
    def judging(self) -> Floats:
        return CHOOSING + self.gap + np.arange(self.ranges, dtype=np.float64)

    @property
    def constant(self) -> float:
        """The constant c: for ranges a length apart; with a gap, for ranges of three months that lie a month apart."""
        step = 1 if self.gap else MONTHS
        return correction([whole_months(date(2020, 1, 1), MONTHS, back=step * at) for at in range(self.ranges)])

    def series(self, rng: np.random.Generator, shape: tuple[int, ...], positions: Floats) -> Floats:
        """[*shape, T], variance one."""

        def draw() -> Floats:
            if self.heavy:
                return rng.standard_t(3, size=shape) / math.sqrt(3)
            return rng.standard_normal(shape)

        slow = [draw()]
        for before, now in pairwise(positions):
            correlation = self.rho ** (now - before)
            slow.append(correlation * slow[-1] + math.sqrt(1 - correlation**2) * draw())
        return np.stack([math.sqrt(self.share) * step + math.sqrt(1 - self.share) * draw() for step in slow], axis=-1)

    def __str__(self) -> str:
        return f"{self.share:>4.1f}{self.rho:>6.2f} {'heavy' if self.heavy else 'normal':<7}"


Evidence = Callable[[np.random.Generator, World, int], list[Block]]


def study(settings: int, ranges: int, alike: str = "") -> Evidence:
    """A study of settings on ranges. With `alike`, they are correlated, or unequal: "two groups", "unequal"."""

    def make(rng: np.random.Generator, world: World, runs: int) -> list[Block]:
        positions = np.arange(ranges, dtype=np.float64)
        scores = world.series(rng, (runs, settings), positions)
        if alike == "two groups":
            of_groups = world.series(rng, (runs, 2), positions)[:, np.arange(settings) % 2]
            scores = math.sqrt(0.8) * of_groups + math.sqrt(0.2) * scores
        if alike == "unequal":
            scores = scores * np.exp(0.7 * rng.standard_normal((runs, settings, 1)))
        return [Block.of(scores, positions)]

    return make


def same_settings(months: int) -> Evidence:
    """Nightly sweeps with the same settings every night; each month has three ranges, one of them new."""
    return study(EXPERIMENTS, months + CHOOSING - 1)


def new_settings(months: int) -> Evidence:
    """Nightly sweeps with new settings every night."""

    def make(rng: np.random.Generator, world: World, runs: int) -> list[Block]:
        positions = np.arange(CHOOSING, dtype=np.float64)
        return [
            Block.of(world.series(rng, (runs, NIGHTS * EXPERIMENTS), positions), positions + month)
            for month in range(months)
        ]

    return make


EVIDENCE: dict[str, Evidence] = {
    "4x12": study(4, 12),
    "8x12": study(8, 12),
    "8x24": study(8, 24),
    "1 mo": same_settings(1),
    "6 mo": same_settings(6),
    "12 mo": same_settings(12),
    "1 new": new_settings(1),
    "12 new": new_settings(12),
}


def learned(rng: np.random.Generator, world: World, make: Evidence, runs: int) -> Floats:
    """[runs]: the c that our confirmation learns."""
    values = resemblance.corrections(world.choosing, world.judging, EXPERIMENTS)
    return resemblance.learned(values, resemblance.posterior(make(rng, world, runs)), world.constant)


@dataclass(frozen=True)
class Sweeps:
    """Gains [runs, experiments, ranges] beyond the rope, in standard deviations; experiment 0 is better by `effect`."""

    choosing: Floats
    judging: Floats
    effect: float

    @classmethod
    def simulate(cls, rng: np.random.Generator, world: World, runs: int, effect: float) -> "Sweeps":
        positions = np.concatenate([world.choosing, world.judging])
        scores = world.series(rng, (runs, EXPERIMENTS + 1), positions) / math.sqrt(2)
        gains = scores[:, :1] - scores[:, 1:]
        gains[:, 0] += effect
        return cls(gains[..., :CHOOSING], gains[..., CHOOSING:], effect)

    def share(self, rejected: Bools, winner: NDArray[np.int_]) -> float:
        """Share of runs in which the better experiment is called better; if none is, any."""
        return float((rejected & ((winner == 0) | (self.effect == 0))).mean())

    def ours(self, c: Floats | float, finalists: int = 1) -> float:
        """Our procedure with the c of each run; Holm over several finalists."""
        order = np.argsort(-self.choosing.mean(axis=-1), axis=-1)[:, :finalists]
        gains = np.take_along_axis(self.judging, order[..., None], axis=1)
        p = corrected_t_test(gains, np.asarray(c)[..., None], 0.0)
        better = np.take_along_axis(self.choosing.mean(axis=-1), order, axis=1) > 0
        real = holm_rejects(p) & better & ((gains > 0).sum(axis=-1) >= wins_needed(gains.shape[-1]))
        right = real & ((order == 0) | (self.effect == 0))
        return float(right.any(axis=-1).mean())

    def plain_t(self) -> float:
        winner = self.judging.mean(axis=-1).argmax(axis=-1)
        return self.share(corrected_t_test(self._of(winner), 0.0, 0.0) <= ALPHA, winner)

    def wilcoxon(self) -> float:
        winner = self.judging.mean(axis=-1).argmax(axis=-1)
        return self.share(wilcoxon_rejects(self._of(winner)), winner)

    def holm(self) -> float:
        rejected = holm_rejects(corrected_t_test(self.judging, 0.0, 0.0))
        return float((rejected[:, 0] if self.effect else rejected.any(axis=-1)).mean())

    def _of(self, winner: NDArray[np.int_]) -> Floats:
        return self.judging[np.arange(len(winner)), winner]


def _rng(*key: object) -> np.random.Generator:
    return np.random.default_rng([18, *(ord(letter) for letter in repr(key))])


def whole_table(runs: int) -> Iterator[str]:
    """False alarms and power in every world, for each kind of evidence and for other tests; then the aims."""
    yield "false alarms, % / power at 2 SD, %; 20 settings, one finalist on six ranges, nothing left empty before them"
    names = ("today", *EVIDENCE, "t", "Holm", "Wilc")
    head = "".join(f"{name:>8}" for name in names)
    yield f"{'   w   rho noise':<18}|{head}"
    alarms: dict[World, dict[str, float]] = {}
    power: dict[World, dict[str, float]] = {}
    for heavy in (False, True):
        for share, rho in WORLDS:
            world = World(share, rho, heavy)
            cs = {name: learned(_rng(world, name), world, make, runs) for name, make in EVIDENCE.items()}
            shares = []
            for effect in EFFECTS:
                sweeps = Sweeps.simulate(_rng(world, effect), world, runs, effect)
                shares.append(
                    {
                        "today": sweeps.ours(world.constant),
                        **{name: sweeps.ours(c) for name, c in cs.items()},
                        "t": sweeps.plain_t(),
                        "Holm": sweeps.holm(),
                        "Wilc": sweeps.wilcoxon(),
                    }
                )
            alarms[world], power[world] = shares
            cells = (f"{100 * shares[0][name]:.1f}/{100 * shares[1][name]:.0f}" for name in names)
            yield f"{world}|" + "".join(f"{cell:>8}" for cell in cells)
    yield ""
    yield from aims(alarms, power)


def aims(alarms: dict[World, dict[str, float]], power: dict[World, dict[str, float]]) -> Iterator[str]:
    """A line for every aim, and one for each cell that misses it."""
    evidence = ("8x12", "12 mo")

    def line(text: str, missed: Sequence[str]) -> Iterator[str]:
        yield f"{'missed' if missed else 'met'}: {text}"
        yield from (f"    {cell}" for cell in missed)

    def cell(world: World, name: str) -> str:
        return f"{world} {name}: {100 * alarms[world][name]:.1f} %, today {100 * alarms[world]['today']:.1f} %"

    aimed = [world for world in alarms if (world.share, world.rho) in AIMED]
    over = [(world, name) for world in aimed for name in evidence if alarms[world][name] > 0.06]
    text = "false alarms at most 6 % up to (1, 0.6) and (0.5, 0.8), with a study 8x12 or a year"
    yield from line(
        text, [f"{w} {n}: {100 * alarms[w][n]:.1f} %, today {100 * alarms[w]['today']:.1f} %" for w, n in over]
    )
    hard = [world for world in alarms if (world.share, world.rho) == (1.0, 0.8)]
    over = [(world, name) for world in hard for name in evidence if alarms[world][name] > alarms[world]["today"] / 2]
    yield from line("at most half of today's at rho = 0.8", [cell(world, name) for world, name in over])
    for text, (share, rho), name, least in (
        ("power at least 65 % at rho = 0 with 8x12", (0.0, 0.0), "8x12", 0.65),
        ("power at least 80 % at rho = 0 with a year", (0.0, 0.0), "12 mo", 0.80),
        ("power at least 50 % at rho = 0.3 with 8x12", (1.0, 0.3), "8x12", 0.50),
    ):
        cells = [world for world in power if (world.share, world.rho) == (share, rho)]
        missed = [f"{world} {100 * power[world][name]:.0f} %" for world in cells if power[world][name] < least]
        yield from line(text, missed)
    below = [
        f"{world} {name}: {100 * power[world][name]:.0f} %, today {100 * power[world]['today']:.0f} %"
        for world in power
        for name in EVIDENCE
        if alarms[world]["today"] <= ALPHA and power[world][name] < power[world]["today"] - 0.015
    ]
    yield from line("never below today's power where today keeps 5 %", below)


def variations(runs: int) -> Iterator[str]:
    """The same for other plans, and for correlated or unequal settings."""
    heads = ("3 finalists", "a gap", "9 ranges", "12 ranges", "2 groups", "unequal")
    yield "false alarms, % / power, %; normal noise; nothing learned, then with 8x12: three finalists with Holm; two"
    yield "steps left empty before what judges; more ranges; settings of the study that move together in two groups, or"
    yield "vary unequally"
    yield f"{'   w   rho':<12}|" + "".join(f"{head:>22}" for head in heads)
    for share, rho in WORLDS:
        plans = [
            (World(share, rho), 3, ""),
            (World(share, rho, gap=2), 1, ""),
            (World(share, rho, ranges=9), 1, ""),
            (World(share, rho, ranges=12), 1, ""),
            (World(share, rho), 1, "two groups"),
            (World(share, rho), 1, "unequal"),
        ]
        cells = []
        for world, finalists, alike in plans:
            c = learned(_rng(world, alike), world, study(8, 12, alike), runs)
            simulated = [Sweeps.simulate(_rng(world, effect), world, runs, effect) for effect in EFFECTS]
            for correction_ in (world.constant, c):
                alarms, power = (100 * sweeps.ours(correction_, finalists) for sweeps in simulated)
                cells.append(f"{alarms:.1f}/{power:.0f}")
        yield f"{share:>4.1f}{rho:>6.2f}  |" + "".join(f"{cell:>11}" for cell in cells)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="some seconds, for a look")
    runs = 300 if parser.parse_args().quick else 6000
    print(f"{runs} runs a cell; nominal level {100 * ALPHA:.0f} %")
    for line in whole_table(runs):
        print(line, flush=True)
    print()
    for line in variations(runs):
        print(line, flush=True)


if __name__ == "__main__":
    main()
