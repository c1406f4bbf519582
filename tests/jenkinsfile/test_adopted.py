"""After one command of a wheel, a fresh directory with a script and a table tunes on a laptop and on Jenkins.

This checkout cannot be found: the person and the machines use the `hpt` of the wheel.
"""

import json
import shutil
from pathlib import Path

import pytest

from tests.adopt.conftest import OF_SCRIPT, SCRIPT, write_rows
from tests.jenkinsfile.conftest import TeamController
from tests.support.package import Environment

BUDGET = "experiments=2"


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory, wheel: Path, installed: Environment) -> Path:
    """A repository after `hpt init`, with the wheel of `hpt` in it."""
    folder = tmp_path_factory.mktemp("team")
    (folder / "train.py").write_text(SCRIPT)
    write_rows(folder / "data/rows.csv", months=5)
    (folder / "vendor").mkdir()
    shutil.copy(wheel, folder / "vendor")
    installed.run("hpt", "init", *OF_SCRIPT, "--standalone", "--hpt", f"vendor/{wheel.name}", cwd=folder)
    return folder


def test_it_runs_on_the_laptop(repository: Path, installed: Environment) -> None:
    assert installed.run("hpt", "init", "--check", cwd=repository).stdout == "all fits\n"
    ran = installed.run("hpt", "run", "specs/first.json", "--budget", BUDGET, "--lanes", "2", cwd=repository)
    assert "fresh date ranges" in ran.stdout
    (results,) = repository.glob("hpt-store/sweeps/*/results.csv")
    assert all(",complete," in row for row in results.read_text().splitlines()[1:])


# The build installs everything, as on a new machine, which takes minutes on a busy one.
@pytest.mark.timeout(900)
def test_it_runs_on_jenkins(repository: Path, packages: Environment, tmp_path: Path) -> None:
    def make_repository(folder: Path) -> None:
        shutil.copytree(repository, folder, ignore=shutil.ignore_patterns("hpt-store"))

    build = TeamController(tmp_path, packages, make_repository).run(within_s=800, LANES="2", BUDGET=BUDGET)
    assert build.result == "SUCCESS", build.log
    assert {row["status"] for row in build.rows().values()} == {"complete"}
    frozen = json.loads(build.sweep.store.read(build.sweep.key("sweep.json")))
    assert frozen["data"]["path"] == "data/rows.csv"
    assert "fresh date ranges" in build.description
