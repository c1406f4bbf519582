"""Paths and addresses as people write them. None ever becomes a folder called `~` or `gs:`."""

import codecs
from pathlib import Path

import pytest

from pipeline import places
from pipeline.data.source import FilesSource
from pipeline.errors import UserError
from pipeline.spec import project
from pipeline.store import open_store
from pipeline.store.address import model_address
from tests.support.in_process import hpt


@pytest.mark.parametrize(
    "written",
    ["gs://b/x", "gs:/b/x", "gs:///b/x", "GS://b/x", "Gs:/b/x", "gs:b/x", " gs://b/x\n", str(Path("gs://b/x"))],
)
def test_every_spelling_of_a_bucket_is_understood(written):
    assert places.canonical(written) == "gs://b/x"


@pytest.mark.parametrize("written", ["store", "/a/b", "./gs", "C:/store", "a:b", "a b"])
def test_a_path_stays_as_it_is(written):
    assert places.canonical(written) == written


@pytest.mark.parametrize(
    ("place", "is_relative"),
    [("store", True), (" ./a ", True), ("/a", False), ("~/a", False), ("gs:/b", False), ("S3://b", False)],
)
def test_only_a_path_without_a_start_is_relative(place, is_relative):
    assert places.is_relative(place) is is_relative


@pytest.mark.parametrize("written", ["s3://b/x", "s3:/b/x", "https:/x.org/y", "hdfs:///x", "FILE:/x"])
def test_other_schemes_are_no_store_and_no_folder(written, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="is no store"):
        open_store(written)
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_home_folder_is_an_error(monkeypatch):
    with pytest.raises(UserError, match="no home folder is known"):
        places.local("~nobody-of-this-name/store")
    monkeypatch.setenv("HOME", "/home/me")
    assert places.local("~/store") == "/home/me/store"
    assert open_store("~/store").root == "/home/me/store"


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("store", "{folder}/store"),
        ("./a/../store", "{folder}/a/../store"),
        ("/abs", "/abs"),
        ("~/store", "~/store"),
        ("gs://bucket/x", "gs://bucket/x"),
        ("gs:/bucket/x", "gs://bucket/x"),
        ("GS://bucket/x", "gs://bucket/x"),
    ],
)
def test_a_store_in_hpt_toml_is_relative_to_that_file_and_data_stay_as_written(tmp_path, written, meant):
    (tmp_path / "hpt.toml").write_text(
        f'store = "{written}"\n[data]\npath = "{written}/*.csv"\ndate = "d"\nnumeric = "x"\ntarget = "y"\n'
    )
    below = tmp_path / "below"
    below.mkdir()
    loaded = project.load(below)
    assert isinstance(loaded.data, FilesSource)
    assert (loaded.store, loaded.data.path) == (meant.format(folder=tmp_path), places.canonical(f"{written}/*.csv"))


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("mlruns", "{folder}/mlruns"),
        ("/abs", "/abs"),
        ("http://mlflow:5000", "http://mlflow:5000"),
        ("sqlite:////abs/mlflow.db", "sqlite:////abs/mlflow.db"),
        ("file:/abs/mlruns", "file:/abs/mlruns"),
        ("databricks", "databricks"),
        ("databricks://profile", "databricks://profile"),
    ],
)
def test_a_folder_for_mlflow_is_relative_to_hpt_toml_and_an_address_is_left_alone(tmp_path, written, meant):
    (tmp_path / "hpt.toml").write_text(f'[tracking]\nmlflow = "{written}"\n')
    tracking = project.load(tmp_path).tracking
    assert tracking is not None
    assert (tracking.mlflow, tracking.experiment) == (meant.format(folder=tmp_path), None)


@pytest.mark.parametrize("bom", [b"", codecs.BOM_UTF8])
def test_hpt_toml_may_begin_as_editors_of_windows_write_it(tmp_path, bom):
    (tmp_path / "hpt.toml").write_bytes(bom + b'store = "/abs"\r\n')
    assert project.load(tmp_path).store == "/abs"


def test_the_environment_and_the_option_accept_every_spelling_of_a_bucket(monkeypatch):
    monkeypatch.setenv("HPT_STORE", " gs:/b/x ")
    assert project.store_root(None) == "gs://b/x"
    assert project.store_root("GS://c") == "gs://c"
    assert model_address(str(Path("gs://b/model"))) == "gs://b/model"


@pytest.mark.parametrize("place", ["gs://b/x.csv", "~nobody-of-this-name/x.csv"])
def test_no_file_is_written_to_a_folder_of_such_a_name(tmp_path, place):
    store = next((Path(__file__).parent / "stores").rglob("sweeps")).parent
    message = hpt("results", "latest", "--store", store, "--export", place, cwd=tmp_path, code=2).err
    assert "no place on this machine" in message or "no home folder" in message
    assert list(tmp_path.iterdir()) == []
