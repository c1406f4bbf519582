"""What is remembered across sweeps: which ranges were used for choosing, and which winners were judged on which.

One small file per sweep, created once; `ledger/` of a store holds them by architecture and data.
"""

import hashlib
import json
from collections.abc import Sequence
from datetime import date

from pipeline.data_source import DataSource
from pipeline.dates import DateRange
from pipeline.store import Store
from pipeline.sweep import Definition

LEDGER = "ledger/"


def chosen_on(store: Store, architecture: str, data: DataSource) -> list[DateRange]:
    """The ranges that sweeps of this architecture and data chose on: each as often as it was used."""
    prefix = f"{LEDGER}chosen/{_name(architecture, data)}/"
    return [range_ for _, content in _contents(store, prefix) for range_ in _ranges(content["ranges"])]


def note_choosing(store: Store, definition: Definition) -> None:
    """Remembers what a new sweep chooses on."""
    ranges = list(dict.fromkeys(range_ for phase in definition.choosing for range_ in phase.ranges))
    key = f"{LEDGER}chosen/{_name(definition.architecture, definition.data)}/{definition.id}.json"
    store.create(key, _as_json({"ranges": [range_.as_json() for range_ in ranges]}))


def earlier_p_values(store: Store, definition: Definition) -> list[float]:
    """The p-values of what older sweeps judged on any of the ranges that this one judges on: Holm's family."""
    if definition.confirm is None:
        return []
    own = set(definition.confirm.ranges)
    prefix = f"{LEDGER}confirmed/{_name(definition.architecture, definition.data)}/"
    return [
        float(p)
        for id, content in _contents(store, prefix)
        if id < definition.id and own & set(_ranges(content["ranges"]))
        for p in content["p"]
    ]


def note_confirmation(store: Store, definition: Definition, p_values: Sequence[float | None]) -> None:
    """Remembers what a sweep judged, and with what p-values (None: it could not be tested)."""
    assert definition.confirm is not None
    key = f"{LEDGER}confirmed/{_name(definition.architecture, definition.data)}/{definition.id}.json"
    ranges = [range_.as_json() for range_ in definition.confirm.ranges]
    store.create(key, _as_json({"ranges": ranges, "p": [1.0 if p is None else p for p in p_values]}))


def _name(architecture: str, data: DataSource) -> str:
    text = json.dumps(data.model_dump(mode="json", by_alias=True), sort_keys=True)
    return f"{architecture}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def _contents(store: Store, prefix: str) -> list[tuple[str, dict[str, list]]]:
    found = []
    for entry in store.entries(prefix, ".json"):
        content = json.loads(store.read(entry.key) if entry.content is None else entry.content)
        found.append((entry.key.removeprefix(prefix).removesuffix(".json"), content))
    return found


def _ranges(pairs: Sequence[Sequence[str]]) -> list[DateRange]:
    return [DateRange(date.fromisoformat(start), date.fromisoformat(end)) for start, end in pairs]


def _as_json(content: object) -> bytes:
    return (json.dumps(content) + "\n").encode()
