"""What sweeps judged: verdicts and the test scores behind them, in `ledger/judged/<series>/<sweep>.json`.

Created once, when a sweep with a confirmation is done. Only judging may read it: a strategy, a memory or a plan that
saw a test score would choose on it.
"""

from collections.abc import Mapping, Sequence
from datetime import date

from pipeline.base import Recorded
from pipeline.data.source import DataSource
from pipeline.results import Row, Status
from pipeline.scale import ScaleName
from pipeline.space import Assignment
from pipeline.spec.model import SpecDateRange
from pipeline.store import Store, content_of
from pipeline.sweep.definition import Definition
from pipeline.sweep.digests import Series, as_json, finite, from_json
from pipeline.sweep.layout import judged_key, sweep_of
from pipeline.sweep.trial import Trial

FORMAT = 1


class JudgedVerdict(Recorded):
    """`analysis.verdict.Verdict`, as far as others need it; gains over the incumbent are measured by `Judged.scale`."""

    kind: str
    gain: float | None
    interval: tuple[float, float] | None
    p: float | None
    p_adjusted: float | None


class JudgedTrial(Recorded):
    """A trial that judged."""

    experiment: str
    range: int
    """Its place in `ranges`."""
    seed: int
    """The seed's index."""
    status: Status
    test: float | None
    """The objective on the test days; None if there is no finite one."""
    fingerprint: str | None
    """Of the data that it read; None if nobody knows."""


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
    """Whether its ranges played no part in choosing."""
    incumbent: Assignment
    ranges: tuple[SpecDateRange, ...]
    experiments: dict[str, Assignment]
    """Every hyperparameter of the finalists and the incumbent."""
    verdicts: dict[str, JudgedVerdict]
    """Per finalist, the best of choosing first."""
    trials: tuple[JudgedTrial, ...]


def judged(definition: Definition, rows: Sequence[Row], verdicts: Mapping[str, JudgedVerdict]) -> Judged:
    """What a sweep judged that has a confirmation and is done; `rows` are all rows that count."""
    phase = definition.confirm
    assert phase is not None
    assert phase.judging is not None
    own = [(Trial.parse(row["trial"]), row) for row in rows if row["phase"] == phase.name]
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
        experiments={trial.experiment: {name: row.get(name) for name in definition.incumbent} for trial, row in own},
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
            for trial, row in own
        ),
    )


def write(store: Store, judged: Judged) -> None:
    """Keeps what a sweep judged: the first of a sweep stays."""
    store.create(judged_key(judged.series.name, judged.sweep), as_json(judged))


def judged_by(store: Store, definition: Definition) -> Judged | None:
    """What one sweep judged; None if that is not noted, damaged or of a newer version."""
    try:
        judged = from_json(Judged, store.read(judged_key(Series.of(definition).name, definition.id)))
    except (FileNotFoundError, ValueError):
        return None
    return judged if judged.format == FORMAT else None


def read_judged(store: Store, series: Series) -> list[Judged]:
    """For judging alone: what the sweeps of a series judged, oldest first; damaged and newer files are left out."""
    every = []
    for entry in store.entries(judged_key(series.name), ".json"):
        try:
            judged = from_json(Judged, content_of(store, entry))
        except (FileNotFoundError, ValueError):  # deleted since it was listed, or damaged
            continue
        if judged.format == FORMAT and judged.sweep == sweep_of(entry.key):
            every.append(judged)
    return every
