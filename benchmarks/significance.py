"""How often is a winner called real that is not, and how often one that is: our confirmation against other tests.

A simulation with known truth; it trains nothing. `--quick` takes less than a minute. SPA takes part if the package
`arch` is installed, which nothing else here needs.
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
"""With fewer, as SPA has in a quick run, it cannot be said whether a test keeps its level."""


@dataclass(frozen=True)
class Cell:
    geometry: str
    noise: str
    experiments: int
    ranges: int
    correlation: float
    """Between neighbouring ranges, as they lie in this geometry."""

    @property
    def aim(self) -> float:
        """The share of false alarms to stay at or below; one where none was set."""
        if self.correlation <= 0.3:
            return 0.05
        return 0.07 if self.geometry == "length" else 1.0

    def __str__(self) -> str:
        return f"{self.geometry:<7}{self.noise:<7}{self.experiments:>3}{self.ranges:>4}{self.correlation:>5.1f}"


@dataclass(frozen=True)
class Outcome:
    cell: Cell
    runs: dict[str, int]
    found: dict[tuple[str, float], float]
    """Share of runs per test and true gain: false alarms at 0, power beyond it."""


def cells() -> Iterator[Cell]:
    for values in product(APART, ("normal", "heavy"), (5, 20, 60), (3, 6, 12), (0.0, 0.3, 0.6)):
        yield Cell(*values)


def noise(rng: np.random.Generator, shape: tuple[int, ...], months: Sequence[int], cell: Cell) -> Floats:
    """Autoregressive in time, variance one: what lies two neighbours apart correlates with the square."""

    def draw() -> Floats:
        if cell.noise == "heavy":
            return rng.standard_t(3, size=shape) / math.sqrt(3)
        return rng.standard_normal(shape)

    series = [draw()]
    for before, now in pairwise(months):
        kept = cell.correlation ** ((now - before) / APART[cell.geometry])
        series.append(kept * series[-1] + math.sqrt(1 - kept**2) * draw())
    return np.stack(series, axis=-1)


def gains(rng: np.random.Generator, cell: Cell, runs: int, effect: float) -> tuple[Floats, Floats]:
    """Gains over the incumbent while choosing and on the ranges for judging, [runs, experiments, ranges].

    In units of their own standard deviation, minus the rope; the first experiment is better by `effect`, the others
    by nothing at all, which is where false alarms are most likely. As in a sweep, experiments choose on three ranges
    a month apart, and the ranges for judging begin a range length away from those.
    """
    last = CHOOSING - 1 + MONTHS
    months = [*range(CHOOSING), *(last + APART[cell.geometry] * index for index in range(cell.ranges))]
    scores = noise(rng, (runs, cell.experiments + 1), months, cell) / math.sqrt(2)
    found = scores[:, :1] - scores[:, 1:]
    found[:, 0] += effect
    return found[..., :CHOOSING], found[..., CHOOSING:]


def confirmed(choosing: Floats, judging: Floats, geometry: str) -> tuple[Bools, NDArray[np.int_]]:
    """Our procedure: who is judged (the best while choosing, unless that is the incumbent), and is it called real."""
    winner, own = _winner(choosing, judging)
    count = judging.shape[-1]
    c = correction([whole_months(date(2020, 1, 1), MONTHS, back=APART[geometry] * index) for index in range(count)])
    real = (corrected_t_test(own, c, 0.0) <= ALPHA) & ((own > 0).sum(axis=-1) >= wins_needed(count))
    return real & (choosing.mean(axis=-1).max(axis=-1) > 0), winner


def _winner(by: Floats, of: Floats) -> tuple[NDArray[np.int_], Floats]:
    winner = by.mean(axis=-1).argmax(axis=-1)
    return winner, of[np.arange(len(of)), winner]


def holm_rejects(p_values: Floats) -> Bools:
    """Which of the experiments Holm's procedure declares better, [runs, experiments]."""
    count = p_values.shape[-1]
    order = p_values.argsort(axis=-1)
    steps = np.take_along_axis(p_values, order, -1) <= ALPHA / np.arange(count, 0, -1)
    rejected = np.empty_like(steps)
    np.put_along_axis(rejected, order, np.logical_and.accumulate(steps, axis=-1), -1)
    return rejected


def wilcoxon_rejects(own: Floats) -> Bools:
    """One-sided exact signed-rank test over the last axis."""
    count = own.shape[-1]
    ways = np.ones(1)
    for rank in range(1, count + 1):
        ways = np.convolve(ways, np.r_[1.0, np.zeros(rank - 1), 1.0])
    at_least = ways[::-1].cumsum()[::-1] / 2**count
    ranks = np.abs(own).argsort(axis=-1).argsort(axis=-1) + 1
    return at_least[(ranks * (own > 0)).sum(axis=-1)] <= ALPHA


def _spa_rejects(judging: Floats) -> Bools:
    """Hansen's test for superior predictive ability: is any experiment better than the incumbent?"""
    rejected = []
    for index, run in enumerate(judging):
        test = SPA(np.zeros(run.shape[-1]), -run.T, reps=SPA_REPLICATIONS, seed=index)
        test.compute()
        rejected.append(test.pvalues["consistent"] <= ALPHA)
    return np.array(rejected, dtype=bool)


def simulate(cell: Cell, runs: int, spa_runs: int, seed: int = 5) -> Outcome:
    """Share of runs in which each test finds what it should find (or, at no true gain, anything at all).

    The other tests have all experiments on as many ranges as ours judges on, which trains more than ours wherever
    there are six ranges or more. Found means: the truly better experiment is named, and declared better.
    """
    found: dict[tuple[str, float], float] = {}
    for number, effect in enumerate(EFFECTS):
        key = [seed, number, *map(ord, cell.geometry + cell.noise), cell.experiments, cell.ranges]
        rng = np.random.default_rng([*key, round(100 * cell.correlation)])
        choosing, judging = gains(rng, cell, runs, effect)
        real, chosen = confirmed(choosing, judging, cell.geometry)
        winner, own = _winner(judging, judging)
        holm = holm_rejects(corrected_t_test(judging, 0.0, 0.0))

        def share(rejected: Bools, named: NDArray[np.int_], effect: float = effect) -> float:
            return float((rejected & ((named == 0) | (effect == 0))).mean())

        found[OURS, effect] = share(real, chosen)
        found[PLAIN, effect] = share(corrected_t_test(own, 0.0, 0.0) <= ALPHA, winner)
        found[WILCOXON, effect] = share(wilcoxon_rejects(own), winner)
        found[HOLM, effect] = float((holm[:, 0] if effect else holm.any(axis=-1)).mean())
        if SPA is not None:
            found[SPA_TEST, effect] = share(_spa_rejects(judging[:spa_runs]), winner[:spa_runs])
    return Outcome(cell, dict.fromkeys(TESTS, runs) | {SPA_TEST: spa_runs}, found)


def limits(runs: int) -> str:
    """False alarms of ours as neighbours grow more alike, with 60 experiments and normal noise: where it ends."""
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
    """Per cents; the three blocks of columns are false alarms and power at one and two standard deviations."""
    head = "".join(f"{name:>6}" for name in TESTS)
    lines = [
        f"{'':<26} | {'false alarms, %':<30} | {'power at 1 SD, %':<30} | power at 2 SD, %",
        f"{'ranges noise    K   R  rho':<26} | {head} | {head} | {head}",
    ]
    for outcome in outcomes:
        blocks = ["".join(_per_cent(outcome.found.get((name, effect))) for name in TESTS) for effect in EFFECTS]
        lines.append(f"{outcome.cell} | {' | '.join(blocks)}")
    return "\n".join(lines)


def _per_cent(share: float | None) -> str:
    return f"{'-':>6}" if share is None else f"{100 * share:>6.1f}"


def above(outcome: Outcome, name: str, aim: float) -> bool:
    """Whether a test's false alarms lie above `aim` by more than chance (one-sided binomial test at 1 %)."""
    runs = outcome.runs[name]
    count = round(outcome.found[name, 0.0] * runs)
    return bool(stats.binom.sf(count - 1, runs, aim) < 0.01)


def aims(outcomes: Sequence[Outcome]) -> list[str]:
    """A line for every aim, and one for every cell that misses it."""
    lines = []
    for text, chosen in (
        ("false alarms at most 5 % up to a correlation of 0.3", [o for o in outcomes if o.cell.aim == 0.05]),
        ("false alarms at most 7 % at 0.6, ranges a range length apart", [o for o in outcomes if o.cell.aim == 0.07]),
    ):
        over = [o for o in chosen if o.found[OURS, 0.0] > o.cell.aim]
        missed = [o for o in over if above(o, OURS, o.cell.aim)]
        worst = max(o.found[OURS, 0.0] for o in chosen)
        lines.append(f"{_met(missed)}: {text} (highest of {len(chosen)} cells: {100 * worst:.2f} %)")
        for outcome in over:
            chance = "more than chance explains" if outcome in missed else "which may be chance"
            lines.append(f"    {outcome.cell}: {100 * outcome.found[OURS, 0.0]:.2f} %, {chance}")
    return lines + _power_lines(outcomes)


def _met(missed: Sequence[Any]) -> str:
    return "missed" if missed else "met"


def _power_lines(outcomes: Sequence[Outcome]) -> list[str]:
    """Whoever sweeps does not know the correlation: a test keeps its level if it does so at all those up to 0.3."""

    def always(outcome: Outcome, name: str) -> bool:
        alike = [o for o in outcomes if _but_for_correlation(o.cell) == _but_for_correlation(outcome.cell)]
        return not any(above(o, name, 0.05) for o in alike if o.cell.aim == 0.05)

    def here(outcome: Outcome, name: str) -> bool:
        return not above(outcome, name, 0.05)

    compared, missed = _weaker(outcomes, always)
    lines = [
        f"{_met(missed)}: power not below any test that keeps its level at every correlation up to 0.3 "
        f"(compared: {_counts(compared)}; below by more than chance in {len(missed)})"
    ]
    lines += [f"    {line}" for _, line in missed]
    compared, missed = _weaker(outcomes, here)
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
    """The other test in every comparison with one that keeps its level; that and a line wherever ours is weaker."""
    compared, missed = [], []
    for outcome, name, effect in product(outcomes, TESTS[1:], EFFECTS[1:]):
        tried = (name, effect) in outcome.found and outcome.runs[name] >= ENOUGH_RUNS
        if outcome.cell.aim != 0.05 or not tried or not keeps(outcome, name):
            continue
        compared.append(name)
        ours, theirs = outcome.found[OURS, effect], outcome.found[name, effect]
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
