"""`pipeline.load_model`: every address of a model, and errors of one line."""

import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import pipeline
from pipeline.errors import InfrastructureError, UserError
from pipeline.plan import rounds
from pipeline.results import Row
from pipeline.store import Store, open_store
from pipeline.sweep import Sweep, Trial, trials_of
from pipeline.training import model
from pipeline.trials import pack
from tests.support.sweeps import define

FRAME = pd.DataFrame({"place": ["place1", "nowhere", None], "size": [0.5, -1.0, np.nan]})


@pytest.fixture(params=["directory", "bucket", "bucket with a prefix"])
def model_store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    if request.param == "directory":
        return open_store(str(tmp_path / "a store, 100% ours"))
    name = request.getfixturevalue("bucket")
    return open_store(f"gs://{name}/some where/50% #1" if request.param.endswith("prefix") else f"gs://{name}")


@pytest.fixture
def trained(model_store: Store, tiny_spec: dict) -> tuple[Sweep, Row]:
    """A sweep with one finished trial, and its row."""
    sweep = Sweep.create(model_store, define(tiny_spec))
    first = next(trials_of(rounds.plan_packs(sweep)))
    pack.run_pack(sweep, "p", [first], pack.Workbench(), on_event=lambda event: None)
    row = sweep.row(first)
    assert row is not None
    return sweep, row


def test_a_model_url_is_the_model_that_the_trial_trained(trained: tuple[Sweep, Row], tmp_path: Path) -> None:
    sweep, row = trained
    for name in ("model.pt", "model.json"):
        sweep.store.download(
            sweep.attempt_key(Trial.parse(row["trial"]), row["attempt"], name), tmp_path / "copy" / name
        )
    expected = model.load(tmp_path / "copy").predict(FRAME)
    loaded = pipeline.load_model(row["model_url"])
    assert loaded.predict(FRAME).equals(expected)
    assert loaded.hyperparameters["learning_rate"] == row["learning_rate"]


def test_a_model_is_found_by_every_spelling_of_its_address(trained: tuple[Sweep, Row]) -> None:
    sweep, row = trained
    key = sweep.attempt_key(Trial.parse(row["trial"]), row["attempt"])
    url: str = row["model_url"]
    if url.startswith("https://"):
        folder = f"{sweep.store.root}/{key}"
        others = [url.replace("cloud.google.com", "googleapis.com")]
    else:
        folder = url.removesuffix("model.pt")
        others = [Path(url), Path(url).parent, Path(url).as_uri(), Path(url).parent.as_uri() + "/"]
    expected = pipeline.load_model(url).predict(FRAME)
    for other in (folder, folder.rstrip("/"), f"{folder}model.pt", f"{folder}model.json", *others):
        assert pipeline.load_model(other).predict(FRAME).equals(expected), other


def test_a_missing_or_damaged_model_is_an_error_of_one_line(model_store: Store, trained: tuple[Sweep, Row]) -> None:
    sweep, row = trained
    url: str = row["model_url"]
    link = sweep.store.link
    key = sweep.attempt_key(Trial.parse(row["trial"]), row["attempt"], "model.json")

    def error_of(address: str) -> str:
        with pytest.raises(UserError) as caught:
            pipeline.load_model(address)
        line = str(caught.value)
        assert "\n" not in line
        # The temporary folder of the download helps nobody.
        assert "hpt-model-" not in line
        return line

    assert "holds no model: give a model_url, or a folder" in error_of(link(sweep.key("trials")))
    assert "holds no model" in error_of(link(sweep.key("nothing/here/model.pt")))
    whole = model_store.read(key)
    model_store.write(key, whole[:100])
    assert "model.json is not JSON" in error_of(url)
    model_store.write(key, whole.replace(b'"encoder"', b'"decoder"'))
    assert "model.json does not describe a model" in error_of(url)
    model_store.write(key, whole)
    model_store.write(key.replace(".json", ".pt"), b"nonsense")
    assert "model.pt does not hold weights, or was damaged" in error_of(url)
    model_store.delete(key.replace(".json", ".pt"))
    assert "there is no model.pt in" in error_of(url)


@pytest.mark.parametrize(
    ("name", "other_files"),
    [
        ("forest.joblib", {}),
        ("model.pt", {}),
        ("model.pt", {"model.json": b'{"learner": "theirs"}'}),
        ("model.pt", {"model.json": b'{"made-with": 3}'}),
        ("model.json", {}),
        ("weights/part 1.bin", {}),
    ],
)
def test_a_model_of_a_teams_trainer_is_an_error_that_says_how_to_load_it(
    model_store: Store, name: str, other_files: dict
) -> None:
    for file, content in {name: b'{"learner": "theirs"}', **other_files}.items():
        model_store.write(f"a/{file}", content)
    url = model_store.link(f"a/{name}")
    with pytest.raises(UserError, match="was made by a trainer of your own: load the file itself") as caught:
        pipeline.load_model(url)
    if url.startswith("https://"):
        assert str(caught.value).endswith(
            f"; fetch it: gcloud storage cp {shlex.quote(f'{model_store.root}/a/{name}')} ."
        )


def test_an_unreadable_file_is_an_error_of_one_line(tmp_path: Path) -> None:
    (tmp_path / "model.json").mkdir()
    with pytest.raises(UserError, match=r"model\.json cannot be read: Is a directory"):
        pipeline.load_model(tmp_path)


@pytest.mark.parametrize("url", ["s3://bucket/model.pt", "https://example.org/model.pt", "ftp://x/y", "file://host/x"])
def test_an_address_that_cannot_hold_models_is_an_error_of_one_line(url: str) -> None:
    with pytest.raises(UserError, match=r"is no place for a model: give a model_url, a folder or gs://bucket/folder$"):
        pipeline.load_model(url)


def test_a_missing_bucket_and_a_missing_model_are_different_errors(gcs_url: str, bucket: str) -> None:
    with pytest.raises(InfrastructureError, match="no such bucket"):
        pipeline.load_model("gs://no-such-bucket-here/models/a")
    with pytest.raises(UserError, match="holds no model"):
        pipeline.load_model(f"gs://{bucket}")


def test_importing_the_package_imports_nothing_heavy() -> None:
    code = (
        "import sys, pipeline; pipeline.load_model\n"
        "print([m for m in ('torch', 'pandas', 'numpy', 'google.cloud.storage', 'pydantic') if m in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert result.stdout == "[]\n"
