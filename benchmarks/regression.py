"""How often `hpt history --fail-on-regression` fires, by simulated nights: the table of benchmarks/regression.md.

Prints, per number of ranges and noise of a training, the share of nights that fire on the same data / relative to the
incumbent. Nothing trains; it takes some seconds.
"""

import math
from collections.abc import Iterable
from datetime import date

import numpy as np

from pipeline.analysis.regression import Ratios, against_incumbent, on_common_ranges
from pipeline.dates import rotating

NIGHTS = 1000
THRESHOLD = math.log1p(0.02)
CASES = ((3, 0.005), (3, 0.02), (5, 0.02), (5, 0.05), (8, 0.02), (8, 0.1))
LOSSES = (0.0, 0.05, 0.1, 0.2)


def shares(count: int, noise: float, loss: float, random: np.random.Generator) -> tuple[float, float]:
    """`noise`: standard deviation of a setting's log metric between trainings; `loss`: how much worse it became."""
    same = relative = 0
    for _ in range(NIGHTS):
        same += on_common_ranges(_ratios(random.normal(loss, noise * math.sqrt(2), count)), THRESHOLD).clear
        before, tonight = (random.normal(mean, noise * math.sqrt(2), count) for mean in (0.5, 0.5 - loss))
        relative += against_incumbent(_ratios(before), _ratios(tonight), THRESHOLD).clear
    return same / NIGHTS, relative / NIGHTS


def _ratios(values: Iterable[float]) -> Ratios:
    listed = list(map(float, values))
    return dict(zip(rotating(date(2024, 6, 1), ranges=len(listed)), listed, strict=True))


def main() -> None:
    random = np.random.default_rng(0)
    print("| ranges | noise | " + " | ".join(f"{loss:.0%} worse" if loss else "no worse" for loss in LOSSES) + " |")
    print("|---|---|" + "---|" * len(LOSSES))
    for count, noise in CASES:
        cells = []
        for loss in LOSSES:
            same, relative = shares(count, noise, math.log1p(loss), random)
            cells.append(f"{same:.2f} / {relative:.2f}")
        print(f"| {count} | {noise:.1%} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
