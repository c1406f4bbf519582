"""A lane whose trainings take no time, or fail as `TROUBLE` says by experiment: `{"e002": "segfault"}`.

It runs in place of `pipeline/local/lane.py`. `SIDE_BY_SIDE` is the number of trials to train at once. The file `BEGUN`
gets a line for each trial that begins.
"""

import ctypes
import json
import os
import signal
import time
from collections.abc import Callable, Sequence
from typing import Any

from pipeline.errors import InfrastructureError
from pipeline.local import lane
from pipeline.results import Status
from pipeline.sweep import Trial
from pipeline.training import references
from pipeline.training.builtin import Builtin
from pipeline.training.job import Job, TrainingResult
from pipeline.trials import pack

TROUBLE = {
    "segfault": lambda: os.kill(os.getpid(), signal.SIGSEGV),
    "exit": lambda: os._exit(7),
    "stop": lambda: os.kill(os.getpid(), signal.SIGSTOP),
    # In native code that holds the interpreter lock, so that no other Python code runs.
    "hang": lambda: ctypes.PyDLL(None).sleep(600),
    "sleep": lambda: time.sleep(600),
}


class Troubled(Builtin):
    def best_group_size(self, job: Job, most: int) -> int:
        return min(most, int(os.environ.get("SIDE_BY_SIDE", "1")))

    def train_together(self, jobs: Sequence[Job], on_end: Callable[[int, TrainingResult], None]) -> None:
        trouble = json.loads(os.environ["TROUBLE"])
        with open(os.environ["BEGUN"], "a") as begun:
            begun.writelines(f"{Trial.parse(job.trial).experiment}\n" for job in jobs)
        for at, job in enumerate(jobs):
            kind = trouble.get(Trial.parse(job.trial).experiment)
            job.report(1, {"mse_valid": 1.0})
            if kind == "store":
                raise InfrastructureError("the store is away")
            if kind == "error":
                raise RuntimeError("it cannot be trained")
            if kind:
                TROUBLE[kind]()
            metrics = {"mse_test": 1.0, "mse_train": 1.0, "mse_valid": 1.0}
            on_end(
                at,
                TrainingResult(
                    Status.COMPLETE, metrics=metrics, epochs=1, seconds=0.01, device="none", data_fingerprint="none"
                ),
            )


def troubled(name: str, *arguments: Any) -> TrainingResult:
    """Measures a reference, or fails as `TROUBLE` says."""
    if kind := json.loads(os.environ["TROUBLE"]).get(name):
        TROUBLE[kind]()
    return measure(name, *arguments)


if __name__ == "__main__":
    measure = references.measure
    references.measure = troubled
    original = pack.Workbench.__init__

    def workbench(self: pack.Workbench) -> None:
        original(self, builtin=Troubled())

    pack.Workbench.__init__ = workbench  # type: ignore[method-assign]
    lane.main()
