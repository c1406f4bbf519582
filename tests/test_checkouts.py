"""A relative path of a spec or of `hpt.toml` means the same in every checkout, in every directory of it."""

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
    """The same commit twice: `hpt.toml` names the data, and specs lie in a folder of it."""
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
    """The sweep that a plan in a directory of the checkout makes in the store of all tests here."""
    store = next(parent for parent in checkout.parents if parent.name not in ("one", "two", "src")) / "store"
    id = hpt("plan", *(options or ("specs/tiny.json",)), "--store", store, cwd=checkout).out.strip()
    return json.loads((store / "sweeps" / id / "sweep.json").read_text())


def chosen_on(checkout: Path) -> list[DateRange]:
    """The ranges that a new sweep in the checkout would know as chosen on."""
    with contextlib.chdir(checkout):
        return ledger.chosen_on(open_store(str(checkout.parent / "store")), "bag-of-words", project.load().data)


def test_a_sweep_is_frozen_with_the_path_as_it_stands_in_the_file(checkouts: tuple[Path, Path]) -> None:
    one, _ = checkouts
    for folder in (one, one / "src/deep"):
        assert plan(folder, one / "specs/tiny.json")["data"]["path"] == "data/tiny.csv"


def test_another_checkout_trains_its_trials_from_any_of_its_directories(
    checkouts: tuple[Path, Path], tmp_path: Path
) -> None:
    one, two = checkouts
    id = plan(one)["id"]
    shutil.rmtree(one)
    hpt("trial", id, "screen-e000-d0-s0", "--store", tmp_path / "store", cwd=two / "src/deep")


def test_what_one_checkout_chose_on_is_known_in_the_other(checkouts: tuple[Path, Path]) -> None:
    one, two = checkouts
    plan(one)
    assert [*map(str, chosen_on(two))] == ["[2024-01-01, 2024-03-01)", "[2024-02-01, 2024-04-01)"]


def test_sweeps_with_the_whole_path_match_those_without(checkouts: tuple[Path, Path], tmp_path: Path) -> None:
    one, two = checkouts
    whole = {"path": f"{one}/data/tiny.csv", "date": "day", "categorical": ["place"], "numeric": ["size"]}
    older = plan(one, "specs/tiny.json", "--data", json.dumps(whole | {"target": "value"}))
    assert older["data"]["path"] == f"{one}/data/tiny.csv"
    assert len(chosen_on(one)) == 2
    assert chosen_on(two) == []
    hpt("trial", older["id"], "screen-e000-d0-s0", "--store", tmp_path / "store", cwd=two)
    history = hpt("history", "--store", tmp_path / "store", cwd=one, code=None).out
    assert "on data/tiny.csv" in history
    assert str(one) not in history


def test_where_no_checkout_is_one_line_says_what_is_missing(checkouts: tuple[Path, Path], tmp_path: Path) -> None:
    id = plan(checkouts[0])["id"]
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    said = hpt("run", "--sweep", id, "--store", tmp_path / "store", cwd=elsewhere, code=2).err.splitlines()[0]
    assert "there are no files data/tiny.csv" in said
    assert "starts at hpt.toml, and there is none here or above" in said


def test_a_file_named_in_a_shell_is_found_from_there_and_proposed_for_a_spec(checkouts: tuple[Path, Path]) -> None:
    one, _ = checkouts
    assert '"path": "data/tiny.csv"' in hpt("data", "../data/tiny.csv", cwd=one / "src").out


@pytest.mark.parametrize(
    ("written", "spec", "lies"), [("kept", None, "kept"), (None, "other", "other"), (None, None, "hpt-store")]
)
def test_a_relative_store_lies_in_the_project(
    checkouts: tuple[Path, Path], written: str | None, spec: str | None, lies: str
) -> None:
    one, _ = checkouts
    if written:
        (one / "hpt.toml").write_text(f'store = "{written}"\n{TOML}')
    path = one / "specs/tiny.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | ({"store": spec} if spec else {})))
    id = hpt("plan", path, cwd=one / "src").out.strip()
    assert (one / lies / "sweeps" / id).is_dir()


def test_a_trainer_of_ones_own_starts_in_the_project(checkouts: tuple[Path, Path]) -> None:
    one, _ = checkouts
    (one / "train.sh").write_text('wc -l < data/tiny.csv; echo \'{"mse_valid": 1, "mse_test": 1}\' >> "$HPT_METRICS"\n')
    spec = {
        "command": ["sh", "train.sh"],
        "hyperparameters": {"lr": {"default": 0.1}},
        "tune": "nothing",
        "date-range": [["2024-01-01", "2024-03-01"]],
        "confirm": {"ranges": 0},
    }
    (one / "specs/own.json").write_text(json.dumps(spec))
    hpt("run", "../specs/own.json", "--store", one / "kept", cwd=one / "src")
    assert any("901" in path.read_text() for path in one.glob("kept/sweeps/*/trials/*/attempts/*/log.txt"))
