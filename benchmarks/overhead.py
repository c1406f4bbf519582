"""Measures the time of a trial besides its training: a trainer that does nothing, in our sweeps and in other tuners.

Ours is the local runner as in `hpt run`: lanes that are processes, a directory as the store, a row, a log and an
attempt's folder for every trial, the merged results. There are three trainers that do nothing. One returns at once
inside the lane, as a built-in one would: that is our bookkeeping alone. The others are a program and a Python function
of a team, with a process for each trial, whose start is added.

Optuna keeps a journal file, with an objective that returns at once, and with one that starts the same program. Syne
Tune's local backend starts a Python for each trial. It is measured if `--other-python` names a Python with syne-tune.

    python -m benchmarks.overhead [--trials 1000] [--lanes 2] [--repeats 3] [--other-python PYTHON]
"""

import argparse
import io
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console

from pipeline import spec
from pipeline.local import runner
from pipeline.local.process import PROGRAM as LANE
from pipeline.plan import resolve
from pipeline.report import conclude
from pipeline.screen.progress import Lines
from pipeline.store import open_store
from pipeline.sweep import Sweep

NOTHING = Path(__file__).with_name("nothing")
FUNCTION = {"trainer": "benchmarks.nothing.trainer:train"}
PROGRAM = {
    "command": ["printf", "valid {x} test {x}\\n"],
    "metrics-pattern": r"valid (?P<mse_valid>\S+) test (?P<mse_test>\S+)",
}
LANE_OF_NOTHING = [sys.executable, "-m", "benchmarks.nothing.lane"]


@dataclass(frozen=True)
class Side:
    name: str
    trials: int
    run: Callable[[], float]
    """Runs all trials once; returns seconds."""


def new_sweep(folder: str, trials: int, trainer: dict[str, Any]) -> Sweep:
    parsed = spec.from_dict(
        {
            **trainer,
            "architecture": "nothing",
            "hyperparameters": {"x": {"default": 0.5, "domain": {"low": 0.0, "high": 1.0}}},
            "parameters": {"x": {"low": 0.0, "high": 1.0}},
            "search": {"strategy": "random", "experiments": trials},
            "date-range": [["2024-01-01", "2024-04-01"]],
            "as-of": "2024-04-01",
            "confirm": {"ranges": 0},
        }
    )
    return Sweep.create(open_store(folder), resolve.resolve(parsed, now=datetime.now(UTC), token="0000"))


def ours(trials: int, lanes: int, trainer: dict[str, Any], lane: Sequence[str]) -> float:
    with tempfile.TemporaryDirectory(prefix="hpt-benchmark-") as folder:
        sweep = new_sweep(folder, trials, trainer)
        began = time.monotonic()
        view = Lines(Console(file=io.StringIO()), sweep.definition)
        merged = runner.run(sweep, view, lanes=lanes, program=lane)
        seconds = time.monotonic() - began
        assert [row["status"] for row in merged.rows] == ["complete"] * trials
        began = time.monotonic()
        conclude.conclude(sweep, merged)
        print(f"  (and the report, once a sweep: {time.monotonic() - began:.1f} s)", flush=True)
        return seconds


def theirs(python: str, script: str, trials: int, workers: int, *arguments: str) -> float:
    """Runs a script of another tuner; its output ends with the seconds that it took."""
    with tempfile.TemporaryDirectory(prefix="hpt-benchmark-") as folder:
        command = [python, str(NOTHING / script), str(trials), str(workers), folder, *arguments]
        # As in our lanes.
        environment = os.environ | {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
        # In the folder, since Syne Tune leaves a file in its working directory.
        ran = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, cwd=folder)
        if ran.returncode:
            sys.exit(f"{script}: {ran.stderr[-2000:]}")
        return float(ran.stdout.split()[-1])


def has_syne_tune(python: str) -> bool:
    check = "import importlib.util, sys; sys.exit(importlib.util.find_spec('syne_tune') is None)"
    return subprocess.run([python, "-c", check], check=False).returncode == 0


def sides(trials: int, started: int, lanes: int, other: str) -> list[Side]:
    def optuna(n: int, objective: str) -> Callable[[], float]:
        return lambda: theirs(sys.executable, "study.py", n, lanes, objective)

    def hpt(n: int, trainer: dict[str, Any], lane: Sequence[str] = LANE) -> Callable[[], float]:
        return lambda: ours(n, lanes, trainer, lane)

    tuners = [
        Side("ours, a trainer that returns at once in the lane", trials, hpt(trials, FUNCTION, LANE_OF_NOTHING)),
        Side("Optuna, an objective that returns at once in the worker", trials, optuna(trials, "function")),
        Side("ours, a program per trial", started, hpt(started, PROGRAM)),
        Side("ours, a Python function in a process per trial", started, hpt(started, FUNCTION)),
        Side("Optuna, a program per trial", started, optuna(started, "program")),
    ]
    if has_syne_tune(other):
        few = min(started, 100)
        tuners.append(Side("Syne Tune, a Python per trial", few, lambda: theirs(other, "syne.py", few, lanes)))
    else:
        print("Syne Tune is not installed here: name a Python that has it by --other-python")
    return tuners


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--started", type=int, help="trials where each starts a process (default: as many)")
    parser.add_argument("--lanes", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--other-python", type=os.path.abspath, default=sys.executable, metavar="PYTHON")
    options = parser.parse_args()
    every = sides(options.trials, options.started or options.trials, options.lanes, options.other_python)
    took: dict[str, list[float]] = {side.name: [] for side in every}
    for number in range(options.repeats):
        for side in every:
            print(f"{number + 1} of {options.repeats}: {side.name}, {side.trials} trials", flush=True)
            took[side.name].append(1000 * side.run() / side.trials)
    print(f"\nms per trial, start of {options.lanes} lanes or workers and merge included; median of {options.repeats}")
    least = statistics.median(took[every[0].name])
    for side in every:
        middle, low, high = statistics.median(took[side.name]), min(took[side.name]), max(took[side.name])
        print(f"{side.name:<56}{middle:>8.2f}  ({low:.2f} to {high:.2f}){middle / least:>8.2f} times the first line")


if __name__ == "__main__":
    main()
