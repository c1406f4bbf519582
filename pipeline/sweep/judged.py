"""Verdicts of finished sweeps, with the test scores behind them, in `ledger/judged/<series>/<sweep>.json`.

A file is created once, when a sweep with a confirmation is done, and is only shown to people. A strategy, a memory or a
plan must never read it: with test scores it would choose on the ranges that judge.
"""

from collections.abc import Mapping, Sequence
from datetime import date

from pipeline.base import Recorded
from pipeline.data.source import DataSource
from pipeline.results import Row, Status
from pipeline.scale import ScaleName
from pipeline.space import Assignment
from pipeline.spec.model import SpecDateRange
from pipeline.store import Store
from pipeline.sweep.definition import Definition
from pipeline.sweep.digests import Series, as_json, finite, from_json
from pipeline.sweep.layout import judged_key
from pipeline.sweep.trial import Trial

FORMAT = 1


class JudgedVerdict(Recorded):
    """The part of `analysis.verdict.Verdict` that other sweeps need. Gains over the incumbent are on `Judged.scale`."""

    kind: str
    gain: float | None
    interval: tuple[float, float] | None
    p: float | None
    p_adjusted: float | None


class JudgedTrial(Recorded):
    """A trial that judged."""

    experiment: str
    range: int
    """Index in `ranges`."""
    seed: int
    """Seed index."""
    status: Status
    test: float | None
    """The objective on the test days; None if it is not finite."""
    fingerprint: str | None
    """Fingerprint of the data that it read; None if unknown."""


class Judged(Recorded):
    """One sweep's confirmation."""

    format: int = FORMAT
    series: Series
    sweep: str
    sweep_format: int
    as_of: date
    data: DataSource | None
    seed: int
    validation_share: float
    test_share: float
    rope: float
    scale: ScaleName = "ratio"
    fresh: bool
    """True if its ranges played no part in choosing."""
    incumbent: Assignment
    ranges: tuple[SpecDateRange, ...]
    experiments: dict[str, Assignment]
    """Every hyperparameter of the finalists and the incumbent."""
    verdicts: dict[str, JudgedVerdict]
    """By finalist, the best of choosing first."""
    trials: tuple[JudgedTrial, ...]


def judged(definition: Definition, rows: Sequence[Row], verdicts: Mapping[str, JudgedVerdict]) -> Judged:
    """The record of a sweep that has a confirmation and is done, from all its rows that count."""
    phase = definition.confirm
    assert phase is not None
    assert phase.judging is not None
    judging = [(Trial.parse(row["trial"]), row) for row in rows if row["phase"] == phase.name]
    return Judged(
        series=Series.of(definition),
        sweep=definition.id,
        sweep_format=definition.format,
        as_of=definition.as_of,
        data=definition.data,
        seed=definition.seed,
        validation_share=definition.training.validation_share,
        test_share=definition.training.test_share,
        rope=phase.judging.rope,
        scale=definition.objective.scale,
        fresh=phase.judging.fresh,
        incumbent=definition.incumbent,
        ranges=phase.ranges,
        experiments={
            trial.experiment: {name: row.get(name) for name in definition.incumbent} for trial, row in judging
        },
        verdicts=dict(verdicts),
        trials=tuple(
            JudgedTrial(
                experiment=trial.experiment,
                range=trial.range,
                seed=trial.seed,
                status=Status(row["status"]),
                test=finite(row.get(definition.objective.test)),
                fingerprint=row.get("data_fingerprint"),
            )
            for trial, row in judging
        ),
    )


def write(store: Store, judged: Judged) -> None:
    """Writes the record of a sweep, unless it has one."""
    store.create(judged_key(judged.series.name, judged.sweep), as_json(judged))


def judged_by(store: Store, definition: Definition) -> Judged | None:
    """The record of one sweep; None if it is missing, damaged or of a newer version."""
    try:
        judged = from_json(Judged, store.read(judged_key(Series.of(definition).name, definition.id)))
    except (FileNotFoundError, ValueError):
        return None
    return judged if judged.format == FORMAT else None
