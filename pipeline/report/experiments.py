"""The numbers behind the pictures: what every experiment came to while choosing, and what can be read off all of them.

Pure functions over a summary's rows. Nothing here draws, and nothing here judges: these numbers are those that chose.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from statistics import fmean, median
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
from pipeline.dates import DateRange
from pipeline.report.summary import Summary
from pipeline.results import Row, Status, range_of, to_cell
from pipeline.space import Assignment, identity_of
from pipeline.sweep import Phase, Trial

_LARGEST = 600.0
"""Of a log ratio, so that its exponential can be drawn."""


@dataclass(frozen=True)
class Tried:
    """One experiment, as far as it is known while choosing."""

    experiment: str
    assignment: Assignment
    value: float
    """`<metric>_valid`, averaged over its date ranges; as a multiple of the incumbent's where that is known."""
    seconds: float
    """Of training, per trial."""
    spent: float
    """Seconds of training that the whole sweep had taken when the last of its trials ended."""
    is_incumbent: bool
    phases: frozenset[str] = frozenset()
    """Those that it ran in."""


@dataclass(frozen=True)
class Choosing:
    """All experiments with a result."""

    tried: tuple[Tried, ...]
    """The best first."""
    left_out: int
    """Experiments without a comparable result: they failed, diverged, were stopped early, or are not through."""
    relative: bool
    """Whether values are multiples of the incumbent's."""
    positive: bool
    sign: int
    """1 where less is better, -1 where more is."""
    behind: tuple[Tried, ...] = ()
    """Those of the left out that diverged or were stopped early: whatever they would have come to, nothing good."""

    @property
    def values(self) -> list[float]:
        return [one.value for one in self.tried]


def choosing(summary: Summary) -> Choosing:
    """Every experiment is compared with the incumbent on the date ranges, seeds and phases that it ran on itself, so
    that one which a race ended early can stand beside the others."""
    definition = summary.definition
    metric = definition.objective.valid
    # A calibration's phases are steps of fidelity; its last one is the full result.
    phases = definition.choosing[-1:] if definition.calibrating else definition.choosing
    names = {phase.name for phase in phases}
    rows = [row for row in summary.rows if row["phase"] in names]
    own: dict[str, list[Row]] = {}
    for row in rows:
        own.setdefault(row["experiment"], []).append(row)
    assignments = {name: {hyper: some[0].get(hyper) for hyper in definition.incumbent} for name, some in own.items()}
    incumbent = identity_of(definition.incumbent)
    base = {
        _where(row): float(row[metric])
        for name, some in own.items()
        if identity_of(assignments[name]) == incumbent
        for row in some
        if _finished(row, metric) and row[metric] > 0
    }
    ranked = {standing.experiment: standing.score for standing in summary.ranked}
    relative = bool(base) and all(not _finished(row, metric) or row[metric] > 0 for row in rows)
    spent = _spent(rows)
    tried, behind = [], []
    for name, some in own.items():
        finished = [row for row in some if _finished(row, metric)]
        paired = [row for row in finished if _where(row) in base]
        broken = any(row["status"] not in (Status.COMPLETE, Status.STOPPED) for row in some)
        one = Tried(
            experiment=name,
            assignment=assignments[name],
            value=math.inf,
            seconds=fmean(row.get("training_time") or 0.0 for row in finished or some),
            spent=max(spent[row["trial"]] for row in some),
            is_incumbent=identity_of(assignments[name]) == incumbent,
            phases=frozenset(row["phase"] for row in some),
        )
        if any(row["status"] in (Status.DIVERGED, Status.STOPPED) for row in some):
            behind.append(one)
        if relative:
            if broken or not paired:
                continue
            ratio = fmean(math.log(row[metric]) - math.log(base[_where(row)]) for row in paired)
            value = math.exp(max(-_LARGEST, min(ratio, _LARGEST)))
        elif name in ranked:
            value = ranked[name]
        else:
            continue
        tried.append(replace(one, value=value))
    sign = definition.objective.sign
    tried.sort(key=lambda one: (sign * one.value, one.experiment))
    positive = all(one.value > 0 for one in tried)
    comparable = {one.experiment for one in tried}
    behind = [one for one in behind if one.experiment not in comparable]
    return Choosing(tuple(tried), len(own) - len(tried), relative, positive, sign, tuple(behind))


def best_so_far(known: Choosing) -> list[tuple[float, float, str]]:
    """(seconds spent, best value, whose), once for each experiment that was better than all before it."""
    found: list[tuple[float, float, str]] = []
    for one in sorted(known.tried, key=lambda one: one.spent):
        if not found or known.sign * one.value < known.sign * found[-1][1]:
            found.append((one.spent, one.value, one.experiment))
    return found


def pareto_front(known: Choosing) -> list[Tried]:
    """The experiments that no other beats in both training time and value, fastest first."""
    front: list[Tried] = []
    for one in sorted(known.tried, key=lambda one: (one.seconds, known.sign * one.value)):
        if not front or known.sign * one.value < known.sign * front[-1].value:
            front.append(one)
    return front


@dataclass(frozen=True)
class Group:
    """Experiments that share a value of one hyperparameter, or a part of its range."""

    label: str
    low: float | None
    high: float | None
    """The part of the range; None for a value of a list."""
    members: tuple[Tried, ...]

    @property
    def median(self) -> float:
        return median(one.value for one in self.members)


@dataclass(frozen=True)
class Searched:
    """The hyperparameters that one phase searched all over their domains, and what it tried."""

    phase: Phase
    tried: tuple[Tried, ...]
    """The best first; those that fell behind last."""
    known: Experiments
    """The same as plain values, in the same order."""

    @cached_property
    def importances(self) -> list[Importance]:
        return importances(self.known)

    @cached_property
    def best_values(self) -> dict[str, BestValue]:
        return {one.name: one for one in best_values(self.known)}

    @cached_property
    def interaction(self) -> Interaction | None:
        """Of the two that matter most."""
        names = [one.name for one in self.importances[:2]]
        return interaction(self.known, *names) if len(names) == 2 else None

    def groups(self, name: str) -> list[Group]:
        """The experiments with a result, by value of a hyperparameter, in the order of an axis."""
        return [self.group(part) for part in self.known.parts(name)]

    def group(self, part: Part) -> Group:
        """Those with a result of one value, or of one part of a range."""
        members = tuple(self.tried[at] for at in part.members if math.isfinite(self.tried[at].value))
        return Group(words(part), part.low, part.high, members)


def searched(known: Choosing, summary: Summary) -> list[Searched]:
    """By phase, in their order. A hyperparameter belongs to the first that searched all of its domain.

    Phases keep what they do not search at what the phase before chose, so that values of a hyperparameter are fairly
    compared only inside of one.
    """
    phases = summary.definition.choosing[-1:] if summary.definition.calibrating else summary.definition.choosing
    owner: dict[str, Phase] = {}
    for phase in sorted(phases, key=lambda phase: phase.near is not None):
        for name in phase.space:
            owner.setdefault(name, phase)
    found = []
    for phase in phases:
        domains = {name: phase.space[name] for name in phase.space if owner[name] is phase}
        tried = tuple(one for one in (*known.tried, *known.behind) if phase.name in one.phases)
        if domains and tried:
            values = [_to_minimise(known, one.value) for one in tried]
            found.append(Searched(phase, tried, Experiments([one.assignment for one in tried], values, domains)))
    return found


def as_shown(known: Choosing, value: float) -> float:
    """What `Searched.known` says, in the units of the pictures."""
    return _to_minimise(known, value)


def _to_minimise(known: Choosing, value: float) -> float:
    """What belongs to an experiment that fell behind is infinite, and stays so."""
    if known.sign > 0 or not math.isfinite(value):
        return value
    return 1 / value if known.positive else -value


def sample(tried: Sequence[Tried], most: int, always: Iterable[str] = ()) -> list[Tried]:
    """At most so many, evenly along the ranking, the first and the last and those of `always` among them."""
    if len(tried) <= most:
        return list(tried)
    chosen = {round(at * (len(tried) - 1) / (most - 1)) for at in range(most)}
    wanted = set(always)
    return [one for at, one in enumerate(tried) if at in chosen or one.experiment in wanted or one.is_incumbent]


def words(part: Part) -> str:
    """A value, or a part of a range, as an axis says it."""
    return label(part.value) if part.low is None else f"{part.low:.2g}–{part.high:.2g}"


def label(value: Any) -> str:
    """A value as text that fits an axis. A long one takes the drawing of it seconds, and nobody reads it there."""
    text = value if isinstance(value, str) else to_cell(value)
    text = text.encode("utf-8", "replace").decode()
    return text if len(text) <= 24 else text[:23] + "…"


def curve_rows(summary: Summary, phase: Phase, most: int) -> list[Row]:
    """The trials whose learning curves are drawn: one per experiment, at most so many, all on one date range: the one
    that most experiments ran on, the newest of several."""
    by_range: dict[DateRange, dict[str, Row]] = {}
    for row in summary.rows:
        if row["phase"] == phase.name and Status(row["status"]).is_result:
            by_range.setdefault(range_of(row), {}).setdefault(row["experiment"], row)
    rows = max(by_range.items(), key=lambda item: (len(item[1]), item[0]), default=(None, {}))[1]
    order = [standing.experiment for standing in summary.ranked if standing.experiment in rows]
    order += [name for name in rows if name not in set(order)]
    always = {standing.experiment for standing in summary.ranked if standing.is_incumbent} | set(order[:1])
    if len(order) > most:
        chosen = {round(at * (len(order) - 1) / (most - 1)) for at in range(most)}
        order = [name for at, name in enumerate(order) if at in chosen or name in always]
    return [rows[name] for name in order]


def _spent(rows: Sequence[Row]) -> dict[str, float]:
    total, spent = 0.0, {}
    for row in sorted(rows, key=lambda row: (row.get("finished") or "", row["trial"])):
        total += 0.0 if row.get("reused_from") else row.get("training_time") or 0.0
        spent[row["trial"]] = total
    return spent


def _where(row: Row) -> tuple[str, DateRange, int]:
    return row["phase"], range_of(row), Trial.parse(row["trial"]).seed


def _finished(row: Row, metric: str) -> bool:
    value = row.get(metric)
    return row["status"] == Status.COMPLETE and isinstance(value, int | float) and math.isfinite(value)
