"""The description and the archive that a build publishes."""

import re
import shutil
import zipfile
from pathlib import Path

from pipeline.jenkins.publish import description, publish
from pipeline.store import open_store
from pipeline.sweep import Sweep
from tests.test_old_stores import FINISHED, copy_to


def test_a_description_is_the_answer_and_ends_in_the_ids_of_the_sweeps() -> None:
    assert description("best: x=1", ["20260614-a"]) == "best: x=1.\nSweep: 20260614-a\n"
    of_two = description("a is ahead of b.", ["20260614-a", "20260614-b"])
    assert of_two == "a is ahead of b.\nSweeps: 20260614-a 20260614-b\n"


def test_a_description_contains_no_markup() -> None:
    hostile = description('p < 0.05 & <img src="x" onerror="f()"> it\'s &lt;b&gt;', ["s"])
    assert not re.search("[<>&]", hostile)
    assert hostile == 'p ‹ 0.05 & ‹img src="x" onerror="f()"› it\'s &lt;b&gt;.\nSweep: s\n'.replace("&", "\uff06")


def test_table_and_report_are_in_one_archive(tmp_path: Path) -> None:
    store = copy_to(tmp_path) / "hpt-store"
    publish([Sweep(open_store(str(store)), FINISHED)], tmp_path / "summary")
    published = tmp_path / "summary"
    shutil.unpack_archive(published / "summary.zip", tmp_path / "unpacked")
    below = {path.relative_to(published).as_posix() for path in published.rglob("*") if path.is_file()}
    assert set(zipfile.ZipFile(published / "summary.zip").namelist()) == {
        name for name in below if name == "results.csv" or name.startswith("report/")
    }
    assert (tmp_path / "unpacked/results.csv").read_bytes() == (published / "results.csv").read_bytes()
