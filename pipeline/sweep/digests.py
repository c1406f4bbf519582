"""Digests: the settings that a finished sweep tried, and their validation scores, for later sweeps to learn from.

`ledger/digests/<series>/<sweep>.json` is created once, when the sweep is done. `all.json` beside it holds all digests
of a series, so that a reader needs one object. A digest holds only trials that chose, and never a test score: a sweep
that learns must not see what judges. Test scores are in `judged.py`. Sweeps of older versions have no digest, so later
sweeps learn nothing from them.
"""

import hashlib
import json
import math
from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any, TypeVar

from pipeline.base import Recorded
from pipeline.data.source import DataSource, FilesSource, with_portable_path
from pipeline.results import Goal, Row, Status
from pipeline.space import Assignment
from pipeline.spec.model import SpecDateRange
from pipeline.store import Store, content_of
from pipeline.store.update import update
from pipeline.sweep.definition import Definition, Fidelity
from pipeline.sweep.layout import digest_key, digests_key, is_sweep_id, sweep_of
from pipeline.sweep.trial import Trial

FORMAT = 1
"""Format of the digests that this version makes. Newer ones are skipped."""


class Series(Recorded):
    """The properties that sweeps share if their settings and scores may be compared. Their data must be alike, too."""

    architecture: str
    target: tuple[str, ...] | None
    """None for a team's own trainer, which reads its data itself."""
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
        """`lstm-attention-3f9c1b2a4d5e`: hashed, so that any target name can be part of a key."""
        text = json.dumps(self.model_dump(mode="json"), sort_keys=True)
        return f"{self.architecture}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


LARGEST_SCORE = 1e100
"""Larger scores are ignored: their square would overflow a float."""


class DigestedRange(Recorded):
    """A date range that the sweep chose on."""

    range: SpecDateRange
    fingerprints: dict[str, tuple[str, ...]]
    """{fidelity: fingerprints of the data that its trials read}. Several if the data changed while the sweep ran. A
    fidelity is missing if they are unknown, as for a team's own trainer."""


class DigestedTrial(Recorded):
    """A trial that chose, and has a row."""

    phase: str
    experiment: str
    range: int
    """Index in the digest's `ranges`."""
    seed: int
    """Seed index; the seed itself is a hash of it, the sweep's seed and the range."""
    fidelity: str
    status: Status
    valid: float | None
    """The objective on the validation days; None if it is not finite. Only complete trials can be compared."""
    epochs: int | None
    seconds: float | None
    reused_from: str | None = None
    """`<sweep>/<trial>` that this training was copied from."""


class Digest(Recorded):
    """The part of a sweep that later sweeps may learn from."""

    format: int = FORMAT
    series: Series
    sweep: str
    sweep_format: int
    """`Definition.format`: sweeps of different formats trained in different ways."""
    created: str
    as_of: date
    data: DataSource | None
    calibration: bool
    """`Definition.is_study`: true for a calibration, a study of resemblance, and a sweep that judges a claim."""
    seed: int
    validation_share: float
    test_share: float
    incumbent: Assignment
    fidelities: tuple[Fidelity, ...]
    ranges: tuple[DigestedRange, ...]
    """All ranges that it chose on, including those on which nothing finished."""
    experiments: dict[str, Assignment]
    """Every hyperparameter of each experiment that has a row."""
    trials: tuple[DigestedTrial, ...]

    def range_of(self, trial: DigestedTrial) -> DigestedRange | None:
        """The range of one of its trials; None if the digest is damaged and has no such range."""
        return self.ranges[trial.range] if 0 <= trial.range < len(self.ranges) else None

    def has_data_of(self, definition: Definition) -> bool:
        """True if both name the same data. One path may be absolute, and the other relative to the checkout."""
        return with_portable_path(self.data) == with_portable_path(definition.data)


class _RolledUp(Recorded):
    """`all.json`."""

    format: int = FORMAT
    digests: tuple[Digest, ...]


def digest(definition: Definition, rows: Sequence[Row]) -> Digest:
    """The digest of a sweep that is done, from all its rows that count."""
    phases = {phase.name: phase for phase in definition.choosing}
    ranges = list(dict.fromkeys(range_ for phase in phases.values() for range_ in phase.ranges))
    fingerprints: list[dict[str, set[str]]] = [{} for _ in ranges]
    experiments: dict[str, Assignment] = {}
    trials = []
    for row in rows:
        trial, phase = Trial.parse(row["trial"]), phases.get(row["phase"])
        origin = row.get("reused_from")
        # A phase may copy a training of an earlier phase of the same sweep. It counts once.
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
    """Writes a digest, unless the sweep has one. May be repeated, also by several processes at once."""
    series = digest.series
    is_new = store.create(digest_key(series.name, digest.sweep), as_json(digest))
    if not is_new and digest.sweep.encode() in _rolled_up(store, series):
        return
    update(
        store, digests_key(series.name), lambda content: as_json(_RolledUp(digests=_collect(store, series, content)))
    )


def read(store: Store, series: Series) -> tuple[Digest, ...]:
    """The digests of a series, oldest sweep first; damaged ones, and those of a newer format, are left out.

    Digests that `all.json` lacks, because it is damaged, gone or being written, are read one by one.
    """
    return _collect(store, series, _rolled_up(store, series))


def _rolled_up(store: Store, series: Series) -> bytes:
    try:
        return store.read(digests_key(series.name))
    except FileNotFoundError:
        return b""


def _collect(store: Store, series: Series, rolled_up: bytes) -> tuple[Digest, ...]:
    """Every digest in the store. Those in the content `rolled_up` of `all.json` are not read again."""
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


# Not pydantic's JSON: it refuses text with lone surrogates, which the rows of a trainer may have.
def as_json(value: Recorded) -> bytes:
    """A value as a line of JSON."""
    return (json.dumps(value.model_dump(mode="json", by_alias=True)) + "\n").encode()


def from_json(kind: type[_Value], content: bytes) -> _Value:
    """The inverse of `as_json`. Raises ValueError if the content is damaged."""
    return kind.model_validate(json.loads(content))


def finite(value: Any) -> float | None:
    """The number in a cell; None if it is no number, or not finite."""
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None
