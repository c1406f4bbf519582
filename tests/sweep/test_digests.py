"""Digests of finished sweeps, in a directory and in a bucket."""

import ast
import json
import math
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import pipeline
from pipeline.dates import DateRange
from pipeline.errors import InfrastructureError
from pipeline.plan import calibration, rounds
from pipeline.report import conclude as concluding
from pipeline.report.conclude import conclude
from pipeline.results import Row
from pipeline.spec import from_dict
from pipeline.store import Store
from pipeline.sweep import Calibrating, Definition, Sweep, Trial, digests, judged, trials_of
from pipeline.sweep.digests import Digest, Series
from pipeline.sweep.layout import digest_key, digests_key, judged_key
from pipeline.sweep.merge import merge
from tests.support import nights
from tests.support.sweeps import define

FILES = {"path": "x.csv", "date": "day", "categorical": ["place"], "target": "value"}
OWN = {
    "command": ["python", "train.py", "--lr", "{lr}"],
    "hyperparameters": {"lr": 0.1},
    "parameters": {"lr": [0.1, 0.2]},
    "date-range": [["2024-01-01", "2024-03-01"]],
    "as-of": "2024-06-01",
    "objective": {"metric": "accuracy", "goal": "maximize"},
    "confirm": {"ranges": 0},
}


@pytest.fixture
def store(any_store: Store) -> Store:
    return any_store


@pytest.fixture
def judging_spec(tiny_spec: dict[str, Any]) -> dict[str, Any]:
    return nights.judged_on(tiny_spec)


def rows_of(definition: Definition, **cells: object) -> list[Row]:
    """A row for two experiments on every range of every phase."""
    return [
        {
            "date-range": phase.ranges[at].as_json(),
            **definition.incumbent,
            "trial": str(Trial(phase.name, experiment, at, 0)),
            "experiment": experiment,
            "phase": phase.name,
            "status": "complete",
            definition.objective.valid: 0.25,
            definition.objective.test: 987.654,
            "epochs": 2,
            "training_time": 3.5,
            "data_fingerprint": "abcd",
            **cells,
        }
        for phase in definition.phases
        for at in range(len(phase.ranges))
        for experiment in ("e000", "e001")
    ]


def small(spec_content: dict[str, Any], token: str = "0001") -> Digest:
    definition = define(spec_content, token)
    return digests.digest(definition, rows_of(definition))


def finished(store: Store, spec_content: dict[str, Any], token: str = "3f9c") -> Sweep:
    return nights.night(store, spec_content, token=token).sweep


def objects(store: Store, prefix: str = "ledger/") -> dict[str, bytes]:
    return {entry.key: store.read(entry.key) for entry in store.entries(prefix)}


# -- what stands in it


def test_a_digest_holds_settings_ranges_and_validation_scores(tiny_spec: dict[str, Any]) -> None:
    definition = define(tiny_spec)
    digest = digests.digest(definition, rows_of(definition))
    assert digest.series == Series(
        architecture="bag-of-words", target=("value",), transform=None, metric="mse", goal="minimize"
    )
    assert digest.experiments == {"e000": definition.incumbent, "e001": definition.incumbent}
    assert [digested.range.as_json() for digested in digest.ranges] == tiny_spec["date-range"]
    assert [digested.fingerprints for digested in digest.ranges] == [{"full": ("abcd",)}] * 2
    assert digest.fidelities == (definition.phases[0].fidelity,)
    assert digest.data == definition.data
    assert not digest.calibration
    first = digest.trials[0]
    assert (first.experiment, first.range, first.seed, first.fidelity) == ("e000", 0, 0, "full")
    assert (first.valid, first.epochs, first.seconds, first.status) == (0.25, 2, 3.5, "complete")


def test_a_digest_holds_no_trial_that_judged_and_no_test_score(judging_spec: dict[str, Any]) -> None:
    definition = define(judging_spec)
    digest = digests.digest(definition, rows_of(definition))
    assert {trial.phase for trial in digest.trials} == {"screen"}
    assert len(digest.ranges) == len(judging_spec["date-range"])
    text = digests.as_json(digest).decode()
    assert "987.654" not in text
    assert not any(month in text for month, _ in nights.JUDGED)


def test_a_digest_holds_failures_but_no_number_that_is_not_finite(tiny_spec: dict[str, Any]) -> None:
    definition = define(tiny_spec)
    rows = rows_of(definition)
    rows[0] |= {"status": "diverged", "mse_valid": math.nan}
    rows[1] = {name: rows[1][name] for name in ("trial", "phase", "experiment", "date-range")} | {"status": "failed"}
    first, second, *_ = digests.digest(definition, rows).trials
    assert (first.status, first.valid) == ("diverged", None)
    assert (second.status, second.valid, second.epochs, second.seconds) == ("failed", None, None, None)


def test_a_training_that_a_later_phase_copied_counts_once(tiny_spec: dict[str, Any]) -> None:
    definition = define(tiny_spec)
    itself, other = f"{definition.id}/screen-e001-d0-s0", "20240101-0000-bag-of-words-aaaa/screen-e001-d0-s0"
    assert digests.digest(definition, rows_of(definition, reused_from=itself)).trials == ()
    copied = digests.digest(definition, rows_of(definition, reused_from=other)).trials
    assert {trial.reused_from for trial in copied} == {other}


def test_text_with_lone_surrogates_survives(store: Store, tiny_spec: dict[str, Any]) -> None:
    definition = define(tiny_spec)
    digest = digests.digest(definition, rows_of(definition, batch_size="\ud800\x00"))
    digests.write(store, digest)
    assert digests.read(store, digest.series) == (digest,)


def test_data_that_changed_while_a_sweep_ran_have_several_fingerprints(tiny_spec: dict[str, Any]) -> None:
    definition = define(tiny_spec)
    rows = rows_of(definition)
    rows[1]["data_fingerprint"] = "0123"
    assert digests.digest(definition, rows).ranges[0].fingerprints == {"full": ("0123", "abcd")}


def test_the_digest_of_a_sweep_without_rows_holds_its_ranges(tiny_spec: dict[str, Any]) -> None:
    digest = digests.digest(define(tiny_spec), [])
    assert (digest.trials, digest.experiments) == ((), {})
    assert [digested.range.as_json() for digested in digest.ranges] == tiny_spec["date-range"]


def test_the_digest_of_a_calibration_is_marked(tiny_spec: dict[str, Any]) -> None:
    space = {"learning_rate": {"low": 0.001, "high": 0.3, "log": True}}
    parsed = from_dict(tiny_spec | {"parameters": space})
    sample = calibration.sample(parsed, 6).model_dump(by_alias=True, mode="json", exclude_unset=True)
    definition = calibration.define(define(sample), parsed, Calibrating(top=2, overlap=0.5))
    digest = digests.digest(definition, rows_of(definition))
    assert digest.calibration
    (only,) = digest.ranges
    assert set(only.fingerprints) == {fidelity.name for fidelity in digest.fidelities}
    assert len(digest.fidelities) > 1


def test_a_trainer_of_ones_own_has_a_series_without_a_target(store: Store) -> None:
    digest = small(OWN)
    assert digest.data is None
    assert (digest.series.target, digest.series.transform) == (None, None)
    assert (digest.series.metric, digest.series.goal) == ("accuracy", "maximize")
    digests.write(store, digest)
    assert digests.read(store, digest.series) == (digest,)


# -- series


def test_the_same_target_from_other_files_is_the_same_series(tiny_spec: dict[str, Any]) -> None:
    relative, elsewhere = (
        define(tiny_spec | {"data": FILES}),
        define(tiny_spec | {"data": FILES | {"path": "y/*.parquet"}}),
    )
    assert Series.of(relative) == Series.of(elsewhere)


@pytest.mark.parametrize(
    "changes",
    [
        {"architecture": "cnn"},
        {"data": FILES | {"target": "other"}},
        {"data": FILES | {"target": ["other", "value"]}, "architecture": "multi-task"},
        {"data": FILES | {"target-transform": "log1p"}},
    ],
)
def test_another_architecture_target_or_transform_is_another_series(
    tiny_spec: dict[str, Any], changes: dict[str, Any]
) -> None:
    first, second = (Series.of(define(tiny_spec | {"data": FILES} | difference)) for difference in ({}, changes))
    assert first.name != second.name


@pytest.mark.parametrize("target", ["../../etc", "a/b", "Über\u202e", "x" * 5000, ".", "with space", "\x00\n"])
def test_the_name_of_a_series_is_plain_for_any_target(store: Store, target: str) -> None:
    series = Series(architecture="cnn", target=(target,), transform=None, metric="mse", goal="minimize")
    assert series.name.replace("-", "").isalnum()
    assert series.name.isascii()
    assert digests.read(store, series) == ()


# -- kept in the store


def test_digests_are_read_oldest_first(store: Store, tiny_spec: dict[str, Any]) -> None:
    first, second = small(tiny_spec, "0001"), small(tiny_spec, "0002")
    digests.write(store, second)
    digests.write(store, first)
    assert digests.read(store, first.series) == (first, second)


def test_reading_needs_no_single_file_if_all_are_rolled_up(
    store: Store, tiny_spec: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = small(tiny_spec)
    digests.write(store, digest)
    read: list[str] = []
    before = store.read
    monkeypatch.setattr(store, "read", lambda key: read.append(key) or before(key))
    digests.read(store, digest.series)
    assert read == [digests_key(digest.series.name)]


def test_the_first_digest_of_a_sweep_stays(store: Store, tiny_spec: dict[str, Any]) -> None:
    definition = define(tiny_spec)
    first = digests.digest(definition, rows_of(definition))
    digests.write(store, first)
    before = objects(store)
    digests.write(store, digests.digest(definition, rows_of(definition, mse_valid=9.0)))
    assert objects(store) == before
    assert digests.read(store, first.series) == (first,)


def test_racing_writers_roll_up_every_digest(store: Store, tiny_spec: dict[str, Any]) -> None:
    every = [small(tiny_spec, f"{number:04x}") for number in range(8)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda digest: digests.write(store, digest), [*every, *every]))
    rolled_up = json.loads(store.read(digests_key(every[0].series.name)))
    assert [entry["sweep"] for entry in rolled_up["digests"]] == [digest.sweep for digest in every]


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b"[]", b'{"format": 1}', b'{"digests": [], "x": 1}'])
def test_a_damaged_roll_up_is_replaced_by_the_single_files(
    store: Store, tiny_spec: dict[str, Any], content: bytes
) -> None:
    first, second = small(tiny_spec, "0001"), small(tiny_spec, "0002")
    digests.write(store, first)
    whole = objects(store)
    store.write(digests_key(first.series.name), content)
    assert digests.read(store, first.series) == (first,)
    digests.write(store, first)
    assert objects(store) == whole
    # Stale, as it is where a writer was killed before it rolled up.
    store.create(digest_key(second.series.name, second.sweep), digests.as_json(second))
    assert digests.read(store, first.series) == (first, second)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b'{"format": 99}'])
def test_a_damaged_digest_is_left_out(store: Store, tiny_spec: dict[str, Any], content: bytes) -> None:
    first, second = small(tiny_spec, "0001"), small(tiny_spec, "0002")
    store.write(digest_key(first.series.name, first.sweep), content)
    store.write(digest_key(first.series.name, "20240614-0210-bag-of-words-0003"), digests.as_json(second))
    store.write(digest_key(first.series.name, "notes"), b"hello")
    digests.write(store, second)
    assert digests.read(store, first.series) == (second,)


def test_a_digest_of_a_newer_format_is_left_out(store: Store, tiny_spec: dict[str, Any]) -> None:
    newer = small(tiny_spec).model_copy(update={"format": digests.FORMAT + 1})
    digests.write(store, newer)
    assert digests.read(store, newer.series) == ()


# -- when a sweep is concluded


def test_concluding_writes_a_digest_and_the_verdicts(store: Store, judging_spec: dict[str, Any]) -> None:
    sweep = finished(store, judging_spec)
    summary = conclude(sweep, merge(sweep))
    (digest,) = digests.read(store, Series.of(sweep.definition))
    assert digest == digests.digest(sweep.definition, summary.rows)
    assert summary.confirmed is not None
    record = judged.judged_by(store, sweep.definition)
    assert record is not None
    assert list(record.verdicts) == list(summary.confirmed.verdicts) == ["e001"]
    assert record.verdicts["e001"].kind == summary.confirmed.verdicts["e001"].kind
    assert {trial.experiment for trial in record.trials} == {"e000", "e001"}
    assert all(trial.test is not None for trial in record.trials)
    assert record.ranges == tuple(DateRange.from_json(days) for days in nights.JUDGED)


def test_concluding_again_changes_neither(store: Store, judging_spec: dict[str, Any]) -> None:
    sweep = finished(store, judging_spec)
    conclude(sweep, merge(sweep))
    before = objects(store)
    conclude(sweep, merge(sweep))
    assert objects(store) == before


def test_a_sweep_that_is_not_done_has_no_digest(store: Store, tiny_spec: dict[str, Any]) -> None:
    sweep = nights.night(store, tiny_spec, done=False).sweep
    conclude(sweep, merge(sweep))
    assert objects(store, "ledger/digests/") == objects(store, "ledger/judged/") == {}


def test_a_sweep_without_a_result_has_a_digest_too(store: Store, tiny_spec: dict[str, Any]) -> None:
    sweep = Sweep.create(store, define(tiny_spec))
    while trials := list(trials_of(rounds.plan_packs(sweep))):
        for trial in trials:
            sweep.create_row(trial, nights.row(sweep, trial, nights.STEADY, "x") | {"status": "failed"})
    conclude(sweep, merge(sweep))
    (digest,) = digests.read(store, Series.of(sweep.definition))
    assert {trial.status for trial in digest.trials} == {"failed"}
    assert objects(store, "ledger/judged/") == {}


@pytest.mark.parametrize("error", [InfrastructureError("gone"), ValueError("an edited row"), IndexError("of a row")])
def test_without_a_digest_the_answer_stands_and_the_next_report_writes_it(
    store: Store, tiny_spec: dict[str, Any], monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    sweep = finished(store, tiny_spec)

    def fail(*_: object) -> None:
        raise error

    with monkeypatch.context() as failing:
        failing.setattr(concluding.digests, "write", fail)
        assert "e001 is the best of choosing" in conclude(sweep, merge(sweep)).answer
    assert b"e001" in store.read(sweep.page_key)
    assert digests.read(store, Series.of(sweep.definition)) == ()
    conclude(sweep, merge(sweep))
    assert len(digests.read(store, Series.of(sweep.definition))) == 1


def test_a_sweep_from_before_digests_is_not_read(store: Store, tiny_spec: dict[str, Any]) -> None:
    before = finished(store, tiny_spec, "aaaa")
    sweep = finished(store, tiny_spec, "bbbb")
    conclude(sweep, merge(sweep))
    assert [digest.sweep for digest in digests.read(store, Series.of(before.definition))] == [sweep.id]


# -- what judged


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b'{"format": 99}'])
def test_a_damaged_or_newer_record_of_judging_is_not_read(
    store: Store, judging_spec: dict[str, Any], content: bytes
) -> None:
    definition = define(judging_spec)
    store.write(judged_key(Series.of(definition).name, definition.id), content)
    assert judged.judged_by(store, definition) is None


def test_the_first_record_of_a_sweep_stays(store: Store, judging_spec: dict[str, Any]) -> None:
    definition = define(judging_spec)
    first = judged.judged(definition, rows_of(definition), {})
    judged.write(store, first)
    judged.write(store, first.model_copy(update={"rope": 0.1}))
    assert judged.judged_by(store, definition) == first


def test_records_of_judging_are_read_only_to_be_shown() -> None:
    root = Path(pipeline.__file__).parent
    readers = set()
    for path in root.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            name = getattr(node, "attr", None) or getattr(node, "id", None)
            imported = {alias.name for alias in node.names} if isinstance(node, ast.ImportFrom) else set()
            if name in ("judged_by", "judged_key") or imported & {"judged_by", "judged_key"}:
                readers.add(path.relative_to(root).as_posix())
    assert readers == {"sweep/judged.py", "report/listing.py"}
