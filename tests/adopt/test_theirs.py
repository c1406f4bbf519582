"""`hpt init` in a repository with files, secrets and places of its own."""

import json
import subprocess
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.adopt.conftest import OF_SCRIPT
from tests.support.git import git
from tests.support.in_process import Done, hpt

TEAM_PIPELINE = "pipeline {\n    agent any\n    stages { stage('Test') { steps { sh 'make test' } } }\n}\n"
BESIDE = ("--jenkinsfile", "ci/Jenkinsfile.hpt")


@pytest.mark.parametrize("text", [TEAM_PIPELINE, "node { sh 'make' }\n", "@Library('ours') _\nbuildAll()\n"])
def test_a_pipeline_of_the_team_appears_in_no_diff(repository: Path, init: Callable[..., Done], text: str) -> None:
    (repository / "Jenkinsfile").write_text(text)
    for options in (("--dry-run",), ("--standalone", "--dry-run"), ()):
        done = init(*OF_SCRIPT, *options)
        assert done.code == 0, done
        assert "Jenkinsfile" not in done.out
        assert "Jenkinsfile is a pipeline of your own" in done.err
        assert "--jenkinsfile Jenkinsfile.hpt" in done.err
    assert (repository / "Jenkinsfile").read_text() == text
    # A job would build the team's pipeline as if it were a sweep.
    assert not (repository / "jobs").exists()
    assert "--jenkinsfile" in hpt("init", "--check", cwd=repository, code=1).err


def test_hpts_pipeline_can_stand_beside_the_teams(repository: Path, init: Callable[..., Done]) -> None:
    (repository / "Jenkinsfile").write_text(TEAM_PIPELINE)
    assert init(*OF_SCRIPT, *BESIDE, "--standalone").code == 0
    assert "startScript" in (repository / "ci/Jenkinsfile.hpt").read_text()
    assert "      script-path: ci/Jenkinsfile.hpt\n" in (repository / "jobs/sweep.yaml").read_text()
    assert hpt("init", "--check", cwd=repository).out == "all fits\n"
    second_call = init()
    # Neither the name nor --standalone has to be repeated.
    assert second_call.out.count("as it was") == 3
    assert "differs" not in second_call.out
    assert (repository / "Jenkinsfile").read_text() == TEAM_PIPELINE


@pytest.mark.parametrize(
    "name", ["/etc/x", "../x", "a b", "x\ny", "", ".git/x", "Jenkinsfile", "hpt.toml", "jobs/sweep.yaml"]
)
def test_an_invalid_name_of_the_jenkinsfile_is_refused_and_nothing_is_written(
    repository: Path, init: Callable[..., Done], name: str
) -> None:
    (repository / "Jenkinsfile").write_text(TEAM_PIPELINE)
    done = init(*OF_SCRIPT, "--jenkinsfile", name)
    assert done.code == 2
    assert "--jenkinsfile" in done.err
    assert not (repository / "specs").exists()


def test_jobs_of_the_team_appear_in_no_diff(repository: Path, init: Callable[..., Done]) -> None:
    (repository / "jobs").mkdir()
    (repository / "jobs/nightly.yaml").write_text("- job:\n    name: backup\n")
    done = init(*OF_SCRIPT)
    assert "backup" not in done.out
    assert "jobs/nightly.yaml is a file of your own" in done.err


def test_a_job_of_the_team_does_not_name_hpts_pipeline(repository: Path, init: Callable[..., Done]) -> None:
    (repository / "jobs").mkdir()
    (repository / "jobs/sweep.yaml").write_text("- job:\n    name: sweep\n    script-path: ci/clean\n")
    assert "jobs/sweep.yaml is a file of your own" in init(*OF_SCRIPT).err
    assert (repository / "Jenkinsfile").exists()
    assert not (repository / "ci").exists()


def test_git_applies_a_diff_with_unusual_line_separators(repository: Path, init: Callable[..., Done]) -> None:
    (repository / "hpt.toml").write_text("# one\u2028two\x85three\n[tracking]\nmlflow = 'runs'\n")
    diff = init(*OF_SCRIPT, "--dry-run").out
    subprocess.run(["git", "apply"], input=diff, text=True, cwd=repository, check=True)
    assert "\u2028two\x85three\n" in (repository / "hpt.toml").read_text()


@pytest.mark.parametrize(
    ("remote", "written"),
    [
        ("https://me:s3cret@git.example.com/team/x.git", "https://git.example.com/team/x.git"),
        ("https://s3cret@git.example.com:8443/team/@x.git", "https://git.example.com:8443/team/@x.git"),
        ("ssh://git:s3cret@git.example.com:22/x.git", "ssh://git@git.example.com:22/x.git"),
        ("ssh://git@git.example.com/x.git", None),
        ("git@git.example.com:team/x.git", None),
        ("https://git.example.com/@team/x.git", None),
    ],
)
def test_a_password_of_the_remote_is_written_nowhere(
    repository: Path, init: Callable[..., Done], remote: str, written: str | None
) -> None:
    git(repository, "remote", "add", "origin", remote)
    done = init(*OF_SCRIPT, "--dry-run")
    assert "s3cret" not in done.out + done.err
    assert f"+    repository: '{written or remote}'\n" in done.out
    assert ("repository-credentials" in done.err) == (written is not None)


def test_data_and_store_that_hpt_toml_lacks_are_in_the_spec_and_the_diff(
    repository: Path, init: Callable[..., Done]
) -> None:
    (repository / "hpt.toml").write_text("# ours\n[tracking]\nmlflow = 'runs'\n")
    done = init("--data", "data/rows.csv", "--target", "value", "--store", "gs://team/tuning")
    spec = json.loads((repository / "specs/first.json").read_text())
    assert spec["data"]["target"] == "value"
    assert "hpt.toml names no data" in done.err
    assert "--store gs://team/tuning is not taken yet" in done.err
    assert '+store = "gs://team/tuning"\n # ours\n' in done.out
    subprocess.run(["git", "apply"], input=done.out[done.out.index("--- a/") :], text=True, cwd=repository, check=True)
    toml = tomllib.loads((repository / "hpt.toml").read_text())
    assert (toml["store"], toml["tracking"]) == ("gs://team/tuning", {"mlflow": "runs"})
    assert "hpt.toml" not in init().out


def test_other_values_in_hpt_toml_stay_and_are_reported(own_copy: Path) -> None:
    toml = (own_copy / "hpt.toml").read_text()
    (own_copy / "specs/first.json").unlink()
    done = hpt("init", "--data", "data/rows.csv", "--target", "size", "--store", "gs://other/x", cwd=own_copy)
    assert json.loads((own_copy / "specs/first.json").read_text())["data"]["target"] == "size"
    assert "hpt.toml names other data" in done.err
    assert "--store gs://other/x is not taken: hpt.toml says" in done.err
    assert (own_copy / "hpt.toml").read_text() == toml
    (own_copy / "specs/first.json").unlink()
    hpt("init", "--data", "data/rows.csv", "--target", "value", cwd=own_copy)
    assert "data" not in json.loads((own_copy / "specs/first.json").read_text())


def test_options_that_do_not_suffice_for_a_spec_are_not_ignored(own_copy: Path) -> None:
    assert "--data or --trainer is missing" in hpt("init", "--target", "size", cwd=own_copy, code=2).err


@pytest.mark.parametrize("text", ["hpt = \n", "store = 3\n", "[data\n", "nonsense = 1\n", "hpt = '\xff'\n"])
def test_a_broken_hpt_toml_is_reported_before_anything_is_written(
    repository: Path, init: Callable[..., Done], text: str
) -> None:
    (repository / "hpt.toml").write_bytes(text.encode("latin-1"))
    done = init(*OF_SCRIPT)
    assert done.code == 2
    assert str(repository / "hpt.toml") in done.err
    assert "Traceback" not in done.err
    assert not (repository / "specs").exists()


@pytest.mark.parametrize(
    ("store", "line"),
    [("runs/hpt", "/runs/hpt/"), ("./out/", "/out/"), ("a*[1]", "/a\\*\\[1]/"), ("gs://b/x", None), ("../x", None)],
)
def test_a_store_in_the_repository_is_kept_out_of_commits(
    repository: Path, init: Callable[..., Done], store: str, line: str | None
) -> None:
    done = init(*OF_SCRIPT, "--store", store)
    added = set((repository / ".gitignore").read_text().splitlines()[1:]) - {".hpt/", "hpt-store/"}
    assert added == ({line} if line else set())
    assert ("Jenkins' machines need a place that all see" in done.err) == (not store.startswith("gs:"))
    if line:
        (repository / store).mkdir(parents=True)
        (repository / store / "row.json").write_text("{}")
        assert "row.json" not in git(repository, "add", "-An", ".")
    assert ".gitignore" not in init().out


def test_text_that_is_not_utf8_is_refused_and_nothing_is_written(repository: Path, init: Callable[..., Done]) -> None:
    done = init(*OF_SCRIPT, "--store", "caf\udce9")
    assert done.code == 2
    assert "hpt.toml: cannot be written" in done.err
    assert sorted(path.name for path in repository.iterdir()) == [".git", "data", "train.py"]


def test_a_file_is_written_completely_or_not_at_all(tmp_path: Path) -> None:
    from pipeline.adopt.files import PlannedFile
    from pipeline.adopt.write import write
    from pipeline.errors import UserError

    (tmp_path / "taken").write_text("")
    files = [PlannedFile("a/x", "", "whole\n"), PlannedFile("taken/y", "", "never\n")]
    with pytest.raises(UserError, match="taken/y: cannot be written"):
        write(tmp_path, files, dry=False)
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["x"]
    assert (tmp_path / "a/x").stat().st_mode & 0o777 == (tmp_path / "taken").stat().st_mode & 0o777
