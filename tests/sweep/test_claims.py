"""Claims in a store: created once, read among damaged files, without any code."""

import json
import math
from typing import Any

import pytest

from pipeline.compare.claims import rows
from pipeline.errors import UserError
from pipeline.store import Store
from pipeline.sweep import claims
from pipeline.sweep.claims import Claim, JudgingNote, Pair, Stored
from pipeline.sweep.layout import claim_key, judging_key, pair_key
from tests.support import claims as support
from tests.support.claims import claims_of

ANOTHER = "20240701-0000-bag-of-words-0001"


@pytest.fixture
def claim(store: Store, tiny_spec: dict[str, Any]) -> Claim:
    return support.claim_of(store, support.claim_spec(tiny_spec))


def pair_of(claim: Claim, at: int = 0, **changes: Any) -> Pair:
    content = {"claim": claim.id, "sweep": ANOTHER, "range": claim.ranges[at], "judged": f"2024-07-{at + 1:02d}"}
    content |= {"setting": (0.3,), "incumbent": (0.4,), "fingerprint": None}
    return Pair(**(content | changes))


def note_of(claim: Claim, number: int = 0, sweep: str = ANOTHER) -> JudgingNote:
    return JudgingNote(number=number, sweep=sweep, ranges=claim.ranges[:1], as_of=claim.day, created="2024-07-01")


def test_a_claim_and_a_pair_of_a_date_range_are_created_once(store: Store, claim: Claim) -> None:
    assert not claims.create(store, claim.model_copy(update={"rope": 0.1}))
    assert claims.read(store, claim.id).claim == claim
    assert claims.add_pair(store, pair_of(claim))
    assert not claims.add_pair(store, pair_of(claim, setting=(0.1,)))
    (stored_pair,) = claims.read(store, claim.id).pairs
    assert stored_pair.setting == (0.3,)


def test_two_processes_that_begin_to_judge_at_once_get_the_same_sweep(store: Store, claim: Claim) -> None:
    first = claims.add_note(store, claim, note_of(claim))
    assert claims.add_note(store, claim, note_of(claim, sweep="20240701-0000-bag-of-words-0002")) == first
    assert claims.read(store, claim.id).next_number == 1


def test_pairs_come_in_the_order_in_which_they_were_judged(store: Store, claim: Claim) -> None:
    for at, day in ((0, 9), (1, 2), (2, 5)):
        claims.add_pair(store, pair_of(claim, at, judged=f"2024-07-{day:02d}"))
    judged = claims.read(store, claim.id)
    assert [pair.range for pair in judged.pairs] == [claim.ranges[at] for at in (1, 2, 0)]
    assert judged.open_ranges == list(claim.ranges[3:])


def test_a_pair_that_is_judged_again_or_late_does_not_change_the_order_of_counted_pairs(
    store: Store, claim: Claim
) -> None:
    for at in (0, 2):
        claims.add_pair(store, pair_of(claim, at))
    counted = tuple(pair.range for pair in claims.read(store, claim.id).pairs)
    claims.add_note(store, claim, note_of(claim, 1).model_copy(update={"counted": counted}))
    claims.add_pair(store, pair_of(claim, 3, judged="2024-08-01"))
    # Damaged, deleted, judged anew; and one that had failed, tried again.
    store.delete(pair_key(claim.id, claim.ranges[0]))
    for at in (0, 1):
        claims.add_pair(store, pair_of(claim, at, judged=f"2024-09-{at + 1:02d}"))
    pairs = claims.read(store, claim.id).pairs
    assert [pair.range for pair in pairs] == [claim.ranges[at] for at in (0, 2, 3, 1)]


def test_notes_come_in_the_order_of_their_numbers(store: Store, claim: Claim) -> None:
    for number in range(11):
        claims.add_note(store, claim, note_of(claim, number, f"20240701-0000-bag-of-words-{number:04d}"))
    assert [note.number for note in claims.read(store, claim.id).notes] == list(range(11))


def test_a_claim_is_found_by_the_end_of_its_id(store: Store, claim: Claim) -> None:
    assert claims.find(store, claim.id[-4:]).claim == claim
    with pytest.raises(UserError, match=f'holds no claim "nope"; it holds {claim.id}'):
        claims.find(store, "nope")
    with pytest.raises(UserError, match="is no claim: they look like"):
        claims.read(store, "../../etc")


def test_an_ambiguous_id_is_refused(store: Store, claim: Claim) -> None:
    other = claim.model_copy(update={"id": f"cnn-{claim.id[-12:]}"})
    claims.create(store, other)
    with pytest.raises(UserError, match=f"could be any of {claim.id}, {other.id}"):
        claims.find(store, claim.id[-4:])


DAMAGED = [b"", b"{", b"\xff\xfe", b"[]", b"7", b"{}"]


@pytest.mark.parametrize("content", DAMAGED)
def test_a_damaged_claim_is_named_and_stops_no_other(store: Store, claim: Claim, content: bytes) -> None:
    other = claim.model_copy(update={"id": f"cnn-{claim.id[-12:]}"})
    claims.create(store, other)
    store.write(claim_key(claim.id), content)
    with pytest.raises(UserError, match=r"claim\.json is damaged"):
        claims.read(store, claim.id)
    assert claims_of(store) == [other]
    (first, second) = claims.all_stored(store)
    assert isinstance(first, tuple)
    assert first[0] == claim.id
    assert isinstance(second, Stored)


@pytest.mark.parametrize(
    "changes",
    [
        {"id": "cnn-0123456789ab"},
        {"format": 2},
        {"setting": {}},
        {"origin": {"sweep": "../.."}},
        {"looks": [{"ranges": 8, "level": 0.05, "correction": 1}, {"ranges": 4, "level": 0.05, "correction": 1}]},
        {"looks": []},
        {"looks": [{"ranges": 0, "level": 0.01, "correction": 1}, {"ranges": 12, "level": 0.03, "correction": 1}]},
        {"looks": [{"ranges": 6, "level": 0.045, "correction": 1}]},
        *[
            {"looks": [{"ranges": 12, "level": 0.03, "correction": 1} | wrong]}
            for wrong in ({"level": 0}, {"level": 1}, {"level": math.nan}, {"correction": -1}, {"correction": math.inf})
        ],
        {"ranges": []},
        {"ranges": [["2024-01-01", "2024-02-01"]] * 12},
        {"ranges": [[f"2024-{month:02d}-01", f"2024-{month:02d}-09"] for month in range(1, 13)]},
        {"day": "2025-01-01"},
        {"rope": -0.1},
        {"rope": math.inf},
        {"rope": 1.5},
        {"seeds": 0},
        {"setting": {"learning_rate": 0.1}, "incumbent": {"learning_rate": 0.1}},
        {"origin": {"gain": math.inf}},
    ],
)
def test_a_claim_that_no_version_would_write_is_damaged(store: Store, claim: Claim, changes: dict[str, Any]) -> None:
    content = json.loads(store.read(claim_key(claim.id)))
    origin = content["origin"] | changes.pop("origin", {})
    store.write(claim_key(claim.id), json.dumps(content | {"origin": origin} | changes).encode())
    with pytest.raises(UserError, match=r"claim\.json is damaged, or of a newer version"):
        claims.read(store, claim.id)
    other = claim.model_copy(update={"id": f"cnn-{claim.id[-12:]}"})
    claims.create(store, other)
    assert [(row.id, row.kind) for row in rows(store)] == [(claim.id, "damaged"), (other.id, "waits")]


@pytest.mark.parametrize("content", DAMAGED)
def test_damaged_pairs_and_notes_are_named(store: Store, claim: Claim, content: bytes) -> None:
    places = pair_key(claim.id, claim.ranges[0]), judging_key(claim.id, 0)
    for place in places:
        store.write(place, content)
    assert claims.read(store, claim.id).damaged == places


def test_a_pair_in_the_place_of_another_is_damaged(store: Store, claim: Claim) -> None:
    place = pair_key(claim.id, claim.ranges[1])
    store.write(place, pair_of(claim).model_dump_json(by_alias=True).encode())
    assert claims.read(store, claim.id).damaged == (place,)


def test_a_claim_holds_no_code_no_image_and_no_store(store: Store, tiny_spec: dict[str, Any]) -> None:
    spec_content = support.claim_spec(tiny_spec, image="hpt-trainer:1", store="gs://somewhere/else", notes="why")
    claim = support.claim_of(store, spec_content)
    assert claim.spec["notes"] == "why"
    assert not claim.spec.keys() & {"trainer", "command", "describe", "image", "store", "budget"}


def test_two_sweeps_that_ask_the_same_question_make_one_claim(store: Store, tiny_spec: dict[str, Any]) -> None:
    support.finished(store, support.claim_spec(tiny_spec), token="0001")
    support.finished(store, support.claim_spec(tiny_spec, search={"strategy": "grid", "seed": 7}), token="0002")
    (claim,) = claims_of(store)
    assert claim.origin.sweep.endswith("0001")
    longer = support.claim_spec(tiny_spec, training={"max-epochs": 3, "epoch-steps": 1})
    support.finished(store, longer, token="0003")
    assert len(claims_of(store)) == 2
