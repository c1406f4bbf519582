"""What is remembered across sweeps: which ranges were used for choosing, and which winners were judged on which.

One small file per sweep, created once; `ledger/` of a store holds them by architecture and data. A damaged
file stops no sweep.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

from pipeline.data.source import DataSource, names_here
from pipeline.dates import DateRange
from pipeline.space import Assignment, key
from pipeline.store import Store, content_of
from pipeline.sweep.definition import Definition
from pipeline.sweep.layout import chosen_key, confirmed_key, sweep_of

CLAIMED_BELOW = 0.5
"""A finalist with a lower p-value gained more than the rope: that it is better is a claim. Any other was a try."""


@dataclass(frozen=True)
class EarlierClaim:
    """That a finalist beats its incumbent, as an earlier sweep found it where it judged."""

    sweep: str
    experiment: str
    """Empty where an older version noted it."""
    p: float
    """Before Holm; 1 where nobody can read it any more."""


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
    """The ranges that sweeps of this architecture and data chose on: each as often as it was used.

    With `before`, a sweep's id, only those that were made before it.
    """
    named = (chosen_key(_name(architecture, name)) for name in names_here(data))
    notes = [note for key in named for note in _notes(store, key)]
    return [range_ for note in notes if before is None or note.sweep < before for range_ in note.ranges]


def note_choosing(store: Store, definition: Definition) -> None:
    """Remembers the ranges that a new sweep chooses on, once. A study of resemblance, or a claim's, chooses nothing."""
    if definition.resembling or definition.claim:
        return
    ranges = list(dict.fromkeys(range_ for phase in definition.choosing for range_ in phase.ranges))
    key = chosen_key(_name(definition.architecture, definition.data), definition.id)
    store.create(key, _as_json({"ranges": [range_.as_json() for range_ in ranges]}))


def earlier_claims(store: Store, definition: Definition, finalists: Mapping[str, Assignment]) -> list[EarlierClaim]:
    """The claims that other sweeps made where this one judges, when it judged: with its own they are Holm's family.

    A question is: does anything beat this incumbent, trained like this, by this metric, on these date ranges? Against a
    claim count the other claims of its question, each once: not what was tried and gained nothing, not what could not
    be tested, and not the very trainings of `finalists` once more. Notes of older versions do not say their question:
    their claims count; a damaged note was of some judgement, so it is a claim whose p-value nobody knows.

    It is fixed when the sweep is judged first, so that the verdict stays what it was.
    """
    if definition.confirm is None:
        return []
    judging, question = set(definition.confirm.ranges), _question(definition)
    named = (confirmed_key(_name(definition.architecture, name)) for name in names_here(definition.data))
    notes = [note for key in named for note in _notes(store, key)]
    for note in notes:
        if note.sweep == definition.id and not note.damaged:
            return list(note.counted)
    seen = {_training(definition, assignment) for assignment in finalists.values()}
    claims = []
    for note in notes:
        if note.sweep == definition.id:
            continue
        if note.damaged:
            claims.append(EarlierClaim(note.sweep, "", 1.0))
        if not judging & set(note.ranges) or note.question not in (None, question):
            continue
        for p, experiment, training in zip_longest(note.p_values, note.experiments, note.trainings, fillvalue=""):
            if isinstance(p, float) and p < CLAIMED_BELOW and training not in seen:
                claims.append(EarlierClaim(note.sweep, experiment, p))
                seen |= {training} if training else set()
    return claims


def note_confirmation(
    store: Store,
    definition: Definition,
    p_values: Mapping[str, float | None],
    finalists: Mapping[str, Assignment],
    counted: Sequence[EarlierClaim] = (),
) -> None:
    """Remembers, once, on which ranges a sweep judged its finalists, and their p-values, of which None is one that was
    not testable. `counted` are the claims that they were adjusted with.
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
    """What its claims answer: the incumbent, how it is trained where it is judged, and by which metric."""
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
    """The trainings that judge a setting: the same of two sweeps if they have its values, seed and date ranges."""
    assert definition.confirm is not None
    values = sorted((name, key(value)) for name, value in assignment.items())
    ranges = sorted(one.as_json() for one in definition.confirm.ranges)
    return _hash([values, ranges, definition.seed, definition.confirm.first_seed, definition.confirm.seeds])


def _hash(content: object) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:12]


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
    """Older versions noted p-values alone."""
    if isinstance(content, int | float):
        return EarlierClaim("", "", float(content))
    sweep, experiment, p = content
    return EarlierClaim(str(sweep), str(experiment), float(p))


def _as_json(content: object) -> bytes:
    return (json.dumps(content) + "\n").encode()
