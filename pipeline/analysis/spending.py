"""Hours, device hours and money: what a sweep has spent of them, and whether choosing may go on.

What judging the winner will take is put aside first. Counts of experiments and trials need no watching: a sweep's
phases were made to fit them (`plan/counts.py`).
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
"""Choosing leaves so much of what judging is expected to take: some trainings take longer than others."""


@dataclass(frozen=True)
class Spent:
    """What a sweep took so far."""

    experiments: int
    trials: int
    hours: float
    """By the clock, from its start to now, or to the end of its last trial if it is done."""
    device_hours: float
    """Of training; a row that was copied from an earlier sweep took none."""
    money: float | None


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
    """Seconds of training, all devices together; a row that was copied from an earlier sweep took none, nor did a
    reference, which needs no device."""
    return math.fsum(row.get("training_time") or 0.0 for row in trainings(rows) if not row.get("reused_from"))


def room(history: History, phase: Phase) -> float:
    """How many further experiments of a phase that chooses fit into what time and money are left for it.

    Infinite without a budget of time or money, 0 before anything was trained.
    """
    definition = history.definition
    if not definition.is_timed:
        return math.inf
    # Phases of one sweep choose at one fidelity; until a phase has rows, those before it tell.
    times = _training_times(history.rows_of(phase)) or _training_times(history.choosing_rows)
    if not times:
        return 0
    used, left, typical = device_seconds(history.rows), seconds_left(history), median(times)
    if phase.replicates:
        # What it trains with its first seed is there.
        return max(0, math.floor(left / (typical * len(phase.ranges) * (phase.seeds - 1))))

    # Training the best again with other seeds is worth up to a third of all choosing.
    replicating = [later for later in definition.choosing if later.replicates]
    again = sum(later.experiments * len(later.ranges) * (later.seeds - 1) for later in replicating) * typical
    total = used + left - (again if again <= (used + left) / 3 else 0)

    # A phase may use what it and those before it have of all experiments.
    sizes = [searching.experiments for searching in definition.searching]
    share = sum(sizes[: definition.searching.index(phase) + 1]) / sum(sizes)
    return max(0, math.floor((total * share - used) / (typical * len(phase.ranges) * phase.seeds)))


def choosing_is_over(history: History) -> bool:
    """Whether time or money no longer allow any choosing: never before the incumbent ran, or without such a budget."""
    if not history.definition.is_timed:
        return False
    first = history.definition.choosing[0]
    if len(history.rows) < len(first.ranges) * first.seeds:
        return False
    return seconds_left(history) <= 0


def seconds_left(history: History) -> float:
    """Device seconds left for choosing, over all machines, without what judging will take."""
    judging = _judging(history)
    # What runs when time is up still ends, a training per lane.
    running = _lanes(history) * median(_training_times(history.rows)) if judging else 0.0
    return seconds_of_budget_left(history) - _MARGIN * judging - running


def judging_fits(history: History) -> bool:
    """Whether what is left is enough to judge the winner, by what trainings took until now."""
    return not history.definition.is_timed or seconds_of_budget_left(history) >= _judging(history)


def left_undone(history: History) -> str:
    """What an ended sweep would do with a larger budget, in words; empty if it did all that it was asked, or could."""
    definition, budget = history.definition, history.definition.budget
    if budget is None:
        return ""
    # A phase needs room for the incumbent, for what it starts from and for something new.
    time_ended = budget.is_timed and room(history, definition.searching[-1]) <= 2
    more = []
    for phase in definition.searching:
        tried = len({row["experiment"] for row in history.rows_of(phase)})
        missing = (phase.wanted or phase.experiments) - tried if time_ended or phase.wanted else 0
        if missing > 0 and phase.open_ended:
            more.append(f"more experiments in {phase.name}")
        elif missing > 0:
            more.append(f"{missing} more experiments in {phase.name}")
    text = f"with a larger budget it would run {', '.join(more)}" if more else ""
    if definition.confirm and not judging_fits(history):
        judge = "judge the best setting on other date ranges"
        text = f"{text}, and {judge}" if text else f"with a larger budget it would {judge}"
    return text


def seconds_of_budget_left(history: History) -> float:
    """Device seconds left of the budget, judging included."""
    budget = history.definition.budget
    assert budget is not None
    left = [math.inf]
    if budget.device_hours is not None:
        left.append(budget.device_hours * _HOUR - device_seconds(history.rows))
    if budget.money is not None and budget.price_per_device_hour is not None:
        left.append(budget.money / budget.price_per_device_hour * _HOUR - device_seconds(history.rows))
    if budget.hours is not None:
        left.append((budget.hours * _HOUR - history.seconds_passed) * _lanes(history))
    return min(left)


def _lanes(history: History) -> float:
    """How many trainings ran at a time until now; as many are expected to go on."""
    used, passed = device_seconds(history.rows), history.seconds_passed
    return max(used / passed, 0.1) if passed > 0 and used else 1.0


def _judging(history: History) -> float:
    """Device seconds that what is still to be judged will take: a step takes as long as in the trials until now."""
    judging = history.definition.confirm
    if judging is None:
        return 0.0
    phases = {phase.name for phase in history.definition.phases}
    seconds = [
        row["training_time"] * more_steps(history.definition, row, judging)
        for row in history.rows
        if row["phase"] in phases and was_trained(row)
    ]
    if not seconds:
        return 0.0
    trials = judging.trials_at_most - len(history.rows_of(judging))
    return median(seconds) * max(0, trials)


def more_steps(definition: Definition, row: Row, other: Phase, most_epochs: float = math.inf) -> float:
    """How many times the steps of a row's training the same setting will take in another phase, at most: one that the
    limit ended may go on to the other phase's, or to `most_epochs` times its own epochs."""
    phase = definition.phase(row["phase"])
    days = phase.ranges[Trial.parse(row["trial"]).range].days
    more_days = fmean(date_range.days for date_range in other.ranges) / days

    # What patience ended needs no more epochs where it may have more.
    most = phase.fidelity.max_epochs
    had_enough = row.get("status") == Status.COMPLETE and 0 < (row.get("epochs") or 0) < most
    more_epochs = 1.0 if had_enough else min(other.fidelity.max_epochs / most, most_epochs)

    # Of few rows an epoch is several passes: more of them are fewer passes first, and only then more steps. What an
    # epoch of a team's own trainer is, and what it may call a pass, nobody knows.
    passes = row.get("passes") if definition.own is None else None
    if not passes:
        return more_days * more_epochs
    per_pass = row["steps"] / passes
    here, there = (
        steps * math.ceil(definition.training.epoch_steps / steps) for steps in (per_pass, per_pass * more_days)
    )
    return there / here * more_epochs


def _training_times(rows: Sequence[Row]) -> list[float]:
    return [row["training_time"] for row in rows if was_trained(row)]


def was_trained(row: Row) -> bool:
    """Whether a row took time of its own, and was not copied from an earlier sweep."""
    return bool(row.get("training_time")) and not row.get("reused_from")
