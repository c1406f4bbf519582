"""Estimates the size of a sweep before it starts: trials, rows, and roughly how long its trainings take.

Times come from trainings of earlier sweeps where there are any, else from counted steps. An estimate is for
people, and no plan depends on it: the budget alone limits what a sweep costs.
"""

import math
from dataclasses import dataclass
from statistics import median

from pipeline.dates import DateRange
from pipeline.plan.create import Prepared
from pipeline.results import Status
from pipeline.sweep import Definition, Phase

STEP_SECONDS = 0.005
"""Rough time of one step of a small network on any device."""


@dataclass(frozen=True)
class Estimate:
    """Size of a sweep."""

    trials: int
    """The most trials that can run, without those of references."""
    references: int
    rows: tuple[int, int] | None
    """The rows with a value for every target: of the date range with the fewest, and of that with the most; None: not
    counted."""
    covers: DateRange | None
    """All days of the data; None if not known."""
    seconds: float | None
    """Seconds of training, all devices together; None if not known."""
    earlier: int
    """Number of earlier trainings that `seconds` come from; 0: it comes from counted steps, as if all epochs ran."""
    is_timed: bool
    """True if a budget of time or money ends choosing."""


def estimate(prepared: Prepared) -> Estimate:
    """The size of a prepared sweep. Reads digests of earlier sweeps, and does without them if the store fails."""
    definition = prepared.definition
    phases = definition.of_settings
    ranges = {date_range for phase in phases for date_range in phase.ranges}
    rows = [prepared.rows(date_range) for date_range in ranges] if prepared.rows else []
    earlier = _earlier_seconds(prepared)
    by_steps = [_seconds_by_steps(prepared, phase) for phase in phases]
    seconds: float | None = None
    if all(phase.fidelity.name in earlier for phase in phases):
        seconds = sum(phase.trials_at_most * median(earlier[phase.fidelity.name]) for phase in phases)
    elif None not in by_steps:
        seconds, earlier = sum(filter(None, by_steps)), {}
    return Estimate(
        trials=sum(phase.trials_at_most for phase in phases),
        references=sum(phase.trials_at_most for phase in definition.phases if phase.is_reference),
        rows=(min(rows), max(rows)) if rows else None,
        covers=prepared.covers,
        seconds=seconds,
        earlier=sum(map(len, earlier.values())) if seconds is not None else 0,
        is_timed=definition.is_timed,
    )


def _earlier_seconds(prepared: Prepared) -> dict[str, list[float]]:
    """{fidelity: seconds of complete trainings} of earlier sweeps of the same series on the same data."""
    definition, seconds = prepared.definition, dict[str, list[float]]()
    for digest in prepared.digests:
        fidelities = {fidelity.name: fidelity for fidelity in digest.fidelities}
        if not digest.has_data_of(definition) or digest.calibration:
            continue
        for trial in digest.trials:
            is_alike = fidelities.get(trial.fidelity) in [phase.fidelity for phase in definition.of_settings]
            if is_alike and trial.status is Status.COMPLETE and trial.seconds and not trial.reused_from:
                seconds.setdefault(trial.fidelity, []).append(trial.seconds)
    return seconds


def _seconds_by_steps(prepared: Prepared, phase: Phase) -> float | None:
    """Seconds of all epochs of a phase's trials; None for a team's own trainer, and if rows were not counted."""
    definition = prepared.definition
    if definition.own is not None or prepared.rows is None:
        return None
    days = [_training_days(definition, phase, at) for at in range(len(phase.ranges))]
    steps = sum(_steps(definition, prepared.rows(part)) for part in days)
    return steps * phase.fidelity.max_epochs * phase.experiments * phase.seeds * STEP_SECONDS


def _training_days(definition: Definition, phase: Phase, at: int) -> DateRange:
    training = definition.training
    split = phase.ranges[at].split(training.validation_share, training.test_share)
    days = phase.fidelity.train_days
    return (split if days is None else split.with_last_training_days(days)).train


def _steps(definition: Definition, rows: int) -> int:
    """Steps of an epoch at the incumbent's batch size: as many passes over the rows as reach `training.epoch-steps`."""
    batch_size = definition.incumbent.get("batch_size")
    a_pass = math.ceil(max(rows, 1) / (batch_size if isinstance(batch_size, int) and batch_size > 0 else 64))
    return a_pass * math.ceil(definition.training.epoch_steps / a_pass)
