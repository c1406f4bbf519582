"""Memory of an array, and a pack that runs out of memory: it continues with fewer networks at once."""

import resource
import tempfile
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from benchmarks.gpu.parts import Bench
from benchmarks.gpu.steps import dataset, fuses, settings
from benchmarks.minimal import RANGE
from pipeline import spec
from pipeline.plan.resolve import resolve
from pipeline.plan.rounds import plan_packs
from pipeline.store import open_store
from pipeline.sweep import Sweep
from pipeline.training import architectures
from pipeline.training.builtin import Builtin
from pipeline.training.fused_size import seconds_per_step
from pipeline.training.job import Job
from pipeline.trials.pack import Workbench, run_pack

TRIALS, WIDTH = 8, 1024
ROOM = {"cuda": 600 * 2**20, "cpu": 900 * 2**20}
"""Bytes for about five bags of words of that width. Each has five million weights and needs 80 MB with its gradients
and optimizer state, 100 MB with a copy of its best weights."""


def memory(bench: Bench) -> None:
    """Writes the memory of each network in an array.

    `expected_mb` counts four numbers a weight: the weight, its gradient and two of AdamW. A batch needs the rest.
    """
    if bench.device == "cpu":
        bench.write(left_out="a CPU's memory is not counted per tensor")
        return
    data = dataset(bench)
    for name in architectures.names():
        if not fuses(name, bench.device) or not bench.check_time(3):
            continue
        peaks = {}
        for size in (1, 8, 32):
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
            before = torch.cuda.memory_allocated()
            seconds_per_step(name, [settings(name)] * size, data, device=bench.device)
            peaks[size] = (torch.cuda.max_memory_allocated() - before) / 2**20
        weights = sum(weight.numel() for weight in architectures.build(name, {}, data.inputs).parameters())
        each = (peaks[32] - peaks[8]) / 24
        expected = 16 * weights / 2**20
        bench.write(architecture=name, alone_mb=peaks[1], each_mb=each, expected_mb=expected, ratio=each / expected)


def shortage(bench: Bench) -> None:
    """Starts a pack of eight wide networks at once, with memory for about five. Every trial should get a result."""
    rates = [0.0001 * (1 + at) for at in range(TRIALS)]
    parsed = spec.from_dict(
        {
            "architecture": "bag-of-words",
            "data": "flights",
            "date-range": [RANGE.as_json()],
            "parameters": {"embedding_size": [WIDTH], "learning_rate": rates},
            "incumbent": {"embedding_size": WIDTH, "learning_rate": rates[0]},
            "search": {"strategy": "grid"},
            "training": {"max-epochs": 1, "epoch-steps": 1},
            "confirm": {"ranges": 0},
            "references": False,
        }
    )
    assert parsed.data is not None
    definition = resolve(parsed, now=datetime.now(UTC), token="0000", covered=parsed.data.covers)
    events: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as root:
        sweep = Sweep.create(open_store(root), definition)
        trials = [trial for pack in plan_packs(sweep) for trial in pack.trials]
        run_pack(sweep, "pack", trials, Workbench(_AllAtOnce(bench.device)), on_event=events.append)
        logs = [path.read_bytes() for path in Path(root).rglob("log.txt")]
    rows = [event["row"] for event in events if "row" in event]
    bench.write(
        trials=len(trials),
        rows=len(rows),
        **Counter(row["status"] for row in rows),
        began_again=sum(log.count(b"begins again with fewer beside it") for log in logs),
    )


class _AllAtOnce(Builtin):
    """Trains all networks at once, whether or not memory suffices. Limits the memory before it trains the first."""

    def __init__(self, device: str) -> None:
        super().__init__()
        self._device_name, self._is_limited = device, False

    def best_group_size(self, job: Job, most: int) -> int:
        size = min(most, self._largest_sizes.get(self._shape(job), most))
        if not self._is_limited:
            self.dataset(job)
            self._warm_up()
            limit_memory(self._device_name, ROOM[self._device_name])
            self._is_limited = True
        return size


def limit_memory(device: str, room: int) -> None:
    """Limits this process to `room` more bytes; a larger allocation is an error from now on."""
    if device == "cuda":
        _, total = torch.cuda.mem_get_info()
        torch.cuda.set_per_process_memory_fraction((torch.cuda.memory_reserved() + room) / total)
    else:
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + room, resource.RLIM_INFINITY))
