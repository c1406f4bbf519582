"""The origin of a row: the commit of the code that trained it."""

from pathlib import Path

import pytest

from pipeline import provenance
from tests.support.git import commit_all


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The commit of a team's own repository, which is the current directory."""
    for name in ("HPT_GIT_COMMIT", "HPT_CHECKOUT_COMMIT", "HPT_IMAGE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    Path("train.py").write_text("1")
    return commit_all(tmp_path)


def test_the_commit_of_a_teams_code_is_that_of_the_current_directory(checkout: str) -> None:
    assert provenance.checkout_commit() == checkout
    assert provenance.git_commit() != checkout


def test_a_plus_marks_files_that_differ_from_the_commit(checkout: str) -> None:
    Path("train.py").write_text("2")
    assert provenance.checkout_commit() == f"{checkout}+"


def test_a_build_names_the_commit_where_there_is_no_repository(
    checkout: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HPT_GIT_COMMIT", "of-the-build")
    assert provenance.checkout_commit() == provenance.git_commit() == "of-the-build"


def test_in_a_container_the_commit_of_the_image_is_not_that_of_the_teams_code(
    checkout: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HPT_IMAGE", "trainer:1")
    monkeypatch.setenv("HPT_GIT_COMMIT", "of-the-image")
    monkeypatch.setenv("HPT_CHECKOUT_COMMIT", "of-the-build")
    assert provenance.checkout_commit() == "of-the-build"
    monkeypatch.setenv("HPT_CHECKOUT_COMMIT", "")
    assert provenance.checkout_commit() == checkout
    assert provenance.git_commit() == "of-the-image"
