"""A build in a team's repository: machines that have nothing of ours install the version that hpt.toml names."""

from pathlib import Path

import pytest

from pipeline.jenkins.render import standalone
from tests.jenkinsfile.conftest import COMMIT, Build, Controller
from tests.support import team
from tests.support.package import Environment

MACHINE = ({"name": "box", "labels": "gpu light"},)


class Team(Controller):
    """Builds check out the team's repository, in which this checkout cannot be found."""

    def __init__(self, home: Path, wheel: Path, packages: Environment) -> None:
        self._wheel = wheel
        super().__init__(home)
        self._machines = {"HPT_PACKAGES": str(packages.folder), "PIP_NO_INDEX": "1", "PIP_NO_COMPILE": "1"}

    def _copy_source(self) -> None:
        team.repository(self.source, self._wheel)
        (self.source / "Jenkinsfile").write_text(standalone(), encoding="utf-8")

    def run(self, **params: str) -> Build:
        return self.build(
            jenkinsfile=self.source / "Jenkinsfile", agents=MACHINE, env=self._machines, params={"LANES": "1"} | params
        )


@pytest.fixture
def controller(tmp_path: Path, wheel: Path, packages: Environment) -> Team:
    return Team(tmp_path, wheel, packages)


def test_a_sweep_of_the_teams_own_trainer_runs_to_its_end(controller: Team) -> None:
    build = controller.run()
    assert build.result == "SUCCESS", build.log
    rows = build.rows()
    assert sorted(rows) == ["screen-e000-d0-s0", "screen-e001-d0-s0", "screen-e002-d0-s0"]
    assert {row["status"] for row in rows.values()} == {"complete"}
    assert {row["git_commit"] for row in rows.values()} == {COMMIT}
    assert build.description.startswith("e002 is the best of choosing")
    assert build.log.count("installs hpt and what this repository asks for") == 1
    assert len(list((build.home / "agents/box/workspace/.hpt").glob("venv-*"))) == 1


def test_a_version_that_cannot_be_had_ends_the_build_with_one_line_that_says_so(controller: Team) -> None:
    (controller.source / "hpt.toml").write_text('hpt = "vendor/gone.whl"\n')
    build = controller.run()
    assert build.stages() == {"Image": "NOT_BUILT", "Validate": "FAILURE"}
    assert "hpt: not ready: pip cannot install vendor/gone.whl" in build.log
