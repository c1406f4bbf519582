"""Ranks experiments by their validation metric, averaged over date ranges. Test metrics and verdicts play no part."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean, geometric_mean

from pipeline.analysis.same_data import comparable
from pipeline.dates import DateRange
from pipeline.results import Row, Status, range_of
from pipeline.space import Assignment, identity_of
from pipeline.sweep import Definition, Phase


@dataclass(frozen=True)
class Standing:
    """One experiment in a ranking, from its complete trials in one phase."""

    experiment: str
    assignment: Assignment
    is_incumbent: bool
    score: float
    """Mean of `<metric>_valid` over date ranges, after averaging the seeds of each.

    Geometric; arithmetic if the metric is judged by difference, or is not positive everywhere.
    """
    by_range: dict[DateRange, Row]
    """A complete row per date range (the first seed's)."""
    gain: float | None
    """1.25 if the incumbent's score is 1.25 times this one's: the geometric mean over ranges. The inverse, if more is
    better. None if the metric is not judged by ratio, is not positive everywhere, or the incumbent is not ranked."""
    training_time: float
    """Seconds, the sum of its complete trials."""
    epochs: int
    """The sum of its complete trials."""
    difference: float | None = None
    """Mean over ranges of the difference to the incumbent's score, positive if this one is better. None if the metric
    is judged by ratio, or the incumbent is not ranked."""


FASTER = 0.8
"""A setting trains clearly faster than another if it takes at most this share of its epochs."""


def standings(definition: Definition, rows: Sequence[Row], phase: Phase | None = None) -> list[Standing]:
    """The ranking of `phase`, or of the last choosing phase that can be trusted (`_trusted`): the best first.

    All ranked experiments finished the same date ranges: those of the experiment that finished most. An experiment that
    failed, diverged or read other data on one of these, with any seed, is not ranked, as averages over different ranges
    cannot be compared. If the phase prefers faster training, a faster setting close to the best comes first.
    """
    if phase is not None:
        return _ranking(definition, rows, phase)
    rankings = (_trusted(definition, rows, choosing) for choosing in reversed(definition.choosing))
    return next((ranked for ranked in rankings if ranked), [])


def tried(definition: Definition, rows: Sequence[Row]) -> list[tuple[Phase, Standing]]:
    """Every experiment that a choosing phase ranks, once, with that phase.

    First the experiments of `standings`, then those of the other phases, the latest phase first.
    """
    last_first = list(reversed(definition.choosing))
    leading = next((phase for phase in last_first if _trusted(definition, rows, phase)), None)
    ranked: dict[str, tuple[Phase, Standing]] = {}
    for phase in sorted(last_first, key=lambda phase: phase is not leading):
        for standing in _ranking(definition, rows, phase):
            ranked.setdefault(standing.experiment, (phase, standing))
    return list(ranked.values())


def candidates(definition: Definition, rows: Sequence[Row], phase: Phase) -> list[Standing]:
    """The ranking that a phase starts from: of the phase that it follows, or of an earlier one that can be trusted."""
    if phase.follows is None:
        return []
    followed = definition.phase(phase.follows)
    return _trusted(definition, rows, followed) or candidates(definition, rows, followed)


def _trusted(definition: Definition, rows: Sequence[Row], phase: Phase) -> list[Standing]:
    """Ranking of a phase. Empty, as the best may be missing, if it ranks no experiment that the phase set out with.

    The incumbent does not count there, unless the phase set out with it as the best.
    """
    ranked, start = _ranking(definition, rows, phase), candidates(definition, rows, phase)
    if not start or start[0].is_incumbent:
        return ranked
    better = {standing.experiment for standing in start if not standing.is_incumbent}
    return ranked if any(standing.experiment in better for standing in ranked) else []


def _ranking(definition: Definition, rows: Sequence[Row], phase: Phase) -> list[Standing]:
    complete = _complete(definition, phase, rows)
    if not complete:
        return []
    metric, sign = definition.objective.valid, definition.objective.sign

    # The scores of the experiments that finished all ranges of the one that finished most, seeds averaged:
    # {experiment: {range: score}}.
    widest = max(complete.values(), key=lambda by_range: (len(by_range), sorted(by_range)))
    ranges = sorted(widest)
    scores = {
        experiment: {date_range: fmean(row[metric] for row in by_range[date_range]) for date_range in ranges}
        for experiment, by_range in complete.items()
        if widest.keys() <= by_range.keys()
    }

    # The geometric mean ranks by the mean log ratio to the incumbent, so that one hard range does not decide alone. A
    # metric that is judged by difference is ranked by its mean.
    positive = all(score > 0 for by_range in scores.values() for score in by_range.values())
    by_difference = definition.objective.scale == "difference"
    by_ratio = positive and not by_difference
    mean = geometric_mean if by_ratio else fmean

    # One standing per experiment, compared with the incumbent's scores.
    assignments = {
        experiment: {name: complete[experiment][ranges[0]][0].get(name) for name in definition.incumbent}
        for experiment in scores
    }
    incumbent = identity_of(definition.incumbent)
    incumbents = [experiment for experiment in scores if identity_of(assignments[experiment]) == incumbent]
    base = scores[incumbents[0]] if incumbents else {}
    ranked = []
    for experiment, by_range in scores.items():
        finished = [row for seeds in complete[experiment].values() for row in seeds]
        ranked.append(
            Standing(
                experiment=experiment,
                assignment=assignments[experiment],
                is_incumbent=experiment in incumbents,
                score=mean(by_range.values()),
                by_range={date_range: complete[experiment][date_range][0] for date_range in ranges},
                gain=_gain(base, by_range, sign) if by_ratio else None,
                difference=_difference(base, by_range, sign)
                if by_difference and base.keys() == by_range.keys()
                else None,
                training_time=sum(row.get("training_time", 0.0) for row in finished),
                epochs=sum(row.get("epochs") or 0 for row in finished),
            )
        )
    ranked.sort(key=lambda standing: (sign * standing.score, standing.experiment))
    return _faster_first(ranked, phase.faster_within, sign) if phase.faster_within is not None and positive else ranked


def _faster_first(ranked: list[Standing], within: float, sign: int) -> list[Standing]:
    """The ranking with the fastest setting near the best first. By epochs, not seconds: machines may be busy."""
    best = ranked[0]
    close = [standing for standing in ranked if sign * math.log(standing.score / best.score) <= math.log1p(within)]
    fastest = min(close, key=lambda standing: standing.epochs)
    if not 0 < fastest.epochs <= FASTER * best.epochs:
        return ranked
    return [fastest, *(standing for standing in ranked if standing is not fastest)]


def objective_values(definition: Definition, phases: Iterable[Phase], rows: Sequence[Row]) -> dict[str, float]:
    """{experiment: value that a strategy minimises}, of phases with the same ranges, seeds and fidelity.

    The mean over date ranges and seeds of `<metric>_valid`, or of its logarithm if the metric is judged by ratio and
    always positive; negated if more is better. Infinite if a trial diverged. A trial that was stopped early counts with
    its best score. Experiments with a failed trial, or with one that read other data than most, are left out.
    """
    metric, sign = definition.objective.valid, definition.objective.sign
    names = {phase.name for phase in phases}
    measured: dict[str, list[float]] = {}
    rows = [row for row in rows if row["phase"] in names]
    on_same_data = {row["trial"] for row in comparable(definition, rows)}
    left_out = {row["experiment"] for row in rows if row["trial"] not in on_same_data}
    for row in rows:
        if not Status(row["status"]).is_result:
            left_out.add(row["experiment"])
        is_finite = _is_number(row.get(metric)) and row["status"] != Status.DIVERGED
        measured.setdefault(row["experiment"], []).append(row[metric] if is_finite else math.inf)
    counted = {experiment: values for experiment, values in measured.items() if experiment not in left_out}
    finite = [value for values in counted.values() for value in values if math.isfinite(value)]
    by_ratio = definition.objective.scale == "ratio" and all(value > 0 for value in finite)
    scale: Callable[[float], float] = math.log if by_ratio else float
    return {
        experiment: sign * fmean(map(scale, values)) if all(map(math.isfinite, values)) else math.inf
        for experiment, values in counted.items()
    }


def _complete(definition: Definition, phase: Phase, rows: Sequence[Row]) -> dict[str, dict[DateRange, list[Row]]]:
    """{experiment: {range: [complete rows, one per seed]}} of a phase; only ranges that all seeds finished.

    On each range, only rows that read the same data count.
    """
    metric = definition.objective.valid
    finished: dict[str, dict[DateRange, list[Row]]] = {}
    for row in comparable(definition, [row for row in rows if row["phase"] == phase.name], judges=phase.judges):
        if row["status"] == Status.COMPLETE and _is_number(row.get(metric)):
            finished.setdefault(row["experiment"], {}).setdefault(range_of(row), []).append(row)
    complete = {
        experiment: {date_range: seeds for date_range, seeds in by_range.items() if len(seeds) == phase.seeds}
        for experiment, by_range in finished.items()
    }
    return {experiment: by_range for experiment, by_range in complete.items() if by_range}


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def _gain(base: dict[DateRange, float], scores: dict[DateRange, float], sign: int) -> float | None:
    """`Standing.gain` of these scores over those of the incumbent, `base`."""
    if base.keys() != scores.keys() or min(*base.values(), *scores.values()) <= 0:
        return None
    return math.exp(sign * fmean(math.log(base[date_range] / scores[date_range]) for date_range in scores))


def _difference(base: dict[DateRange, float], scores: dict[DateRange, float], sign: int) -> float:
    return sign * fmean(base[date_range] - scores[date_range] for date_range in scores)
