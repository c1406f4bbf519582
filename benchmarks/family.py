"""Simulates the false alarms of a month of nightly sweeps, for three rules of what counts against a night's claim.

Nothing is trained, and the truth is known. Every night twenty new settings are tried on the same three ranges. The best
of them is judged against the same incumbent on six fresh ranges, which move on by one every ten nights. Against a
night's claim counts nothing, or every earlier night, or every earlier claim: a night whose gain was beyond the rope.
`--quick` takes less than a minute.
"""

import argparse
from datetime import date
from itertools import product

import numpy as np
from numpy.typing import NDArray

from benchmarks.significance import CHOOSING, MONTHS, Bools, Cell, Floats, noise
from pipeline.analysis.power import correction
from pipeline.analysis.significance import corrected_t_test, wins_needed
from pipeline.analysis.verdict import ALPHA
from pipeline.dates import whole_months
from pipeline.sweep.ledger import CLAIMED_BELOW

NIGHTS, SETTINGS, RANGES, MOVES = 30, 20, 6, 10
NOTHING, NIGHTS_BEFORE, CLAIMS = "nothing", "every night", "claims"
COUNTED = (NOTHING, NIGHTS_BEFORE, CLAIMS)


def month(rng: np.random.Generator, correlation: float, runs: int, truth: Floats) -> tuple[Floats, Bools]:
    """p-values of every night's best, and whether it won on enough ranges, both [runs, nights].

    `truth` [nights] is the true gain of all settings of a night beyond the rope, in standard deviations of a gain
    between ranges.
    """
    cell = Cell("month", "normal", SETTINGS, RANGES, correlation)
    last = CHOOSING - 1 + MONTHS
    months = [*range(CHOOSING), *(last + at for at in range(RANGES + NIGHTS // MOVES - 1))]
    c = correction([whole_months(date(2020, 1, 1), MONTHS, back=at) for at in range(RANGES)])
    incumbent = noise(rng, (runs, 1), months, cell) / np.sqrt(2)
    p_values, wins = np.empty((runs, NIGHTS)), np.empty((runs, NIGHTS), dtype=np.bool_)
    for night in range(NIGHTS):
        gains = incumbent - noise(rng, (runs, SETTINGS), months, cell) / np.sqrt(2) + truth[night]
        best = gains[..., :CHOOSING].mean(axis=-1).argmax(axis=-1)
        begin = CHOOSING + night // MOVES
        judged = gains[np.arange(runs), best, begin : begin + RANGES]
        p_values[:, night] = corrected_t_test(judged, c, 0.0)
        wins[:, night] = (judged > 0).sum(axis=-1) >= wins_needed(RANGES)
    return p_values, wins


def called_real(p_values: Floats, wins: Bools, counted: str) -> Bools:
    """[runs, nights]: True if a night's claim is called real, by Holm over the nights that count against it."""
    real = np.zeros_like(wins)
    for night in range(p_values.shape[1]):
        tonight, before = p_values[:, night : night + 1], p_values[:, :night].copy()
        if counted != NIGHTS_BEFORE:
            before[before >= (CLAIMED_BELOW if counted == CLAIMS else 0.0)] = np.inf
        family = np.sort(np.concatenate([tonight, before], axis=1), axis=1)
        size = np.isfinite(family).sum(axis=1, keepdims=True)
        allowed = ALPHA / np.maximum(size - np.arange(night + 1), 1)
        steps: NDArray[np.bool_] = np.logical_and.accumulate(family <= allowed, axis=1)
        rank = (family < tonight).sum(axis=1)
        real[:, night] = steps[np.arange(len(tonight)), rank] & wins[:, night]
    return real


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    runs = 300 if parser.parse_args().quick else 2000
    print(f"{runs} months of {NIGHTS} nights; the judging ranges move on by one every {MOVES} nights")
    print(
        "per cent of months with a false alarm | per cent of winners of two standard deviations found in the last night"
    )
    print(f"{'nights before':<22}{'rho':>4} | " + "".join(f"{name:>13}" for name in COUNTED) + " | the same")
    for (name, gain), rho in product((("no better", 0.0), ("worse by 1 SD", -1.0)), (0.0, 0.3, 0.6)):
        truth = np.full(NIGHTS, gain)
        nulls = month(np.random.default_rng([5, round(10 * rho), round(-gain)]), rho, runs, truth)
        truth[-1] = 2.0
        better = month(np.random.default_rng([6, round(10 * rho), round(-gain)]), rho, runs, truth)
        alarms = [100 * called_real(*nulls, counted).any(axis=1).mean() for counted in COUNTED]
        power = [100 * called_real(*better, counted)[:, -1].mean() for counted in COUNTED]
        cells = ["".join(f"{share:>13.1f}" for share in shares) for shares in (alarms, power)]
        print(f"{name:<22}{rho:>4} | {' | '.join(cells)}")


if __name__ == "__main__":
    main()
