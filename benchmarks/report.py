"""Measures the report of larger and larger sweeps: seconds of rendering, and sizes of the files.

Every size runs in a new process, so the import of libraries is measured, too. Besides the whole report, the page alone
is measured, as it is written while a sweep runs.

    python -m benchmarks.report [--trials 100 1000 10000]
"""

import argparse
import math
import multiprocessing
import random
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pipeline import results, spec
from pipeline.plan import resolve
from pipeline.space import Assignment
from pipeline.store import open_store
from pipeline.sweep import Sweep, Trial

RANGES = 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, nargs="+", default=[100, 1_000, 10_000])
    options = parser.parse_args()
    print(f"{'trials':>7} {'page':>8} {'report':>8} {'index':>9} {'pictures':>14} {'interactive':>12} {'together':>9}")
    for trials in options.trials:
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            print(pool.apply(measured, (trials,)))


def measured(trials: int) -> str:
    """The line of the table for a number of trials."""
    with tempfile.TemporaryDirectory() as root:
        sweep = new_sweep(root, trials)
        rows = rows_of(sweep, trials)
        from pipeline.report.page import render
        from pipeline.report.summary import summarize

        planned = [Trial.parse(row["trial"]) for row in rows]
        began = time.monotonic()
        render(sweep, summarize(sweep.definition, rows, planned, False), pictures=False)
        page = time.monotonic() - began
        began = time.monotonic()
        render(sweep, summarize(sweep.definition, rows, planned, True))
        whole = time.monotonic() - began
        folder = Path(root, sweep.key("report"))
        pictures = [file.stat().st_size for file in folder.glob("charts/*.svg")]
        index, interactive = ((folder / name).stat().st_size for name in ("index.html", "interactive.html"))
        together = index + interactive + sum(pictures)
    drawn = f"{len(pictures)} x {sum(pictures) / len(pictures) / 1e3:.0f} kB"
    return (
        f"{trials:>7,} {page:>6.2f} s {whole:>6.2f} s {index / 1e3:>6.0f} kB {drawn:>14}"
        f" {interactive / 1e3:>9.0f} kB {together / 1e6:>6.2f} MB"
    )


def new_sweep(root: str, trials: int) -> Sweep:
    content: dict[str, Any] = {
        "architecture": "bag-of-words",
        "data": "flights",
        "parameters": {
            "learning_rate": {"low": 1e-4, "high": 1e-1, "log": True},
            "dropout": {"low": 0.0, "high": 0.5},
            "embedding_size": [16, 32, 64, 128],
            "hidden_size": [32, 64, 128, 256],
            "batch_size": [256, 512, 1024, 2048],
            "weight_decay": [0.0, 1e-4, 1e-3, 1e-2, 1e-1],
        },
        "search": {"experiments": math.ceil(trials / RANGES)},
        "confirm": {"ranges": 0},
    }
    definition = resolve.resolve(spec.from_dict(content), now=datetime(2026, 6, 14, 2, 10, tzinfo=UTC), token="3f9c")
    return Sweep.create(open_store(root), definition)


def rows_of(sweep: Sweep, trials: int) -> list[dict[str, Any]]:
    """Made-up rows of a sweep; one in fifty failed. Writes learning curves for the newest range."""
    draw = random.Random(0)
    definition = sweep.definition
    phase = definition.phases[0]
    rows = []
    for at in range(trials):
        number, range_ = divmod(at, RANGES)
        if range_ == 0:
            setting_draw = random.Random(number)
            searched: Assignment = {name: domain.at(setting_draw.random()) for name, domain in phase.space.items()}
            setting = definition.incumbent | (searched if number else {})
        trial = Trial(phase.name, f"e{number:03}", range_, 0)
        error = (math.log10(float(setting["learning_rate"] or 1)) + 2) ** 2 * 0.05 + 0.02 * draw.random() + 0.02
        row: dict[str, Any] = {
            "architecture": definition.architecture,
            "date-range": phase.ranges[range_].as_json(),
            **setting,
            "mse_test": error * (1.1 + 0.1 * draw.random()),
            "mse_train": error * 0.8,
            "mse_valid": error,
            "loss": error * 0.9,
            "examples_per_second": 1e5 * draw.random(),
            "peak_memory_mb": 600 + 100 * draw.random(),
            "weights": 332993,
            "training_time": round(30 + 60 * draw.random(), 3),
            "model_url": f"https://storage.cloud.google.com/a-bucket/tuning/sweeps/{sweep.id}/trials/{trial}/attempts/a/model.pt",
            "sweep": sweep.id,
            "experiment": trial.experiment,
            "trial": str(trial),
            "attempt": "a",
            "phase": phase.name,
            "status": "complete",
            "epochs": 10,
            "host": f"gpu{at % 8}",
            "finished": f"2026-06-14T{at // 3600 % 24:02}:{at // 60 % 60:02}:{at % 60:02}Z",
        }
        if at % 50 == 49:
            row |= {"status": "failed", "error": "CUDA error: device-side assert triggered\n" * 5}
        rows.append(row)
        if range_ == RANGES - 1:
            lines = [{"epoch": epoch, "loss": error, "mse_valid": error * (1 + 1 / epoch)} for epoch in range(1, 11)]
            data = results.write_csv(lines, ["epoch", "loss", "mse_valid"])
            sweep.store.write(sweep.attempt_key(trial, "a", "epochs.csv"), data)
    return rows


if __name__ == "__main__":
    main()
