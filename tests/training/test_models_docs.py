"""Runs the Python of docs/models.md unchanged, the last block without this project."""

import io
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
from tests.support.docs import blocks, read

DOCS = ROOT / "docs/models.md"
BLOCKS = [block.text for block in blocks(read(DOCS)) if block.language == "python"]
MINUTES = (Target("minutes", "log"), Target("delay"), Target("odd", "asinh"))
COLUMNS = {
    "words, categories and numbers": Columns(MINUTES, ("note", "remark"), ("carrier", "gate"), ("distance",)),
    "words": Columns(MINUTES[:1], ("note",), (), ()),
    "numbers": Columns(MINUTES[1:2], (), (), ("distance",)),
    "dates": Columns(MINUTES[1:2], (), (), (), (("time", "month"), ("time", "hour"), ("time", "weekday"))),
    "all": Columns(MINUTES[:1], ("note",), ("carrier",), ("distance",), (("time", "hour"),)),
}

every_kind_of_columns = pytest.mark.parametrize("kind", COLUMNS)


def raw(rows: int, seed: int) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "note": random.choice(["Late again!", "on time", "", "fog and snow, late", "été 5"], rows),
            "remark": random.choice(["late", None], rows),
            "carrier": random.choice(["UA", "DL", "B6", None], rows),
            "gate": random.choice([1.0, 2.0, 2.5, np.nan], rows),
            "time": random.choice(["2013-01-31 05:30", "2013-02-01T23:59:59Z", "2013-06-08", None], rows),
            "distance": np.where(random.random(rows) < 0.1, np.nan, random.uniform(100, 3000, rows)),
        }
    )
    distance = frame["distance"].fillna(1000)
    return frame.assign(minutes=distance / 8 + 20, delay=random.normal(5, 20, rows), odd=random.normal(size=rows))


def export(columns: Columns, folder: Path) -> None:
    """Makes the files that the page assumes: an exported model, and new rows, some with unseen values."""
    train, *others = (raw(rows, seed) for seed, rows in enumerate((200, 40, 40)))
    encoder = Encoder.fit(train, columns)
    parts = [Part(*encoder.encode(frame), encoder.targets(frame)) for frame in (train, *others)]
    dataset = Dataset(encoder.inputs, *parts, encoder.target_names, encoder, "raw")
    outcome = loop.train("bag-of-words", {}, dataset, seed=3, max_epochs=2)
    exported = folder / "exported"
    fields = {"architecture": "bag-of-words", "hyperparameters": {}, "inputs": encoder.inputs, "encoder": encoder}
    model.save(exported, outcome.network, **fields)
    portable.export(model.load(exported), exported / portable.PROGRAM)
    new = raw(20, seed=9).drop(columns=["minutes", "delay", "odd"])
    new.loc[0, ["carrier", "gate", "note"]] = ["ZZ", 7.0, "never seen " * 300]
    new.to_csv(folder / "new-rows.csv", index=False)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A folder for each kind of columns."""
    folders = {kind: tmp_path_factory.mktemp("model") for kind in COLUMNS}
    for kind, folder in folders.items():
        export(COLUMNS[kind], folder)
    return folders


def printed(code: str, folders: dict[str, Path]) -> dict[str, str]:
    """Output of the code in each folder, by kind; in a single process, because importing torch takes seconds."""
    in_each = "import os, sys\nfor folder in sys.argv[2:]:\n  os.chdir(folder); exec(sys.argv[1], {}); print('\\f')"
    command = [sys.executable, "-c", in_each, code, *map(str, folders.values())]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stderr
    return dict(zip(folders, result.stdout.split("\f\n")[:-1], strict=True))


@pytest.fixture(scope="module")
def printed_by_loading(folders: dict[str, Path]) -> dict[str, str]:
    return printed(BLOCKS[0], folders)


@pytest.fixture(scope="module")
def printed_without_this_project(folders: dict[str, Path]) -> dict[str, str]:
    assert len(BLOCKS) == 2
    return printed("import sys; sys.modules['pipeline'] = None\n" + BLOCKS[1], folders)


def predicted(folder: Path) -> pd.DataFrame:
    return pipeline.load_model(folder / "exported").predict(pd.read_csv(folder / "new-rows.csv"))


@every_kind_of_columns
def test_the_documented_loading_prints_the_predictions(
    kind: str, folders: dict[str, Path], printed_by_loading: dict[str, str]
) -> None:
    table = pd.read_csv(io.StringIO(printed_by_loading[kind]), sep=r"\s+")
    # The other process may use another number of threads.
    pd.testing.assert_frame_equal(table, predicted(folders[kind]), rtol=1e-4, atol=1e-4)


@every_kind_of_columns
def test_the_documented_way_without_this_project_predicts_the_same(
    kind: str, folders: dict[str, Path], printed_without_this_project: dict[str, str]
) -> None:
    expected = predicted(folders[kind])
    lines = [line.split() for line in printed_without_this_project[kind].splitlines()]
    assert [name for name, _ in lines] == list(expected.columns) * len(expected)
    values = np.array([float(value) for _, value in lines]).reshape(expected.shape)
    np.testing.assert_allclose(values, expected.to_numpy(), rtol=1e-4, atol=1e-4)
