"""Claims: settings that may be better than their incumbent, which each new month of data judges again.

`ledger/claims/<id>/` holds the claim, fixed when it is made; a note for each sweep that judges it; and a pair for each
date range: what the setting and its incumbent came to on days that nobody had seen when the claim was made. All are
created once. A claim holds no code: what runs a team's own trainer comes from a spec, never from here. When it is real
is for `analysis/sequential.py` to say.
"""

import hashlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import takewhile
from typing import Annotated, Any, TypeVar

from pydantic import Field

from pipeline.base import Recorded
from pipeline.data.source import DataSource
from pipeline.dates import DateRange
from pipeline.errors import UserError
from pipeline.results import shown
from pipeline.space import Assignment, key
from pipeline.spec.model import Objective, Spec, SpecDateRange, Training
from pipeline.store import Store, content_of
from pipeline.sweep.definition import Definition, Fidelity, Resemblance
from pipeline.sweep.digests import as_json, from_json
from pipeline.sweep.layout import CLAIMS, claim_key, is_claim_id, is_sweep_id, judging_key, pair_key
from pipeline.training.own.code import Own

FORMAT = 1
"""Of the claims that this version makes. One of a newer version cannot be read."""
CODE = ("trainer", "command", "describe")
"""Keys of a spec that say what runs."""
Measured = Annotated[float, Field(allow_inf_nan=False)]
_ELSEWHERE = ("image", "store", "budget")
"""Keys of a spec that say where a sweep runs and what it may cost."""


class Look(Recorded):
    """A number of date ranges at which a claim is judged."""

    ranges: int = Field(ge=3)
    level: float = Field(gt=0, lt=1)
    """The p-value up to which it is then real."""
    correction: Measured = Field(ge=0)
    """The c of the test, in variance x (1/ranges + c)."""


class Origin(Recorded):
    """What the sweep that made a claim found. It is shown and never counted: only what came out well becomes a claim,
    so its gain is larger than the true one. The looks have a level of their own."""

    sweep: str
    experiment: str
    verdict: str
    """`promising` or `not shown`."""
    gain: Measured
    interval: tuple[Measured, Measured] | None
    p: Measured | None
    wins: int
    ranges: int


class Claim(Recorded):
    """A setting that may be better than its incumbent by more than the rope, and all that will judge it."""

    format: int = FORMAT
    id: str
    origin: Origin
    day: date
    """What judges lies after it."""
    created: str
    sweep_format: int
    """`Definition.format`: trainings of another one cannot be added."""
    architecture: str
    data: DataSource | None
    seed: int
    training: Training
    objective: Objective
    incumbent: Assignment
    setting: Assignment
    """Both complete: a value for every hyperparameter."""
    fidelity: Fidelity
    seeds: int = Field(ge=1)
    """Trainings of each of the two on a date range."""
    rope: Measured = Field(ge=0)
    resemblance: Resemblance | None
    """What the correction of the last look comes from; None: the constant."""
    ranges: tuple[SpecDateRange, ...]
    """All that will ever judge it, oldest first."""
    looks: tuple[Look, ...]
    """The last one at as many as there are ranges."""
    code: str | None
    """Mark of the team's own trainer, as `code_mark` has it; None: a built-in architecture."""
    spec: dict[str, Any]
    """That of the sweep, without code."""

    @property
    def differences(self) -> Assignment:
        """The values of the setting that the incumbent has otherwise."""
        return {name: value for name, value in self.setting.items() if key(value) != key(self.incumbent.get(name))}

    @property
    def in_words(self) -> str:
        """`learning_rate=0.03 hidden_size=128`: what is not as in the incumbent."""
        return " ".join(f"{name}={shown(value)}" for name, value in self.differences.items())

    @property
    def incumbent_name(self) -> str:
        """As `Definition.incumbent_name`."""
        return "your setting" if self.spec.get("incumbent") else "the defaults"


class Pair(Recorded):
    """What a claim's setting and its incumbent came to on one date range, by the test metric."""

    claim: str
    sweep: str
    """That trained both."""
    range: SpecDateRange
    judged: str
    """When: the order in which pairs count that no later note of judging names."""
    setting: tuple[Measured | None, ...]
    incumbent: tuple[Measured | None, ...]
    """By seed; None where a training diverged, or has no finite score, or where there is none."""
    fingerprint: str | None
    """Of the data that both read; None: nobody knows."""
    left_out: str | None = None
    """Why there never will be trainings of both; None: they came to their end."""


class JudgingNote(Recorded):
    """Which sweep judges a claim on which date ranges."""

    number: int
    """The claim's first one is 0."""
    sweep: str
    ranges: tuple[SpecDateRange, ...]
    as_of: date
    created: str
    counted: tuple[SpecDateRange, ...] = ()
    """Those that had a pair by then and were not left out, in the order in which they count. They keep it, so that no
    look is revised by a pair that is deleted and judged anew, or tried again later."""


@dataclass(frozen=True)
class Stored:
    """A claim as it lies in a store."""

    claim: Claim
    pairs: tuple[Pair, ...] = ()
    """In the order in which they count."""
    notes: tuple[JudgingNote, ...] = ()
    """Oldest first."""
    damaged: tuple[str, ...] = ()
    """Keys of pairs and notes that cannot be read."""

    @property
    def next_number(self) -> int:
        """Of a new note."""
        return 1 + max((note.number for note in self.notes), default=-1)

    @property
    def open_ranges(self) -> list[DateRange]:
        """The date ranges that have no pair yet, oldest first."""
        judged = {pair.range for pair in self.pairs}
        return [one for one in self.claim.ranges if one not in judged]

    @property
    def tried_before(self) -> set[DateRange]:
        """The date ranges that a sweep was to judge, and that have no pair all the same."""
        return {one for note in self.notes for one in note.ranges} & set(self.open_ranges)

    def had_been_tried(self, one: DateRange, sweep: str) -> bool:
        """Whether a sweep earlier than this one was to judge a date range, too."""
        earlier = takewhile(lambda note: note.sweep != sweep, self.notes)
        return any(one in note.ranges for note in earlier)


def identity(definition: Definition, setting: Assignment) -> str:
    """The id of the claim that a sweep makes of a setting: of two sweeps the same if they ask the same question."""
    assert definition.confirm is not None
    assert definition.confirm.judging is not None
    question = [
        [sorted((name, key(value)) for name, value in values.items()) for values in (setting, definition.incumbent)],
        definition.data and definition.data.model_dump(mode="json", by_alias=True),
        definition.training.model_dump(mode="json", exclude={"time_limit_minutes"}),
        definition.objective.model_dump(mode="json"),
        definition.confirm.fidelity.model_dump(mode="json"),
        [definition.confirm.judging.rope, definition.confirm.seeds, definition.format],
        code_mark(definition.own),
    ]
    text = json.dumps([definition.architecture, *question], sort_keys=True)
    return f"{definition.architecture}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def code_mark(code: Own | Spec | None) -> str | None:
    """Tells one team's own trainer from another; None where there is none."""
    if code is None or (code.trainer is None and code.command is None):
        return None
    words = [word if isinstance(word, str) else word.model_dump(mode="json") for word in code.command or ()]
    text = json.dumps([code.trainer, words, code.metrics_pattern])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def without_code(spec: Mapping[str, Any]) -> dict[str, Any]:
    """A spec without what says which code runs, and where."""
    return {name: value for name, value in spec.items() if name not in (*CODE, *_ELSEWHERE)}


# -- in the store


def create(store: Store, claim: Claim) -> bool:
    """Keeps a claim. False: there is one of its id already, which stays as it is."""
    return store.create(claim_key(claim.id), as_json(claim))


def add_pair(store: Store, pair: Pair) -> bool:
    """Keeps a pair. False: the date range has one already, which stays as it is."""
    return store.create(pair_key(pair.claim, pair.range), as_json(pair))


def add_note(store: Store, claim: Claim, note: JudgingNote) -> JudgingNote:
    """Notes which sweep judges a claim next; of several that race, all get the note of the first.

    Raises UserError if that one is damaged.
    """
    where = judging_key(claim.id, note.number)
    if store.create(where, as_json(note)):
        return note
    try:
        return from_json(JudgingNote, store.read(where))
    except ValueError:
        raise UserError(f"{store.root}/{where} is damaged: put it back, or delete it") from None


def all_stored(store: Store) -> Iterator[Stored | tuple[str, str]]:
    """Every claim of a store with its pairs, by id; of one that cannot be read, `(id, why)`."""
    for id in store.folders(CLAIMS):
        if not is_claim_id(id):
            continue
        try:
            yield read(store, id)
        except UserError as error:
            yield id, str(error)


def find(store: Store, name: str) -> Stored:
    """A claim by its id, or by the end of it if that is unambiguous. Raises UserError if there is none, or several."""
    ids = [id for id in store.folders(CLAIMS) if is_claim_id(id)]
    matches = [name] if name in ids else [id for id in ids if name and id.endswith(name)]
    if len(matches) == 1:
        return read(store, matches[0])
    if matches:
        raise UserError(f'"{name}" could be any of {", ".join(matches)}')
    raise UserError(f'{store.root} holds no claim "{name}"; it holds {", ".join(ids[-5:]) or "none"}')


def read(store: Store, id: str) -> Stored:
    """A claim with its pairs. Raises UserError if there is none of this id, or if it is damaged."""
    where = claim_key(id)
    try:
        claim = _parse_claim(store.read(where), id)
    except FileNotFoundError:
        raise UserError(f"{store.root} holds no claim {id}, or its claim.json is gone") from None
    except ValueError:
        raise UserError(f"{store.root}/{where} is damaged, or of a newer version of hpt: put it back") from None
    pairs, no_pairs = _read_all(store, claim, Pair, pair_key(id))
    notes, no_notes = _read_all(store, claim, JudgingNote, judging_key(id))
    notes.sort(key=lambda note: note.number)
    return Stored(claim, tuple(_as_they_count(pairs, notes)), tuple(notes), (*no_pairs, *no_notes))


def _as_they_count(pairs: Sequence[Pair], notes: Sequence[JudgingNote]) -> list[Pair]:
    places: dict[DateRange, int] = {}
    for note in notes:
        for one in note.counted:
            places.setdefault(one, len(places))
    return sorted(pairs, key=lambda pair: (places.get(pair.range, len(places)), pair.judged, pair.range))


_Value = TypeVar("_Value", Pair, JudgingNote)


def _read_all(store: Store, claim: Claim, kind: type[_Value], prefix: str) -> tuple[list[_Value], list[str]]:
    """The files of a folder of a claim, in the order of their names, and the keys of those that are damaged."""
    values, damaged = [], []
    for entry in store.entries(prefix, ".json"):
        try:
            value = from_json(kind, content_of(store, entry))
            _check(claim, value, entry.key)
        except FileNotFoundError:  # deleted since it was listed
            continue
        except ValueError:
            damaged.append(entry.key)
        else:
            values.append(value)
    return values, damaged


def _parse_claim(content: bytes, id: str) -> Claim:
    """Raises ValueError if it is damaged, or not the claim of this id."""
    claim = from_json(Claim, content)
    counts = [look.ranges for look in claim.looks]
    if claim.format != FORMAT or claim.id != id or not is_sweep_id(claim.origin.sweep):
        raise ValueError("another claim's, or of a newer version")
    fits = claim.setting.keys() == claim.incumbent.keys() and bool(claim.differences)
    fits = fits and counts == sorted(set(counts)) and counts[-1:] == [len(claim.ranges)]
    fits = fits and list(claim.ranges) == sorted(set(claim.ranges)) and math.isfinite(_least_gain(claim))
    if not fits or not all(_judges_later(claim, one) for one in claim.ranges):
        raise ValueError("no claim that this version would make")
    return claim


def _least_gain(claim: Claim) -> float:
    """Raises ValueError if the rope is none on the scale of the metric."""
    return claim.objective.gains.as_gain(claim.rope)


def _judges_later(claim: Claim, one: DateRange) -> bool:
    """Whether a date range judges on days after the claim's. Raises ValueError if it has too few days."""
    return one.split(claim.training.validation_share, claim.training.test_share).judged.start > claim.day


def _check(claim: Claim, value: Pair | JudgingNote, where: str) -> None:
    """Raises ValueError if a file is not what its place says."""
    if isinstance(value, Pair):
        fits = where == pair_key(claim.id, value.range) and value.claim == claim.id and value.range in claim.ranges
        fits = fits and len(value.setting) == len(value.incumbent) == claim.seeds
    else:
        fits = where == judging_key(claim.id, value.number) and is_sweep_id(value.sweep)
        fits = fits and {*value.ranges, *value.counted} <= set(claim.ranges) and bool(value.ranges)
    if not fits:
        raise ValueError("not of this claim, or not of this date range")
