"""Simulates nights of `hpt history --fail-on-regression`, and prints the table of benchmarks/regression.md.

For each number of ranges and noise of a training: the share of nights with an alarm, on the same data / relative to the
incumbent. Nothing is trained; it takes some seconds.
"""

import math
from collections.abc import Iterable
from datetime import date

import numpy as np

from pipeline.analysis.regression import Ratios, against_incumbent, on_common_ranges
from pipeline.dates import rotating_ranges

NIGHTS = 1000
THRESHOLD = math.log1p(0.02)
CASES = ((3, 0.005), (3, 0.02), (5, 0.02), (5, 0.05), (8, 0.02), (8, 0.1))
LOSSES = (0.0, 0.05, 0.1, 0.2)


def shares(count: int, noise: float, loss: float, random: np.random.Generator) -> tuple[float, float]:
    """Shares of nights with an alarm: on the same data, and relative to the incumbent.

    `noise` is the standard deviation of a setting's log metric between trainings, `loss` the true change of it.
    """
    common = relative = 0
    for _ in range(NIGHTS):
        common += on_common_ranges(_ratios(random.normal(loss, noise * math.sqrt(2), count)), THRESHOLD).clear
        before, tonight = (random.normal(mean, noise * math.sqrt(2), count) for mean in (0.5, 0.5 - loss))
        relative += against_incumbent(_ratios(before), _ratios(tonight), THRESHOLD).clear
    return common / NIGHTS, relative / NIGHTS


def _ratios(values: Iterable[float]) -> Ratios:
    listed = list(map(float, values))
    return dict(zip(rotating_ranges(date(2024, 6, 1), ranges=len(listed)), listed, strict=True))


def main() -> None:
    random = np.random.default_rng(0)
    print("| ranges | noise | " + " | ".join(f"{loss:.0%} worse" if loss else "no worse" for loss in LOSSES) + " |")
    print("|---|---|" + "---|" * len(LOSSES))
    for count, noise in CASES:
        cells = []
        for loss in LOSSES:
            common, relative = shares(count, noise, math.log1p(loss), random)
            cells.append(f"{common:.2f} / {relative:.2f}")
        print(f"| {count} | {noise:.1%} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
