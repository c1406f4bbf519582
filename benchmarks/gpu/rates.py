"""32 learning rates as packs, beside what one would do instead: a process each, K that share the device, Optuna.

All of them train the same setting on the same rows for as many epochs, without clipping, in bfloat16 on a GPU. Seconds
are from start to end, imports and data included; `training` is without them, where it can be told.
"""

import time
from collections.abc import Callable

from benchmarks import array
from benchmarks.gpu.parts import Bench
from benchmarks.gpu.steps import settings

ARCHITECTURES = ("bag-of-words", "tabular", "lstm")
TRIALS, EPOCHS, PROCESSES = 32, 2, (2, 4, 8)
STARTED, IN_TURN = 2, 8
"""Processes per trial, and trials of Optuna, that really run; the others are taken to last as long."""
ROOM_S = 25
"""Nothing is begun for which there might not be time."""


def measure(
    way: Callable[..., float | None], architecture: str, rates: list[float], epochs: int, lanes: int
) -> tuple[float, float | None]:
    """Seconds from start to end, and of the trainings alone."""
    began = time.perf_counter()
    training = way(architecture, rates, epochs, int(settings(architecture)["batch_size"]), lanes)
    return time.perf_counter() - began, training


def rates(bench: Bench) -> None:
    trials, epochs, processes = (4, 1, (2,)) if bench.is_small else (TRIALS, EPOCHS, PROCESSES)
    asked = array.learning_rates(trials)
    for name in ARCHITECTURES[:1] if bench.is_small else ARCHITECTURES:
        if not bench.has(ROOM_S):
            return
        packs, alone = measure(array.packs, name, asked, epochs, 1)
        bench.write(architecture=name, way="packs", seconds=packs, over_packs=1.0, training=alone, over_training=1.0)
        ways = [(f"{count} processes", array.pool, count, trials) for count in processes]
        for label, way, most in (("optuna", array.optuna, IN_TURN), ("a process each", array.a_process_each, STARTED)):
            count = min(most, trials)
            ways.append((f"{label} ({count} of {trials})", way, 1, count))
        for label, way, lanes, count in ways:
            if not bench.has(ROOM_S):
                return
            seconds, training = measure(way, name, asked[:count], epochs, lanes)
            seconds, training = seconds * trials / count, training and training * trials / count
            over = training / alone if training and alone else None
            bench.write(
                architecture=name,
                way=label,
                seconds=seconds,
                over_packs=seconds / packs,
                training=training,
                over_training=over,
            )
