"""What is remembered across sweeps: which ranges were used for choosing, and which winners were judged on which.

One small file per sweep, created once; `ledger/` of a store holds them by architecture and data. A damaged
file stops no sweep.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pipeline.data.source import DataSource
from pipeline.dates import DateRange
from pipeline.store import Store, content_of
from pipeline.sweep.definition import Definition
from pipeline.sweep.layout import chosen_key, confirmed_key, sweep_of


@dataclass(frozen=True)
class _Note:
    """A sweep's file in the ledger, of either kind."""

    sweep: str
    ranges: tuple[DateRange, ...]
    p_values: tuple[float, ...]
    earlier: tuple[float, ...] = ()
    damaged: bool = False


def chosen_on(store: Store, architecture: str, data: DataSource | None) -> list[DateRange]:
    """The ranges that sweeps of this architecture and data chose on: each as often as it was used."""
    notes = _notes(store, chosen_key(_name(architecture, data)))
    return [range_ for note in notes for range_ in note.ranges]


def note_choosing(store: Store, definition: Definition) -> None:
    """Remembers the ranges that a new sweep chooses on, once. A study of resemblance chooses nothing."""
    if definition.resembling:
        return
    ranges = list(dict.fromkeys(range_ for phase in definition.choosing for range_ in phase.ranges))
    key = chosen_key(_name(definition.architecture, definition.data), definition.id)
    store.create(key, _as_json({"ranges": [range_.as_json() for range_ in ranges]}))


def earlier_p_values(store: Store, definition: Definition) -> list[float]:
    """The p-values of what other sweeps had judged on any of these ranges when this one judged: Holm's family.

    It is fixed when the sweep is judged first, so that the verdict stays what it was. A damaged note was of some
    judgement, so it counts as one whose p-value is not known.
    """
    if definition.confirm is None:
        return []
    judging = set(definition.confirm.ranges)
    notes = list(_notes(store, confirmed_key(_name(definition.architecture, definition.data))))
    for note in notes:
        if note.sweep == definition.id and not note.damaged:
            return list(note.earlier)
    others = [note for note in notes if note.sweep != definition.id]
    return [p for note in others if note.damaged or judging & set(note.ranges) for p in note.p_values]


def note_confirmation(
    store: Store, definition: Definition, p_values: Sequence[float | None], earlier: Sequence[float] = ()
) -> None:
    """Remembers, once, the ranges that a sweep judged on and its p-values, of which None is one that was not testable.

    `earlier` is the family that they were adjusted in.
    """
    assert definition.confirm is not None
    key = confirmed_key(_name(definition.architecture, definition.data), definition.id)
    ranges = [range_.as_json() for range_ in definition.confirm.ranges]
    store.create(
        key, _as_json({"ranges": ranges, "p": [1.0 if p is None else p for p in p_values], "earlier": list(earlier)})
    )


def _name(architecture: str, data: DataSource | None) -> str:
    text = json.dumps(data and data.model_dump(mode="json", by_alias=True), sort_keys=True)
    return f"{architecture}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def _notes(store: Store, prefix: str) -> Iterator[_Note]:
    for entry in store.entries(prefix, ".json"):
        sweep = sweep_of(entry.key)
        try:
            yield _parse(sweep, content_of(store, entry))
        except FileNotFoundError:  # somebody deleted it since it was listed
            continue
        except (ValueError, TypeError, KeyError):
            yield _Note(sweep, (), (1.0,), damaged=True)


def _parse(sweep: str, data: bytes) -> _Note:
    content = json.loads(data)
    ranges = [DateRange.from_json(days) for days in content["ranges"]]
    return _Note(sweep, tuple(ranges), tuple(map(float, content.get("p", ()))), tuple(content.get("earlier", ())))


def _as_json(content: object) -> bytes:
    return (json.dumps(content) + "\n").encode()
