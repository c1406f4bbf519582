"""Follows docs/your-own-trainer.md as a reader would: writes every file and runs every command, in their order."""

import json
import re
from pathlib import Path

import pytest

from tests.support.docs import blocks, read
from tests.support.linters import lint
from tests.training.own.conftest import ROOT, Team

DOCS = ROOT / "docs/your-own-trainer.md"


BLOCKS = blocks(read(DOCS))
FILES = {block.file: block.text for block in BLOCKS if block.file}
COMMANDS = [block for block in BLOCKS if not block.file and block.language == "sh"]


def masked(line: str) -> str:
    """The line without numbers and units of time, which depend on the machine."""
    return re.sub(r"\d+(\.\d+)?( (s|min|h)\b)?", "N", line)


@pytest.mark.parametrize("file", [file for file in FILES if (ROOT / file).exists()])
def test_a_file_that_is_shown_is_the_file_that_ships(file: str) -> None:
    assert FILES[file] == (ROOT / file).read_text()


def test_every_command_runs_and_prints_what_the_page_says(team: Team) -> None:
    for file, text in FILES.items():
        (team.folder / file).write_text(text)
    # The page does not show this spec's result, so that fewer settings suffice.
    forest = team.folder / "specs/examples/forest.json"
    forest.write_text(
        json.dumps(json.loads(forest.read_text()) | {"parameters": {"max_depth": [4, 8]}, "confirm": {"ranges": 0}})
    )
    printed = ""
    commands_run = 0
    for block in BLOCKS:
        if block in COMMANDS:
            done = team.run("bash", "-euo", "pipefail", "-c", block.text)
            printed = done.stdout + done.stderr
            commands_run += 1
        elif block.language == "text":
            lines = {masked(line) for line in printed.splitlines()}
            assert {masked(line) for line in block.text.splitlines()} <= lines, printed
    assert commands_run == len(COMMANDS) >= 5
    assert (team.folder / "best-model/net.pt").stat().st_size > 0
    assert json.loads((team.folder / "exported/spec.json").read_text())["tune"] == "nothing"


def test_the_metrics_that_are_shown_can_be_read(team: Team) -> None:
    (team.folder / "metrics.jsonl").write_text(FILES["metrics.jsonl"])
    spec = {
        "command": ["sh", "-c", 'cat metrics.jsonl >> "$HPT_METRICS"; touch "$HPT_FOLDER/net.pt"; : {size}'],
        "hyperparameters": {"size": 1},
        "tune": "nothing",
        "date-range": [["2024-07-01", "2024-09-01"]],
    }
    (team.folder / "shown.json").write_text(json.dumps(spec))
    sweep = team.sweep(team.hpt("run", "shown.json").out.splitlines()[0])
    (row,) = team.rows(sweep).values()
    assert (row["mse_test"], row["accuracy"], row["epochs"]) == (0.29, 0.82, 2)
    assert row["model_url"].endswith("net.pt")


def test_every_variable_and_placeholder_is_in_the_table() -> None:
    from pipeline.training.own import placeholders

    text = DOCS.read_text()
    for name in placeholders.NAMES:
        assert f"`{{{name}}}`" in text
    assert {"HPT_DATA", "HPT_SEED", "HPT_PYTHON"} <= set(re.findall(r"`(HPT_\w+)`", text))


def test_the_image_that_is_shown_has_no_mistake(tmp_path: Path) -> None:
    (dockerfile,) = [block.text for block in BLOCKS if block.language == "dockerfile"]
    (tmp_path / "Dockerfile").write_text(dockerfile)
    lint("hadolint", tmp_path / "Dockerfile")
