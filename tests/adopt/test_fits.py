"""`hpt init --check` finds files that do not fit, and changes nothing."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.in_process import hpt


def replace(folder: Path, path: str, before: str, after: str) -> None:
    text = (folder / path).read_text()
    assert before in text
    (folder / path).write_text(text.replace(before, after))


@pytest.mark.parametrize(
    ("path", "before", "after", "line"),
    [
        ("hpt.toml", "hpt = ", "store2 = ", "store2"),
        ("hpt.toml", "hpt==", "hpt>=", "pins no version"),
        ("hpt.toml", "hpt==", "wheels/hpt-9.", "machines install wheels/hpt-"),
        ("specs/first.json", '"tune"', '"tnue"', 'did you mean "tune"?'),
        ("specs/first.json", "{lr}", "{rate}", "rate"),
        ("Jenkinsfile", "hptSweep()", "build()", "neither calls hptSweep()"),
        ("jobs/sweep.yaml", "name: LANES", "name: LANE", "lacks the parameters LANES"),
    ],
)
def test_a_misfit_is_a_line_and_exit_1(own_copy: Path, path: str, before: str, after: str, line: str) -> None:
    replace(own_copy, path, before, after)
    text = (own_copy / path).read_text()
    errors = hpt("init", "--check", cwd=own_copy, code=1).err
    assert line in errors
    assert path in errors
    assert (own_copy / path).read_text() == text


def test_in_a_subfolder_it_names_the_folder_of_hpt_toml(adopted: Path) -> None:
    assert f"a folder of {adopted}" in hpt("init", "--check", cwd=adopted / "data", code=2).err


@pytest.mark.parametrize("path", ["hpt.toml", "Jenkinsfile", "specs/first.json"])
def test_a_missing_file_is_reported(own_copy: Path, path: str) -> None:
    (own_copy / path).unlink()
    errors = hpt("init", "--check", cwd=own_copy, code=1).err
    assert path.split("/")[0] in errors
    assert "`hpt init` writes" in errors


def test_a_pipeline_of_another_protocol_does_not_fit(own_copy: Path) -> None:
    (own_copy / "Jenkinsfile").unlink()
    hpt("init", "--standalone", cwd=own_copy)
    hpt("init", "--check", cwd=own_copy)
    replace(own_copy, "Jenkinsfile", "settings.protocol != '", "settings.protocol != '9")
    assert "speaks protocol 9" in hpt("init", "--check", cwd=own_copy, code=1).err


def test_a_function_that_changed_no_longer_fits_its_spec(own_copy: Path) -> None:
    model = (
        "from pydantic import BaseModel\n\n\nclass S(BaseModel):\n    depth: int = 4\n\n\ndef train(s: S, run): ...\n"
    )
    (own_copy / "changing.py").write_text(model)
    spec = {"trainer": "changing:train", "parameters": {"depth": [2, 4]}}
    (own_copy / "specs/changing.json").write_text(json.dumps(spec))
    check = [sys.executable, "-m", "pipeline.cli", "init", "--check"]
    assert hpt("init", "--check", cwd=own_copy).out == "all fits\n"
    (own_copy / "changing.py").write_text(model.replace("depth", "levels"))
    # In another process: a trainer is asked only once per process.
    done = subprocess.run(check, cwd=own_copy, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "specs/changing.json: parameters.depth" in done.stderr


def test_paths_of_this_checkout_do_not_fit(own_copy: Path) -> None:
    replace(own_copy, "hpt.toml", '"data/rows.csv"', f'"{own_copy}/data/rows.csv"')
    replace(own_copy, "specs/first.json", '"train.py"', f'"{own_copy}/train.py"')
    errors = hpt("init", "--check", cwd=own_copy, code=1).err
    assert (
        f"hpt.toml: data.path: {own_copy}/data/rows.csv is a path of this checkout alone: write data/rows.csv" in errors
    )
    assert "specs/first.json: command: " in errors
    assert "write train.py" in errors


def test_paths_that_leave_the_repository_are_only_a_warning(own_copy: Path, tmp_path: Path) -> None:
    (own_copy / "data/rows.csv").rename(tmp_path / "rows.csv")
    replace(own_copy, "hpt.toml", '"data/rows.csv"', f'"{tmp_path}/rows.csv"')
    replace(own_copy, "specs/first.json", '"data/rows.csv"', '"../rows.csv"')
    replace(own_copy, "specs/first.json", '"{python}"', '"/usr/bin/env", "{python}"')
    done = hpt("init", "--check", cwd=own_copy)
    assert done.out == "all fits\n"
    assert f"warning: hpt.toml: data.path: {tmp_path}/rows.csv lies outside of the repository" in done.err
    assert "warning: specs/first.json: command: ../rows.csv lies outside" in done.err
    assert "/usr/bin/env" not in done.err


OF_OTHERS = {
    "api/openapi.json": '{"openapi": "3.1.0", "data": {}, "parameters": {}}',
    "list.json": "[1, 2]",
    "settings.json": '{"editor": 1} // with a comment',
}


def test_json_of_other_tools_is_no_spec(own_copy: Path) -> None:
    for name, text in OF_OTHERS.items():
        (own_copy / "specs" / name).parent.mkdir(exist_ok=True)
        (own_copy / "specs" / name).write_text(text)
    assert hpt("init", "--check", cwd=own_copy).out == "all fits\n"
    (own_copy / "specs/first.json").unlink()
    assert "holds no spec" in hpt("init", "--check", cwd=own_copy, code=1).err


@pytest.mark.parametrize("text", ['{"architecture": "cnn",}', '{"Tune": "automatic"}', b"\xff\xfe"])
def test_a_broken_spec_counts_as_a_spec(own_copy: Path, text: str | bytes) -> None:
    (own_copy / "specs/broken.json").write_bytes(text if isinstance(text, bytes) else text.encode())
    assert "specs/broken.json" in hpt("init", "--check", cwd=own_copy, code=1).err


def test_jenkins_job_builder_makes_the_jobs(adopted: Path, tmp_path: Path) -> None:
    builder = Path(sys.executable).with_name("jenkins-jobs")
    command = [str(builder), "test", "--recursive", str(adopted / "jobs"), "--config-xml", "-o", str(tmp_path)]
    subprocess.run(command, check=True, capture_output=True)
    jobs = {path.parent.name: path.read_text() for path in tmp_path.rglob("config.xml")}
    assert set(jobs) == {adopted.name, "sweep", "nightly-first"}
    assert "specs/first.json" in jobs["sweep"]
    assert "specs/first.json" in jobs["nightly-first"]
