"""`hpt judge` as people call it, with real trainings of a fraction of a second."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.store import Store, open_store
from pipeline.sweep import Sweep, all_sweeps, claims
from pipeline.sweep.layout import FRONT_PAGE, claim_key, pair_key
from tests.support import claims as support
from tests.support.claims import claims_of
from tests.support.in_process import Done, hpt
from tests.support.lanes import Lanes

Judge = Callable[..., Done]


@pytest.fixture
def judge(store: Store, tmp_path: Path) -> Judge:
    def call(*arguments: object, code: int = 0) -> Done:
        return hpt("judge", *arguments, "--store", store.root, "--lanes", 1, cwd=tmp_path, code=code)

    return call


def listed(store: Store, tmp_path: Path) -> str:
    return hpt("judge", "--store", store.root, cwd=tmp_path).out


def test_a_claim_is_judged_month_after_month_with_trainings_that_are_real(
    store: Store, tiny_spec: dict[str, Any], tmp_path: Path, judge: Judge, warm_lanes: Lanes
) -> None:
    claim = support.claim_of(store, support.claim_spec(tiny_spec))
    row = listed(store, tmp_path)
    assert claim.id in row
    assert "waits: no new date range has judged it yet" in row

    # These lanes are forked from a process that has imported torch. Otherwise `hpt judge` would start them.
    (id,) = judge("--due", "--plan", "--as-of", "2024-03-15").out.split()
    warm_lanes.run(open_sweep(store, id), lanes=1)
    answer, until = judge(claim.id[-5:], "--as-of", "2024-03-15").err.splitlines()
    assert answer.startswith(f"{claim.id} (learning_rate=0.01): waits: ")
    assert "of 2 new date ranges; judged after 6 date ranges; the next one, [2024-03-01, 2024-04-01)" in answer
    assert open_sweep(store, id).definition.phases[0].ranges == claim.ranges[:2]
    for pair in claims.read(store, claim.id).pairs:
        assert pair.sweep == id
        assert (pair.fingerprint or "").startswith("rows-")

    assert until.startswith(f"{claim.id}: no new date range yet; the next one, [2024-03-01, 2024-04-01)")
    second = judge(claim.id, "--as-of", "2024-03-15")
    assert (second.out, second.err, len(all_sweeps(store))) == ("", f"{until}\n", 2)
    history = hpt("history", "--store", store.root, cwd=tmp_path).out
    assert claim.id in history
    assert "of 2 new date ranges" in history
    assert id not in history  # a sweep that judges a claim is no night
    page = store.read(FRONT_PAGE).decode()
    assert "of 2 new date ranges" in page[page.index("<h2>Claims</h2>") :]


def test_a_month_without_rows_is_left_out_and_the_next_call_does_not_mention_it(
    store: Store, tiny_spec: dict[str, Any], tiny_csv: Path, tmp_path: Path, judge: Judge, warm_lanes: Lanes
) -> None:
    path = tmp_path / "holes.csv"
    path.write_text("".join(line for line in tiny_csv.open() if not line.startswith("2024-02")))
    claim = support.claim_of(store, support.claim_spec(tiny_spec) | {"data": tiny_spec["data"] | {"path": str(path)}})
    (id,) = judge("--due", "--plan", "--as-of", "2024-04-01").out.split()
    warm_lanes.run(open_sweep(store, id), lanes=1)
    message = judge("--due", "--as-of", "2024-04-01").err
    assert "of 2 new date ranges; without [2024-02-01, 2024-03-01): the data have no rows to train on" in message
    assert "the next one, [2024-04-01, 2024-05-01), is complete on 2024-05-01" in message
    assert claims.read(store, claim.id).open_ranges == list(claim.ranges[3:])
    assert len(judge("--due", "--as-of", "2024-04-01").err.splitlines()) == 1


def test_the_history_lists_claims_whose_sweep_was_removed(
    store: Store, tiny_spec: dict[str, Any], tmp_path: Path
) -> None:
    claim = support.claim_of(store, support.claim_spec(tiny_spec))
    hpt("remove", claim.origin.sweep, "--yes", "--store", store.root, cwd=tmp_path)
    history = hpt("history", "--store", store.root, cwd=tmp_path)
    assert claim.id in history.out
    assert "holds no nights" in history.err
    none = hpt("history", "--architecture", "lstm", "--store", store.root, cwd=tmp_path, code=2)
    assert "holds no nights of lstm" in none.err


def test_hpt_results_shows_a_sweep_that_judges_a_claim(
    store: Store, tiny_spec: dict[str, Any], tmp_path: Path, judge: Judge
) -> None:
    support.claim_of(store, support.claim_spec(tiny_spec))
    (id,) = judge("--due", "--plan", "--as-of", "2024-02-15").out.split()
    support.judge(open_sweep(store, id), (0.9,))
    lines = hpt("results", id, "--store", store.root, cwd=tmp_path).out.splitlines()
    assert [line.split()[:2] for line in lines] == [
        ["trial", "date"],
        ["confirm-e000-d0-s0", "[2024-01-01,"],
        ["confirm-e001-d0-s0", "[2024-01-01,"],
    ]
    assert ("your setting" in lines[1], "learning_rate 0.01" in lines[2]) == (True, True)


def test_without_claims_the_verb_explains_when_there_is_one(tmp_path: Path, judge: Judge) -> None:
    message = hpt("judge", "--store", tmp_path / "empty", cwd=tmp_path).out
    assert message.endswith("was better, but not shown to be, and its data do not end before six new date ranges\n")
    assert "holds no claims" in judge("--due").err


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("nope",), 'holds no claim "nope"; it holds none'),
        (("nope", "--due"), "name either a CLAIM or --due"),
    ],
)
def test_wrong_arguments_are_one_line(judge: Judge, arguments: tuple[str, ...], line: str) -> None:
    done = judge(*arguments, code=2)
    assert done.out == ""
    (message,) = done.err.splitlines()
    assert line in message


def test_a_bad_claim_stops_no_other(store: Store, tiny_spec: dict[str, Any], judge: Judge) -> None:
    support.finished(store, support.claim_spec(tiny_spec), token="0001")
    support.finished(store, support.claim_spec(tiny_spec, architecture="cnn"), token="0002")
    good, bad = claims_of(store)
    content = json.loads(store.read(claim_key(bad.id)))
    store.write(claim_key(bad.id), json.dumps(content | {"sweep-format": 1}).encode())
    planned = judge("--due", "--plan", "--as-of", "2024-02-15", code=1)
    (id,) = planned.out.split()
    assert Sweep(store, id).definition.architecture == good.architecture
    assert f"hpt: {bad.id} is a claim of sweeps of format 1" in planned.err
    # A second call plans no other sweep, because the first one has not run yet.
    assert judge("--due", "--plan", "--as-of", "2024-02-15", code=1).out.split() == [id]


def test_a_stopped_sweep_that_judges_goes_on_where_it_was(
    store: Store, tiny_spec: dict[str, Any], judge: Judge
) -> None:
    support.claim_of(store, support.claim_spec(tiny_spec))
    (id,) = judge("--due", "--plan", "--as-of", "2024-02-15").out.split()
    sweep = open_sweep(store, id)
    sweep.ask_to_stop()
    assert judge("--due", "--plan", "--as-of", "2024-03-15").out.split() == [id]
    assert not sweep.stop_is_asked()


def test_the_next_call_writes_the_pairs_of_a_sweep_killed_after_its_last_row(
    store: Store, tiny_spec: dict[str, Any], judge: Judge
) -> None:
    claim = support.claim_of(store, support.claim_spec(tiny_spec))
    (id,) = judge("--due", "--plan", "--as-of", "2024-02-15").out.split()
    support.judge(open_sweep(store, id), (0.9,))
    store.delete(pair_key(claim.id, claim.ranges[0]))
    assert judge(claim.id, "--plan", "--as-of", "2024-02-15").out == ""
    assert [pair.range for pair in claims.read(store, claim.id).pairs] == [claim.ranges[0]]


def open_sweep(store: Store, id: str) -> Sweep:
    return Sweep(open_store(store.root), id)
