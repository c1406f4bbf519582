"""Small real data and specs that train in a fraction of a second, and buckets of an emulator."""

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
from tests.support import faults, gcs, lanes, package
from tests.support.sweeps import define
from tests.support.trouble import Trouble

LONGEST = (
    "jenkinsfile/test_jenkinsfile",
    "training/own/test_docs",
    "jenkinsfile/test_automatic",
    "training/own/test_sweeps",
)
"""Files that run first, because they take longest: at the end, one process would run them alone."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    first = {Path(__file__).parent / f"{name}.py": at for at, name in enumerate(LONGEST)}
    items.sort(key=lambda item: first.get(item.path, len(first)))


@pytest.fixture(scope="session", autouse=True)
def ctrl_c_is_not_ignored() -> None:
    """Restores SIGINT. A shell ignores it in background jobs, and so would all processes that a test starts."""
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


# The machine may be busy: a slow example is no failure.
hypothesis.settings.register_profile("patient", deadline=None)
hypothesis.settings.load_profile("patient")


@pytest.fixture
def new_sweep(store: Store) -> Callable[[dict[str, Any]], Sweep]:
    def create(spec: dict[str, Any]) -> Sweep:
        return Sweep.create(store, define(spec))

    return create


@pytest.fixture
def spec_file(tmp_path: Path) -> Callable[[dict[str, Any]], Path]:
    def write(spec: dict[str, Any]) -> Path:
        path = tmp_path / "spec.json"
        path.write_text(json.dumps(spec))
        return path

    return write


@pytest.fixture(scope="session")
def gcs_url() -> Iterator[str]:
    with gcs.emulator() as url:
        yield url


@pytest.fixture
def bucket(gcs_url: str) -> Iterator[str]:
    """The name of an empty bucket. Clients made in the test use the emulator."""
    with gcs.pointed_at(gcs_url):
        yield gcs.new_bucket(gcs_url)


@pytest.fixture(params=["directory", "bucket"])
def any_store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """An empty store of each kind: a directory, and a folder in a bucket."""
    if request.param == "directory":
        return open_store(str(tmp_path / "a store"))
    return open_store(f"gs://{request.getfixturevalue('bucket')}/some/where")


@pytest.fixture
def proxy(gcs_url: str, bucket: str) -> Iterator[faults.Proxy]:
    """A proxy through which clients made in the test talk to the emulator."""
    with faults.proxy(gcs_url) as running, gcs.pointed_at(running.url):
        yield running


@pytest.fixture(scope="session")
def nursery() -> Iterator[lanes.Nursery]:
    """Forks programs from a process that has imported everything, so that they start at once."""
    with lanes.nursery() as warm:
        yield warm


@pytest.fixture
def trouble(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Trouble:
    return Trouble(monkeypatch, tmp_path / "begun")


@pytest.fixture(scope="module")
def quick_lanes(nursery: lanes.Nursery) -> Iterator[None]:
    """Forks the lanes that verbs in the tests' own process start from the nursery, too."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(process, "PROGRAM", nursery.lanes.program)
        yield


@pytest.fixture(scope="session")
def warm_lanes(nursery: lanes.Nursery) -> lanes.Lanes:
    return nursery.lanes


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout, built once in a session."""
    folder = package.made_once(tmp_path_factory.getbasetemp(), "wheel", package.build_wheel)
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="session")
def packages(tmp_path_factory: pytest.TempPathFactory) -> package.Environment:
    """An environment with the dependencies of `hpt`, without `hpt` itself."""
    return package.Environment(
        package.made_once(tmp_path_factory.getbasetemp(), "packages", package.link_packages_without_ours)
    )


@pytest.fixture(scope="session")
def installed(
    wheel: Path, packages: package.Environment, tmp_path_factory: pytest.TempPathFactory
) -> package.Environment:
    """An environment with `hpt` from the wheel, without this checkout. Tests must not change it."""
    folder = package.made_once(
        tmp_path_factory.getbasetemp(), "installed", lambda folder: package.install(wheel, packages, folder)
    )
    return package.Environment(folder)
