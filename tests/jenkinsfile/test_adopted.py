"""A fresh directory with a script and a table tunes on a laptop and on Jenkins, by one command of a wheel.

This checkout is out of reach: `hpt` is what the wheel brings, for the person and for the machines.
"""

import json
import shutil
from pathlib import Path

import pytest

from tests.adopt.conftest import OF_SCRIPT, SCRIPT, write_rows
from tests.jenkinsfile.conftest import Controller
from tests.support.package import Environment

MACHINE = ({"name": "box", "labels": "gpu light"},)
A_LOOK = "experiments=2"


class Adopted(Controller):
    """Builds check out a team's repository."""

    def __init__(self, home: Path, repository: Path) -> None:
        self._repository = repository
        super().__init__(home)

    def _copy_source(self) -> None:
        shutil.copytree(self._repository, self.source, ignore=shutil.ignore_patterns("hpt-store"))


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory, wheel: Path, installed: Environment) -> Path:
    """After `hpt init`, of a wheel that the repository keeps."""
    folder = tmp_path_factory.mktemp("team")
    (folder / "train.py").write_text(SCRIPT)
    write_rows(folder / "data/rows.csv", months=5)
    (folder / "vendor").mkdir()
    shutil.copy(wheel, folder / "vendor")
    installed.run("hpt", "init", *OF_SCRIPT, "--standalone", "--hpt", f"vendor/{wheel.name}", cwd=folder)
    return folder


def test_it_runs_on_the_laptop(repository: Path, installed: Environment) -> None:
    assert installed.run("hpt", "init", "--check", cwd=repository).stdout == "all fits\n"
    ran = installed.run("hpt", "run", "specs/first.json", "--budget", A_LOOK, "--lanes", "2", cwd=repository)
    assert "fresh date ranges" in ran.stdout
    (results,) = repository.glob("hpt-store/sweeps/*/results.csv")
    assert all(",complete," in row for row in results.read_text().splitlines()[1:])


# All that runs here starts from nothing, as on a machine: minutes, where others work on it too.
@pytest.mark.timeout(900)
def test_it_runs_on_jenkins(repository: Path, packages: Environment, tmp_path: Path) -> None:
    controller = Adopted(tmp_path, repository)
    build = controller.build(
        jenkinsfile=controller.source / "Jenkinsfile",
        agents=MACHINE,
        env={"HPT_PACKAGES": str(packages.folder), "PIP_NO_INDEX": "1", "PIP_NO_COMPILE": "1"},
        params={"BUDGET": A_LOOK},
        within_s=800,
    )
    assert build.result == "SUCCESS", build.log
    assert {row["status"] for row in build.rows().values()} == {"complete"}
    frozen = json.loads(build.sweep.store.read(build.sweep.key("sweep.json")))
    assert frozen["data"]["path"] == "data/rows.csv"
    assert "fresh date ranges" in build.description
