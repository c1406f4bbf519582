"""Spending of a sweep in hours, device hours and money, and the budget that choosing has left.

The time for judging the winner is set aside first. Limits on experiments and trials are not checked here: phases are
planned within them (`plan/counts.py`).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, median

from pipeline.analysis.history import History
from pipeline.results import Row, Status, trainings
from pipeline.sweep import Definition, Phase, Trial

_HOUR = 3600.0
_MARGIN = 1.2
"""The estimated time of judging times this is set aside: some trainings take longer than others."""


@dataclass(frozen=True)
class Spent:
    """Spending of a sweep so far."""

    experiments: int
    trials: int
    hours: float
    """Hours of the clock from its start to now, or to the end of its last trial if it is done."""
    device_hours: float
    """Hours of training; rows that were copied from an earlier sweep took none."""
    money: float | None
    """None if the budget names no price."""


def spent(history: History) -> Spent:
    device_hours = device_seconds(history.rows) / _HOUR
    budget = history.definition.budget
    price = budget.price_per_device_hour if budget else None
    return Spent(
        experiments=len({row["experiment"] for row in history.choosing_rows}),
        trials=len(history.rows),
        hours=history.seconds_passed / _HOUR,
        device_hours=device_hours,
        money=None if price is None else device_hours * price,
    )


def device_seconds(rows: Sequence[Row]) -> float:
    """Seconds of training, all devices together.

    Rows that were copied from an earlier sweep took none, and references need no device.
    """
    return math.fsum(row.get("training_time") or 0.0 for row in trainings(rows) if not row.get("reused_from"))


def experiments_affordable(history: History, phase: Phase) -> float:
    """Number of further experiments for which a choosing phase has time and money left.

    Infinite without a budget of time or money, 0 before anything was trained.
    """
    definition = history.definition
    if not definition.is_timed:
        return math.inf
    # The phases of a sweep choose at one fidelity. Until a phase has rows, earlier ones tell how long a training takes.
    times = _training_times(history.rows_of(phase)) or _training_times(history.choosing_rows)
    if not times:
        return 0
    used, remaining, typical = device_seconds(history.rows), seconds_left(history), median(times)
    if phase.replicates:
        # An earlier phase has trained the first seed.
        return max(0, math.floor(remaining / (typical * len(phase.ranges) * (phase.seeds - 1))))

    # Set time aside for phases that train further seeds of the best settings, if they take at most a third.
    replicating = [later for later in definition.choosing if later.replicates]
    replicas = sum(later.experiments * len(later.ranges) * (later.seeds - 1) for later in replicating) * typical
    total = used + remaining - (replicas if replicas <= (used + remaining) / 3 else 0)

    # Phases share the total in proportion to their experiments: what one leaves goes to the next.
    sizes = [searching.experiments for searching in definition.searching]
    share = sum(sizes[: definition.searching.index(phase) + 1]) / sum(sizes)
    return max(0, math.floor((total * share - used) / (typical * len(phase.ranges) * phase.seeds)))


def choosing_is_over(history: History) -> bool:
    """True if no time or money is left for choosing. False before the incumbent ran, or without such a budget."""
    if not history.definition.is_timed:
        return False
    first = history.definition.choosing[0]
    if len(history.rows) < len(first.ranges) * first.seeds:
        return False
    return seconds_left(history) <= 0


def seconds_left(history: History) -> float:
    """Device seconds left for choosing, all machines together, after setting aside the time for judging."""
    judging = _seconds_to_judge(history)
    # A training that runs when the time is up goes on to its end: one on each lane.
    running = _lanes(history) * median(_training_times(history.rows)) if judging else 0.0
    return seconds_of_budget_left(history) - _MARGIN * judging - running


def judging_fits(history: History) -> bool:
    """True if the remaining budget is enough to judge the winner, by the times of the trainings so far."""
    return not history.definition.is_timed or seconds_of_budget_left(history) >= _seconds_to_judge(history)


def left_undone(history: History) -> str:
    """Work that an ended sweep would do with a larger budget, in words; empty if there is none."""
    definition, budget = history.definition, history.definition.budget
    if budget is None:
        return ""
    # A phase is worth running only if it can try three settings: the incumbent, its start, and a new one.
    time_ended = budget.is_timed and experiments_affordable(history, definition.searching[-1]) <= 2
    work = []
    for phase in definition.searching:
        tried = len({row["experiment"] for row in history.rows_of(phase)})
        missing = (phase.wanted or phase.experiments) - tried if time_ended or phase.wanted else 0
        if missing > 0 and phase.open_ended:
            work.append(f"more experiments in {phase.name}")
        elif missing > 0:
            work.append(f"{missing} more experiments in {phase.name}")
    text = f"with a larger budget it would run {', '.join(work)}" if work else ""
    if definition.confirm and not judging_fits(history):
        judge = "judge the best setting on other date ranges"
        text = f"{text}, and {judge}" if text else f"with a larger budget it would {judge}"
    return text


def seconds_of_budget_left(history: History) -> float:
    """Device seconds left of the budget, judging included; infinite if it limits neither time nor money."""
    budget = history.definition.budget
    assert budget is not None
    limits = [math.inf]
    if budget.device_hours is not None:
        limits.append(budget.device_hours * _HOUR - device_seconds(history.rows))
    if budget.money is not None and budget.price_per_device_hour is not None:
        limits.append(budget.money / budget.price_per_device_hour * _HOUR - device_seconds(history.rows))
    if budget.hours is not None:
        limits.append((budget.hours * _HOUR - history.seconds_passed) * _lanes(history))
    return min(limits)


def _lanes(history: History) -> float:
    """Mean number of trainings that ran side by side so far. As many are expected from now on."""
    used, passed = device_seconds(history.rows), history.seconds_passed
    return max(used / passed, 0.1) if passed > 0 and used else 1.0


def _seconds_to_judge(history: History) -> float:
    """Device seconds that the remaining trials of judging will take, if a step takes as long as so far."""
    judging = history.definition.confirm
    if judging is None:
        return 0.0
    phases = {phase.name for phase in history.definition.phases}
    seconds = [
        row["training_time"] * step_ratio(history.definition, row, judging)
        for row in history.rows
        if row["phase"] in phases and was_trained(row)
    ]
    if not seconds:
        return 0.0
    trials = judging.trials_at_most - len(history.rows_of(judging))
    return median(seconds) * max(0, trials)


def step_ratio(definition: Definition, row: Row, other: Phase, most_epochs: float = math.inf) -> float:
    """An upper estimate of the steps of a row's setting in the phase `other`, as a multiple of the steps of the row.

    If the epoch limit ended the training, it may run up to the limit of `other`, but at most `most_epochs` times as
    long.
    """
    phase = definition.phase(row["phase"])
    days = phase.ranges[Trial.parse(row["trial"]).range].days
    more_days = fmean(date_range.days for date_range in other.ranges) / days

    # A training that patience ended needs no more epochs, even if it may have more.
    limit = phase.fidelity.max_epochs
    patience_ended = row.get("status") == Status.COMPLETE and 0 < (row.get("epochs") or 0) < limit
    more_epochs = 1.0 if patience_ended else min(other.fidelity.max_epochs / limit, most_epochs)

    # With few rows, an epoch is several passes. With more rows, it is first fewer passes, and only then more steps.
    # This is unknown for a team's own trainer, whose metric `passes` may mean anything.
    passes = row.get("passes") if definition.own is None else None
    if not passes:
        return more_days * more_epochs
    per_pass = row["steps"] / passes
    per_epoch, other_per_epoch = (
        steps * math.ceil(definition.training.epoch_steps / steps) for steps in (per_pass, per_pass * more_days)
    )
    return other_per_epoch / per_epoch * more_epochs


def _training_times(rows: Sequence[Row]) -> list[float]:
    return [row["training_time"] for row in rows if was_trained(row)]


def was_trained(row: Row) -> bool:
    """True if the row is of a training in this sweep, and was not copied from an earlier one."""
    return bool(row.get("training_time")) and not row.get("reused_from")
