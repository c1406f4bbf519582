"""The sweep that judges a claim: its date ranges, its single beginning, and its code, which only a spec brings."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import UserError
from pipeline.plan import judging
from pipeline.plan.judging import Judge
from pipeline.store import Store
from pipeline.sweep import Sweep, claims
from pipeline.sweep.claims import Claim, Pair
from pipeline.sweep.layout import claim_key, pair_key
from tests.support import claims as support

OWN = {"command": ["env", "SECRETLY={lr}"], "hyperparameters": {"lr": 0.1}, "parameters": {"lr": [0.01, 0.1]}}


@pytest.fixture
def spec_json(tiny_spec: dict[str, Any]) -> dict[str, Any]:
    return support.claim_spec(tiny_spec)


def on(day: str, **more: Any) -> Judge:
    return Judge(date.fromisoformat(day), trains_here=more.pop("trains_here", True), **more)


def due(store: Store, claim: Claim, judge: Judge) -> list[str]:
    return [str(date_range.start) for date_range in judging.due(claims.read(store, claim.id), judge)]


def judge_all(store: Store, claim: Claim, judge: Judge, factors: tuple[float, ...] = (0.9,) * 12) -> Sweep:
    sweep = judging.begin(store, claims.read(store, claim.id), judge)
    assert sweep is not None
    support.judge(sweep, factors)
    return sweep


# -- which date ranges


def test_a_date_range_is_due_once_its_last_day_is_over(store: Store, spec_json: dict[str, Any]) -> None:
    claim = support.claim_of(store, spec_json)
    assert due(store, claim, on("2024-01-31")) == []
    assert due(store, claim, on("2024-02-01")) == ["2024-01-01"]


def test_a_date_range_is_due_once_the_data_have_its_last_day(store: Store, spec_json: dict[str, Any]) -> None:
    """They end in May."""
    claim = support.claim_of(store, spec_json)
    assert due(store, claim, on("2025-02-01")) == ["2024-01-01", "2024-02-01", "2024-03-01", "2024-04-01"]


def test_without_the_data_the_calendar_decides_up_to_the_next_look(store: Store, spec_json: dict[str, Any]) -> None:
    claim = support.claim_of(store, support.elsewhere(spec_json))
    assert len(due(store, claim, on("2025-02-01", trains_here=False))) == 6
    with pytest.raises(UserError, match="no file matches"):
        due(store, claim, on("2025-02-01", trains_here=True))


def test_without_a_new_range_a_line_says_when_the_next_one_is_whole(store: Store, spec_json: dict[str, Any]) -> None:
    claim = support.claim_of(store, spec_json)
    stored = claims.read(store, claim.id)
    assert judging.begin(store, stored, on("2024-01-20")) is None
    assert judging.why_not_due(stored) == (
        f"{claim.id}: no new date range yet; the next one, [2024-01-01, 2024-02-01), is whole when the data reach "
        "2024-02-01"
    )


def test_a_claim_that_has_ended_is_judged_no_more(store: Store, spec_json: dict[str, Any]) -> None:
    claim = support.claim_of(store, support.elsewhere(spec_json))
    judge_all(store, claim, on("2024-08-01", trains_here=False), (1.1, 1.2, 1.1, 1.3, 1.1, 1.2))
    stored = claims.read(store, claim.id)
    assert judging.begin(store, stored, on("2025-02-01", trains_here=False)) is None
    assert judging.reopen(store, stored, on("2025-02-01", trains_here=False)) == []
    assert judging.why_not_due(stored).endswith("has come to its end: nothing is left to judge")


# -- begun once


def test_callers_that_begin_at_the_same_time_get_the_same_sweep(store: Store, spec_json: dict[str, Any]) -> None:
    claim = support.claim_of(store, spec_json)
    stored = claims.read(store, claim.id)
    first, second = (judging.begin(store, stored, on("2024-02-01")) for _ in range(2))
    assert first is not None
    assert second is not None
    assert first.id == second.id
    assert len(store.folders("sweeps/")) == 2


def test_a_sweep_that_was_begun_is_opened_again_even_without_its_definition(
    store: Store, spec_json: dict[str, Any]
) -> None:
    claim = support.claim_of(store, spec_json)
    sweep = judging.begin(store, claims.read(store, claim.id), on("2024-03-01"))
    assert sweep is not None
    # Killed between its note and its sweep.json.
    store.delete(sweep.definition_key)
    ((reopened, has_ended),) = judging.reopen(store, claims.read(store, claim.id), on("2024-06-01"))
    assert (reopened.id, has_ended) == (sweep.id, False)
    assert reopened.definition.phases == sweep.definition.phases
    assert str(reopened.definition.as_of) == "2024-03-01"


def test_a_sweep_that_was_killed_before_it_kept_its_pairs_has_ended(store: Store, spec_json: dict[str, Any]) -> None:
    claim = support.claim_of(store, spec_json)
    sweep = judge_all(store, claim, on("2024-02-01"))
    store.delete(pair_key(claim.id, claim.ranges[0]))
    ((reopened, has_ended),) = judging.reopen(store, claims.read(store, claim.id), on("2024-02-01"))
    assert (reopened.id, has_ended) == (sweep.id, True)


def test_a_later_sweep_judges_only_ranges_that_are_new_since(store: Store, spec_json: dict[str, Any]) -> None:
    claim = support.claim_of(store, spec_json)
    first = judge_all(store, claim, on("2024-02-01"))
    assert judging.reopen(store, claims.read(store, claim.id), on("2024-03-01")) == []
    second = judge_all(store, claim, on("2024-04-01", trains_here=False))
    assert first.id != second.id
    assert second.definition.phases[0].ranges == claim.ranges[1:3]


def test_ranges_that_failed_once_come_after_all_new_ranges(store: Store, spec_json: dict[str, Any]) -> None:
    claim = support.claim_of(store, support.elsewhere(spec_json))
    judge_all(store, claim, on("2024-03-01", trains_here=False))
    for date_range in claim.ranges[:2]:
        store.delete(pair_key(claim.id, date_range))
    assert due(store, claim, on("2024-07-01", trains_here=False))[-2:] == ["2024-01-01", "2024-02-01"]
    assert len(due(store, claim, on("2026-07-01", trains_here=False))) == 6
    assert "2024-01-01" not in due(store, claim, on("2026-07-01", trains_here=False))


# -- what is wrong with a claim


def test_changed_data_of_a_range_that_judged_stop_judging_unless_the_user_accepts_them(
    store: Store, spec_json: dict[str, Any]
) -> None:
    claim = support.claim_of(store, spec_json)
    claims.add_pair(
        store,
        Pair(
            claim=claim.id,
            sweep="20240201-0000-bag-of-words-0001",
            range=claim.ranges[0],
            judged="2024-02-01",
            setting=(0.3,),
            incumbent=(0.4,),
            fingerprint="rows-of-another-day",
        ),
    )
    stored = claims.read(store, claim.id)
    with pytest.raises(UserError, match=r"the data of \[2024-01-01, 2024-02-01\) changed since they judged it"):
        judging.begin(store, stored, on("2024-03-01"))
    assert store.folders("sweeps/") == [claim.origin.sweep]
    assert judging.begin(store, stored, on("2024-03-01", data_changed=True)) is not None


def test_unchanged_data_do_not_stop_judging(store: Store, spec_json: dict[str, Any]) -> None:
    from pipeline.data.load import fingerprint_of

    claim = support.claim_of(store, spec_json)
    assert claim.data is not None
    sweep = judging.begin(store, claims.read(store, claim.id), on("2024-02-01"))
    assert sweep is not None
    support.judge(sweep, (0.9,), data_fingerprint=fingerprint_of(claim.data, claim.ranges[0]))
    assert judging.begin(store, claims.read(store, claim.id), on("2024-03-01")) is not None


def test_a_damaged_pair_is_named_before_anything_trains(store: Store, spec_json: dict[str, Any]) -> None:
    claim = support.claim_of(store, spec_json)
    store.write(pair_key(claim.id, claim.ranges[0]), b"{")
    with pytest.raises(UserError, match=r"2024-02-01\.json cannot be read: restore it, or delete it"):
        judging.begin(store, claims.read(store, claim.id), on("2024-03-01"))


def changed(store: Store, claim: Claim, **changes: Any) -> None:
    content = json.loads(store.read(claim_key(claim.id)))
    store.write(claim_key(claim.id), json.dumps(content | changes).encode())


def test_a_claim_of_another_format_is_refused(store: Store, spec_json: dict[str, Any]) -> None:
    claim = support.claim_of(store, spec_json)
    changed(store, claim, **{"sweep-format": 1})
    with pytest.raises(UserError, match="a claim of sweeps of format 1, and this version trains by format 2"):
        judging.begin(store, claims.read(store, claim.id), on("2024-03-01"))


def test_an_architecture_that_this_version_lacks_is_named(store: Store, spec_json: dict[str, Any]) -> None:
    claim = support.claim_of(store, spec_json)
    changed(store, claim, architecture="os-system")
    with pytest.raises(UserError, match="this version has no architecture os-system, so it cannot judge the claim"):
        judging.begin(store, claims.read(store, claim.id), on("2024-03-01"))


# -- a team's own trainer


@pytest.fixture
def own_spec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "specs/team").mkdir(parents=True)
    return support.claim_spec({"objective": {"metric": "mse"}, "references": False} | OWN)


def commit(spec: dict[str, Any], name: str = "specs/team/ours.json") -> Path:
    path = Path(name)
    path.write_text(json.dumps(spec))
    return path


def test_code_for_a_claim_comes_from_a_spec_below_specs_and_not_from_the_claim(
    store: Store, own_spec: dict[str, Any]
) -> None:
    claim = support.claim_of(store, own_spec)
    assert b"SECRETLY" not in store.read(claim_key(claim.id))
    with pytest.raises(UserError, match="a claim does not hold its code, and no spec below specs/ has it"):
        judging.begin(store, claims.read(store, claim.id), on("2024-02-01"))
    assert store.folders("sweeps/") == [claim.origin.sweep]
    commit(own_spec | {"command": ["another", "{lr}"]}, "specs/another.json")
    commit(own_spec | {"notes": "another search, the same code", "image": "hpt-trainer:1"})
    sweep = judging.begin(store, claims.read(store, claim.id), on("2024-02-01"))
    assert sweep is not None
    assert sweep.definition.own is not None
    assert sweep.definition.own.command == tuple(OWN["command"])
    assert sweep.definition.image == "hpt-trainer:1"
    assert sweep.definition.spec["notes"] == "another search, the same code"


def test_a_spec_can_be_named_and_one_with_other_code_is_refused(store: Store, own_spec: dict[str, Any]) -> None:
    claim = support.claim_of(store, own_spec)
    stored = claims.read(store, claim.id)
    other = commit(own_spec | {"command": ["another", "{lr}"]}, "other.json")
    with pytest.raises(UserError, match=r"and other\.json has other code: name, by --spec"):
        judging.begin(store, stored, on("2024-02-01", spec=other))
    assert judging.begin(store, stored, on("2024-02-01", spec=commit(own_spec, "named.json"))) is not None


def test_a_spec_that_cannot_be_read_stops_no_claim_and_is_named_where_code_is_missing(
    store: Store, own_spec: dict[str, Any]
) -> None:
    claim = support.claim_of(store, own_spec)
    stored = claims.read(store, claim.id)
    Path("specs/broken.json").write_text("{")
    assert judging.code_specs([stored]) == []
    with pytest.raises(UserError, match=r"no spec below specs/ has it \(specs/broken\.json cannot be read"):
        judging.begin(store, stored, on("2024-02-01"))
    commit(own_spec)
    assert [spec.command for spec in judging.code_specs([stored])] == [OWN["command"]]
    assert judging.begin(store, stored, on("2024-02-01")) is not None


def test_code_that_somebody_writes_into_a_claim_is_never_run(store: Store, spec_json: dict[str, Any]) -> None:
    claim = support.claim_of(store, spec_json)
    changed(store, claim, spec=claim.spec | {"command": ["touch", "ran"], "image": "evil:1", "describe": ["touch"]})
    sweep = judging.begin(store, claims.read(store, claim.id), on("2024-02-01"))
    assert sweep is not None
    definition = sweep.definition
    assert (definition.own, definition.image) == (None, None)
    assert not definition.spec.keys() & {"command", "image", "describe"}
