"""The parts: what each measures, how long it may take, and the function that does it."""

import importlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Part:
    name: str
    what: str
    seconds: float
    """It may take so many on a GPU; the parts together stay under eight minutes."""
    function: str

    def run(self, bench: "Bench") -> None:
        module, _, name = self.function.partition(":")
        function: Callable[[Bench], None] = getattr(importlib.import_module(module), name)
        function(bench)


PARTS = (
    Part("machine", "doctor, one device by its UUID, a hang in native code", 40, "benchmarks.gpu.machine:machine"),
    Part("alone", "one network against a hand-written loop: examples per second", 60, "benchmarks.gpu.steps:alone"),
    Part(
        "kernels", "a step's kernels and launches, and how long the device is idle", 45, "benchmarks.gpu.steps:kernels"
    ),
    Part("arrays", "K networks at once: examples per second over K = 1", 60, "benchmarks.gpu.steps:arrays"),
    Part("agreement", "errors as on the CPU, and in an array as alone", 60, "benchmarks.gpu.agreement:agreement"),
    Part("memory", "of each network of an array", 20, "benchmarks.gpu.memory:memory"),
    Part("shortage", "memory runs out: the pack goes on with fewer at once", 20, "benchmarks.gpu.memory:shortage"),
    Part("rates", "32 learning rates: packs against what one would do instead", 150, "benchmarks.gpu.rates:rates"),
)


@dataclass(frozen=True)
class Bench:
    """What a part is given: a device, an end, and a file for what it measures."""

    device: str
    until: float
    """By `time.monotonic()`."""
    path: Path

    @property
    def is_small(self) -> bool:
        """On a CPU: few rows and few repeats, to see that everything works."""
        return self.device == "cpu"

    def write(self, **record: Any) -> None:
        """Keeps a measurement, whatever comes after it."""
        with self.path.open("a") as file:
            file.write(json.dumps(record) + "\n")

    def has(self, seconds: float) -> bool:
        """Whether so many seconds are left; if not, the table says that what follows was left out."""
        if time.monotonic() + seconds < self.until:
            return True
        self.write(left_out="the rest: no time left")
        return False
