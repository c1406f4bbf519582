"""The numbers behind the pictures: each experiment's result of choosing, and statistics over all of them.

Pure functions over a summary's rows. Nothing here draws, and nothing judges: every value is `<metric>_valid`, which
chooses.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from statistics import fmean
from typing import Any

from pipeline.analysis.importance import (
    BestValue,
    Experiments,
    Importance,
    Interaction,
    Part,
    best_values,
    importances,
    interaction,
)
from pipeline.analysis.same_data import of_same_data
from pipeline.dates import DateRange
from pipeline.report.summary import Summary
from pipeline.results import Row, Status, encodable, range_of, to_cell
from pipeline.space import Assignment, identity_of
from pipeline.sweep import Definition, Phase, Trial

_LARGEST_LOG_RATIO = 600.0
"""Its exponential can still be drawn."""

Pairing = tuple[str, DateRange, int]
"""Phase, date range and seed index: an experiment is compared with the incumbent pairing by pairing."""


@dataclass(frozen=True)
class ExperimentResult:
    """One experiment's result of choosing."""

    experiment: str
    assignment: Assignment
    value: float
    """`<metric>_valid`, averaged over its date ranges; if possible, as a multiple of the incumbent's. Infinite without
    a comparable result."""
    seconds: float
    """Of training, per trial."""
    spent: float
    """Seconds of training that all experiments together had spent on choosing when this one's last trial ended."""
    is_incumbent: bool
    phases: frozenset[str] = frozenset()
    """Phases with a trial of it."""


@dataclass(frozen=True)
class ChoosingResults:
    """Every experiment's result of choosing."""

    comparable: tuple[ExperimentResult, ...]
    """Experiments with a result, the best first."""
    left_out: int
    """Experiments without a comparable result: they failed, diverged, were stopped early, or have not finished."""
    relative: bool
    """True if values are multiples of the incumbent's."""
    positive: bool
    """True if all values are above zero, so that they have logarithms."""
    sign: int
    """1 if less is better, -1 if more is better."""
    behind: tuple[ExperimentResult, ...] = ()
    """Those of the left out that diverged or were stopped early: they count as worse than all others."""

    @property
    def values(self) -> list[float]:
        """Values of the comparable experiments, the best first."""
        return [result.value for result in self.comparable]

    @cached_property
    def edge(self) -> float:
        """The largest value that pictures show; infinite if they show all.

        Without it, a few bad settings would press all others into a line.
        """
        values = sorted(self.values)
        usual = values[int(0.9 * (len(values) - 1))]
        return 20 * usual if self.positive and self.sign > 0 and values[-1] > 50 * usual else math.inf

    def minimised(self, value: float) -> float:
        """A value converted so that less is better; a second call converts it back. Infinite values stay."""
        if self.sign > 0 or not math.isfinite(value):
            return value
        return 1 / value if self.positive else -value


def choosing_results(summary: Summary) -> ChoosingResults:
    """Every experiment's result of choosing.

    Each is compared with the incumbent on its own pairings, so that an experiment which a race ended early can stand
    beside the others.
    """
    definition, sign = summary.definition, summary.definition.objective.sign
    phases = {phase.name for phase in _compared_phases(definition)}
    rows = [row for row in of_same_data(definition, summary.rows) if row["phase"] in phases]
    by_experiment: dict[str, list[Row]] = {}
    for row in rows:
        by_experiment.setdefault(row["experiment"], []).append(row)
    spent = _seconds_spent(rows)
    results = {name: _without_value(definition, group, spent) for name, group in by_experiment.items()}

    # Values: multiples of the incumbent's metric if they can be computed, else scores.
    metric = definition.objective.valid
    incumbents = [row for name, group in by_experiment.items() if results[name].is_incumbent for row in group]
    base = {_pairing(row): float(row[metric]) for row in incumbents if _is_finished(row, metric) and row[metric] > 0}
    relative = bool(base) and all(row[metric] > 0 for row in rows if _is_finished(row, metric))
    values: Mapping[str, float | None]
    if relative:
        values = {name: _multiple(group, metric, base) for name, group in by_experiment.items()}
    else:
        values = {standing.experiment: standing.score for standing in summary.ranked}

    # Experiments with a value, and those behind.
    comparable = [
        replace(result, value=value) for name, result in results.items() if (value := values.get(name)) is not None
    ]
    comparable.sort(key=lambda result: (sign * result.value, result.experiment))
    names = {result.experiment for result in comparable}
    behind = [result for name, result in results.items() if name not in names and _fell_behind(by_experiment[name])]
    return ChoosingResults(
        comparable=tuple(comparable),
        left_out=len(results) - len(comparable),
        relative=relative,
        positive=all(result.value > 0 for result in comparable),
        sign=sign,
        behind=tuple(behind),
    )


def _compared_phases(definition: Definition) -> list[Phase]:
    # A calibration's phases are steps of fidelity; its last one is the full result.
    return definition.choosing[-1:] if definition.calibrating else definition.choosing


def _without_value(definition: Definition, rows: Sequence[Row], spent: Mapping[str, float]) -> ExperimentResult:
    """An experiment's result before its value is known."""
    assignment = {name: rows[0].get(name) for name in definition.incumbent}
    finished = [row for row in rows if _is_finished(row, definition.objective.valid)]
    return ExperimentResult(
        experiment=rows[0]["experiment"],
        assignment=assignment,
        value=math.inf,
        seconds=fmean(row.get("training_time") or 0.0 for row in finished or rows),
        spent=max(spent[row["trial"]] for row in rows),
        is_incumbent=identity_of(assignment) == identity_of(definition.incumbent),
        phases=frozenset(row["phase"] for row in rows),
    )


def _multiple(rows: Sequence[Row], metric: str, base: Mapping[Pairing, float]) -> float | None:
    """An experiment's metric as a multiple of the incumbent's: geometric mean over the pairings that both finished."""
    if any(row["status"] not in (Status.COMPLETE, Status.STOPPED) for row in rows):
        return None
    pairs = [(row[metric], base[_pairing(row)]) for row in rows if _is_finished(row, metric) and _pairing(row) in base]
    if not pairs:
        return None
    log_ratio = fmean(math.log(value) - math.log(incumbent) for value, incumbent in pairs)
    return math.exp(max(-_LARGEST_LOG_RATIO, min(log_ratio, _LARGEST_LOG_RATIO)))


def _fell_behind(rows: Sequence[Row]) -> bool:
    return any(row["status"] in (Status.DIVERGED, Status.STOPPED) for row in rows)


def best_so_far(choosing: ChoosingResults) -> list[ExperimentResult]:
    """The experiments that were better than all earlier ones, in the order of their ends."""
    best: list[ExperimentResult] = []
    for result in sorted(choosing.comparable, key=lambda result: result.spent):
        if not best or choosing.sign * result.value < choosing.sign * best[-1].value:
            best.append(result)
    return best


def pareto_front(choosing: ChoosingResults) -> list[ExperimentResult]:
    """The experiments that no other beats in both training time and value, fastest first."""
    front: list[ExperimentResult] = []
    for result in sorted(choosing.comparable, key=lambda result: (result.seconds, choosing.sign * result.value)):
        if not front or choosing.sign * result.value < choosing.sign * front[-1].value:
            front.append(result)
    return front


@dataclass(frozen=True)
class Group:
    """Experiments with the same value of one hyperparameter, or with values in the same part of its range."""

    label: str
    low: float | None
    high: float | None
    """The part of the range; None for a value of a list."""
    members: tuple[ExperimentResult, ...]
    """Experiments with a result."""
    median: float
    """Over all experiments of the group, minimised; infinite if most of them fell behind."""
    counts: bool
    """True if its median competes for the best one. A group of one experiment competes only with others of one."""


@dataclass(frozen=True)
class PhaseSearch:
    """The experiments of one phase, and the hyperparameters whose whole domain it searched."""

    phase: Phase
    results: tuple[ExperimentResult, ...]
    """The best first; experiments that fell behind last."""
    experiments: Experiments
    """The same experiments as plain values to be minimised, in the same order."""

    @cached_property
    def importances(self) -> list[Importance]:
        """The importance of each hyperparameter, the most important first; empty with too few experiments."""
        return importances(self.experiments)

    @cached_property
    def best_values(self) -> dict[str, BestValue]:
        """By hyperparameter, the value, or the part of its range, with the best median."""
        return {best.name: best for best in best_values(self.experiments)}

    @cached_property
    def interaction(self) -> Interaction | None:
        """The interaction of the two most important hyperparameters."""
        names = [importance.name for importance in self.importances[:2]]
        return interaction(self.experiments, *names) if len(names) == 2 else None

    def groups(self, name: str) -> list[Group]:
        """The experiments by value of a hyperparameter, in the order of an axis, without empty parts."""
        parts = [part for part in self.experiments.parts(name) if part.members]
        fewest = 2 if any(len(part.members) > 1 for part in parts) else 1
        return [self._group(part, len(part.members) >= fewest) for part in parts]

    def _group(self, part: Part, counts: bool) -> Group:
        members = tuple(self.results[at] for at in part.members if math.isfinite(self.results[at].value))
        return Group(part_label(part), part.low, part.high, members, self.experiments.median(part), counts)


def phase_searches(choosing: ChoosingResults, summary: Summary) -> list[PhaseSearch]:
    """The searches of the phases, in order. A hyperparameter belongs to the first phase that searched its whole domain.

    Values of a hyperparameter are compared only within a phase: between phases the other hyperparameters differ.
    """
    phases = _compared_phases(summary.definition)
    owner: dict[str, Phase] = {}
    # A phase near the best setting searches only a part of each domain, so it owns what no other phase searched.
    for phase in sorted(phases, key=lambda phase: phase.near is not None):
        for name in phase.space:
            owner.setdefault(name, phase)
    searches = []
    for phase in phases:
        domains = {name: phase.space[name] for name in phase.space if owner[name] is phase}
        results = tuple(result for result in (*choosing.comparable, *choosing.behind) if phase.name in result.phases)
        if domains and results:
            values = [choosing.minimised(result.value) for result in results]
            experiments = Experiments([result.assignment for result in results], values, domains)
            searches.append(PhaseSearch(phase, results, experiments))
    return searches


def sample(results: Sequence[ExperimentResult], most: int, always: Iterable[str] = ()) -> list[ExperimentResult]:
    """About `most` experiments, evenly along the ranking, plus the incumbent and the experiments in `always`."""
    if len(results) <= most:
        return list(results)
    places, names = _even_places(len(results), most), set(always)
    return [
        result for at, result in enumerate(results) if at in places or result.experiment in names or result.is_incumbent
    ]


def _even_places(count: int, most: int) -> set[int]:
    """`most` of `count` positions, the first and the last among them."""
    return {round(at * (count - 1) / (most - 1)) for at in range(most)}


def part_label(part: Part) -> str:
    """A value, or a part of a range, as the label of an axis."""
    return label(part.value) if part.low is None else f"{part.low:.2g}–{part.high:.2g}"


def label(value: Any) -> str:
    """A value as text for an axis. Drawing a long text takes seconds, so it is cut."""
    text = value if isinstance(value, str) else to_cell(value)
    text = encodable(text)
    return text if len(text) <= 24 else text[:23] + "…"


def curve_rows(summary: Summary, phase: Phase, most: int) -> list[Row]:
    """Rows for the picture of learning curves: about `most`, one per experiment, all on the same date range.

    It is the range with the most experiments; of several, the newest.
    """
    by_range: dict[DateRange, dict[str, Row]] = {}
    for row in summary.rows:
        if row["phase"] == phase.name and Status(row["status"]).is_result:
            by_range.setdefault(range_of(row), {}).setdefault(row["experiment"], row)
    rows = max(by_range.items(), key=lambda item: (len(item[1]), item[0]), default=(None, {}))[1]
    order = [standing.experiment for standing in summary.ranked if standing.experiment in rows]
    order += [name for name in rows if name not in set(order)]
    always = {standing.experiment for standing in summary.ranked if standing.is_incumbent} | set(order[:1])
    if len(order) > most:
        places = _even_places(len(order), most)
        order = [name for at, name in enumerate(order) if at in places or name in always]
    return [rows[name] for name in order]


def _seconds_spent(rows: Sequence[Row]) -> dict[str, float]:
    """By trial, the seconds of training that the sweep had spent when the trial ended."""
    total, spent = 0.0, {}
    for row in sorted(rows, key=lambda row: (row.get("finished") or "", row["trial"])):
        total += 0.0 if row.get("reused_from") else row.get("training_time") or 0.0
        spent[row["trial"]] = total
    return spent


def _pairing(row: Row) -> Pairing:
    return row["phase"], range_of(row), Trial.parse(row["trial"]).seed


def _is_finished(row: Row, metric: str) -> bool:
    value = row.get(metric)
    return row["status"] == Status.COMPLETE and isinstance(value, int | float) and math.isfinite(value)
