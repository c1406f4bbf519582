"""Simulates our confirmation and other tests: false alarms and power.

Nothing is trained, and the truth is known. `--quick` takes less than a minute. SPA takes part if the package `arch` is
installed, which nothing else here needs.
"""

import argparse
import importlib.util
import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise, product
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from pipeline.analysis.power import correction
from pipeline.analysis.significance import corrected_t_test, wins_needed
from pipeline.analysis.verdict import ALPHA
from pipeline.dates import whole_months

SPA: Any = importlib.import_module("arch.bootstrap").SPA if importlib.util.find_spec("arch") else None

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

MONTHS = 3
CHOOSING = 3
APART = {"month": 1, "length": MONTHS}
"""Months from one range to its neighbour."""
OURS, PLAIN, HOLM, WILCOXON, SPA_TEST = "ours", "t", "Holm", "Wilc", "SPA"
TESTS = (OURS, PLAIN, HOLM, WILCOXON, SPA_TEST)
EFFECTS = (0.0, 1.0, 2.0)
SPA_REPLICATIONS = 200
ENOUGH_RUNS = 100
"""Fewest runs that tell whether a test keeps its level. In a quick run, SPA has fewer."""


@dataclass(frozen=True)
class Cell:
    geometry: str
    noise: str
    experiments: int
    ranges: int
    correlation: float
    """Correlation between neighbouring ranges of this geometry."""

    @property
    def aim(self) -> float:
        """The largest share of false alarms that is our aim; 1 if there is no aim."""
        if self.correlation <= 0.3:
            return 0.05
        return 0.07 if self.geometry == "length" else 1.0

    def __str__(self) -> str:
        return f"{self.geometry:<7}{self.noise:<7}{self.experiments:>3}{self.ranges:>4}{self.correlation:>5.1f}"


@dataclass(frozen=True)
class Outcome:
    cell: Cell
    runs: dict[str, int]
    """{test: runs}."""
    shares: dict[tuple[str, float], float]
    """{(test, true gain): share of runs that call it real}: false alarms at a true gain of 0, else power."""


def cells() -> Iterator[Cell]:
    for values in product(APART, ("normal", "heavy"), (5, 20, 60), (3, 6, 12), (0.0, 0.3, 0.6)):
        yield Cell(*values)


def noise(rng: np.random.Generator, shape: tuple[int, ...], months: Sequence[int], cell: Cell) -> Floats:
    """[*shape, months]: noise with variance one, autoregressive in time. `Cell.correlation` is that of neighbours."""

    def draw() -> Floats:
        if cell.noise == "heavy":
            return rng.standard_t(3, size=shape) / math.sqrt(3)
        return rng.standard_normal(shape)

    series = [draw()]
    for before, now in pairwise(months):
        correlation = cell.correlation ** ((now - before) / APART[cell.geometry])
        series.append(correlation * series[-1] + math.sqrt(1 - correlation**2) * draw())
    return np.stack(series, axis=-1)


def gains(rng: np.random.Generator, cell: Cell, runs: int, effect: float) -> tuple[Floats, Floats]:
    """Gains over the incumbent in choosing and in judging, both [runs, experiments, ranges].

    In standard deviations, beyond the rope. The first experiment is better by `effect`, the others are equal to the
    incumbent, where false alarms are most likely. As in a sweep, three ranges a month apart choose, and the ranges that
    judge begin a range length away.
    """
    last = CHOOSING - 1 + MONTHS
    months = [*range(CHOOSING), *(last + APART[cell.geometry] * index for index in range(cell.ranges))]
    scores = noise(rng, (runs, cell.experiments + 1), months, cell) / math.sqrt(2)
    differences = scores[:, :1] - scores[:, 1:]
    differences[:, 0] += effect
    return differences[..., :CHOOSING], differences[..., CHOOSING:]


def confirmed(choosing: Floats, judging: Floats, geometry: str) -> tuple[Bools, NDArray[np.int_]]:
    """Our procedure, both [runs]: True if the best of choosing is called real, never the incumbent; and its index."""
    winner, judged = _winner(choosing, judging)
    count = judging.shape[-1]
    c = correction([whole_months(date(2020, 1, 1), MONTHS, back=APART[geometry] * index) for index in range(count)])
    real = (corrected_t_test(judged, c, 0.0) <= ALPHA) & ((judged > 0).sum(axis=-1) >= wins_needed(count))
    return real & (choosing.mean(axis=-1).max(axis=-1) > 0), winner


def _winner(by: Floats, of: Floats) -> tuple[NDArray[np.int_], Floats]:
    winner = by.mean(axis=-1).argmax(axis=-1)
    return winner, of[np.arange(len(of)), winner]


def holm_rejects(p_values: Floats) -> Bools:
    """[runs, experiments]: True if Holm's procedure declares an experiment better."""
    count = p_values.shape[-1]
    order = p_values.argsort(axis=-1)
    steps = np.take_along_axis(p_values, order, -1) <= ALPHA / np.arange(count, 0, -1)
    rejected = np.empty_like(steps)
    np.put_along_axis(rejected, order, np.logical_and.accumulate(steps, axis=-1), -1)
    return rejected


def wilcoxon_rejects(gains: Floats) -> Bools:
    """One-sided exact signed-rank test over the last axis."""
    count = gains.shape[-1]
    ways = np.ones(1)
    for rank in range(1, count + 1):
        ways = np.convolve(ways, np.r_[1.0, np.zeros(rank - 1), 1.0])
    at_least = ways[::-1].cumsum()[::-1] / 2**count
    ranks = np.abs(gains).argsort(axis=-1).argsort(axis=-1) + 1
    return at_least[(ranks * (gains > 0)).sum(axis=-1)] <= ALPHA


def _spa_rejects(judging: Floats) -> Bools:
    """Hansen's test for superior predictive ability: is any experiment better than the incumbent?"""
    rejected = []
    for index, run in enumerate(judging):
        test = SPA(np.zeros(run.shape[-1]), -run.T, reps=SPA_REPLICATIONS, seed=index)
        test.compute()
        rejected.append(test.pvalues["consistent"] <= ALPHA)
    return np.array(rejected, dtype=bool)


def simulate(cell: Cell, runs: int, spa_runs: int, seed: int = 5) -> Outcome:
    """Share of runs in which each test declares the better experiment better (any experiment, if none is).

    The other tests see all experiments on as many ranges as ours judges on. With six ranges or more, that takes more
    trainings than ours.
    """
    shares: dict[tuple[str, float], float] = {}
    for number, effect in enumerate(EFFECTS):
        key = [seed, number, *map(ord, cell.geometry + cell.noise), cell.experiments, cell.ranges]
        rng = np.random.default_rng([*key, round(100 * cell.correlation)])
        choosing, judging = gains(rng, cell, runs, effect)
        real, chosen = confirmed(choosing, judging, cell.geometry)
        winner, judged = _winner(judging, judging)
        holm = holm_rejects(corrected_t_test(judging, 0.0, 0.0))

        def share(rejected: Bools, declared: NDArray[np.int_], effect: float = effect) -> float:
            return float((rejected & ((declared == 0) | (effect == 0))).mean())

        shares[OURS, effect] = share(real, chosen)
        shares[PLAIN, effect] = share(corrected_t_test(judged, 0.0, 0.0) <= ALPHA, winner)
        shares[WILCOXON, effect] = share(wilcoxon_rejects(judged), winner)
        shares[HOLM, effect] = float((holm[:, 0] if effect else holm.any(axis=-1)).mean())
        if SPA is not None:
            shares[SPA_TEST, effect] = share(_spa_rejects(judging[:spa_runs]), winner[:spa_runs])
    return Outcome(cell, dict.fromkeys(TESTS, runs) | {SPA_TEST: spa_runs}, shares)


def limits(runs: int) -> str:
    """False alarms of ours as the correlation of neighbours grows, with 60 experiments and normal noise."""
    correlations = (0.3, 0.4, 0.5, 0.6, 0.67, 0.75, 0.85)
    lines = [f"{'ranges   R  rho':<15}" + "".join(f"{value:>7}" for value in correlations)]
    for geometry, ranges in product(APART, (3, 4, 6, 9, 12)):
        shares = []
        for index, correlation in enumerate(correlations):
            cell = Cell(geometry, "normal", 60, ranges, correlation)
            choosing, judging = gains(np.random.default_rng([5, ranges, index]), cell, runs, 0.0)
            shares.append(float(confirmed(choosing, judging, geometry)[0].mean()))
        lines.append(f"{geometry:<7}{ranges:>3}     " + "".join(f"{100 * share:>7.1f}" for share in shares))
    return "\n".join(lines)


def table(outcomes: Sequence[Outcome]) -> str:
    """A table in per cent: false alarms, power at one and power at two standard deviations."""
    head = "".join(f"{name:>6}" for name in TESTS)
    lines = [
        f"{'':<26} | {'false alarms, %':<30} | {'power at 1 SD, %':<30} | power at 2 SD, %",
        f"{'ranges noise    K   R  rho':<26} | {head} | {head} | {head}",
    ]
    for outcome in outcomes:
        blocks = ["".join(_per_cent(outcome.shares.get((name, effect))) for name in TESTS) for effect in EFFECTS]
        lines.append(f"{outcome.cell} | {' | '.join(blocks)}")
    return "\n".join(lines)


def _per_cent(share: float | None) -> str:
    return f"{'-':>6}" if share is None else f"{100 * share:>6.1f}"


def above(outcome: Outcome, name: str, aim: float) -> bool:
    """True if a test's false alarms exceed `aim` by more than chance (one-sided binomial test at 1 %)."""
    runs = outcome.runs[name]
    count = round(outcome.shares[name, 0.0] * runs)
    return bool(stats.binom.sf(count - 1, runs, aim) < 0.01)


def aims(outcomes: Sequence[Outcome]) -> list[str]:
    """A line for every aim, and one for every cell that misses it."""
    lines = []
    for text, chosen in (
        ("false alarms at most 5 % up to a correlation of 0.3", [o for o in outcomes if o.cell.aim == 0.05]),
        ("false alarms at most 7 % at 0.6, ranges a range length apart", [o for o in outcomes if o.cell.aim == 0.07]),
    ):
        over = [o for o in chosen if o.shares[OURS, 0.0] > o.cell.aim]
        missed = [o for o in over if above(o, OURS, o.cell.aim)]
        worst = max(o.shares[OURS, 0.0] for o in chosen)
        lines.append(f"{_met(missed)}: {text} (highest of {len(chosen)} cells: {100 * worst:.2f} %)")
        for outcome in over:
            chance = "more than chance explains" if outcome in missed else "which may be chance"
            lines.append(f"    {outcome.cell}: {100 * outcome.shares[OURS, 0.0]:.2f} %, {chance}")
    return lines + _power_lines(outcomes)


def _met(missed: Sequence[Any]) -> str:
    return "missed" if missed else "met"


def _power_lines(outcomes: Sequence[Outcome]) -> list[str]:
    """Comparisons of power. People do not know the correlation, so a test must keep its level at all up to 0.3."""

    def keeps_always(outcome: Outcome, name: str) -> bool:
        alike = [o for o in outcomes if _but_for_correlation(o.cell) == _but_for_correlation(outcome.cell)]
        return not any(above(o, name, 0.05) for o in alike if o.cell.aim == 0.05)

    def keeps_in_cell(outcome: Outcome, name: str) -> bool:
        return not above(outcome, name, 0.05)

    compared, missed = _weaker(outcomes, keeps_always)
    lines = [
        f"{_met(missed)}: power not below any test that keeps its level at every correlation up to 0.3 "
        f"(compared: {_counts(compared)}; below by more than chance in {len(missed)})"
    ]
    lines += [f"    {line}" for _, line in missed]
    compared, missed = _weaker(outcomes, keeps_in_cell)
    return [
        *lines,
        "no aim: the same against tests that keep it at the very correlation of the cell "
        f"(compared: {_counts(compared)}; below: {_counts([name for name, _ in missed])})",
    ]


def _counts(names: Sequence[str]) -> str:
    return ", ".join(f"{name} {times}" for name, times in Counter(names).items()) or "0"


def _but_for_correlation(cell: Cell) -> tuple[str, str, int, int]:
    return cell.geometry, cell.noise, cell.experiments, cell.ranges


def _weaker(
    outcomes: Sequence[Outcome], keeps: Callable[[Outcome, str], bool]
) -> tuple[list[str], list[tuple[str, str]]]:
    """The tests of all comparisons, each with a test that keeps its level; and (test, line) where ours is weaker."""
    compared, missed = [], []
    for outcome, name, effect in product(outcomes, TESTS[1:], EFFECTS[1:]):
        tried = (name, effect) in outcome.shares and outcome.runs[name] >= ENOUGH_RUNS
        if outcome.cell.aim != 0.05 or not tried or not keeps(outcome, name):
            continue
        compared.append(name)
        ours, theirs = outcome.shares[OURS, effect], outcome.shares[name, effect]
        error = math.sqrt(ours * (1 - ours) / outcome.runs[OURS] + theirs * (1 - theirs) / outcome.runs[name] + 1e-12)
        if ours < theirs - 2 * error:
            line = f"{outcome.cell}, {effect:.0f} SD: ours {100 * ours:.1f} %, {name} {100 * theirs:.1f} %"
            missed.append((name, line))
    return compared, missed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="less than a minute, for a look")
    quick = parser.parse_args().quick
    runs, spa_runs = (1500, 20) if quick else (6000, 150)
    if SPA is None:
        print("arch is not installed: SPA is left out")
    outcomes = [simulate(cell, runs, spa_runs) for cell in cells()]
    print(f"{runs} runs a cell, SPA {spa_runs}; nominal level {100 * ALPHA:.0f} %; seed 5\n")
    print(table(outcomes))
    print("\n" + "\n".join(aims(outcomes)))
    print("\nfalse alarms of ours, %, by the correlation of neighbours; 60 experiments, normal noise")
    print(limits(runs))


if __name__ == "__main__":
    main()
