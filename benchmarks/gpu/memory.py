"""Memory of an array, and what a pack does when there is too little: it goes on with fewer networks at once."""

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
from pipeline.plan.rounds import pending
from pipeline.store import open_store
from pipeline.sweep import Sweep, Trial
from pipeline.training import architectures
from pipeline.training.builtin import Builtin
from pipeline.training.fused_size import seconds_per_step
from pipeline.training.job import Job
from pipeline.trials.pack import Workbench, run_pack

TRIALS, WIDTH = 8, 1024
ROOM = {"cuda": 600 * 2**20, "cpu": 900 * 2**20}
"""A bag of words of that width has five million weights: 80 MB with gradient and state, 100 MB with the best so far."""


def memory(bench: Bench) -> None:
    """`expected`: four numbers a weight (itself, its gradient, two of AdamW); what is above is what a batch needs."""
    if bench.device == "cpu":
        bench.write(left_out="a CPU's memory is not counted per tensor")
        return
    data = dataset(bench)
    for name in architectures.names():
        if not fuses(name, bench.device) or not bench.has(3):
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
    """A pack of eight wide networks, begun all at once, with memory for about five: every trial ends with a result."""
    rates = [0.0001 * (1 + at) for at in range(TRIALS)]
    asked = spec.from_dict(
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
    assert asked.data is not None
    definition = resolve(asked, now=datetime.now(UTC), token="0000", covered=asked.data.covers)
    events: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as root:
        sweep = Sweep.create(open_store(root), definition)
        trials = sweep_trials(sweep)
        run_pack(sweep, "pack", trials, Workbench(_AllAtOnce(bench.device)), on_event=events.append)
        logs = [path.read_bytes() for path in Path(root).rglob("log.txt")]
    rows = [event["row"] for event in events if "row" in event]
    bench.write(
        trials=len(trials),
        rows=len(rows),
        **Counter(row["status"] for row in rows),
        began_again=sum(log.count(b"begins again with fewer beside it") for log in logs),
    )


def sweep_trials(sweep: Sweep) -> list[Trial]:
    """The trials of the first round."""
    return [trial for pack in pending(sweep) for trial in pack.trials]


class _AllAtOnce(Builtin):
    """Begins with as many as there are, whatever memory is left for them."""

    def __init__(self, where: str) -> None:
        super().__init__()
        self._where, self._is_limited = where, False

    def at_once(self, job: Job, most: int) -> int:
        size = min(most, self._largest_sizes.get(self._shape(job), most))
        if not self._is_limited:
            self.dataset(job)
            self._warm_up()
            limit_memory(self._where, ROOM[self._where])
            self._is_limited = True
        return size


def limit_memory(device: str, room: int) -> None:
    """From here on this process gets so many bytes more, and then an error."""
    if device == "cuda":
        _, total = torch.cuda.mem_get_info()
        torch.cuda.set_per_process_memory_fraction((torch.cuda.memory_reserved() + room) / total)
    else:
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + room, resource.RLIM_INFINITY))
