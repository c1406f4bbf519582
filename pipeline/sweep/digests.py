"""What a finished sweep leaves for later ones to learn from: which settings it tried, on what, how they validated.

`ledger/digests/<series>/<sweep>.json` is created once, when the sweep is done; `all.json` beside it holds all of a
series, so that a reader needs one object. Only trials that chose stand in a digest, and never a test score: what
judged must stay unseen to whatever learns. That is `judged.py`'s. A sweep that no digest was made of, as before there
were any, is not among those that are read.
"""

import hashlib
import json
import math
from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any, TypeVar

from pipeline.base import Recorded
from pipeline.data.source import DataSource, FilesSource, as_in_every_checkout
from pipeline.results import Goal, Row, Status
from pipeline.space import Assignment
from pipeline.spec.model import SpecDateRange
from pipeline.store import Store, content_of
from pipeline.store.update import update
from pipeline.sweep.definition import Definition, Fidelity
from pipeline.sweep.layout import digest_key, digests_key, is_sweep_id, sweep_of
from pipeline.sweep.trial import Trial

FORMAT = 1
"""Of the digests that this version makes. Those of a newer one are passed over."""


class Series(Recorded):
    """What sweeps have in common whose settings and scores may be compared, if their data are alike, too."""

    architecture: str
    target: tuple[str, ...] | None
    """None: a team's own trainer, which reads its data itself."""
    transform: str | None
    metric: str
    goal: Goal

    @classmethod
    def of(cls, definition: Definition) -> "Series":
        data, objective = definition.data, definition.objective
        return cls(
            architecture=definition.architecture,
            target=data.target if data else None,
            transform=data.target_transform if isinstance(data, FilesSource) else None,
            metric=objective.metric,
            goal=objective.goal,
        )

    @property
    def name(self) -> str:
        """`lstm-attention-3f9c1b2a4d5e`: a part of a key, whatever characters the target's name has."""
        text = json.dumps(self.model_dump(mode="json"), sort_keys=True)
        return f"{self.architecture}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


LARGEST_SCORE = 1e100
"""Beyond it a score tells nothing; its square has no place in a float."""


class DigestedRange(Recorded):
    """A date range that the sweep chose on."""

    range: SpecDateRange
    fingerprints: dict[str, tuple[str, ...]]
    """Per fidelity, of the data that its trials read. Several: the data changed while the sweep ran. A fidelity is
    missing where nobody knows, as with a team's own trainer."""


class DigestedTrial(Recorded):
    """A trial that chose, and has a row."""

    phase: str
    experiment: str
    range: int
    """Its place in the digest's `ranges`."""
    seed: int
    """The seed's index; the seed itself is a hash of it, the sweep's seed and the range."""
    fidelity: str
    status: Status
    valid: float | None
    """The objective on the validation days; None if there is no finite one. Only those of complete trials compare."""
    epochs: int | None
    seconds: float | None
    reused_from: str | None = None
    """`<sweep>/<trial>` whose training this is a copy of."""


class Digest(Recorded):
    """One sweep, as far as later ones may learn from it."""

    format: int = FORMAT
    series: Series
    sweep: str
    sweep_format: int
    """`Definition.format`: sweeps of different ones trained in different ways."""
    created: str
    as_of: date
    data: DataSource | None
    calibration: bool
    """Whether it is a study: of cheap choosing, or of resemblance."""
    seed: int
    validation_share: float
    test_share: float
    incumbent: Assignment
    fidelities: tuple[Fidelity, ...]
    ranges: tuple[DigestedRange, ...]
    """All that it chose on, also where nothing finished."""
    experiments: dict[str, Assignment]
    """Every hyperparameter of each experiment that has a row."""
    trials: tuple[DigestedTrial, ...]

    def range_of(self, trial: DigestedTrial) -> DigestedRange | None:
        """The range of one of its trials; None where it has no such range, being damaged."""
        return self.ranges[trial.range] if 0 <= trial.range < len(self.ranges) else None

    def has_data_of(self, definition: Definition) -> bool:
        """Whether both name the same data, whichever of them has the whole path."""
        return as_in_every_checkout(self.data) == as_in_every_checkout(definition.data)


class _RolledUp(Recorded):
    """`all.json`."""

    format: int = FORMAT
    digests: tuple[Digest, ...]


def digest(definition: Definition, rows: Sequence[Row]) -> Digest:
    """The digest of a sweep that is done; `rows` are all rows that count."""
    phases = {phase.name: phase for phase in definition.choosing}
    ranges = list(dict.fromkeys(range_ for phase in phases.values() for range_ in phase.ranges))
    fingerprints: list[dict[str, set[str]]] = [{} for _ in ranges]
    experiments: dict[str, Assignment] = {}
    trials = []
    for row in rows:
        trial, phase = Trial.parse(row["trial"]), phases.get(row["phase"])
        origin = row.get("reused_from")
        # A later phase of the same sweep copies what an earlier one trained: that training counts once.
        if phase is None or (origin and origin.startswith(f"{definition.id}/")):
            continue
        at, fidelity = ranges.index(phase.ranges[trial.range]), phase.fidelity.name
        if row.get("data_fingerprint"):
            fingerprints[at].setdefault(fidelity, set()).add(str(row["data_fingerprint"]))
        experiments[trial.experiment] = {name: row.get(name) for name in definition.incumbent}
        trials.append(
            DigestedTrial(
                phase=trial.phase,
                experiment=trial.experiment,
                range=at,
                seed=trial.seed,
                fidelity=fidelity,
                status=Status(row["status"]),
                valid=finite(row.get(definition.objective.valid)),
                epochs=row.get("epochs"),
                seconds=finite(row.get("training_time")),
                reused_from=origin,
            )
        )
    return Digest(
        series=Series.of(definition),
        sweep=definition.id,
        sweep_format=definition.format,
        created=definition.created,
        as_of=definition.as_of,
        data=definition.data,
        calibration=definition.is_study,
        seed=definition.seed,
        validation_share=definition.training.validation_share,
        test_share=definition.training.test_share,
        incumbent=definition.incumbent,
        fidelities=tuple(dict.fromkeys(phase.fidelity for phase in phases.values())),
        ranges=tuple(
            DigestedRange(range=range_, fingerprints={name: tuple(sorted(all_)) for name, all_ in by_fidelity.items()})
            for range_, by_fidelity in zip(ranges, fingerprints, strict=True)
        ),
        experiments=experiments,
        trials=tuple(trials),
    )


def write(store: Store, digest: Digest) -> None:
    """Keeps a digest: the first one of a sweep stays. May be repeated, also by several at once."""
    series = digest.series
    is_new = store.create(digest_key(series.name, digest.sweep), as_json(digest))
    if not is_new and digest.sweep.encode() in _rolled_up(store, series):
        return
    update(
        store, digests_key(series.name), lambda content: as_json(_RolledUp(digests=_collect(store, series, content)))
    )


def read(store: Store, series: Series) -> tuple[Digest, ...]:
    """The digests of a series, oldest sweep first; damaged ones, and those of a newer format, are left out.

    What `all.json` lacks, because it is damaged, gone or being written, is read one by one.
    """
    return _collect(store, series, _rolled_up(store, series))


def _rolled_up(store: Store, series: Series) -> bytes:
    try:
        return store.read(digests_key(series.name))
    except FileNotFoundError:
        return b""


def _collect(store: Store, series: Series, rolled_up: bytes) -> tuple[Digest, ...]:
    """All digests that lie in the store, of which those in `rolled_up` need not be read."""
    digests = {digest.sweep: digest for digest in _parse_rolled_up(rolled_up) if digest.format == FORMAT}
    collected = []
    for entry in store.entries(digest_key(series.name), ".json"):
        sweep = sweep_of(entry.key)
        if not is_sweep_id(sweep):
            continue
        if sweep in digests:
            collected.append(digests[sweep])
            continue
        try:
            single = from_json(Digest, content_of(store, entry))
        except (FileNotFoundError, ValueError):  # deleted since it was listed, or damaged
            continue
        if single.format == FORMAT and single.sweep == sweep:
            collected.append(single)
    return tuple(collected)


def _parse_rolled_up(content: bytes) -> Iterable[Digest]:
    try:
        return from_json(_RolledUp, content).digests
    except ValueError:
        return ()


_Value = TypeVar("_Value", bound=Recorded)


# Pydantic's own JSON refuses text that no encoding can hold, which rows of a trainer may have.
def as_json(value: Recorded) -> bytes:
    """A line of JSON."""
    return (json.dumps(value.model_dump(mode="json", by_alias=True)) + "\n").encode()


def from_json(kind: type[_Value], content: bytes) -> _Value:
    """The opposite of `as_json`. Raises ValueError if the content is damaged."""
    return kind.model_validate(json.loads(content))


def finite(value: Any) -> float | None:
    """The number that a cell holds, None if it holds none that is finite."""
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None
