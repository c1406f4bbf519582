from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.store import Store, open_store
from tests import faults, gcs


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


@pytest.fixture(params=["directory", "bucket", "bucket with a prefix"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    if request.param == "directory":
        return open_store(str(tmp_path / "a store"))
    name = request.getfixturevalue("bucket")
    return open_store(f"gs://{name}/some/where" if request.param.endswith("prefix") else f"gs://{name}")
