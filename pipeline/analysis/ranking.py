"""Which experiment stands where: the choosing metric, averaged over date ranges. It ranks; it judges nothing."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean, geometric_mean

from pipeline.results import Row, Status
from pipeline.space import Assignment, identity_of
from pipeline.sweep import Definition, Phase


@dataclass(frozen=True)
class Standing:
    """One experiment's place, from its complete trials in the last phase of choosing that has any."""

    experiment: str
    assignment: Assignment
    is_incumbent: bool
    score: float
    """Geometric mean of `<metric>_valid` over date ranges (arithmetic, where it is not positive everywhere).

    The seeds of one range are averaged first.
    """
    by_range: dict[tuple[str, str], Row]
    """A complete row per date range (the first seed's)."""
    gain: float | None
    """Geometric mean over ranges of incumbent's score / own score (its inverse, where more is better)."""
    training_time: float
    """Seconds, over all its trials."""
    epochs: int
    """Over all its trials."""


FASTER = 0.8
"""What trains clearly faster takes at most so much of the other's epochs."""


def standings(definition: Definition, rows: Sequence[Row], phase: Phase | None = None) -> list[Standing]:
    """Experiments that finished on the same date ranges, best first: of `phase`, or of the last phase of choosing that
    can tell.

    Where the phase prefers what trains faster, such a setting stands first. The ranges are those of the experiment
    that finished on most of them. Who failed or diverged on one of these, with any seed, is not ranked: an average
    over other ranges would compare what cannot be compared.
    """
    if phase is not None:
        return _standings(definition, rows, phase)
    return next((ranked for one in reversed(definition.choosing) if (ranked := _told(definition, rows, one))), [])


def before(definition: Definition, rows: Sequence[Row], phase: Phase) -> list[Standing]:
    """What a phase starts from: the ranking of the phase that it follows, or of one before if that cannot tell."""
    if phase.follows is None:
        return []
    followed = definition.phase(phase.follows)
    return _told(definition, rows, followed) or before(definition, rows, followed)


def _told(definition: Definition, rows: Sequence[Row], phase: Phase) -> list[Standing]:
    """A phase's ranking, unless it lacks what the phase before found: then it may have lost the best."""
    ranked, start = _standings(definition, rows, phase), before(definition, rows, phase)
    found = {one.experiment for one in start if not one.is_incumbent}
    fine = not start or start[0].is_incumbent or any(one.experiment in found for one in ranked)
    return ranked if fine else []


def _standings(definition: Definition, rows: Sequence[Row], phase: Phase) -> list[Standing]:
    complete = _complete(definition, phase, rows)
    if not complete:
        return []
    metric = definition.objective.valid
    names = list(definition.incumbent)
    incumbent = identity_of(definition.incumbent)
    firsts = {experiment: next(iter(by_range.values()))[0] for experiment, by_range in complete.items()}
    assignments = {experiment: {name: row.get(name) for name in names} for experiment, row in firsts.items()}
    own = {e for e, assignment in assignments.items() if identity_of(assignment) == incumbent}
    widest = max(complete.values(), key=lambda by_range: (len(by_range), sorted(by_range)))
    common = set(widest)
    sign = definition.objective.sign
    scores = {
        experiment: {range_: fmean(row[metric] for row in by_range[range_]) for range_ in sorted(common)}
        for experiment, by_range in complete.items()
        if common <= by_range.keys()
    }
    # Ranked by the geometric mean, which is to rank by the mean log ratio to the incumbent: one hard range must not
    # decide alone. Only a metric that can be zero or negative has no ratios.
    positive = all(value > 0 for by_range in scores.values() for value in by_range.values())
    middle = geometric_mean if positive else fmean
    base = next((scores[experiment] for experiment in own if experiment in scores), {})
    ranked = [
        Standing(
            experiment=experiment,
            assignment=assignments[experiment],
            is_incumbent=experiment in own,
            score=middle(by_range.values()),
            by_range={range_: complete[experiment][range_][0] for range_ in by_range},
            gain=_gain(base, by_range, sign),
            training_time=sum(r.get("training_time", 0.0) for seeds in complete[experiment].values() for r in seeds),
            epochs=sum(r.get("epochs") or 0 for seeds in complete[experiment].values() for r in seeds),
        )
        for experiment, by_range in scores.items()
    ]
    ranked.sort(key=lambda standing: (sign * standing.score, standing.experiment))
    return _faster_first(ranked, phase.faster_within, sign) if phase.faster_within is not None and positive else ranked


def _faster_first(ranked: list[Standing], within: float, sign: int) -> list[Standing]:
    """By epochs, not by the clock: what is preferred must not depend on which machine was busy."""
    best = ranked[0]
    close = [one for one in ranked if sign * math.log(one.score / best.score) <= math.log1p(within)]
    fastest = min(close, key=lambda one: one.epochs)
    if not 0 < fastest.epochs <= FASTER * best.epochs:
        return ranked
    return [fastest, *(one for one in ranked if one is not fastest)]


def values(definition: Definition, phases: Iterable[Phase], rows: Sequence[Row]) -> dict[str, float]:
    """Per experiment with results what a strategy is to minimise: the mean (of logarithms, where they exist) of
    `<metric>_valid` over date ranges and seeds; infinite if it diverged. Not there: it failed somewhere.
    The phases have the same ranges, seeds and fidelity.

    A trial that was stopped early counts with the best that it had.
    """
    metric = definition.objective.valid
    sign = definition.objective.sign
    measured: dict[str, list[float]] = {}
    failed = set()
    names = {phase.name for phase in phases}
    for row in rows:
        if row["phase"] in names:
            if not Status(row["status"]).is_result:
                failed.add(row["experiment"])
            value = row[metric] if _is_number(row.get(metric)) else math.inf
            measured.setdefault(row["experiment"], []).append(math.inf if row["status"] == Status.DIVERGED else value)
    whole = {experiment: found for experiment, found in measured.items() if experiment not in failed}
    finite = [value for found in whole.values() for value in found if math.isfinite(value)]
    scale: Callable[[float], float] = math.log if all(value > 0 for value in finite) else float
    return {
        experiment: sign * fmean(map(scale, found)) if all(map(math.isfinite, found)) else math.inf
        for experiment, found in whole.items()
    }


def _complete(definition: Definition, phase: Phase, rows: Sequence[Row]) -> dict[str, dict[tuple[str, str], list[Row]]]:
    """A phase's results: per experiment the rows of each range that all its seeds finished."""
    metric = definition.objective.valid
    found: dict[str, dict[tuple[str, str], list[Row]]] = {}
    for row in rows:
        if row["phase"] == phase.name and row["status"] == Status.COMPLETE and _is_number(row.get(metric)):
            found.setdefault(row["experiment"], {}).setdefault(_range(row), []).append(row)
    whole = {
        experiment: {range_: seeds for range_, seeds in by_range.items() if len(seeds) == phase.seeds}
        for experiment, by_range in found.items()
    }
    return {experiment: by_range for experiment, by_range in whole.items() if by_range}


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def _range(row: Row) -> tuple[str, str]:
    start, end = row["date-range"]
    return start, end


def _gain(base: dict[tuple[str, str], float], own: dict[tuple[str, str], float], sign: int) -> float | None:
    if base.keys() != own.keys() or min(*base.values(), *own.values()) <= 0:
        return None
    return math.exp(sign * fmean(math.log(base[range_] / own[range_]) for range_ in own))
