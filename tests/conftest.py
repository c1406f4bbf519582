"""Small real data and specs that train in a fraction of a second, and a bucket that is an emulator's."""

import json
import signal
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import hypothesis
import numpy as np
import pytest

from pipeline.local import process
from pipeline.store import Store, open_store
from pipeline.sweep import Sweep
from tests.support import faults, gcs, lanes
from tests.support.sweeps import define
from tests.support.trouble import Trouble

LONGEST = (
    "jenkinsfile/test_jenkinsfile",
    "training/own/test_docs",
    "jenkinsfile/test_automatic",
    "training/own/test_sweeps",
)
"""Files that run first, or one process would be left alone with one of them at the end."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    first = {Path(__file__).parent / f"{name}.py": at for at, name in enumerate(LONGEST)}
    items.sort(key=lambda item: first.get(item.path, len(first)))


@pytest.fixture(scope="session", autouse=True)
def ctrl_c_is_not_ignored() -> None:
    """A shell starts a job in the background with SIGINT ignored, and so would be all processes that a test starts."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def tiny_csv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """150 days of 6 rows: a target that depends on a category and a number."""
    random = np.random.default_rng(0)
    path = tmp_path_factory.mktemp("data") / "tiny.csv"
    lines = ["day,place,size,value"]
    for day in range(150):
        for _ in range(6):
            place, size = int(random.integers(4)), float(random.normal())
            value = place + size + 0.1 * float(random.normal())
            lines.append(f"{date(2024, 1, 1) + timedelta(days=day)},place{place},{size:.4f},{value:.4f}")
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture
def tiny_spec(tiny_csv: Path) -> dict[str, Any]:
    """Two learning rates and the incumbent, on two ranges, two epochs each: six trials."""
    return {
        "architecture": "bag-of-words",
        "data": {
            "path": str(tiny_csv),
            "date": "day",
            "categorical": ["place"],
            "numeric": ["size"],
            "target": "value",
        },
        "date-range": [["2024-01-01", "2024-03-01"], ["2024-02-01", "2024-04-01"]],
        "training": {"max-epochs": 2, "epoch-steps": 1},
        "incumbent": {"batch_size": 64},
        "parameters": {"learning_rate": [0.01, 0.1]},
        "search": {"strategy": "grid"},
        "confirm": {"ranges": 0},
        "references": False,
    }


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(str(tmp_path / "store"))


# The machine that runs these may be busy: an example that takes long is no failure.
hypothesis.settings.register_profile("patient", deadline=None)
hypothesis.settings.load_profile("patient")


@pytest.fixture
def new_sweep(store: Store) -> Callable[[dict[str, Any]], Sweep]:
    def create(asked: dict[str, Any]) -> Sweep:
        return Sweep.create(store, define(asked))

    return create


@pytest.fixture
def spec_file(tmp_path: Path) -> Callable[[dict[str, Any]], Path]:
    def write(asked: dict[str, Any]) -> Path:
        path = tmp_path / "spec.json"
        path.write_text(json.dumps(asked))
        return path

    return write


@pytest.fixture(scope="session")
def gcs_url() -> Iterator[str]:
    with gcs.emulator() as url:
        yield url


@pytest.fixture
def bucket(gcs_url: str) -> Iterator[str]:
    """The name of an empty bucket; clients made in the test talk to the emulator."""
    with gcs.pointed_at(gcs_url):
        yield gcs.new_bucket(gcs_url)


@pytest.fixture
def proxy(gcs_url: str, bucket: str) -> Iterator[faults.Proxy]:
    """Clients made in the test talk to the emulator through this."""
    with faults.proxy(gcs_url) as running, gcs.pointed_at(running.url):
        yield running


@pytest.fixture(scope="session")
def nursery() -> Iterator[lanes.Nursery]:
    """Starts programs that need not import anything, because they are forked from a process that has."""
    with lanes.nursery() as warm:
        yield warm


@pytest.fixture
def trouble(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Trouble:
    return Trouble(monkeypatch, tmp_path / "begun")


@pytest.fixture(scope="module")
def quick_lanes(nursery: lanes.Nursery) -> Iterator[None]:
    """Lanes that the tests' own process starts, as by a verb, are forked from the nursery, too."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(process, "PROGRAM", nursery.lanes.program)
        yield


@pytest.fixture(scope="session")
def warm_lanes(nursery: lanes.Nursery) -> lanes.Lanes:
    return nursery.lanes
