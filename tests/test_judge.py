"""`hpt judge` as people call it: on the terminal, with real trainings of a fraction of a second."""

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
    claim = support.made(store, support.asked(tiny_spec))
    row = listed(store, tmp_path)
    assert claim.id in row
    assert "waits: no new date range has judged it yet" in row

    # The lanes are forked from a process that has torch; else they are those of `hpt judge`.
    (id,) = judge("--due", "--plan", "--as-of", "2024-03-15").out.split()
    warm_lanes.run(open_sweep(store, id), lanes=1)
    answer, until = judge(claim.id[-5:], "--as-of", "2024-03-15").err.splitlines()
    assert answer.startswith(f"{claim.id} (learning_rate=0.01): waits: ")
    assert "of 2 new date ranges; judged after 6; the next one, [2024-03-01, 2024-04-01)" in answer
    assert open_sweep(store, id).definition.phases[0].ranges == claim.ranges[:2]
    for pair in claims.read(store, claim.id).pairs:
        assert pair.sweep == id
        assert (pair.fingerprint or "").startswith("rows-")

    assert until.startswith(f"{claim.id}: no new date range yet; the next one, [2024-03-01, 2024-04-01)")
    again = judge(claim.id, "--as-of", "2024-03-15")
    assert (again.out, again.err, len(all_sweeps(store))) == ("", f"{until}\n", 2)
    history = hpt("history", "--store", store.root, cwd=tmp_path).out
    assert claim.id in history
    assert "of 2 new date ranges" in history
    assert id not in history  # what judges a claim is no night
    page = store.read(FRONT_PAGE).decode()
    assert "of 2 new date ranges" in page[page.index("<h2>Claims</h2>") :]


def test_a_month_without_rows_is_left_out_and_the_next_call_has_nothing_to_complain_of(
    store: Store, tiny_spec: dict[str, Any], tiny_csv: Path, tmp_path: Path, judge: Judge, warm_lanes: Lanes
) -> None:
    path = tmp_path / "holes.csv"
    path.write_text("".join(line for line in tiny_csv.open() if not line.startswith("2024-02")))
    claim = support.made(store, support.asked(tiny_spec) | {"data": tiny_spec["data"] | {"path": str(path)}})
    (id,) = judge("--due", "--plan", "--as-of", "2024-04-01").out.split()
    warm_lanes.run(open_sweep(store, id), lanes=1)
    said = judge("--due", "--as-of", "2024-04-01").err
    assert "of 2 new date ranges; without [2024-02-01, 2024-03-01): the data have no rows to train on" in said
    assert "the next one, [2024-04-01, 2024-05-01), is complete on 2024-05-01" in said
    assert claims.read(store, claim.id).open_ranges == list(claim.ranges[3:])
    assert len(judge("--due", "--as-of", "2024-04-01").err.splitlines()) == 1


def test_claims_whose_sweep_was_removed_are_history_without_nights(
    store: Store, tiny_spec: dict[str, Any], tmp_path: Path
) -> None:
    claim = support.made(store, support.asked(tiny_spec))
    hpt("remove", claim.origin.sweep, "--yes", "--store", store.root, cwd=tmp_path)
    history = hpt("history", "--store", store.root, cwd=tmp_path)
    assert claim.id in history.out
    assert "holds no nights" in history.err
    none = hpt("history", "--architecture", "lstm", "--store", store.root, cwd=tmp_path, code=2)
    assert "holds no nights of lstm" in none.err


def test_a_sweep_that_judges_a_claim_has_results_to_see(
    store: Store, tiny_spec: dict[str, Any], tmp_path: Path, judge: Judge
) -> None:
    support.made(store, support.asked(tiny_spec))
    (id,) = judge("--due", "--plan", "--as-of", "2024-02-15").out.split()
    support.judge(open_sweep(store, id), (0.9,))
    shown = hpt("results", id, "--store", store.root, cwd=tmp_path).out.splitlines()
    assert [line.split()[:2] for line in shown] == [
        ["trial", "date"],
        ["confirm-e000-d0-s0", "[2024-01-01,"],
        ["confirm-e001-d0-s0", "[2024-01-01,"],
    ]
    assert ("your setting" in shown[1], "learning_rate 0.01" in shown[2]) == (True, True)


def test_without_claims_it_says_when_there_is_one(tmp_path: Path, judge: Judge) -> None:
    said = hpt("judge", "--store", tmp_path / "empty", cwd=tmp_path).out
    assert said.endswith("that is not shown, and its data do not end before six new date ranges\n")
    assert "holds no claims" in judge("--due").err


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("nope",), 'holds no claim "nope"; it holds none'),
        (("nope", "--due"), "name either a CLAIM or --due"),
    ],
)
def test_what_is_asked_wrongly_is_one_line(judge: Judge, arguments: tuple[str, ...], line: str) -> None:
    done = judge(*arguments, code=2)
    assert done.out == ""
    (said,) = done.err.splitlines()
    assert line in said


def test_what_is_wrong_with_one_claim_stops_no_other(store: Store, tiny_spec: dict[str, Any], judge: Judge) -> None:
    support.finished(store, support.asked(tiny_spec), token="0001")
    support.finished(store, support.asked(tiny_spec, architecture="cnn"), token="0002")
    good, bad = claims_of(store)
    content = json.loads(store.read(claim_key(bad.id)))
    store.write(claim_key(bad.id), json.dumps(content | {"sweep-format": 1}).encode())
    planned = judge("--due", "--plan", "--as-of", "2024-02-15", code=1)
    (id,) = planned.out.split()
    assert Sweep(store, id).definition.architecture == good.architecture
    assert f"hpt: {bad.id} is a claim of sweeps of format 1" in planned.err
    # Asked once more, it is the same sweep: nobody has run it yet.
    assert judge("--due", "--plan", "--as-of", "2024-02-15", code=1).out.split() == [id]


def test_a_judge_that_was_stopped_goes_on_where_it_was(store: Store, tiny_spec: dict[str, Any], judge: Judge) -> None:
    support.made(store, support.asked(tiny_spec))
    (id,) = judge("--due", "--plan", "--as-of", "2024-02-15").out.split()
    sweep = open_sweep(store, id)
    sweep.ask_to_stop()
    assert judge("--due", "--plan", "--as-of", "2024-03-15").out.split() == [id]
    assert not sweep.stop_is_asked()


def test_what_was_killed_after_its_last_row_has_its_pairs_after_the_next_call(
    store: Store, tiny_spec: dict[str, Any], judge: Judge
) -> None:
    claim = support.made(store, support.asked(tiny_spec))
    (id,) = judge("--due", "--plan", "--as-of", "2024-02-15").out.split()
    support.judge(open_sweep(store, id), (0.9,))
    store.delete(pair_key(claim.id, claim.ranges[0]))
    assert judge(claim.id, "--plan", "--as-of", "2024-02-15").out == ""
    assert [pair.range for pair in claims.read(store, claim.id).pairs] == [claim.ranges[0]]


def open_sweep(store: Store, id: str) -> Sweep:
    return Sweep(open_store(store.root), id)
