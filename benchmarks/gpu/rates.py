"""Times 32 learning rates as packs and in other ways: a process each, K processes that share the device, Optuna.

All ways train the same settings on the same rows for as many epochs, without clipping, in bfloat16 on a GPU. Seconds
include imports and reading the data; `training` excludes both, where a way can tell.
"""

import time
from collections.abc import Callable

from benchmarks import array
from benchmarks.gpu.parts import Bench
from benchmarks.gpu.steps import settings

ARCHITECTURES = ("bag-of-words", "tabular", "lstm")
TRIALS, EPOCHS, PROCESSES = 32, 2, (2, 4, 8)
PROCESS_TRIALS, OPTUNA_TRIALS = 2, 8
"""Trials that really run in a process each, and in Optuna. The seconds of the others are extrapolated."""
ROOM_S = 25
"""Seconds that must be left to start a measurement."""


def measure(
    way: Callable[..., float | None], architecture: str, rates: list[float], epochs: int, lanes: int
) -> tuple[float, float | None]:
    """Seconds from start to end, and seconds of the trainings alone if the way can tell."""
    began = time.perf_counter()
    training = way(architecture, rates, epochs, int(settings(architecture)["batch_size"]), lanes)
    return time.perf_counter() - began, training


def rates(bench: Bench) -> None:
    trials, epochs, processes = (4, 1, (2,)) if bench.is_small else (TRIALS, EPOCHS, PROCESSES)
    learning_rates = array.learning_rates(trials)
    for name in ARCHITECTURES[:1] if bench.is_small else ARCHITECTURES:
        if not bench.check_time(ROOM_S):
            return
        packs, alone = measure(array.packs, name, learning_rates, epochs, 1)
        bench.write(architecture=name, way="packs", seconds=packs, over_packs=1.0, training=alone, over_training=1.0)
        ways = [(f"{count} processes", array.pool, count, trials) for count in processes]
        in_processes, in_optuna = min(PROCESS_TRIALS, trials), min(OPTUNA_TRIALS, trials)
        ways.append((f"optuna ({in_optuna} of {trials})", array.optuna, 1, in_optuna))
        ways.append((f"a process each ({in_processes} of {trials})", array.a_process_each, 1, in_processes))
        for label, way, lanes, count in ways:
            if not bench.check_time(ROOM_S):
                return
            seconds, training = measure(way, name, learning_rates[:count], epochs, lanes)
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
