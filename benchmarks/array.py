"""Compares many trials in packs with the ways that a user would pick instead.

For each architecture, a number of learning rates on three months of the built-in flights, by wall clock, start to end:

- **packs**: a sweep as `hpt run` runs it, with rows, curves, models and all other files;
- **process**: a process per trial with a plain torch loop (`benchmarks.minimal`), as many at a time as lanes;
- **optuna**: Optuna, in memory, with the same loop as its objective, in one process, with torch's own threads;
- **pool**: as many long-lived processes as lanes that share the device, each with one thread and the data loaded once.

Then the training step alone. K = 1 is compared with the plain loop, and larger K with K = 1 and with the peak of the
device, measured by a large dense product. Run it with nothing else on the machine. On a GPU, `--processes 8` is the
number of processes that share it.

    python -m benchmarks.array [--trials 32] [--epochs 5] [--architectures bag-of-words mdn] [--processes 2]
"""

import argparse
import math
import multiprocessing
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np

SIZES = (1, 2, 4, 8, 16, 32, 64)


def learning_rates(count: int) -> list[float]:
    return [float(f"{rate:.4g}") for rate in np.geomspace(1e-4, 1e-1, count)]


def packs(architecture: str, rates: list[float], epochs: int, batch: int, lanes: int) -> float:
    from benchmarks.automatic import rows_of, run, seconds
    from benchmarks.minimal import RANGE

    content = {
        "architecture": architecture,
        "date-range": [RANGE.as_json()],
        "parameters": {"learning_rate": rates},
        "incumbent": {
            "learning_rate": rates[0],
            "batch_size": batch,
            "gradient_clip": 0.0,
            "early_stopping_patience": epochs,
        },
        "search": {"strategy": "grid"},
        "training": {"max-epochs": epochs, "epoch-steps": 1},
        "references": False,
    }
    with tempfile.TemporaryDirectory() as root:
        rows = rows_of(run(root, 0, content, lanes))
    assert [row["status"] for row in rows] == ["complete"] * len(rates), "a diverged training would be too fast"
    return seconds(rows)


def a_process_each(architecture: str, rates: list[float], epochs: int, batch: int, lanes: int) -> None:
    def train(rate: float) -> None:
        command = [sys.executable, "-m", "benchmarks.minimal", architecture, str(rate), str(epochs), str(batch)]
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment)

    with ThreadPoolExecutor(lanes) as pool:
        list(pool.map(train, rates))


_OPTUNA = """
import optuna, sys, time
from benchmarks.minimal import train, warm_up
architecture, epochs, batch = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
rates = [float(rate) for rate in sys.argv[4:]]
optuna.logging.set_verbosity(optuna.logging.WARNING)
warm_up()
began = time.perf_counter()
study = optuna.create_study(sampler=optuna.samplers.GridSampler({"rate": rates}))
study.optimize(
    lambda trial: train(architecture, trial.suggest_categorical("rate", rates), epochs, batch=batch)[0], len(rates)
)
print(time.perf_counter() - began)
"""


def optuna(architecture: str, rates: list[float], epochs: int, batch: int, lanes: int) -> float:
    # In a new process: importing torch and reading the data are measured, as for the others.
    command = [sys.executable, "-c", _OPTUNA, architecture, str(epochs), str(batch), *map(str, rates)]
    return float(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)


def _train(arguments: tuple[str, float, int, int]) -> float:
    from benchmarks.minimal import train

    architecture, rate, epochs, batch = arguments
    return train(architecture, rate, epochs, batch=batch)[0]


def pool(architecture: str, rates: list[float], epochs: int, batch: int, lanes: int) -> float:
    spawn = multiprocessing.get_context("spawn")
    ready = spawn.Barrier(lanes + 1)
    with spawn.Pool(lanes, _begin, [ready]) as processes:
        ready.wait()
        began = time.perf_counter()
        processes.map(_train, [(architecture, rate, epochs, batch) for rate in rates], chunksize=1)
        return time.perf_counter() - began


def _begin(ready: threading.Barrier) -> None:
    import torch

    from benchmarks import minimal

    torch.set_num_threads(1)
    minimal.warm_up()
    ready.wait()


WAYS: dict[str, Callable[[str, list[float], int, int, int], float | None]] = {
    "packs": packs,
    "process": a_process_each,
    "optuna": optuna,
    "pool": pool,
}
"""Each trains all learning rates; it returns the seconds of the trainings alone, without imports and data, if known."""


def compare(names: list[str], trials: int, epochs: int, processes: int) -> None:
    from benchmarks.minimal import BATCH, default_device

    lanes = {"packs": 1 if default_device() == "cuda" else processes}
    print(f"{trials} learning rates, {epochs} epochs: seconds, and how many times faster packs are")
    print(f"{'':16}" + "".join(f"{way:>10}" for way in WAYS) + "".join(f"{'/ ' + way:>12}" for way in list(WAYS)[1:]))
    for name in names:
        seconds = {}
        for way, run in WAYS.items():
            began = time.perf_counter()
            run(name, learning_rates(trials), epochs, BATCH, lanes.get(way, processes))
            seconds[way] = time.perf_counter() - began
        ratios = [seconds[way] / seconds["packs"] for way in list(WAYS)[1:]]
        cells = "".join(f"{seconds[way]:10.1f}" for way in WAYS)
        print(f"{name:16}{cells}" + "".join(f"{ratio:12.2f}" for ratio in ratios), flush=True)


def alone(names: list[str]) -> None:
    import torch

    from benchmarks import minimal
    from pipeline.training import loop

    torch.set_num_threads(1)
    print("\nK = 1 against the plain loop, examples per second of the training steps, best of five in turn")
    device = minimal.default_device()
    for name in names:
        ours, theirs = [], []
        for _ in range(5):
            theirs.append(minimal.train(name, 1e-3, 1)[1])
            settings = {"gradient_clip": 0.0, "batch_size": minimal.BATCH}
            outcome = loop.train(name, settings, minimal.flights(), seed=0, device=device, max_epochs=1)
            ours.append(outcome.metrics["examples_per_second"])
        print(f"{name:16}{max(ours):12,.0f} /{max(theirs):12,.0f} = {max(ours) / max(theirs):.2f}", flush=True)


def _flops_per_example(name: str) -> float:
    """Operations of the dense products, forward and backward."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from benchmarks import minimal

    dataset = minimal.flights()
    rows = [torch.tensor(array[: minimal.BATCH]) for array in (dataset.train.tokens, dataset.train.dense)]
    net = minimal.network(name, dataset.inputs).eval()  # a sparse product would count as a dense one
    with FlopCounterMode(display=False) as counter:
        net.loss(*rows, torch.zeros(minimal.BATCH, dataset.inputs.targets))[0].backward()  # type: ignore[operator]
    return counter.get_total_flops() / minimal.BATCH


def _peak_flops(device: str) -> float:
    import torch

    side = 8192 if device == "cuda" else 1024
    matrix = torch.randn(side, side, device=device, dtype=torch.bfloat16 if device == "cuda" else torch.float32)
    best = math.inf
    for _ in range(6):
        began = time.perf_counter()
        matrix @ matrix
        if device == "cuda":
            torch.cuda.synchronize()
        best = min(best, time.perf_counter() - began)
    return 2 * side**3 / best


def growth(names: list[str]) -> None:
    import torch

    from benchmarks import minimal
    from pipeline.plan import packing
    from pipeline.training import architectures
    from pipeline.training.fused_size import best_size, seconds_per_step

    torch.set_num_threads(1)
    device, dataset = minimal.default_device(), minimal.flights()
    peak = _peak_flops(device)
    print(f"\nexamples per second of a step of K models on {device}, one thread, over K = 1; best of three")
    print(f"(a large product runs at {peak / 1e9:,.0f} GFLOP/s here; last: its share that the best K reaches)")
    print(f"{'':16}{'K = 1':>12}" + "".join(f"{size:>7}" for size in SIZES[1:]) + f"{'chosen':>8}{'of peak':>9}")
    for name in names:
        if device not in architectures.network(name).fuses_on:
            print(f"{name:16}in turn: it has no array")
            continue
        rate = dict.fromkeys(SIZES, 0.0)
        for _ in range(3):
            for size in SIZES:
                seconds = seconds_per_step(name, [{"batch_size": minimal.BATCH}] * size, dataset, device=device)
                rate[size] = max(rate[size], size * minimal.BATCH / seconds)
        chosen = best_size(name, {"batch_size": minimal.BATCH}, dataset, device, packing.MOST)
        share = max(rate.values()) * _flops_per_example(name) / peak
        ratios = "".join(f"{rate[size] / rate[1]:7.2f}" for size in SIZES[1:])
        print(f"{name:16}{rate[1]:12,.0f}{ratios}{chosen:8}{share:9.1%}", flush=True)


def main() -> None:
    from pipeline.training import architectures

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=32)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--architectures", nargs="+", default=architectures.names())
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--steps-only", action="store_true", help="leave out the comparison by wall clock")
    options = parser.parse_args()
    alone(options.architectures)
    growth(options.architectures)
    if not options.steps_only:
        print()
        compare(options.architectures, options.trials, options.epochs, options.processes)


if __name__ == "__main__":
    main()
