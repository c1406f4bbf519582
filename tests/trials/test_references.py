"""References as trials: their rows, their failures, which fail no sweep, and lanes that die under them."""

import math
import xml.etree.ElementTree as ElementTree
from typing import Any

import pytest

from pipeline.plan import rounds
from pipeline.plan.create import open_sweep
from pipeline.report.junit import junit
from pipeline.report.state import state_of
from pipeline.sweep import Sweep, Trial, digests, ledger, merge, trials_of
from pipeline.training import references
from pipeline.trials import pack as running
from pipeline.verbs.common import complain_of_failures


@pytest.fixture
def sweep(new_sweep, tiny_spec) -> Sweep:
    """One range, the incumbent alone, and references."""
    ranges = [["2024-01-01", "2024-03-01"]]
    spec_json: dict[str, Any] = tiny_spec | {
        "tune": "nothing",
        "parameters": {},
        "date-range": ranges,
        "references": True,
    }
    return new_sweep(spec_json)


def run(sweep: Sweep, *, retry: bool = False) -> bool:
    """Runs the round that is planned; True if no trial failed."""
    workbench = running.Workbench()
    packs = rounds.plan_packs(sweep, retry=retry)
    fine = [
        running.run_pack(sweep, pack.id, pack.trials, workbench, retry=retry, on_event=lambda event: None)
        for pack in packs
    ]
    return all(fine)


def measured(sweep: Sweep) -> dict[str, dict[str, Any]]:
    return {row["experiment"]: row for row in merge.merge(sweep).rows if row["phase"] == "reference"}


@pytest.fixture
def broken(monkeypatch):
    """Boosted trees that fail."""

    def fail(*_: object) -> None:
        raise RuntimeError("no memory for trees")

    monkeypatch.setitem(references._FITS, "trees", fail)


def test_rows_of_references_stand_beside_those_of_trainings(sweep):
    assert run(sweep)
    rows = measured(sweep)
    assert list(rows) == list(references.NAMES)
    assert rows["linear"]["mse_test"] < 0.1 * rows["constant"]["mse_test"]
    trained = sweep.row(Trial("train", "e000", 0, 0))
    for name, row in rows.items():
        assert row["trial"] == f"reference-{name}-d0-s0"
        assert (row["status"], row["device"], row["epochs"]) == ("complete", "cpu", 0)
        assert row["data_fingerprint"] == trained["data_fingerprint"]
        assert "model_url" not in row
        assert "learning_rate" not in row
        assert all(math.isfinite(row[column]) for column in ("mse_test", "mse_train", "mse_valid", "training_time"))
    assert list(sweep.experiments()) == ["e000"]
    assert rounds.plan_packs(sweep) == []
    state = state_of(sweep)
    assert (state.words, state.counts) == ("done", (1, 1))
    assert [standing.experiment for standing in state.ranked] == ["e000"]


def test_later_sweeps_do_not_learn_from_references(sweep):
    run(sweep)
    rows = merge.merge(sweep).rows
    digest = digests.digest(sweep.definition, rows)
    assert ([trial.experiment for trial in digest.trials], list(digest.experiments)) == (["e000"], ["e000"])
    assert ledger.chosen_on(sweep.store, "bag-of-words", sweep.definition.data) == list(
        sweep.definition.phases[0].ranges
    )
    remembered = [entry.key for entry in sweep.store.entries("ledger/rows/")]
    assert len(remembered) == 1


def test_a_reference_that_fails_is_no_failure_of_the_sweep(sweep, broken, capsys):
    assert run(sweep)
    merged = merge.merge(sweep)
    row = measured(sweep)["trees"]
    assert (row["status"], row["error"]) == ("failed", "RuntimeError: no memory for trees")
    assert complain_of_failures(merged) == 0
    assert capsys.readouterr().err == ""
    assert rounds.plan_packs(sweep) == []
    state = state_of(sweep, merged)
    assert (state.words, state.failed) == ("done", [])
    suite = ElementTree.fromstring(junit(sweep.definition, sweep.planned(), merged.rows))
    assert (suite.get("tests"), suite.get("failures"), suite.get("skipped")) == ("4", "0", "1")


def test_a_retry_runs_a_failed_reference_again_and_no_other(sweep, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setitem(references._FITS, "trees", lambda *_: 1 / 0)
        run(sweep)
    before = measured(sweep)
    assert rounds.plan_packs(sweep) == []
    assert [str(trial) for trial in trials_of(rounds.plan_packs(sweep, retry=True))] == ["reference-trees-d0-s0"]
    assert run(sweep, retry=True)
    after = measured(sweep)
    assert after["trees"]["status"] == "complete"
    assert {name: after[name] for name in ("constant", "linear")} == {
        name: before[name] for name in ("constant", "linear")
    }


def test_a_reference_that_kills_its_lanes_is_given_up_and_the_rest_goes_on(sweep, nursery, trouble):
    trouble({"trees": "segfault"})
    merged = nursery.troubled_lanes.run(sweep, lanes=1)
    statuses = {row["experiment"]: row["status"] for row in merged.rows}
    assert statuses == {"constant": "complete", "linear": "complete", "trees": "failed", "e000": "complete"}
    assert complain_of_failures(merged) == 0
    assert state_of(sweep).done
    trouble({})
    retried = nursery.troubled_lanes.run(sweep, lanes=1, retry=True)
    assert {row["status"] for row in retried.rows} == {"complete"}


def test_a_whole_sweep_with_references_ends_in_an_answer_about_settings(new_sweep, tiny_spec, warm_lanes):
    from pipeline.report.conclude import conclude

    sweep = new_sweep(tiny_spec | {"references": True, "confirm": {"ranges": 3}})
    merged = warm_lanes.run(sweep, lanes=2)
    ranges = sweep.definition.phase("reference").ranges
    assert sum(row["phase"] == "reference" for row in merged.rows) == 3 * len(ranges) > 6
    summary = conclude(open_sweep(sweep.id, sweep.store.root), merged)
    assert summary.answer.startswith(("e001", "e002", "keep", "nothing"))
    assert summary.planned == summary.finished == sum(row["phase"] != "reference" for row in merged.rows)
