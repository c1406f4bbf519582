"""A relative path in a spec or in `hpt.toml` means the same in every checkout and in each of its directories."""

import contextlib
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from pipeline.dates import DateRange
from pipeline.spec import project
from pipeline.store import open_store
from pipeline.sweep import ledger
from tests.support.in_process import hpt

TOML = '[data]\npath = "data/tiny.csv"\ndate = "day"\ncategorical = ["place"]\nnumeric = ["size"]\ntarget = "value"\n'


@pytest.fixture
def checkouts(tmp_path: Path, tiny_csv: Path, tiny_spec: dict[str, Any]) -> tuple[Path, Path]:
    """Two checkouts of the same commit. `hpt.toml` names the data, and specs lie in a folder."""
    for name in ("one", "two"):
        checkout = tmp_path / name
        for folder in ("data", "specs", "src/deep"):
            (checkout / folder).mkdir(parents=True)
        shutil.copy(tiny_csv, checkout / "data/tiny.csv")
        (checkout / "hpt.toml").write_text(TOML)
        spec = {key: value for key, value in tiny_spec.items() if key != "data"}
        (checkout / "specs/tiny.json").write_text(json.dumps(spec))
    return tmp_path / "one", tmp_path / "two"


def plan(checkout: Path, *options: object) -> dict[str, Any]:
    """Plans a sweep in a directory of the checkout. The store is beside the checkouts."""
    store = next(parent for parent in checkout.parents if parent.name not in ("one", "two", "src")) / "store"
    id = hpt("plan", *(options or ("specs/tiny.json",)), "--store", store, cwd=checkout).out.strip()
    return json.loads((store / "sweeps" / id / "sweep.json").read_text())


def chosen_on(checkout: Path) -> list[DateRange]:
    """The ranges that a new sweep in the checkout would count as used for choosing."""
    with contextlib.chdir(checkout):
        return ledger.chosen_on(open_store(str(checkout.parent / "store")), "bag-of-words", project.load().data)


def test_a_sweep_is_frozen_with_the_path_as_it_stands_in_the_file(checkouts: tuple[Path, Path]) -> None:
    checkout, _ = checkouts
    for folder in (checkout, checkout / "src/deep"):
        assert plan(folder, checkout / "specs/tiny.json")["data"]["path"] == "data/tiny.csv"


def test_another_checkout_trains_its_trials_from_any_of_its_directories(
    checkouts: tuple[Path, Path], tmp_path: Path
) -> None:
    checkout, other = checkouts
    id = plan(checkout)["id"]
    shutil.rmtree(checkout)
    hpt("trial", id, "screen-e000-d0-s0", "--store", tmp_path / "store", cwd=other / "src/deep")


def test_ranges_that_one_checkout_chose_on_are_known_in_the_other(checkouts: tuple[Path, Path]) -> None:
    checkout, other = checkouts
    plan(checkout)
    assert [*map(str, chosen_on(other))] == ["[2024-01-01, 2024-03-01)", "[2024-02-01, 2024-04-01)"]


def test_sweeps_with_an_absolute_path_match_those_with_a_relative_one(
    checkouts: tuple[Path, Path], tmp_path: Path
) -> None:
    checkout, other = checkouts
    data = {"path": f"{checkout}/data/tiny.csv", "date": "day", "categorical": ["place"], "numeric": ["size"]}
    older = plan(checkout, "specs/tiny.json", "--data", json.dumps(data | {"target": "value"}))
    assert older["data"]["path"] == f"{checkout}/data/tiny.csv"
    assert len(chosen_on(checkout)) == 2
    assert chosen_on(other) == []
    hpt("trial", older["id"], "screen-e000-d0-s0", "--store", tmp_path / "store", cwd=other)
    history = hpt("history", "--store", tmp_path / "store", cwd=checkout, code=None).out
    assert "on data/tiny.csv" in history
    assert str(checkout) not in history


def test_outside_of_a_checkout_one_line_says_what_is_missing(checkouts: tuple[Path, Path], tmp_path: Path) -> None:
    id = plan(checkouts[0])["id"]
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    line = hpt("run", "--sweep", id, "--store", tmp_path / "store", cwd=elsewhere, code=2).err.splitlines()[0]
    assert "there are no files data/tiny.csv" in line
    assert "starts at hpt.toml, and there is none here or above" in line


def test_a_file_typed_in_a_shell_is_proposed_with_its_path_in_the_project(checkouts: tuple[Path, Path]) -> None:
    checkout, _ = checkouts
    assert '"path": "data/tiny.csv"' in hpt("data", "../data/tiny.csv", cwd=checkout / "src").out


@pytest.mark.parametrize(
    ("in_toml", "in_spec", "folder"), [("kept", None, "kept"), (None, "other", "other"), (None, None, "hpt-store")]
)
def test_a_relative_store_lies_in_the_project(
    checkouts: tuple[Path, Path], in_toml: str | None, in_spec: str | None, folder: str
) -> None:
    checkout, _ = checkouts
    if in_toml:
        (checkout / "hpt.toml").write_text(f'store = "{in_toml}"\n{TOML}')
    path = checkout / "specs/tiny.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | ({"store": in_spec} if in_spec else {})))
    id = hpt("plan", path, cwd=checkout / "src").out.strip()
    assert (checkout / folder / "sweeps" / id).is_dir()


def test_a_teams_own_trainer_starts_in_the_project(checkouts: tuple[Path, Path]) -> None:
    checkout, _ = checkouts
    (checkout / "train.sh").write_text(
        'wc -l < data/tiny.csv; echo \'{"mse_valid": 1, "mse_test": 1}\' >> "$HPT_METRICS"\n'
    )
    spec = {
        "command": ["sh", "train.sh"],
        "hyperparameters": {"lr": {"default": 0.1}},
        "tune": "nothing",
        "date-range": [["2024-01-01", "2024-03-01"]],
        "confirm": {"ranges": 0},
    }
    (checkout / "specs/own.json").write_text(json.dumps(spec))
    hpt("run", "../specs/own.json", "--store", checkout / "kept", cwd=checkout / "src")
    assert any("901" in path.read_text() for path in checkout.glob("kept/sweeps/*/trials/*/attempts/*/log.txt"))
