"""The keys of a store never change, and `layout.py` alone builds them and takes them apart."""

import ast
from pathlib import Path

import pytest

import pipeline
from pipeline.sweep import Trial, layout
from pipeline.sweep.layout import SweepKeys

ID = "20240614-0210-bag-of-words-3f9c"
TRIAL = Trial("near-best", "e012", 2, 10)
KEYS = SweepKeys(ID)
ROOT = Path(pipeline.__file__).parent


@pytest.mark.parametrize(
    ("key", "literal"),
    [
        (KEYS.definition_key, "sweep.json"),
        (KEYS.experiments_key, "experiments.csv"),
        (KEYS.results_key, "results.csv"),
        (KEYS.stop_key, "stop"),
        (KEYS.round_key(3), "plan/3.tsv"),
        (KEYS.result_key(TRIAL), "trials/near-best-e012-d2-s10/result.csv"),
        (KEYS.result_key(TRIAL, 2), "trials/near-best-e012-d2-s10/result-2.csv"),
        (KEYS.epochs_key(TRIAL, "a"), "trials/near-best-e012-d2-s10/attempts/a/epochs.csv"),
        (KEYS.log_key(TRIAL, "a"), "trials/near-best-e012-d2-s10/attempts/a/log.txt"),
        (KEYS.attempt_key(TRIAL, "a", "model.pt"), "trials/near-best-e012-d2-s10/attempts/a/model.pt"),
        (KEYS.event_key(TRIAL, "events.a"), "tensorboard/near-best-e012-d2-s10/events.a"),
        (KEYS.rung_key(TRIAL, 4), "rungs/near-best-d2-s10/4/"),
        (KEYS.lease_key(TRIAL), "leases/near-best-e012-d2-s10"),
        (KEYS.runner_key("0123"), "leases/runners/0123"),
        (KEYS.page_key, "report/index.html"),
        (KEYS.report_key("charts/time.svg"), "report/charts/time.svg"),
    ],
)
def test_a_sweeps_folder_is_laid_out_as_it_always_was(key: str, literal: str) -> None:
    assert key == f"sweeps/{ID}/{literal}"


@pytest.mark.parametrize(
    ("key", "literal"),
    [
        (layout.chosen_key("cnn-0123", ID), f"chosen/cnn-0123/{ID}.json"),
        (layout.confirmed_key("cnn-0123", ID), f"confirmed/cnn-0123/{ID}.json"),
        (layout.remembered_row_key("0123"), "rows/0123.csv"),
        (layout.digest_key("cnn-0123", ID), f"digests/cnn-0123/{ID}.json"),
        (layout.digests_key("cnn-0123"), "digests/cnn-0123/all.json"),
        (layout.judged_key("cnn-0123", ID), f"judged/cnn-0123/{ID}.json"),
    ],
)
def test_the_ledger_is_laid_out_as_it_always_was(key: str, literal: str) -> None:
    assert key == f"ledger/{literal}"


def test_ids_are_read_back_from_keys() -> None:
    for number in (1, 2, 10):
        assert KEYS.result_of(KEYS.result_key(TRIAL, number)) == (str(TRIAL), number)
    assert KEYS.number_of_round(KEYS.round_key(12)) == 12
    assert KEYS.runner_of(KEYS.runner_key("0123")) == "0123"
    assert KEYS.runner_of(KEYS.lease_key(TRIAL)) is None
    assert KEYS.event_name(KEYS.event_key(TRIAL, "events.a")) == f"{TRIAL}/events.a"
    assert KEYS.report_name(KEYS.report_key("charts/time.svg")) == "charts/time.svg"
    assert layout.sweep_of(layout.digest_key("cnn-0123", ID)) == ID


@pytest.mark.parametrize(
    "name",
    ["trials/x/result-0.csv", "trials/x/result-.csv", "trials/x/y/result.csv", "result.csv", "trials/result.csv"],
)
def test_no_other_key_is_taken_for_that_of_a_row(name: str) -> None:
    assert KEYS.result_of(KEYS.key(name)) is None


@pytest.mark.parametrize("name", ["plan/x.tsv", "plan/1/0.tsv", "plan/1.tsv.tsv", "experiments.csv"])
def test_no_other_key_is_taken_for_that_of_a_round(name: str) -> None:
    assert KEYS.number_of_round(KEYS.key(name)) is None


@pytest.mark.parametrize(
    "address",
    [
        f"/srv/hpt/sweeps/{ID}/trials/x/attempts/a/model.pt",
        # The store's own prefix may contain `sweeps/`.
        f"gs://b/sweeps/before/sweeps/{ID}/trials/x/attempts/a/model.pt",
    ],
)
def test_a_models_key_is_read_from_its_address(address: str) -> None:
    key = layout.model_key(address)
    assert key == KEYS.key("trials/x/attempts/a/model.pt")
    assert layout.beside(key, "model.json") == KEYS.key("trials/x/attempts/a/model.json")


FOLDERS = (
    *("sweeps/", "ledger/", "compared/", "removed/", "doctor/"),
    *("plan/", "trials/", "attempts/", "tensorboard/", "rungs/", "leases/", "report/"),
)
"""Folders of a store, and of a sweep."""


@pytest.mark.parametrize("path", sorted(ROOT.rglob("*.py")), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_only_the_layout_and_docstrings_spell_out_keys(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    keys = [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings
        if node.value.startswith(FOLDERS) and " " not in node.value
    ]
    assert not keys or path == ROOT / "sweep/layout.py"
