"""Simulates claims: the false alarms over all looks, and the number of ranges until a true claim is called real.

Nothing is trained, and the truth is known. Twenty settings are tried on three ranges, and the best of them is judged on
six older ones. If it is better there, but not shown to be, it is a claim. Twelve later ranges judge the claim at the
looks of `analysis/sequential.py`. Ranges of three months lie a month apart, or their length. Gains are as in
`benchmarks/resemblance.py`: a slow component with a share w of the variance and a correlation rho between neighbours,
and independent noise on each range. `--quick` takes some seconds.
"""

import argparse
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from itertools import product

import numpy as np

from benchmarks.resemblance import CHOOSING, EXPERIMENTS, Bools, Floats, World, study
from benchmarks.significance import MONTHS
from pipeline.analysis import resemblance
from pipeline.analysis.power import correction
from pipeline.analysis.sequential import RANGES, looks, looks_left
from pipeline.analysis.significance import corrected_t_test, wins_needed
from pipeline.analysis.verdict import ALPHA
from pipeline.dates import whole_months

WORLDS = ((0.0, 0.0), (1.0, 0.3), (1.0, 0.6), (0.5, 0.6), (0.5, 0.8), (1.0, 0.8))
CONFIRMING = 6
CONSTANT, EXACT, STUDY = "constant", "known", "8x12"
WAYS = (CONSTANT, EXACT, STUDY)
"""Sources of c: the constant, the true model, and a study of eight settings on twelve ranges."""
BEYOND = (1.0, 0.8)
"""Ranges more alike than the constant allows for, and than a study of this size finds out."""
HEAD = f"{'w':>4}{'rho':>6} {'noise':<7}{'apart':<6}"
FEWEST = 3
"""With so many ranges, a person would begin to look every month."""


@dataclass(frozen=True)
class Cell:
    world: World
    effect: float
    """True gain of one setting beyond the rope, in standard deviations of a gain between ranges."""

    def __str__(self) -> str:
        return f"{self.world}{'month' if self.world.gap else 'length':<6}"

    @property
    def confirming(self) -> Floats:
        return np.arange(CONFIRMING, dtype=np.float64)

    @property
    def choosing(self) -> Floats:
        return CONFIRMING + self.world.gap + np.arange(CHOOSING, dtype=np.float64)

    @property
    def after(self) -> Floats:
        """The ranges of the claim. They judge on days after it was made, so the next month's range is left out."""
        return self.choosing[-1] + (2 if self.world.gap else 1) + np.arange(RANGES, dtype=np.float64)

    def corrections(self, rng: np.random.Generator, way: str, runs: int) -> Callable[[Floats], Floats]:
        """A function from the positions of ranges to their c [runs]."""
        world = self.world
        step = 1 if world.gap else MONTHS

        def constant(judging: Floats) -> float:
            return correction([whole_months(date(2020, 1, 1), MONTHS, back=step * at) for at in range(len(judging))])

        model = np.abs(resemblance.MODELS - (world.share, world.rho)).sum(axis=-1).argmin() if world.rho else 0
        probabilities = resemblance.posterior(study(8, 12)(rng, world, runs)) if way == STUDY else None

        def c(judging: Floats) -> Floats:
            if way == CONSTANT:
                return np.full(runs, constant(judging))
            values = resemblance.corrections(self.choosing, judging, EXPERIMENTS)
            if probabilities is None:
                return np.full(runs, values[model])
            return resemblance.learned(values, probabilities, constant(judging))

        return c


@dataclass(frozen=True)
class Outcome:
    claims: float
    """Share of the sweeps that found the right winner and made a claim of it."""
    real: float
    refuted: float
    ranges: float
    """Mean number of ranges trained until the claim ended."""
    fixed: float
    """Share called real by a single test of all twelve ranges."""
    every_month: float
    """Share called real by a plain t-test every month, from the third on."""


def simulate(cell: Cell, way: str, runs: int, seed: int = 7, lost: int = 0) -> Outcome:
    """Simulates claims with c from `way`. So many `lost` ranges, drawn at random, give no result."""
    world = cell.world
    rng = np.random.default_rng([seed, round(10 * world.share), round(100 * world.rho), world.heavy, world.gap])
    positions = np.concatenate([cell.confirming, cell.choosing, cell.after])

    # Choosing on three ranges.
    scores = world.series(rng, (runs, EXPERIMENTS + 1), positions) / math.sqrt(2)
    gains = scores[:, :1] - scores[:, 1:]
    gains[:, 0] += cell.effect
    best = gains[..., CONFIRMING : CONFIRMING + CHOOSING].mean(axis=-1).argmax(axis=-1)
    winner = gains[np.arange(runs), best]
    corrections = cell.corrections(rng, way, runs)
    places = np.sort(rng.permutation(RANGES)[: RANGES - lost])
    older, newer, after = winner[:, :CONFIRMING], winner[:, CONFIRMING + CHOOSING :][:, places], cell.after[places]

    # Judging on older ranges. It is a claim if the winner is right, and better, and that is not shown yet.
    is_shown = (corrected_t_test(older, corrections(cell.confirming), 0.0) <= ALPHA) & wins(older)
    is_right = (best == 0) | (cell.effect == 0)
    is_claim = is_right & (older.mean(axis=-1) > 0) & ~is_shown

    # The looks at the claims.
    ranges = [whole_months(date(2030, 1, 1), MONTHS, back=-at) for at in range(RANGES)]
    waits = is_claim.copy()
    real, refuted, trained = np.zeros_like(waits), np.zeros_like(waits), np.zeros(runs)
    for look in looks_left(looks(ranges), len(places)):
        first = newer[:, : look.ranges]
        trained[waits] = look.ranges
        p = corrected_t_test(first, corrections(after[: look.ranges]), 0.0)
        is_real = waits & (p <= look.level) & wins(first)
        is_refuted = waits & (first.mean(axis=-1) <= 0)
        real, refuted, waits = real | is_real, refuted | is_refuted, waits & ~is_real & ~is_refuted
    plain = [corrected_t_test(newer[:, :count], 0.0, 0.0) <= ALPHA for count in range(FEWEST, len(places) + 1)]
    return Outcome(
        claims=is_claim.sum() / is_right.sum(),
        real=real[is_claim].mean(),
        refuted=refuted[is_claim].mean(),
        ranges=trained[is_claim].mean(),
        fixed=(corrected_t_test(newer, corrections(after), 0.0) <= ALPHA)[is_claim].mean(),
        every_month=np.any(plain, axis=0)[is_claim].mean(),
    )


def wins(gains: Floats) -> Bools:
    """True if it is ahead on two thirds of the ranges."""
    return np.asarray((gains > 0).sum(axis=-1) >= wins_needed(gains.shape[-1]))


def cells(effects: tuple[float, ...]) -> Iterator[Cell]:
    for (share, rho), heavy, gap, effect in product(WORLDS, (False, True), (2, 0), effects):
        yield Cell(World(share, rho, heavy, gap), effect)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    runs = 1000 if parser.parse_args().quick else 10_000
    print(f"{runs} sweeps a cell; per cent of the claims that they make; c from: {', '.join(WAYS)}")
    print(f"{HEAD} | called real, though no better | one test of all twelve   | a t-test every month")
    highest = dict.fromkeys(WAYS, 0.0)
    for cell in cells((0.0,)):
        outcomes = {way: simulate(cell, way, runs) for way in WAYS}
        if (cell.world.share, cell.world.rho) != BEYOND:
            highest = {way: max(highest[way], outcome.real) for way, outcome in outcomes.items()}
        every_month = row({"": outcomes[CONSTANT]}, "every_month")
        print(f"{cell} | {row(outcomes, 'real')}   | {row(outcomes, 'fixed')} | {every_month}")
    print("highest but at w = 1, rho = 0.8: " + ", ".join(f"{way} {100 * top:.1f} %" for way, top in highest.items()))
    print()
    print(f"{HEAD} gain | called real                   | one test of all twelve   | refuted, ranges trained ({STUDY})")
    for cell in cells((1.0, 2.0)):
        if not cell.world.heavy:
            outcomes = {way: simulate(cell, way, runs) for way in WAYS}
            last = f"{100 * outcomes[STUDY].refuted:>8.1f}{outcomes[STUDY].ranges:>8.1f}"
            print(f"{cell}{cell.effect:>5.0f} | {row(outcomes, 'real')}   | {row(outcomes, 'fixed')} | {last}")
    print()
    print(f"ranges lost, {CONSTANT}, w = 1, rho = 0.6, normal, a month apart: called real, though no better | of 2 SD")
    for lost in (0, 1, 3):
        none, two = (simulate(Cell(World(1.0, 0.6, gap=2), gain), CONSTANT, runs, lost=lost) for gain in (0.0, 2.0))
        print(f"{lost:>12} {100 * none.real:>8.1f} | {100 * two.real:>6.1f}")


def row(outcomes: Mapping[str, Outcome], name: str) -> str:
    return "".join(f"{100 * getattr(outcome, name):>8.1f}" for outcome in outcomes.values())


if __name__ == "__main__":
    main()
