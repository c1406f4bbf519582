"""Notes across sweeps: the date ranges that each sweep chose on, and the p-values of its confirmation.

Each sweep writes one small file of either kind, once, into `ledger/chosen/` and `ledger/confirmed/`, in a folder for
its architecture and data. A damaged file stops no sweep. A claim in this module is a finalist that counts in Holm's
correction of later verdicts. The claims that new data judge again are in `claims.py`.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

from pipeline.data.source import DataSource, with_all_known_paths
from pipeline.dates import DateRange
from pipeline.space import Assignment, key
from pipeline.store import Store, content_of
from pipeline.sweep.definition import Definition
from pipeline.sweep.layout import chosen_key, confirmed_key, sweep_of

CLAIMED_BELOW = 0.5
"""A finalist with a lower p-value gained more than the rope, so it counts as a claim. Others do not count."""


@dataclass(frozen=True)
class EarlierClaim:
    """A finalist of an earlier sweep that gained more than the rope there, and so counts in Holm's correction."""

    sweep: str
    experiment: str
    """Empty in a note of an older version."""
    p: float
    """Before Holm; 1 if the note is damaged."""


@dataclass(frozen=True)
class _Note:
    """A sweep's file in the ledger, of either kind."""

    sweep: str
    ranges: tuple[DateRange, ...]
    p_values: tuple[float, ...] = ()
    experiments: tuple[str, ...] = ()
    trainings: tuple[str, ...] = ()
    question: str | None = None
    counted: tuple[EarlierClaim, ...] = ()
    damaged: bool = False


def chosen_on(
    store: Store, architecture: str, data: DataSource | None, *, before: str | None = None
) -> list[DateRange]:
    """The ranges that sweeps of this architecture and data chose on, each as often as it was used.

    With `before`, a sweep's id, only those of older sweeps.
    """
    notes = _notes(store, chosen_key, architecture, data)
    return [range_ for note in notes if before is None or note.sweep < before for range_ in note.ranges]


def note_choosing(store: Store, definition: Definition) -> None:
    """Writes the ranges that a new sweep chooses on, once.

    Writes nothing for a study of resemblance, and for a sweep that judges a claim.
    """
    if definition.resembling or definition.claim:
        return
    ranges = list(dict.fromkeys(range_ for phase in definition.choosing for range_ in phase.ranges))
    key = chosen_key(_name(definition.architecture, definition.data), definition.id)
    store.create(key, _as_json({"ranges": [range_.as_json() for range_ in ranges]}))


def earlier_claims(store: Store, definition: Definition, finalists: Mapping[str, Assignment]) -> list[EarlierClaim]:
    """The claims of other sweeps with which a sweep's finalists share the level: together they are Holm's family.

    A sweep asks a question: does anything beat this incumbent, trained like this, by this metric, on these date ranges?
    The claims of other sweeps on the same question count, each once. Finalists whose gain was not beyond the rope do
    not count, nor those that could not be tested, nor those that repeat a training of `finalists`. Notes of older
    versions name no question; their claims count. A damaged note counts as one claim with p = 1.

    The answer is fixed when the sweep is first judged, so that its verdict never changes.
    """
    if definition.confirm is None:
        return []
    judging, question = set(definition.confirm.ranges), _question(definition)
    notes = list(_notes(store, confirmed_key, definition.architecture, definition.data))

    # A sweep that was judged before keeps its family.
    for note in notes:
        if note.sweep == definition.id and not note.damaged:
            return list(note.counted)

    # Otherwise the claims of others, each training once.
    trainings = {_training(definition, assignment) for assignment in finalists.values()}
    claims = []
    for note in notes:
        if note.sweep == definition.id:
            continue
        if note.damaged:
            claims.append(EarlierClaim(note.sweep, "", 1.0))
        if not judging & set(note.ranges) or note.question not in (None, question):
            continue
        for p, experiment, training in zip_longest(note.p_values, note.experiments, note.trainings, fillvalue=""):
            if isinstance(p, float) and p < CLAIMED_BELOW and training not in trainings:
                claims.append(EarlierClaim(note.sweep, experiment, p))
                trainings |= {training} if training else set()
    return claims


def note_confirmation(
    store: Store,
    definition: Definition,
    p_values: Mapping[str, float | None],
    finalists: Mapping[str, Assignment],
    counted: Sequence[EarlierClaim] = (),
) -> None:
    """Writes the ranges on which a sweep judged its finalists, and their p-values, once.

    `p_values` is {finalist: p}; p is None if it was not testable. `counted` are the earlier claims in Holm's family.
    """
    assert definition.confirm is not None
    note = confirmed_key(_name(definition.architecture, definition.data), definition.id)
    content = {
        "ranges": [range_.as_json() for range_ in definition.confirm.ranges],
        "question": _question(definition),
        "experiments": list(p_values),
        "trainings": [_training(definition, finalists.get(name, {})) for name in p_values],
        "p": [1.0 if p is None else p for p in p_values.values()],
        "earlier": [[claim.sweep, claim.experiment, claim.p] for claim in counted],
    }
    store.create(note, _as_json(content))


def _question(definition: Definition) -> str:
    """A hash of the question that its claims answer: incumbent, training, fidelity of judging, metric."""
    assert definition.confirm is not None
    objective = definition.objective
    return _hash(
        [
            sorted((name, key(value)) for name, value in definition.incumbent.items()),
            definition.training.model_dump(mode="json", exclude={"time_limit_minutes"}),
            definition.confirm.fidelity.model_dump(mode="json"),
            [objective.metric, objective.goal],
        ]
    )


def _training(definition: Definition, assignment: Assignment) -> str:
    """A hash of the trainings that judge a setting: equal in two sweeps if values, seeds and date ranges are equal."""
    assert definition.confirm is not None
    values = sorted((name, key(value)) for name, value in assignment.items())
    ranges = sorted(date_range.as_json() for date_range in definition.confirm.ranges)
    return _hash([values, ranges, definition.seed, definition.confirm.first_seed, definition.confirm.seeds])


def _hash(content: object) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:12]


def _name(architecture: str, data: DataSource | None) -> str:
    text = json.dumps(data and data.model_dump(mode="json", by_alias=True), sort_keys=True)
    return f"{architecture}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def _notes(store: Store, key_of: Callable[[str], str], architecture: str, data: DataSource | None) -> Iterator[_Note]:
    """The notes of one kind about this architecture and data, under every form of the data's path."""
    for source in with_all_known_paths(data):
        for entry in store.entries(key_of(_name(architecture, source)), ".json"):
            sweep = sweep_of(entry.key)
            try:
                yield _parse(sweep, content_of(store, entry))
            except FileNotFoundError:  # deleted since it was listed
                continue
            except (ValueError, TypeError, KeyError):
                yield _Note(sweep, (), damaged=True)


def _parse(sweep: str, data: bytes) -> _Note:
    content = json.loads(data)
    ranges = [DateRange.from_json(days) for days in content["ranges"]]
    return _Note(
        sweep,
        tuple(ranges),
        p_values=tuple(map(float, content.get("p", ()))),
        experiments=tuple(content.get("experiments", ())),
        trainings=tuple(content.get("trainings", ())),
        question=content.get("question"),
        counted=tuple(_claim(claim) for claim in content.get("earlier", ())),
    )


def _claim(content: Any) -> EarlierClaim:
    """A claim in a note. Older versions wrote the p-value alone."""
    if isinstance(content, int | float):
        return EarlierClaim("", "", float(content))
    sweep, experiment, p = content
    return EarlierClaim(str(sweep), str(experiment), float(p))


def _as_json(content: object) -> bytes:
    return (json.dumps(content) + "\n").encode()
