"""Claims: settings that may be better than their incumbent. Each new month of data judges them again.

`ledger/claims/<id>/` holds the claim, fixed when it is made; a note for each sweep that judges it; and a pair for each
date range: the scores of the setting and its incumbent on days after the claim was made. All are created once. A claim
holds no code: the command of a team's own trainer always comes from a spec. `analysis/sequential.py` decides when a
claim is real.
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
from pipeline.results import printable
from pipeline.space import Assignment, key
from pipeline.spec.model import Objective, Spec, SpecDateRange, Training
from pipeline.store import Store, content_of
from pipeline.sweep.definition import Definition, Fidelity, Resemblance
from pipeline.sweep.digests import as_json, from_json
from pipeline.sweep.layout import CLAIMS, claim_key, is_claim_id, is_sweep_id, judging_key, pair_key
from pipeline.training.own.code import Own

FORMAT = 1
"""Format of the claims that this version makes. Newer ones cannot be read."""
CODE = ("trainer", "command", "describe")
"""Keys of a spec that name code."""
Measured = Annotated[float, Field(allow_inf_nan=False)]
"""A finite number."""
_ELSEWHERE = ("image", "store", "budget")
"""Keys of a spec for the place and the cost of a sweep."""


class Look(Recorded):
    """One planned look at a claim: the number of date ranges at which it is judged."""

    ranges: int = Field(ge=3)
    level: float = Field(gt=0, lt=1)
    """The largest p-value at which the claim is real."""
    correction: Measured = Field(ge=0)
    """The c of the test, in variance x (1/ranges + c)."""


class Origin(Recorded):
    """Result of the sweep that made a claim.

    It is shown, but judging never counts it: only good results become claims, so its gain overstates the true one.
    """

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
    """A setting that may be better than its incumbent by more than the rope, and the plan for judging it."""

    format: int = FORMAT
    id: str
    origin: Origin
    day: date
    """The day of the claim: the validation and test days of all its date ranges lie after it."""
    created: str
    sweep_format: int
    """`Definition.format` of the sweep that made the claim. Sweeps of another format cannot judge it."""
    architecture: str
    data: DataSource | None
    seed: int
    training: Training
    objective: Objective
    incumbent: Assignment
    setting: Assignment
    """A value for every hyperparameter, as in `incumbent`."""
    fidelity: Fidelity
    seeds: int = Field(ge=1)
    """Trainings of the setting on a date range, and of the incumbent."""
    rope: Measured = Field(ge=0)
    resemblance: Resemblance | None
    """The evidence from which the correction of the last look was learned; None if it is `power.correction`."""
    ranges: tuple[SpecDateRange, ...]
    """All date ranges that will judge it, oldest first."""
    looks: tuple[Look, ...]
    """The last look is at all of `ranges`."""
    code: str | None
    """`code_mark` of the team's own trainer; None: a built-in architecture."""
    spec: dict[str, Any]
    """Spec of the sweep, without code."""

    @property
    def differences(self) -> Assignment:
        """The values in which the setting differs from the incumbent."""
        return {name: value for name, value in self.setting.items() if key(value) != key(self.incumbent.get(name))}

    @property
    def in_words(self) -> str:
        """The differences in words: `learning_rate=0.03 hidden_size=128`."""
        return " ".join(f"{name}={printable(value)}" for name, value in self.differences.items())

    @property
    def incumbent_name(self) -> str:
        """As `Definition.incumbent_name`."""
        return "your setting" if self.spec.get("incumbent") else "the defaults"


class Pair(Recorded):
    """Test scores of a claim's setting and its incumbent on one date range."""

    claim: str
    sweep: str
    """The sweep that trained both."""
    range: SpecDateRange
    judged: str
    """Time of judging. It orders the pairs that no note lists as `counted`."""
    setting: tuple[Measured | None, ...]
    """Scores by seed; None if a training diverged, has no finite score, or is missing."""
    incumbent: tuple[Measured | None, ...]
    """As `setting`."""
    fingerprint: str | None
    """Fingerprint of the data that both read; None if unknown."""
    left_out: str | None = None
    """Reason why there will never be trainings of both; None if both ended."""


class JudgingNote(Recorded):
    """The sweep that judges a claim on some of its date ranges."""

    number: int
    """The claim's first note is 0."""
    sweep: str
    ranges: tuple[SpecDateRange, ...]
    as_of: date
    created: str
    counted: tuple[SpecDateRange, ...] = ()
    """The date ranges that had scores of both when the note was written, in the order in which looks count them.

    A pair that is deleted and judged again keeps its place, so no earlier look changes.
    """


@dataclass(frozen=True)
class Stored:
    """A claim with all that the store holds of it."""

    claim: Claim
    pairs: tuple[Pair, ...] = ()
    """In the order in which they count."""
    notes: tuple[JudgingNote, ...] = ()
    """Oldest first."""
    damaged: tuple[str, ...] = ()
    """Keys of pairs and notes that cannot be read."""

    @property
    def next_number(self) -> int:
        """Number of the next note."""
        return 1 + max((note.number for note in self.notes), default=-1)

    @property
    def open_ranges(self) -> list[DateRange]:
        """The date ranges that have no pair yet, oldest first."""
        judged = {pair.range for pair in self.pairs}
        return [date_range for date_range in self.claim.ranges if date_range not in judged]

    @property
    def tried_before(self) -> set[DateRange]:
        """The date ranges that an earlier sweep was meant to judge and that still have no pair."""
        return {date_range for note in self.notes for date_range in note.ranges} & set(self.open_ranges)

    def was_tried_before(self, date_range: DateRange, sweep: str) -> bool:
        """True if a sweep before `sweep` was meant to judge the date range."""
        earlier = takewhile(lambda note: note.sweep != sweep, self.notes)
        return any(date_range in note.ranges for note in earlier)


def identity(definition: Definition, setting: Assignment) -> str:
    """The id of the claim that a sweep makes of a setting.

    It is a hash of the question that the claim asks, so two sweeps with the same question make the same claim.
    """
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
    """A hash that identifies a team's own trainer; None for a built-in architecture."""
    if code is None or (code.trainer is None and code.command is None):
        return None
    words = [word if isinstance(word, str) else word.model_dump(mode="json") for word in code.command or ()]
    text = json.dumps([code.trainer, words, code.metrics_pattern])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def without_code(spec: Mapping[str, Any]) -> dict[str, Any]:
    """A spec without the keys that name code, place and cost."""
    return {name: value for name, value in spec.items() if name not in (*CODE, *_ELSEWHERE)}


# -- in the store


def create(store: Store, claim: Claim) -> bool:
    """Writes a claim. False if there is one with this id, which stays as it is."""
    return store.create(claim_key(claim.id), as_json(claim))


def add_pair(store: Store, pair: Pair) -> bool:
    """Writes a pair. False if the date range has one, which stays as it is."""
    return store.create(pair_key(pair.claim, pair.range), as_json(pair))


def add_note(store: Store, claim: Claim, note: JudgingNote) -> JudgingNote:
    """Writes the note of the sweep that judges a claim next. If several do at once, all get the first one's note.

    Raises UserError if the note in the store is damaged.
    """
    place = judging_key(claim.id, note.number)
    if store.create(place, as_json(note)):
        return note
    try:
        return from_json(JudgingNote, store.read(place))
    except ValueError:
        raise UserError(f"{store.root}/{place} is damaged: put it back, or delete it") from None


def all_stored(store: Store) -> Iterator[Stored | tuple[str, str]]:
    """Every claim of a store with its pairs, sorted by id; `(id, problem)` for a claim that cannot be read."""
    for id in store.folders(CLAIMS):
        if not is_claim_id(id):
            continue
        try:
            yield read(store, id)
        except UserError as error:
            yield id, str(error)


def find(store: Store, name: str) -> Stored:
    """A claim by its id, or by the end of it. Raises UserError if no claim matches, or several do."""
    ids = [id for id in store.folders(CLAIMS) if is_claim_id(id)]
    matches = [name] if name in ids else [id for id in ids if name and id.endswith(name)]
    if len(matches) == 1:
        return read(store, matches[0])
    if matches:
        raise UserError(f'"{name}" could be any of {", ".join(matches)}')
    raise UserError(f'{store.root} holds no claim "{name}"; it holds {", ".join(ids[-5:]) or "none"}')


def read(store: Store, id: str) -> Stored:
    """A claim with its pairs and notes. Raises UserError if there is no such claim, or it is damaged."""
    place = claim_key(id)
    try:
        claim = _parse_claim(store.read(place), id)
    except FileNotFoundError:
        raise UserError(f"{store.root} holds no claim {id}, or its claim.json is gone") from None
    except ValueError:
        raise UserError(f"{store.root}/{place} is damaged, or of a newer version of hpt: put it back") from None
    pairs, damaged_pairs = _read_all(store, claim, Pair, pair_key(id))
    notes, damaged_notes = _read_all(store, claim, JudgingNote, judging_key(id))
    notes.sort(key=lambda note: note.number)
    return Stored(claim, tuple(_in_counting_order(pairs, notes)), tuple(notes), (*damaged_pairs, *damaged_notes))


def _in_counting_order(pairs: Sequence[Pair], notes: Sequence[JudgingNote]) -> list[Pair]:
    places: dict[DateRange, int] = {}
    for note in notes:
        for date_range in note.counted:
            places.setdefault(date_range, len(places))
    return sorted(pairs, key=lambda pair: (places.get(pair.range, len(places)), pair.judged, pair.range))


_Value = TypeVar("_Value", Pair, JudgingNote)


def _read_all(store: Store, claim: Claim, kind: type[_Value], prefix: str) -> tuple[list[_Value], list[str]]:
    """The files in a folder of a claim, sorted by name, and the keys of damaged ones."""
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
    """Raises ValueError if it is damaged, or has another id."""
    claim = from_json(Claim, content)
    counts = [look.ranges for look in claim.looks]
    if claim.format != FORMAT or claim.id != id or not is_sweep_id(claim.origin.sweep):
        raise ValueError("another claim's, or of a newer version")
    fits = claim.setting.keys() == claim.incumbent.keys() and bool(claim.differences)
    fits = fits and counts == sorted(set(counts)) and counts[-1:] == [len(claim.ranges)]
    fits = fits and list(claim.ranges) == sorted(set(claim.ranges)) and math.isfinite(_least_gain(claim))
    if not fits or not all(_judges_later(claim, date_range) for date_range in claim.ranges):
        raise ValueError("no claim that this version would make")
    return claim


def _least_gain(claim: Claim) -> float:
    """Raises ValueError if the rope is impossible on the metric's scale."""
    return claim.objective.gains.as_gain(claim.rope)


def _judges_later(claim: Claim, date_range: DateRange) -> bool:
    """True if a date range judges on days after the claim's day. Raises ValueError if it has too few days."""
    return date_range.split(claim.training.validation_share, claim.training.test_share).judged.start > claim.day


def _check(claim: Claim, value: Pair | JudgingNote, place: str) -> None:
    """Raises ValueError if a file does not belong to the claim, or to its key `place`."""
    if isinstance(value, Pair):
        fits = place == pair_key(claim.id, value.range) and value.claim == claim.id and value.range in claim.ranges
        fits = fits and len(value.setting) == len(value.incumbent) == claim.seeds
    else:
        fits = place == judging_key(claim.id, value.number) and is_sweep_id(value.sweep)
        fits = fits and {*value.ranges, *value.counted} <= set(claim.ranges) and bool(value.ranges)
    if not fits:
        raise ValueError("not of this claim, or not of this date range")
