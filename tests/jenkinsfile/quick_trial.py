"""Replaces `hpt trial` in tests of lanes: writes the same rows, but trains nothing."""

import os
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

from pipeline.errors import UserError
from pipeline.results import Status
from pipeline.screen.build import trial_line
from pipeline.store import open_store
from pipeline.sweep import Sweep, Trial
from pipeline.training import architectures
from pipeline.training.builtin import Builtin
from pipeline.training.job import Job, TrainingResult
from pipeline.trials.pack import Workbench, run_pack


class Quick(Builtin):
    """Later experiments are better, so that one wins and is confirmed; so are architectures earlier in the alphabet."""

    def best_group_size(self, job: Job, most: int) -> int:
        return most

    def train_together(self, jobs: Sequence[Job], on_end: Callable[[int, TrainingResult], None]) -> None:
        for at, job in enumerate(jobs):
            time.sleep(float(os.environ.get("SECONDS_EACH", 0)))
            if job.trial == os.environ.get("FAILING"):
                raise UserError("it was to fail")
            experiment = int(Trial.parse(job.trial).experiment[1:])
            error = (1 + architectures.names().index(job.architecture)) / (1 + experiment)
            metrics = {"mse_test": error, "mse_train": error, "mse_valid": error}
            result = TrainingResult(
                Status.COMPLETE, metrics=metrics, seconds=1.0, device="none", data_fingerprint="none"
            )
            on_end(at, result)


if __name__ == "__main__":
    sweep = Sweep(open_store(os.environ["HPT_STORE"]), os.environ["HPT_SWEEP"])
    trials = [Trial.parse(name) for name in os.environ["HPT_PACK_TRIALS"].split(",")]
    retry = bool(os.environ.get("HPT_RETRY"))
    pack, bench = sweep.pack_of(trials[0]).id, Workbench(Quick())

    def show(event: dict[str, Any]) -> None:
        if row := event.get("row"):
            print(trial_line(sweep.id, row), flush=True)

    has_succeeded = run_pack(sweep, pack, trials, bench, retry=retry, on_event=show)
    sys.exit(0 if has_succeeded else 1)
