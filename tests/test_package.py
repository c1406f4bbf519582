"""`hpt` installed from a wheel, without this checkout and beside a team's own package `pipeline`."""

import ast
import importlib
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from pipeline.jenkins.render import rendered
from pipeline.provenance import __version__
from pipeline.trials.reuse import training_code
from setup import renamed
from tests.support import ROOT
from tests.support.git import commit_all
from tests.support.package import Environment

MODEL = next((ROOT / "tests/stores/before-the-house/store/sweeps").glob("*5c5d/trials/confirm-*/attempts/*/model.pt"))

TRAIN = """
from pathlib import Path
from pipeline.parts import EPOCHS


def train(hyperparameters, run):
    for epoch in range(1, EPOCHS + 1):
        mse = (hyperparameters["learning_rate"] - 0.1) ** 2 + 1 / epoch
        run.report(epoch, mse_valid=mse, mse_test=mse)
"""
PROGRAM = """
import json, sys
from pipeline.parts import EPOCHS

rate = float(sys.argv[1]) * 5
with open(sys.argv[2], "a") as out:
    print(json.dumps({"epoch": EPOCHS, "mse_valid": rate, "mse_test": rate}), file=out)
"""

SPEC = {
    "hyperparameters": {"learning_rate": {"default": 0.1}},
    "parameters": {"learning_rate": [0.1, 0.2]},
    "date-range": [["2024-01-01", "2024-03-01"]],
    "confirm": {"ranges": 0},
}


@pytest.fixture
def team(tmp_path: Path) -> Path:
    """A team's repository with a package `pipeline`, like ours."""
    (tmp_path / "pipeline").mkdir()
    for name, text in {"__init__": "", "parts": "EPOCHS = 2\n", "train": TRAIN, "program": PROGRAM}.items():
        (tmp_path / f"pipeline/{name}.py").write_text(text)
    return tmp_path


def test_the_command_prints_its_version(installed: Environment, tmp_path: Path) -> None:
    assert installed.run("hpt", "--version", cwd=tmp_path).stdout == f"hpt {__version__}\n"


def test_all_that_the_code_reads_is_in_the_wheel(installed: Environment, tmp_path: Path) -> None:
    code = ROOT / "pipeline"
    files = {path.relative_to(code) for path in code.rglob("*") if path.is_file() and "__pycache__" not in path.parts}
    installed_code = installed.packages / "hpt"
    assert {path for path in files if not (installed_code / path).is_file()} == set()
    schema = installed.run("hpt", "schema", cwd=tmp_path).stdout
    assert schema == (installed_code / "spec.schema.json").read_text()


def test_no_module_of_the_wheel_imports_pipeline(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        sources = {
            name: archive.read(name).decode()
            for name in archive.namelist()
            if name.endswith(".py") and not name.startswith(("hpt/home/", "hpt/also/"))
        }
    assert len(sources) > 200
    for name, source in sources.items():
        nodes = list(ast.walk(ast.parse(source)))
        imported = [node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)]
        imported += [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
        texts = [node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)]
        assert not [each for each in imported if each.split(".")[0] == "pipeline"], name
        assert not [text for text in texts if text.startswith("pipeline.")], name


@pytest.mark.parametrize(
    ("ours", "wheels"),
    [
        ("from pipeline.errors import UserError", "from hpt.errors import UserError"),
        ("    from pipeline import results", "    from hpt import results"),
        ("import pipeline.cli", "import hpt.cli"),
        ('("-m", "pipeline.local.lane")', '("-m", "hpt.local.lane")'),
        ("pipeline {\n}", "pipeline {\n}"),
        ("self.pipeline.run()", "self.pipeline.run()"),
        ("what the pipeline reads. Then", "what the pipeline reads. Then"),
        ("the pipeline.\nIt", "the pipeline.\nIt"),
        ("def training_code(pipeline: Path)", "def training_code(pipeline: Path)"),
    ],
)
def test_a_wheel_renames_modules_and_nothing_else(ours: str, wheels: str) -> None:
    assert renamed(ours) == wheels


@pytest.mark.parametrize(
    "runs",
    [
        {"trainer": "pipeline.train:train"},
        {"command": ["{python}", "-m", "pipeline.program", "{learning_rate}", "{metrics}"]},
    ],
    ids=lambda runs: next(iter(runs)),
)
def test_a_teams_own_pipeline_folder_trains_under_ours(
    installed: Environment, team: Path, runs: dict[str, Any]
) -> None:
    (team / "spec.json").write_text(json.dumps(SPEC | runs))
    path = {"PYTHONPATH": str(team)}
    sweep = installed.run("hpt", "plan", "spec.json", cwd=team, **path).stdout.strip()
    ran = installed.run("hpt", "trial", sweep, "screen-e000-d0-s0", cwd=team, **path)
    assert ran.stdout.endswith("screen-e000-d0-s0 complete\n")
    assert "epoch 2 of" in ran.stderr


def test_a_checkout_and_its_wheel_have_the_same_hash_of_training_code(installed: Environment, tmp_path: Path) -> None:
    code = "from hpt.trials.reuse import training_code; print(training_code())"
    assert installed.run("python", "-c", code, cwd=tmp_path).stdout == f"{training_code()}\n"


def test_a_row_has_the_commit_of_the_repository_that_pins_the_version(installed: Environment, tmp_path: Path) -> None:
    commit = commit_all(tmp_path)
    code = "from hpt import provenance; print(provenance.git_commit())"
    assert installed.run("python", "-c", code, cwd=tmp_path).stdout == f"{commit}\n"


LOADS = """
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name in "google jinja2 jenkins optuna altair rich scipy sklearn tensorboard typer vl_convert".split():
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Missing())
import hpt
assert not {"torch", "numpy", "pandas", "pydantic"} & set(sys.modules)
import pandas as pd
import pipeline.parts
model = hpt.load_model(sys.argv[1])
print(pipeline.parts.EPOCHS, pipeline.__file__, *model.predict(pd.read_csv(sys.argv[2]).head(1)))
"""


@pytest.mark.parametrize("is_package", [True, False])
def test_a_model_is_loaded_with_few_packages_and_a_teams_pipeline_imported(
    installed: Environment, team: Path, is_package: bool
) -> None:
    page = (ROOT / "docs/models.md").read_text(encoding="utf-8")
    assert "pip install --no-deps hpt\npip install numpy pandas pydantic torch\n" in page
    if not is_package:
        (team / "pipeline/__init__.py").unlink()
    (team / "load.py").write_text(LOADS)
    rows = ROOT / "tests/stores/before-the-house/visits.csv"
    printed = installed.run("python", "load.py", MODEL.parent, rows, cwd=team).stdout
    theirs = team / "pipeline/__init__.py" if is_package else installed.packages / "hpt/also/pipeline/__init__.py"
    assert printed == f"2 {theirs} value\n"


def test_a_teams_pipeline_that_is_installed_beside_ours_is_imported(
    installed: Environment, team: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    code = "import hpt, pipeline.parts; print(pipeline.parts.EPOCHS, hasattr(pipeline, 'load_model'))"
    assert installed.run("python", "-c", code, cwd=elsewhere, PYTHONPATH=str(team)).stdout == "2 False\n"


def test_the_old_name_pipeline_works_where_there_is_no_other_pipeline(installed: Environment, tmp_path: Path) -> None:
    code = "import hpt, hpt.errors, pipeline, pipeline.errors as old; print(pipeline.load_model is hpt.load_model, "
    code += "old.UserError is hpt.errors.UserError, pipeline.__version__)"
    assert installed.run("python", "-c", code, cwd=tmp_path).stdout == f"True True {__version__}\n"


def test_a_checkout_has_the_public_name_too() -> None:
    for path in (ROOT / "hpt").rglob("*.py"):
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        if "also" in name:
            continue
        public = importlib.import_module(name)
        ours = importlib.import_module(name.replace("hpt", "pipeline", 1))
        assert all(getattr(public, each) is getattr(ours, each) for each in getattr(public, "__all__", ())), name


def test_the_wheel_holds_executable_scripts_and_the_jobs(installed: Environment) -> None:
    home = installed.packages / "hpt/home"
    for script in ("bin/ready", "bin/gpu", "bin/pack", "bin/trial", "bin/hpt", "docker/image", "docker/trial"):
        assert (home / script).stat().st_mode & 0o111 == 0o111, script
    assert (home / "jobs/library/vars/hptSweep.groovy").read_text() == rendered()["jobs/library/vars/hptSweep.groovy"]
    assert not (home / "tests").exists()
