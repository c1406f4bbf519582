"""Decisions when a sweep is made: by the spec, its trainer and the day."""

import json
import sys
from pathlib import Path

import pytest

from pipeline.errors import UserError
from tests.support.simulation import ADAPTIVE, FILES
from tests.support.sweeps import define


def test_a_trainer_is_asked_for_its_hyperparameters_once(tmp_path: Path) -> None:
    schema = {"properties": {"lr": {"type": "number", "default": 0.1, "minimum": 0.001, "maximum": 1}}}
    program, calls = tmp_path / "describe.py", tmp_path / "calls"
    program.write_text(
        f"with open({str(calls)!r}, 'a') as file:\n    file.write('once ')\nprint({json.dumps(schema)!r})\n"
    )
    definition = define(
        {
            "command": ["train", "--lr", "{lr}"],
            "describe": [sys.executable, str(program)],
            "tune": "automatic",
            "data": FILES,
        }
    )
    assert definition.incumbent == {"lr": 0.1}
    assert calls.read_text() == "once "


def test_a_grid_too_large_to_be_counted_needs_a_number() -> None:
    sizes = list(range(1, 400))
    grid = ADAPTIVE | {
        "parameters": {"hidden_size": sizes, "embedding_size": sizes, "learning_rate": [0.1, 0.01]},
        "constraints": [["hidden_size", "<=", "embedding_size"]],
    }
    with pytest.raises(UserError, match=r"^search\.experiments: the grid is too large to count"):
        define(grid | {"search": {"strategy": "grid"}})
    assert define(grid | {"search": {"strategy": "grid", "experiments": 9}}).phases[0].experiments == 9


def test_a_range_too_short_to_judge_is_one_line_in_short_mode_too() -> None:
    short = ADAPTIVE | {"mode": "short", "date-range": [["2024-01-01", "2024-01-05"]], "confirm": {}}
    with pytest.raises(UserError, match=r"^date-range: .* leave none to train on$"):
        define(short)
