"""The parts of the benchmark: what each measures, its time limit, and its function."""

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
    description: str
    seconds: float
    """Time limit on a GPU, in seconds. Together the parts stay within eight minutes."""
    function: str
    """`module:name`, imported only by the part's process."""

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
    """A part's device, its deadline, and the file for its measurements."""

    device: str
    until: float
    """Deadline, by `time.monotonic()`."""
    path: Path

    @property
    def is_small(self) -> bool:
        """True on a CPU, where few rows and few repeats show that everything works."""
        return self.device == "cpu"

    def write(self, **record: Any) -> None:
        """Appends a measurement to the file, where it survives a later failure."""
        with self.path.open("a") as file:
            file.write(json.dumps(record) + "\n")

    def check_time(self, seconds: float) -> bool:
        """True if that many seconds are left; if not, writes that the rest is left out."""
        if time.monotonic() + seconds < self.until:
            return True
        self.write(left_out="the rest: no time left")
        return False
