"""Cost of a training step: one network against a hand-written loop, K networks at once, and the kernels of a step."""

import time
from dataclasses import replace
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile

from benchmarks import minimal
from benchmarks.gpu.parts import Bench
from pipeline.data.dataset import Dataset
from pipeline.space import Assignment
from pipeline.training import architectures
from pipeline.training.fused_size import best_size, seconds_per_step
from pipeline.training.loop import train, train_epoch
from pipeline.training.memory import OutOfMemory
from pipeline.training.state import TrainState
from pipeline.training.step import Step

SIZES = (1, 2, 4, 8, 16, 32, 64)
ROWS_IN_SMALL = 8192
PROFILED = 16
"""Steps that the profiler records; with more, it sorts events for minutes."""


def dataset(bench: Bench) -> Dataset:
    """Three months of the flights; on a CPU, few rows of them."""
    whole = minimal.flights()
    if not bench.is_small:
        return whole
    parts = {name: getattr(whole, name).thinned(ROWS_IN_SMALL) for name in ("train", "valid", "test")}
    return replace(whole, **parts)


def settings(architecture: str) -> Assignment:
    """The architecture's defaults without gradient clipping, since the hand-written loop has none."""
    return architectures.complete(architecture, {}) | {"gradient_clip": 0.0}


def synchronize(bench: Bench) -> None:
    if bench.device == "cuda":
        torch.cuda.synchronize()


def alone(bench: Bench) -> None:
    data = dataset(bench)
    for name in architectures.names():
        if not bench.check_time(8):
            return
        setting = settings(name)
        rate, batch = float(setting["learning_rate"]), int(setting["batch_size"])
        by_hand, ours = [], []
        few = replace(data, train=data.train.thinned(8 * batch))
        # Both loops alternate, so that they see the same machine. The first round, with few rows, warms both up.
        for rows in (few, data, data):
            by_hand.append(minimal.train(name, rate, 1, batch=batch, dataset=rows, device=bench.device)[1])
            outcome = train(name, setting, rows, seed=0, device=bench.device, max_epochs=1)
            ours.append(outcome.metrics["examples_per_second"])
        best, best_by_hand = max(ours[1:]), max(by_hand[1:])
        bench.write(architecture=name, batch=batch, ours=best, by_hand=best_by_hand, ratio=best / best_by_hand)


def arrays(bench: Bench) -> None:
    data = dataset(bench)
    sizes = SIZES[:3] if bench.is_small else SIZES
    for name in architectures.names():
        if not bench.check_time(8):
            return
        setting = settings(name)
        batch = int(setting["batch_size"])
        if not fuses(name, bench.device):
            bench.write(architecture=name, in_turn="it has no array here")
            continue
        rates = {}
        for size in sizes:
            try:
                seconds = seconds_per_step(name, [setting] * size, data, device=bench.device, steps=30)
            except OutOfMemory:
                break
            rates[size] = size * batch / seconds
        growth = {f"K={size}": rate / rates[1] for size, rate in rates.items() if size > 1}
        began = time.monotonic()
        chosen = best_size(name, setting, data, bench.device, SIZES[-1])
        took = time.monotonic() - began
        bench.write(architecture=name, batch=batch, alone=rates[1], **growth, chosen=chosen, choosing_seconds=took)


def fuses(architecture: str, device: str) -> bool:
    return device in architectures.network(architecture).fuses_on


def kernels(bench: Bench) -> None:
    data = dataset(bench)
    for name in architectures.names():
        for size in (1, 16) if fuses(name, bench.device) else (1,):
            if not bench.check_time(6):
                return
            bench.write(architecture=name, K=size, **step_profile(bench, name, size, data))


def step_profile(bench: Bench, architecture: str, size: int, data: Dataset) -> dict[str, Any]:
    """Operators, kernels and launches of a step, and the share of time in which the device is idle.

    They are measured in a short epoch after a warm-up.
    """
    device, setting = torch.device(bench.device), settings(architecture)
    few = replace(data, train=data.train.thinned(PROFILED * int(setting["batch_size"])))
    state = TrainState(architecture, [setting] * size, few, 0, device)
    step = Step(state)
    steps = -(-len(few.train) // int(setting["batch_size"]))

    def epoch() -> float:
        began = time.perf_counter()
        train_epoch(state, step, 1, deadline=float("inf"))
        synchronize(bench)
        return time.perf_counter() - began

    epoch()
    # The time comes from epochs without the profiler, which slows a step down.
    seconds = min(epoch() for _ in range(3))
    activities = [ProfilerActivity.CPU] + [ProfilerActivity.CUDA] * (bench.device == "cuda")
    with profile(activities=activities) as profiler:
        epoch()
    # Counts from the profiler.
    events = profiler.events() or []
    if bench.device == "cpu":
        operators = sum(event.name.startswith("aten::") for event in events)
        return {"steps": steps, "ms_a_step": 1000 * seconds / steps, "operators": operators / steps}
    on_device = [event for event in events if event.device_type == torch.autograd.DeviceType.CUDA]
    kernel_events = [event for event in on_device if not event.name.startswith(("Memcpy", "Memset"))]
    launches = sum(event.name.startswith(("cudaLaunchKernel", "cuLaunchKernel", "cudaGraphLaunch")) for event in events)
    busy = sum(event.time_range.elapsed_us() for event in on_device) / 1e6
    return {
        "steps": steps,
        "ms_a_step": 1000 * seconds / steps,
        "kernels": len(kernel_events) / steps,
        "copies": (len(on_device) - len(kernel_events)) / steps,
        "launches": launches / steps,
        "recorded": not step.notes,
        "idle": max(0.0, 1 - busy / seconds),
    }
