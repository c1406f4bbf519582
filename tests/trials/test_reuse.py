"""Rows of equal trainings are copied: inside a sweep always, from other sweeps with `reuse`."""

import shutil
from pathlib import Path
from typing import Any

import pytest

import pipeline
from pipeline.analysis import spending
from pipeline.plan import rounds
from pipeline.store import Store
from pipeline.sweep import Sweep, Trial, trials_of
from pipeline.trials import pack, reuse
from tests.support.sweeps import define

PHASES = [
    {
        "name": "learning-rate",
        "parameters": {"learning_rate": [0.01, 0.1]},
        "search": {"strategy": "random", "experiments": 4},
    },
    {
        "name": "architecture",
        "parameters": {"hidden_size": [16, 32]},
        "search": {"strategy": "random", "experiments": 4},
    },
]


def run(sweep: Sweep) -> dict[str, Any]:
    """The rows of a sweep that ran to its end."""
    workbench = pack.Workbench()
    while packs := rounds.plan_packs(sweep):
        pack.run_pack(sweep, "p", list(trials_of(packs)), workbench, on_event=lambda _: None)
    return {str(trial): sweep.row(trial) for trial in sweep.planned()}


def run_with_reuse(store: Store, spec_json: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return run(Sweep.create(store, define(spec_json | {"reuse": True} | changes, "bbbb")))


@pytest.fixture
def one_range(tiny_spec: dict[str, Any]) -> dict[str, Any]:
    return tiny_spec | {"date-range": [["2024-01-01", "2024-03-01"]]}


@pytest.fixture
def earlier(store: Store, one_range: dict[str, Any]) -> dict[str, Any]:
    return run(Sweep.create(store, define(one_range, "aaaa")))


def test_the_same_training_of_an_earlier_sweep_is_copied_with_its_model_and_learning_curve(store, one_range, earlier):
    rows = run_with_reuse(store, one_range)
    for name, row in rows.items():
        before = earlier[name]
        assert row["reused_from"] == f"{before['sweep']}/{name}"
        for column in ("mse_test", "mse_valid", "epochs", "model_url", "training_time", "data_fingerprint", "status"):
            assert row[column] == before[column], column
        copy, origin = (
            Sweep(store, each["sweep"]).attempt_key(Trial.parse(name), each["attempt"], "epochs.csv")
            for each in (row, before)
        )
        assert store.read(copy) == store.read(origin)
    assert spending.device_seconds(list(rows.values())) == 0


def test_only_a_sweep_with_reuse_copies(store, one_range, earlier):
    assert not any(row.get("reused_from") for row in run_with_reuse(store, one_range, reuse=False).values())


@pytest.mark.parametrize(
    "change",
    [
        {"search": {"strategy": "grid", "seed": 1}},
        {"training": {"max-epochs": 1, "epoch-steps": 1}},
        {"training": {"max-epochs": 2, "epoch-steps": 5}},
        {"training": {"max-epochs": 2, "epoch-steps": 1, "test-share": 0.2}},
        {"date-range": [["2024-01-02", "2024-03-01"]]},
        {"incumbent": {"batch_size": 32}},
        {"architecture": "mdn"},
    ],
)
def test_a_training_that_differs_in_anything_is_trained(store, one_range, earlier, change):
    assert not any(row.get("reused_from") for row in run_with_reuse(store, one_range, **change).values())


def test_other_data_are_other_trainings_even_under_the_same_name(store, one_range, tiny_csv, tmp_path):
    path = tmp_path / "copy.csv"
    lines = tiny_csv.read_text().splitlines()
    path.write_text("\n".join(lines) + "\n")
    spec_json = one_range | {"data": one_range["data"] | {"path": str(path)}}
    run(Sweep.create(store, define(spec_json, "aaaa")))
    # The same days in another order are the same data to nobody who trains on them row by row.
    path.write_text("\n".join([lines[0], *(line[:-1] + "9" for line in lines[1:])]) + "\n")
    assert not any(row.get("reused_from") for row in run_with_reuse(store, spec_json).values())


def test_other_training_code_is_another_training(store, one_range, earlier):
    later = Sweep.create(store, define(one_range | {"reuse": True}, "bbbb"))
    row = earlier["screen-e000-d0-s0"]
    assert reuse.cells_of_earlier_sweep(later, row) is not None
    assert reuse.cells_of_earlier_sweep(later, row, code="changed") is None


@pytest.mark.parametrize("file", ["training/loop.py", "training/architectures/mdn.py", "data/encoder.py"])
def test_the_training_code_reads_data_and_trains_networks(tmp_path, file):
    ours = Path(pipeline.__file__).parent
    for name, changed in (("same", b""), ("changed", b"#")):
        shutil.copytree(ours, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
        (tmp_path / name / "report/page.py").write_bytes(b"")
        (tmp_path / name / file).write_bytes((ours / file).read_bytes() + changed)
    assert reuse.training_code(tmp_path / "same") == reuse.training_code()
    assert reuse.training_code(tmp_path / "changed") != reuse.training_code()


def test_a_row_whose_model_is_gone_is_not_copied(store, one_range, earlier):
    first = earlier["screen-e000-d0-s0"]
    Path(first["model_url"]).unlink()
    rows = run_with_reuse(store, one_range)
    assert [name for name, row in rows.items() if not row.get("reused_from")] == ["screen-e000-d0-s0"]


def test_trials_that_judge_are_always_trained(store, one_range):
    spec_json = one_range | {"confirm": {"ranges": 1}}
    run(Sweep.create(store, define(spec_json, "aaaa")))
    rows = run_with_reuse(store, spec_json)
    copied = {row["phase"]: bool(row.get("reused_from")) for row in rows.values()}
    assert copied == {"screen": True, "confirm": False}


def test_a_phase_that_begins_with_the_best_of_the_one_before_does_not_train_it_again(store, one_range):
    spec_json = {key: value for key, value in one_range.items() if key not in ("parameters", "search")}
    rows = run(Sweep.create(store, define(spec_json | {"phases": PHASES}, "aaaa")))
    twins = {name: row for name, row in rows.items() if row.get("reused_from")}
    assert "architecture-e000-d0-s0" in twins
    for name, row in twins.items():
        before = rows[name.replace("architecture", "learning-rate")]
        assert row["reused_from"] == f"{row['sweep']}/{before['trial']}"
        assert (row["mse_valid"], row["model_url"]) == (before["mse_valid"], before["model_url"])
        assert row["phase"] == "architecture"
    new = [name for name in rows if name not in twins]
    assert len({rows[name]["experiment"] for name in new}) == len(new)


def test_a_phase_on_other_days_or_with_other_epochs_trains_for_itself(store, one_range):
    spec_json = {key: value for key, value in one_range.items() if key not in ("parameters", "search")}
    second = PHASES[1] | {"date-range": [["2024-02-01", "2024-04-01"]]}
    rows = run(Sweep.create(store, define(spec_json | {"phases": [PHASES[0], second]}, "aaaa")))
    assert not any(row.get("reused_from") for row in rows.values())


def test_a_failure_is_no_training_to_copy(store, one_range):
    spec_json = {key: value for key, value in one_range.items() if key not in ("parameters", "search")}
    sweep = Sweep.create(store, define(spec_json | {"phases": PHASES}, "aaaa"))
    rounds.plan_packs(sweep)
    incumbent = Trial("learning-rate", "e000", 0, 0)
    pack.give_up(sweep, "p", [incumbent], "its machine died")
    rows = run(sweep)
    assert rows[str(incumbent)]["status"] == "failed"
    assert rows["architecture-e000-d0-s0"]["status"] == "complete"
    assert not rows["architecture-e000-d0-s0"].get("reused_from")
