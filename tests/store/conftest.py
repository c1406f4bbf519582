from pathlib import Path

import pytest

from pipeline.store import Store, open_store


@pytest.fixture(params=["directory", "bucket", "bucket with a prefix"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    if request.param == "directory":
        return open_store(str(tmp_path / "a store"))
    name = request.getfixturevalue("bucket")
    return open_store(f"gs://{name}/some/where" if request.param.endswith("prefix") else f"gs://{name}")
