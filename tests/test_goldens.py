"""What users rely on is as it was: verbs and options, what specs come to, columns, files, exit codes.

Renewed by `GOLDENS=renew python -m pytest tests/test_goldens.py`. Nothing here knows a module of `pipeline/` but its
command line, so that modules may move.
"""

import csv
import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import typer

from pipeline.verbs.app import app
from tests.support.golden import check
from tests.support.in_process import hpt

ROOT = Path(__file__).parent.parent
SPECS = sorted(path.relative_to(ROOT).as_posix() for path in ROOT.glob("specs/**/*.json"))
ARCHITECTURES = ["attention", "bag-of-words", "cnn", "lstm", "lstm-attention", "mdn", "multi-task", "tabular"]
TINY = {
    "data": {
        "path": "visits.csv",
        "date": "day",
        "categorical": ["city", "channel"],
        "numeric": ["size"],
        "target": "value",
    },
    "date-range": [["2024-08-01", "2024-09-01"]],
    "as-of": "2024-09-01",
    "training": {"max-epochs": 1, "epoch-steps": 1},
    "references": False,
}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, quick_lanes: None) -> Path:
    """A folder with a small table."""
    folder = tmp_path_factory.mktemp("place")
    shutil.copy(ROOT / "tests/stores/before-the-house/visits.csv", folder)
    return folder


def write(place: Path, asked: dict[str, Any]) -> str:
    (place / "spec.json").write_text(json.dumps(asked))
    return "spec.json"


# -- the command line


def test_verbs_and_their_options_keep_their_names() -> None:
    command = typer.main.get_command(app)
    lines = []
    for name, verb in sorted(command.commands.items()):
        arguments = [f"<{one.name}>" for one in verb.params if one.param_type_name == "argument"]
        options = sorted(" ".join(one.opts) for one in verb.params if one.param_type_name == "option")
        lines.append(" ".join([name, *arguments, *options, *(["(hidden)"] if verb.hidden else [])]))
    check("verbs.txt", "\n".join(lines))


def test_architectures_keep_their_hyperparameters_and_defaults() -> None:
    check("architectures.txt", hpt("architectures", cwd=ROOT).out)


def test_the_schema_that_editors_use_is_what_hpt_prints() -> None:
    shipped = (ROOT / "pipeline/spec.schema.json").read_text(encoding="utf-8")
    assert shipped == hpt("schema", cwd=ROOT).out


def test_an_unknown_key_is_exit_2(place: Path) -> None:
    spec = write(place, TINY | {"architecture": "cnn", "parametres": {}})
    for verb in ("validate", "plan", "run"):
        assert "parametres" in hpt(verb, spec, cwd=place, code=2).err


@pytest.mark.parametrize(
    "verb",
    [
        "merge",
        "report",
        "results",
        "watch",
        "fetch",
        "export",
        "stop",
        "retry",
        "compare",
        "run --sweep",
        "plan --sweep",
    ],
)
def test_an_unknown_sweep_is_exit_2(place: Path, verb: str) -> None:
    done = hpt(*verb.split(), "20240101-0000-cnn-ffff", cwd=place, code=2)
    assert (done.out, len(done.err.splitlines())) == ("", 1)


# -- what specs come to


@pytest.mark.parametrize("path", SPECS)
def test_a_spec_comes_to_the_same_experiments_and_trials(path: str, tmp_path: Path) -> None:
    check(path.replace(".json", ".txt"), what_comes_of(tmp_path, path))


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_an_architectures_name_comes_to_the_same_sweep(architecture: str, tmp_path: Path) -> None:
    data = '{"source": "flights", "target": ["air_time", "arr_delay"]}' if architecture == "multi-task" else "flights"
    check(f"automatic/{architecture}.txt", what_comes_of(tmp_path, "--architecture", architecture, "--data", data))


def what_comes_of(tmp_path: Path, *asked: str) -> str:
    """What `hpt validate` prints, and the first round: its experiments, and its packs."""
    validated = hpt("validate", *asked, cwd=ROOT).out
    packs = tmp_path / "packs.tsv"
    sweep = hpt("plan", *asked, "--store", tmp_path, "--out", packs, cwd=ROOT).out.strip()
    experiments = (tmp_path / f"sweeps/{sweep}/experiments.csv").read_text()
    return "\n".join([validated, experiments, packs.read_text()])


# -- what a sweep leaves


def test_results_keep_their_columns(place: Path) -> None:
    lines = []
    for architecture in ARCHITECTURES:
        spec = write(place, TINY | {"architecture": architecture, "tune": "nothing"} | more_targets(architecture))
        sweep = hpt("plan", spec, "--store", "columns", cwd=place).out.strip()
        hpt("trial", sweep, "train-e000-d0-s0", "--store", "columns", cwd=place)
        with open(place / f"columns/sweeps/{sweep}/results.csv", newline="") as file:
            header, row = csv.reader(file)
        assert row[header.index("status")] == "complete"
        lines += [architecture, *(f"  {name}" for name in header)]
    check("columns.txt", "\n".join(lines))


def more_targets(architecture: str) -> dict[str, Any]:
    return {"data": TINY["data"] | {"numeric": [], "target": ["value", "size"]}} if architecture == "multi-task" else {}


def test_a_finished_sweep_leaves_the_same_files(place: Path) -> None:
    spec = write(
        place,
        TINY
        | {"architecture": "bag-of-words", "parameters": {"learning_rate": [0.01, 0.1]}, "confirm": {"ranges": 3}}
        | {"training": {"max-epochs": 2, "epoch-steps": 1}, "search": {"early-stopping": {"min-epochs": 1}}},
    )
    hpt("run", spec, "--store", "files", "--lanes", 1, cwd=place)
    files = {path.relative_to(place / "files").as_posix() for path in (place / "files").rglob("*") if path.is_file()}
    check("files.txt", "\n".join(sorted({pattern(file) for file in files})))


def pattern(file: str) -> str:
    """A file's name without what differs from sweep to sweep."""
    for found, what in (
        (r"\d{8}T\d{6}Z-[0-9a-f]{8}", "<attempt>"),
        (r"\d{8}-\d{4}-[a-z-]+-[0-9a-f]{4}", "<sweep>"),
        (r"tfevents\..*\.<attempt>", "tfevents.<time>.<host>.<process>.<attempt>"),
        (r"-[0-9a-f]{12}/", "-<data>/"),
        (r"rows/[0-9a-f]{32}", "rows/<hash>"),
        (r"(screen|confirm)-e\d+-d\d+-s\d+", r"\1-<trial>"),
        (r"-d\d+-s\d+/\d+/e\d+", "-<range>-<seed>/<epoch>/<experiment>"),
        (r"e00[12]", "<winner>"),
    ):
        file = re.sub(found, what, file)
    return file
