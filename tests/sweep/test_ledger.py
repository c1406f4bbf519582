"""Notes of sweeps in the ledger, in a directory and in a bucket."""

import json
from collections.abc import Sequence
from datetime import date
from typing import Any

import pytest

from pipeline import spec
from pipeline.dates import DateRange
from pipeline.plan import resolve
from pipeline.store import Store
from pipeline.sweep import Definition, ledger
from pipeline.sweep.ledger import EarlierClaim
from tests.support.sweeps import NOW

AUTUMN = [["2013-08-01", "2013-11-01"], ["2013-09-01", "2013-12-01"], ["2013-10-01", "2014-01-01"]]
ASKED = {
    "architecture": "bag-of-words",
    "data": "flights",
    "as-of": "2014-01-01",
    "parameters": {"learning_rate": [0.01, 0.1]},
}
EARLIER, SWEEP, LATER = "0001", "0002", "0003"


@pytest.fixture
def store(any_store: Store) -> Store:
    return any_store


def sweep(store: Store, token: str = SWEEP, **changes: Any) -> Definition:
    """The definition that `hpt plan` makes of a spec, with this store's ledger."""
    parsed = spec.from_dict(ASKED | changes)
    assert parsed.data is not None
    return resolve.resolve(
        parsed,
        now=NOW,
        token=token,
        covered=DateRange(date(2013, 1, 1), date(2014, 1, 1)),
        used=ledger.chosen_on(store, parsed.architecture, parsed.data),
    )


def judging(definition: Definition) -> list[list[str]]:
    assert definition.confirm is not None
    return [range_.as_json() for range_ in definition.confirm.ranges]


def chosen_on(store: Store, definition: Definition) -> list[list[str]]:
    return [range_.as_json() for range_ in ledger.chosen_on(store, definition.architecture, definition.data)]


def damage(store: Store, kind: str, content: bytes) -> None:
    (entry,) = list(store.entries(f"ledger/{kind}/"))
    store.write(entry.key, content)


DAMAGED = [b"", b"{", b"\xff\xfe", b"[]", b"7", b'{"ranges": [["2013-08-01"]]}', b'{"ranges": [["2013-08", "never"]]}']


# -- ranges that chose


def test_an_empty_ledger_has_no_ranges(store: Store) -> None:
    first = sweep(store)
    assert chosen_on(store, first) == []
    assert first.chosen_before == {}


def test_a_second_sweep_sees_the_ranges_of_the_first_as_used(store: Store) -> None:
    ledger.note_choosing(store, sweep(store, EARLIER))
    second = sweep(store)
    assert chosen_on(store, second) == AUTUMN
    assert list(second.chosen_before.values()) == [1, 1, 1]


def test_a_range_that_an_earlier_sweep_chose_on_no_longer_judges(store: Store) -> None:
    spring = [["2013-02-01", "2013-05-01"]]
    before = judging(sweep(store))
    ledger.note_choosing(store, sweep(store, EARLIER, **{"date-range": spring}))
    after = judging(sweep(store))
    assert set(map(tuple, after)) < set(map(tuple, before))
    # Only what judges after April, or before February, is fresh.
    assert after == [["2013-03-01", "2013-06-01"], ["2013-04-01", "2013-07-01"], ["2013-05-01", "2013-08-01"]]


def test_how_often_a_range_was_used_is_counted(store: Store) -> None:
    for number in range(3):
        ledger.note_choosing(store, sweep(store, f"000{number}"))
    last = sweep(store, "0009", **{"date-range": AUTUMN[:1]})
    assert last.chosen_before == {"[2013-08-01, 2013-11-01)": 3}


def test_the_same_data_under_another_path_are_the_same_data(store: Store) -> None:
    ledger.note_choosing(store, sweep(store, EARLIER, data={"source": "flights"}))
    assert chosen_on(store, sweep(store)) == AUTUMN


def test_another_search_of_the_same_architecture_and_data_counts(store: Store) -> None:
    ledger.note_choosing(store, sweep(store, EARLIER, parameters={"batch_size": [64, 128]}, search={"seed": 5}))
    assert chosen_on(store, sweep(store)) == AUTUMN


@pytest.mark.parametrize(
    "changes",
    [
        {"architecture": "cnn"},
        {"data": {"source": "flights", "target": "arr_delay"}},
        {"data": {"path": "x.csv", "date": "day", "categorical": ["place"], "target": "value"}},
    ],
)
def test_another_architecture_or_other_data_do_not_count(store: Store, changes: dict[str, Any]) -> None:
    ledger.note_choosing(store, sweep(store, EARLIER, **changes))
    assert chosen_on(store, sweep(store)) == []


def test_a_range_that_several_phases_of_a_sweep_choose_on_counts_once(store: Store) -> None:
    definition = sweep(store, EARLIER)
    (screen,) = definition.choosing
    twice = definition.model_copy(update={"phases": (screen, screen.model_copy(update={"name": "near-best"}))})
    ledger.note_choosing(store, twice)
    assert chosen_on(store, definition) == AUTUMN


def test_a_sweep_is_noted_once(store: Store) -> None:
    definition = sweep(store)
    ledger.note_choosing(store, definition)
    ledger.note_choosing(store, definition)
    assert chosen_on(store, definition) == AUTUMN


def test_the_ranges_that_judge_are_not_noted_as_chosen_on(store: Store) -> None:
    definition = sweep(store, EARLIER)
    ledger.note_choosing(store, definition)
    note(store, definition, 0.01)
    assert judging(sweep(store)) == judging(definition)


@pytest.mark.parametrize("content", DAMAGED)
def test_a_damaged_note_of_choosing_stops_no_sweep(store: Store, content: bytes) -> None:
    ledger.note_choosing(store, sweep(store, EARLIER))
    damage(store, "chosen", content)
    ledger.note_choosing(store, sweep(store, SWEEP))
    assert chosen_on(store, sweep(store, LATER)) == AUTUMN


# -- p-values


SETTINGS: dict[str, Any] = {"e001": {"learning_rate": 0.1}, "e002": {"learning_rate": 0.2}}


def note(store: Store, definition: Definition, *p_values: float | None, counted: Sequence[EarlierClaim] = ()) -> None:
    """Writes the note of a sweep's confirmation, with these p-values for e001 and e002."""
    names = list(SETTINGS)[: len(p_values)]
    ledger.note_confirmation(store, definition, dict(zip(names, p_values, strict=True)), SETTINGS, counted)


def counted(store: Store, definition: Definition, finalist: float = 0.3) -> list[float]:
    """p-values of the claims that count against a claim of another setting."""
    claims = ledger.earlier_claims(store, definition, {"e001": {"learning_rate": finalist}})
    return [claim.p for claim in claims]


def test_the_claims_of_older_sweeps_on_the_same_ranges_are_the_family(store: Store) -> None:
    before = sweep(store, EARLIER)
    note(store, before, 0.03, 0.4)
    claims = ledger.earlier_claims(store, sweep(store), {})
    assert claims == [EarlierClaim(before.id, "e001", 0.03), EarlierClaim(before.id, "e002", 0.4)]


@pytest.mark.parametrize("p", [None, 0.5, 0.97])
def test_a_finalist_that_gained_nothing_or_was_not_testable_is_no_claim(store: Store, p: float | None) -> None:
    note(store, sweep(store, EARLIER), p, 0.2)
    assert counted(store, sweep(store)) == [0.2]


def test_the_same_trainings_make_the_same_claim(store: Store) -> None:
    note(store, sweep(store, EARLIER), 0.03)
    note(store, sweep(store, SWEEP), 0.03)
    assert counted(store, sweep(store, LATER)) == [0.03]
    assert counted(store, sweep(store, LATER), finalist=0.1) == []
    assert counted(store, sweep(store, LATER, search={"seed": 5}), finalist=0.1) == [0.03]


@pytest.mark.parametrize(
    "changes",
    [
        {"incumbent": {"batch_size": 128}},
        {"training": {"max-epochs": 1}},
        {"training": {"test-share": 0.2}},
    ],
)
def test_another_question_is_another_family(store: Store, changes: dict[str, Any]) -> None:
    note(store, sweep(store, EARLIER, **changes), 0.03)
    assert counted(store, sweep(store)) == []
    assert counted(store, sweep(store, **changes)) == [0.03]


def test_notes_of_older_versions_count_as_claims_of_any_question(store: Store) -> None:
    note(store, sweep(store, EARLIER), 0.03)
    (entry,) = store.entries("ledger/confirmed", ".json")
    old = {"ranges": json.loads(store.read(entry.key))["ranges"], "p": [0.03, 0.7, 1.0], "earlier": [0.2]}
    store.write(entry.key, json.dumps(old).encode())
    assert counted(store, sweep(store, LATER, incumbent={"batch_size": 128})) == [0.03]
    assert counted(store, sweep(store, EARLIER)) == [0.2]


def test_the_family_is_fixed_when_a_sweep_is_first_judged(store: Store) -> None:
    note(store, sweep(store, SWEEP), 0.03)
    note(store, sweep(store, LATER), 0.02, counted=[EarlierClaim("s", "e001", 0.03)])
    assert counted(store, sweep(store, SWEEP)) == []
    assert counted(store, sweep(store, LATER)) == [0.03]


def test_a_sweep_that_is_judged_late_counts_newer_claims_too(store: Store) -> None:
    note(store, sweep(store, LATER), 0.02)
    assert counted(store, sweep(store, EARLIER)) == [0.02]


def test_one_common_range_is_enough_and_an_overlap_is_not(store: Store) -> None:
    note(store, sweep(store, EARLIER), 0.03)
    common = {"confirm-range": [["2013-01-01", "2013-04-01"], ["2013-01-15", "2013-04-15"]]}
    assert counted(store, sweep(store, **common)) == [0.03]
    overlap = {"confirm-range": [["2013-01-01", "2013-03-31"]]}
    assert counted(store, sweep(store, **overlap)) == []


@pytest.mark.parametrize("changes", [{"architecture": "cnn"}, {"data": {"source": "flights", "target": "arr_delay"}}])
def test_claims_of_another_architecture_or_of_other_data_do_not_count(store: Store, changes: dict[str, Any]) -> None:
    note(store, sweep(store, EARLIER, **changes), 0.03)
    assert counted(store, sweep(store)) == []


def test_the_note_of_a_confirmation_never_changes(store: Store) -> None:
    note(store, sweep(store, EARLIER), 0.03)
    note(store, sweep(store, EARLIER), 0.4)
    assert counted(store, sweep(store)) == [0.03]


def test_a_sweep_that_confirms_nothing_has_no_family(store: Store) -> None:
    note(store, sweep(store, EARLIER), 0.03)
    assert counted(store, sweep(store, confirm={"ranges": 0})) == []


@pytest.mark.parametrize("content", [*DAMAGED, b'{"ranges": [], "p": "no"}', b'{"ranges": [], "p": null}'])
def test_a_damaged_note_of_a_confirmation_counts_as_a_claim_with_unknown_p(store: Store, content: bytes) -> None:
    note(store, sweep(store, EARLIER), 0.03)
    damage(store, "confirmed", content)
    assert counted(store, sweep(store)) == [1.0]
