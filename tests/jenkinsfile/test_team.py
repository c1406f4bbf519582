"""A build in a team's repository: machines without hpt install the version that hpt.toml names."""

from pathlib import Path

import pytest

from pipeline.jenkins.render import standalone
from tests.jenkinsfile.conftest import COMMIT, TeamController
from tests.support import team
from tests.support.package import Environment


@pytest.fixture
def controller(tmp_path: Path, wheel: Path, packages: Environment) -> TeamController:
    def make_repository(folder: Path) -> None:
        team.repository(folder, wheel)
        (folder / "Jenkinsfile").write_text(standalone(), encoding="utf-8")

    return TeamController(tmp_path, packages, make_repository)


def test_a_sweep_of_the_teams_own_trainer_runs_to_its_end(controller: TeamController) -> None:
    build = controller.run()
    assert build.result == "SUCCESS", build.log
    rows = build.rows()
    assert sorted(rows) == ["screen-e000-d0-s0", "screen-e001-d0-s0", "screen-e002-d0-s0"]
    assert {row["status"] for row in rows.values()} == {"complete"}
    assert {row["git_commit"] for row in rows.values()} == {COMMIT}
    assert build.description.startswith("e002 is the best of choosing")
    assert build.log.count("installs hpt and what this repository asks for") == 1
    assert len(list((build.home / "agents/box/workspace/.hpt").glob("venv-*"))) == 1


def test_a_version_that_cannot_be_installed_ends_the_build_with_one_line(controller: TeamController) -> None:
    (controller.source / "hpt.toml").write_text('hpt = "vendor/gone.whl"\n')
    build = controller.run()
    assert build.stages() == {"Image": "NOT_BUILT", "Validate": "FAILURE"}
    assert "hpt: not ready: pip cannot install vendor/gone.whl" in build.log
