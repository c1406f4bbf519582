"""`hpt init` pins the `hpt` that it runs as, by the note that pip left about its source (PEP 610)."""

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from pipeline.adopt import origin
from pipeline.adopt.answers import Answers
from pipeline.adopt.project_file import changed
from pipeline.provenance import __version__
from tests.adopt.conftest import OF_SCRIPT, SCRIPT, write_rows
from tests.support.git import git
from tests.support.in_process import hpt

WHEEL = f"hpt-{__version__}-py3-none-any.whl"


@pytest.fixture
def dist_info(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The `.dist-info` folder in which Python looks for pip's note about `hpt`."""
    info = tmp_path / "packages" / f"hpt-{__version__}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: hpt\nVersion: {__version__}\n")
    monkeypatch.syspath_prepend(str(info.parent))
    return info


def write_note(dist_info: Path, content: dict[str, Any]) -> None:
    (dist_info / "direct_url.json").write_text(json.dumps(content))


@pytest.fixture
def team(tmp_path: Path) -> Path:
    """A team's repository with a script, its data and a wheel of `hpt`."""
    folder = tmp_path / "the team"
    (folder / "vendor").mkdir(parents=True)
    (folder / "vendor" / WHEEL).write_bytes(b"")
    (folder / "train.py").write_text(SCRIPT)
    write_rows(folder / "data/rows.csv")
    return folder


def test_a_wheel_of_the_repository_is_pinned_by_its_path(dist_info: Path, team: Path) -> None:
    write_note(dist_info, {"url": (team / "vendor" / WHEEL).as_uri(), "archive_info": {}})
    done = hpt("init", *OF_SCRIPT, cwd=team)
    assert tomllib.loads((team / "hpt.toml").read_text())["hpt"] == f"vendor/{WHEEL}"
    assert "index" not in done.err
    assert hpt("init", "--check", cwd=team).out == "all fits\n"


def test_a_wheel_that_git_ignores_is_reported(dist_info: Path, team: Path) -> None:
    git(team, "init", "-q")
    (team / ".gitignore").write_text("*.whl\n")
    write_note(dist_info, {"url": (team / "vendor" / WHEEL).as_uri(), "archive_info": {}})
    assert f"git add --force vendor/{WHEEL}" in hpt("init", *OF_SCRIPT, cwd=team).err


def test_a_wheel_elsewhere_is_pinned_by_its_version_with_a_warning(dist_info: Path, team: Path) -> None:
    (team.parent / WHEEL).write_bytes(b"")
    write_note(dist_info, {"url": (team.parent / WHEEL).as_uri(), "archive_info": {}})
    done = hpt("init", *OF_SCRIPT, cwd=team)
    assert tomllib.loads((team / "hpt.toml").read_text())["hpt"] == f"hpt=={__version__}"
    assert f"--hpt vendor/{WHEEL}" in done.err
    errors = hpt("init", "--check", cwd=team, code=1).err
    assert f"machines look for hpt=={__version__} on an index" in errors
    # Without a note, pip installed it from an index, where machines find it, too.
    (dist_info / "direct_url.json").unlink()
    assert hpt("init", "--check", cwd=team).out == "all fits\n"


@pytest.mark.parametrize(
    ("content", "requirement"),
    [
        (
            {"url": "https://me:pw@git.example.com/hpt", "vcs_info": {"vcs": "git", "commit_id": "12ab"}},
            "hpt @ git+https://git.example.com/hpt@12ab",
        ),
        (
            {"url": "ssh://git@x/hpt", "vcs_info": {"vcs": "git", "commit_id": "12"}, "subdirectory": "py"},
            "hpt @ git+ssh://git@x/hpt@12#subdirectory=py",
        ),
        (
            {"url": "file:///home/me/hpt", "vcs_info": {"vcs": "git", "commit_id": "12ab"}},
            f"hpt=={__version__}",
        ),
        ({"url": f"https://t:pw@x/{WHEEL}", "archive_info": {}}, f"hpt @ https://x/{WHEEL}"),
        ({"url": "file:///src/hpt", "dir_info": {}}, f"hpt=={__version__}"),
        ({}, f"hpt=={__version__}"),
    ],
)
def test_the_requirement_follows_from_pips_note(
    dist_info: Path, tmp_path: Path, content: dict[str, Any], requirement: str
) -> None:
    write_note(dist_info, content)
    assert origin.installed_requirement(tmp_path) == requirement


@pytest.mark.parametrize(
    ("pinned", "requirement", "upgraded"),
    [
        ("hpt==0.0.1", f"hpt=={__version__}", f"hpt=={__version__}"),
        ("hpt[mlflow, gcs] == 0.0.1 ; x", f"hpt=={__version__}", f"hpt[mlflow, gcs] == {__version__} ; x"),
        ("hpt[mlflow]==0.0.1", f"vendor/{WHEEL}", f"vendor/{WHEEL}[mlflow]"),
        ("hpt[mlflow]==0.0.1", "hpt @ git+https://x@1", "hpt[mlflow] @ git+https://x@1"),
        ("vendor/hpt-0.0.1-py3-none-any.whl[mlflow]", f"vendor/{WHEEL}", f"vendor/{WHEEL}[mlflow]"),
        ("vendor/hpt-0.0.1-py3-none-any.whl", f"hpt=={__version__}", "vendor/hpt-0.0.1-py3-none-any.whl"),
        ("hpt @ git+https://x@1", f"hpt=={__version__}", "hpt @ git+https://x@1"),
    ],
)
def test_an_upgrade_keeps_extras_and_the_kind_of_requirement(pinned: str, requirement: str, upgraded: str) -> None:
    assert origin.upgraded(pinned, requirement) == upgraded
    # A second upgrade changes nothing.
    assert origin.upgraded(upgraded, requirement) == upgraded


@pytest.mark.parametrize(
    ("pinned", "error"),
    [
        ("hpt[mlflow]==0.0.1", "machines install hpt[mlflow]==0.0.1"),
        ("hpt[mlflow]>=0.0.1", "pins no version"),
        ("hpt[mlflow]", "pins no version"),
        ("vendor/hpt-0.0.1-py3-none-any.whl[mlflow]", "machines install vendor/hpt-0.0.1"),
        (f"vendor/{WHEEL}[mlflow]", f"there is no vendor/{WHEEL} in"),
        ("hpt @ https://x/hpt-0.0.1.tar.gz", "machines install hpt @ https://x/hpt-0.0.1.tar.gz"),
    ],
)
def test_a_pin_of_another_version_or_of_none_is_reported(own_copy: Path, pinned: str, error: str) -> None:
    toml = own_copy / "hpt.toml"
    toml.write_text(toml.read_text().replace(f"hpt=={__version__}", pinned))
    assert error in hpt("init", "--check", cwd=own_copy, code=1).err


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("\ufeffstore = 'x'\r\n", "\ufeffhpt = \"hpt==2\"\r\nstore = 'x'\r\n"),
        ("hpt = 'hpt==1' # why\r\nstore = 'x'\r\n", f"hpt = \"hpt=={__version__}\" # why\r\nstore = 'x'\r\n"),
        ("[tracking]\nhpt = 'hpt==1'\n", "hpt = \"hpt==2\"\n[tracking]\nhpt = 'hpt==1'\n"),
        ('# [x]\nhpt = "hpt==1"', f'# [x]\nhpt = "hpt=={__version__}"'),
        ("", 'hpt = "hpt==2"\n'),
    ],
)
def test_the_version_is_upgraded_or_added_and_the_rest_of_hpt_toml_stays(before: str, after: str) -> None:
    assert changed(before, Answers(), "hpt==2") == (after, [])


@pytest.mark.parametrize("before", ['"hpt" = "hpt==1"\n', 'hpt = """\nhpt==1"""\n'])
def test_a_version_that_cannot_be_changed_safely_is_left_to_a_person(before: str) -> None:
    text, remarks = changed(before, Answers(requirement="hpt==2"), "hpt==2")
    assert text == before
    assert remarks == ['hpt.toml: write hpt = "hpt==2" yourself: it is not clear where that belongs']
