"""Hours, device hours and money: what a sweep has spent of them, and whether choosing may go on.

What judging the winner will take is put aside first. Counts of experiments and trials need no watching: a sweep's
phases were made to fit them (`phases.within`).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import fmean, median

from pipeline.results import Row
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


def spent(definition: Definition, rows: Sequence[Row], now: datetime) -> Spent:
    device_hours = device_seconds(rows) / _HOUR
    price = definition.budget.price_per_device_hour if definition.budget else None
    return Spent(
        experiments=len({row["experiment"] for row in rows if row["phase"] in {p.name for p in definition.choosing}}),
        trials=len(rows),
        hours=_seconds_since(definition.created, now) / _HOUR,
        device_hours=device_hours,
        money=None if price is None else device_hours * price,
    )


def device_seconds(rows: Sequence[Row]) -> float:
    return math.fsum(row.get("training_time") or 0.0 for row in rows if not row.get("reused_from"))


def room(definition: Definition, phase: Phase, rows: Sequence[Row], now: datetime) -> float:
    """How many further experiments of a phase that chooses fit into what time and money are left for it."""
    budget = definition.budget
    if budget is None or not budget.is_timed:
        return math.inf
    known = [row for row in rows if row["phase"] in {p.name for p in definition.choosing}]
    own = [row for row in known if row["phase"] == phase.name]
    # Phases of one sweep choose at one fidelity; until a phase has rows, those before it tell.
    times = _times(own) or _times(known)
    if not times:
        return 0
    used, left = device_seconds(rows), seconds_left(definition, rows, now)
    if phase.replicates:
        # What it trains with its first seed is there.
        return max(0, math.floor(left / (median(times) * len(phase.ranges) * (phase.seeds - 1))))
    # Training the best again with other seeds is worth up to a third of all choosing.
    replicating = [one for one in definition.choosing if one.replicates]
    again = sum(one.experiments * len(one.ranges) * (one.seeds - 1) for one in replicating) * median(times)
    total = used + left - (again if again <= (used + left) / 3 else 0)
    sizes = [one.experiments for one in definition.searching]
    share = sum(sizes[: definition.searching.index(phase) + 1]) / sum(sizes)
    return max(0, math.floor((total * share - used) / (median(times) * len(phase.ranges) * phase.seeds)))


def is_over(definition: Definition, rows: Sequence[Row], now: datetime) -> bool:
    """Whether time or money no longer allow any choosing: never before the incumbent ran, or without such a budget."""
    budget, first = definition.budget, definition.choosing[0]
    if budget is None or not budget.is_timed or len(rows) < len(first.ranges) * first.seeds:
        return False
    return seconds_left(definition, rows, now) <= 0


def seconds_left(definition: Definition, rows: Sequence[Row], now: datetime) -> float:
    """Device seconds left for choosing, over all machines, without what judging will take."""
    judging = _judging(definition, rows)
    # What runs when time is up still ends, a training per lane.
    running = _lanes(definition, rows, now) * median(_times(rows)) if judging else 0.0
    return _left(definition, rows, now) - _MARGIN * judging - running


def _left(definition: Definition, rows: Sequence[Row], now: datetime) -> float:
    budget = definition.budget
    assert budget is not None
    used = device_seconds(rows)
    left = [math.inf]
    if budget.device_hours is not None:
        left.append(budget.device_hours * _HOUR - used)
    if budget.money is not None and budget.price_per_device_hour is not None:
        left.append(budget.money / budget.price_per_device_hour * _HOUR - used)
    if budget.hours is not None:
        passed = _seconds_since(definition.created, now)
        left.append((budget.hours * _HOUR - passed) * _lanes(definition, rows, now))
    return min(left)


def _lanes(definition: Definition, rows: Sequence[Row], now: datetime) -> float:
    """How many trainings ran at a time until now; as many are expected to go on."""
    used, passed = device_seconds(rows), _seconds_since(definition.created, now)
    return max(used / passed, 0.1) if passed > 0 and used else 1.0


def _times(rows: Sequence[Row]) -> list[float]:
    """What trainings took, those that were copied left out."""
    return [row["training_time"] for row in rows if row.get("training_time") and not row.get("reused_from")]


def judging_fits(definition: Definition, rows: Sequence[Row], now: datetime) -> bool:
    """Whether what is left is enough to judge the winner, by what trainings took until now."""
    budget = definition.budget
    return budget is None or not budget.is_timed or _left(definition, rows, now) >= _judging(definition, rows)


def _judging(definition: Definition, rows: Sequence[Row]) -> float:
    """Device seconds that what is still to be judged will take: as the trials until now, by days and by epochs."""
    phase = definition.confirm
    if phase is None:
        return 0.0
    phases = {one.name: one for one in definition.phases}
    rates = []
    for row in rows:
        own = phases.get(row["phase"])
        if own is not None and row.get("training_time") and not row.get("reused_from"):
            days = own.ranges[Trial.parse(row["trial"]).range].days
            rates.append(row["training_time"] / (days * own.fidelity.max_epochs))
    if not rates:
        return 0.0
    done = sum(1 for row in rows if row["phase"] == phase.name)
    trials = max(0, phase.experiments * len(phase.ranges) * phase.seeds - done)
    return median(rates) * fmean(one.days for one in phase.ranges) * phase.fidelity.max_epochs * trials


def _seconds_since(created: str, now: datetime) -> float:
    return (now - datetime.fromisoformat(created)).total_seconds()


def wanted_more(definition: Definition, rows: Sequence[Row], ended: datetime) -> str:
    """What a sweep that `ended` would do with a larger budget; empty if it did all that was asked for, or could."""
    budget = definition.budget
    if budget is None:
        return ""
    # A phase needs room for the incumbent, for what it starts from and for something new.
    time_ended = budget.is_timed and room(definition, definition.searching[-1], rows, ended) <= 2
    more = []
    for phase in definition.searching:
        had = len({row["experiment"] for row in rows if row["phase"] == phase.name})
        missing = (phase.wanted or phase.experiments) - had if time_ended or phase.wanted else 0
        if missing > 0 and phase.open_ended:
            more.append(f"more experiments in {phase.name}")
        elif missing > 0:
            more.append(f"{missing} more experiments in {phase.name}")
    text = f"with a larger budget it would run {', '.join(more)}" if more else ""
    if definition.confirm and budget.is_timed and not judging_fits(definition, rows, ended):
        judge = "judge the winner on other date ranges, if one beats the incumbent"
        text = f"{text}, and {judge}" if text else f"with a larger budget it would {judge}"
    return text
