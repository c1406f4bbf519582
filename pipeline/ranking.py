"""Which experiment stands where: the choosing metric, averaged over date ranges. It ranks; it judges nothing."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from pipeline.results import Row, Status
from pipeline.space import Assignment, identity_of
from pipeline.sweep import Definition


@dataclass(frozen=True)
class Standing:
    """One experiment's place, from its complete trials in the last phase of choosing that has any."""

    experiment: str
    assignment: Assignment
    is_incumbent: bool
    score: float
    """Mean of `<metric>_valid` over date ranges; seeds of one range are averaged first."""
    by_range: dict[tuple[str, str], Row]
    """A complete row per date range (the first seed's)."""
    gain: float | None
    """Geometric mean over ranges of incumbent's score / own score (its inverse, where more is better)."""
    training_time: float
    """Seconds, over all its trials."""


def standings(definition: Definition, rows: Sequence[Row]) -> list[Standing]:
    """Experiments that finished on as many ranges as any other did, best first.

    One that failed or diverged on a range is not ranked: an average over fewer ranges would compare what cannot be
    compared.
    """
    metric = f"{definition.objective.metric}_valid"
    names = list(definition.incumbent)
    by_experiment = _complete(definition, rows, metric)
    scores = {name: _by_range(own, metric) for name, own in by_experiment.items()}
    widest = max((len(by_range) for by_range in scores.values()), default=0)
    incumbent = identity_of(definition.incumbent)
    assignments = {e: {name: own[0].get(name) for name in names} for e, own in by_experiment.items()}
    base = next((scores[e] for e, assignment in assignments.items() if identity_of(assignment) == incumbent), {})
    sign = 1 if definition.objective.goal == "minimize" else -1
    ranked = [
        Standing(
            experiment=name,
            assignment=assignments[name],
            is_incumbent=identity_of(assignments[name]) == incumbent,
            score=fmean(by_range.values()),
            by_range={_range(row): row for row in reversed(by_experiment[name])},
            gain=_gain(base, by_range, sign),
            training_time=sum(row.get("training_time", 0.0) for row in by_experiment[name]),
        )
        for name, by_range in scores.items()
        if len(by_range) == widest
    ]
    return sorted(ranked, key=lambda standing: (sign * standing.score, standing.experiment))


def _complete(definition: Definition, rows: Sequence[Row], metric: str) -> dict[str, list[Row]]:
    for phase in reversed(definition.choosing):
        found: dict[str, list[Row]] = {}
        for row in rows:
            if row["phase"] == phase.name and row["status"] == Status.COMPLETE and _is_number(row.get(metric)):
                found.setdefault(row["experiment"], []).append(row)
        if found:
            return found
    return {}


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def _range(row: Row) -> tuple[str, str]:
    start, end = row["date-range"]
    return start, end


def _by_range(rows: Sequence[Row], metric: str) -> dict[tuple[str, str], float]:
    values: dict[tuple[str, str], list[float]] = {}
    for row in rows:
        values.setdefault(_range(row), []).append(row[metric])
    return {range_: fmean(several) for range_, several in values.items()}


def _gain(base: dict[tuple[str, str], float], own: dict[tuple[str, str], float], sign: int) -> float | None:
    if base.keys() != own.keys() or min(*base.values(), *own.values()) <= 0:
        return None
    return math.exp(sign * fmean(math.log(base[range_] / own[range_]) for range_ in own))
