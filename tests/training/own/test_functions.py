"""A team's own Python function: its arguments, its results, its errors."""

from pathlib import Path

import pytest

from pipeline.data.source import FilesSource
from pipeline.training.own.code import Own


def test_a_function_gets_its_hyperparameters_and_the_run(bench):
    bench.data = FilesSource(path="x.csv", date="day", numeric=("n",), target=("t",))
    result = bench.function("""
import numpy
def train(hyperparameters, run):
    print(hyperparameters, run.train.start, run.test.end, run.seed, run.max_epochs, run.data["path"], run.trial)
    for epoch in range(1, run.max_epochs + 1):
        if not run.report(epoch, mse_valid=numpy.float32(0.5), kind="x"):
            break
    run.model = run.folder / "m.txt"
    run.model.write_text("hello")
    return {"mse_test": numpy.array(0.25)}
""")
    assert (result.status, result.epochs, result.model) == ("complete", 5, "m.txt")
    assert result.metrics == {"mse_valid": 0.5, "mse_test": 0.25}
    assert "{'lr': 0.1, 'kind': 'a b', 'wide': True} 2024-01-01 2024-04-01 7 5 x.csv screen-e003-d0-s0" in bench.lines


def test_a_function_may_take_a_pydantic_model(bench):
    result = bench.function("""
from __future__ import annotations
from pydantic import BaseModel
class Settings(BaseModel):
    lr: float = 1
    kind: str = ""
    wide: bool = False
def train(settings: Settings, run):
    return {"mse_valid": settings.lr, "mse_test": len(settings.kind)}
""")
    assert result.metrics == {"mse_valid": 0.1, "mse_test": 3}


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("def train(h, run): raise ValueError('no rows')", "ended with exit status 1: ValueError: no rows"),
        ("import nowhere", "ended with exit status 1: ModuleNotFoundError: No module named 'nowhere'"),
        ("def other(): pass", "AttributeError: module 'mine' has no attribute 'train'"),
        ("train = 3", "TypeError: mine:train is no function"),
        ("def train(h, run): return 3", "TypeError: mine:train should return its metrics as a dict, or None, not int"),
        ("import os\ndef train(h, run): os._exit(5)", "ended with exit status 5"),
        ("import os\ndef train(h, run): os.abort()", "killed by SIGABRT"),
        (
            "def train(h, run): pass",
            'it reported no mse_valid, by which settings are compared: return {"mse_valid": …}',
        ),
    ],
)
def test_an_error_in_a_function_is_quoted(bench, code, error):
    result = bench.function(code)
    assert result.status == "failed"
    assert error in str(result.error)


def test_a_memory_error_in_a_function_is_out_of_memory(bench):
    assert bench.function("def train(h, run): raise MemoryError").status == "out-of-memory"


def test_a_function_learns_that_it_should_stop(bench):
    bench.stop_after = 2
    result = bench.function("""
import time
def train(h, run):
    epoch = 1
    while run.report(epoch, mse_valid=1 / epoch) and not run.should_stop:
        epoch += 1
        time.sleep(0.05)
    return {"mse_test": 1}
""")
    assert result.status == "stopped"
    assert result.metrics["mse_test"] == 1


def test_a_folder_called_pipeline_may_hold_the_function(bench):
    Path("pipeline").mkdir()
    Path("pipeline/__init__.py").write_text("")
    Path("pipeline/mine.py").write_text("def train(h, run): return {'mse_valid': 1, 'mse_test': 1}")
    assert bench.train(Own(trainer="pipeline.mine:train", hyperparameters={})).status == "complete"


def test_an_entry_point_is_found_by_its_name(bench):
    bench.function("class T:\n    def train(h, run): return {'mse_valid': 1, 'mse_test': 1}")
    Path("mine-1.0.dist-info").mkdir()
    Path("mine-1.0.dist-info/METADATA").write_text("Metadata-Version: 2.1\nName: mine\nVersion: 1.0\n")
    Path("mine-1.0.dist-info/entry_points.txt").write_text("[hpt.trainers]\nours = mine:T.train\n")
    assert bench.train(Own(trainer="ours", hyperparameters={})).status == "complete"
    assert 'no package here has an entry point "theirs"' in str(
        bench.train(Own(trainer="theirs", hyperparameters={})).error
    )
