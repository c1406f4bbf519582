"""The Python of docs/models.md is run as it stands there, the last block where this project is not."""

import io
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import pipeline
from pipeline.data.dataset import Dataset, Part
from pipeline.data.encoder import Encoder
from pipeline.data.raw import Columns, Target
from pipeline.training import loop, model, portable
from tests.support import ROOT

DOCS = ROOT / "docs/models.md"
BLOCKS = re.findall(r"^```python\n(.*?)^```", DOCS.read_text(), flags=re.MULTILINE | re.DOTALL)
MINUTES = (Target("minutes", "log"), Target("delay"), Target("odd", "asinh"))


def raw(rows: int, seed: int) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "note": random.choice(["Late again!", "on time", "", "fog and snow, late", "été 5"], rows),
            "remark": random.choice(["late", None], rows),
            "carrier": random.choice(["UA", "DL", "B6", None], rows),
            "gate": random.choice([1.0, 2.0, 2.5, np.nan], rows),
            "distance": np.where(random.random(rows) < 0.1, np.nan, random.uniform(100, 3000, rows)),
        }
    )
    known = frame["distance"].fillna(1000)
    return frame.assign(minutes=known / 8 + 20, delay=random.normal(5, 20, rows), odd=random.normal(size=rows))


@pytest.fixture(
    params=[
        Columns(MINUTES, ("note", "remark"), ("carrier", "gate"), ("distance",)),
        Columns(MINUTES[:1], ("note",), (), ()),
        Columns(MINUTES[1:2], (), (), ("distance",)),
    ],
    ids=["words, categories and numbers", "words", "numbers"],
)
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """What the page takes for granted: an exported model, and new rows, some with what training never saw."""
    train, *others = (raw(rows, seed) for seed, rows in enumerate((200, 40, 40)))
    encoder = Encoder.fit(train, request.param)
    parts = [Part(*encoder.encode(frame), encoder.targets(frame)) for frame in (train, *others)]
    dataset = Dataset(encoder.inputs, *parts, encoder.target_names, encoder, "raw")
    outcome = loop.train("bag-of-words", {}, dataset, seed=3, max_epochs=2)
    exported = tmp_path / "exported"
    made = {"architecture": "bag-of-words", "hyperparameters": {}, "inputs": encoder.inputs, "encoder": encoder}
    model.save(exported, outcome.network, **made)
    portable.export(model.load(exported), exported / portable.PROGRAM)
    new = raw(20, seed=9).drop(columns=["minutes", "delay", "odd"])
    new.loc[0, ["carrier", "gate", "note"]] = ["ZZ", 7.0, "never seen " * 300]
    new.to_csv(tmp_path / "new-rows.csv", index=False)
    return tmp_path


def run(code: str, folder: Path) -> str:
    result = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_the_documented_loading_prints_the_predictions(folder: Path) -> None:
    predicted = pipeline.load_model(folder / "exported").predict(pd.read_csv(folder / "new-rows.csv"))
    printed = pd.read_csv(io.StringIO(run(BLOCKS[0], folder)), sep=r"\s+")
    # Of another process, whose kernels may use other numbers of threads.
    pd.testing.assert_frame_equal(printed, predicted, rtol=1e-4, atol=1e-4)


def test_the_documented_way_without_this_project_predicts_the_same(folder: Path) -> None:
    assert len(BLOCKS) == 2
    expected = pipeline.load_model(folder / "exported").predict(pd.read_csv(folder / "new-rows.csv"))
    lines = run("import sys; sys.modules['pipeline'] = None\n" + BLOCKS[1], folder).splitlines()
    found = [line.split() for line in lines]
    assert [name for name, _ in found] == list(expected.columns) * len(expected)
    values = np.array([float(value) for _, value in found]).reshape(expected.shape)
    np.testing.assert_allclose(values, expected.to_numpy(), rtol=1e-4, atol=1e-4)
