"""The numbers behind the pictures: what every experiment came to while choosing, and what can be read off all of them.

Pure functions over a summary's rows. Nothing here draws, and nothing here judges: these numbers are those that chose.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean, median
from typing import Any

from pipeline.report.summary import Summary
from pipeline.results import Row, Status, to_cell
from pipeline.space import Assignment, Interval, identity_of, key
from pipeline.sweep import Phase, Trial

BINS = 5
MOST_VALUES = 12
"""A list of more numbers is drawn as a range."""
FEWEST_FOR_IMPORTANCE = 12
"""Of fewer experiments nobody can say which hyperparameter made the difference."""


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


@dataclass(frozen=True)
class Choosing:
    """All experiments with a result."""

    tried: tuple[Tried, ...]
    """The best first."""
    left_out: int
    """Experiments without a comparable result: they failed, diverged, or are not through."""
    relative: bool
    """Whether values are multiples of the incumbent's."""
    positive: bool
    sign: int
    """1 where less is better, -1 where more is."""

    @property
    def values(self) -> list[float]:
        return [one.value for one in self.tried]


def choosing(summary: Summary) -> Choosing:
    """Every experiment is compared with the incumbent on the date ranges, seeds and phases that it ran on itself, so
    that one which a race ended early can stand beside the others."""
    definition = summary.definition
    metric = f"{definition.objective.metric}_valid"
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
    tried = []
    for name, some in own.items():
        finished = [row for row in some if _finished(row, metric)]
        paired = [row for row in finished if _where(row) in base]
        broken = any(row["status"] not in (Status.COMPLETE, Status.STOPPED) for row in some)
        if relative:
            if broken or not paired:
                continue
            ratio = fmean(math.log(row[metric]) - math.log(base[_where(row)]) for row in paired)
            value = math.exp(max(-_LARGEST, min(ratio, _LARGEST)))
        elif name in ranked:
            value = ranked[name]
        else:
            continue
        tried.append(
            Tried(
                experiment=name,
                assignment=assignments[name],
                value=value,
                seconds=fmean(row.get("training_time") or 0.0 for row in finished),
                spent=max(spent[row["trial"]] for row in some),
                is_incumbent=identity_of(assignments[name]) == incumbent,
            )
        )
    sign = 1 if definition.objective.goal == "minimize" else -1
    tried.sort(key=lambda one: (sign * one.value, one.experiment))
    positive = all(one.value > 0 for one in tried)
    return Choosing(tuple(tried), len(own) - len(tried), relative, positive, sign)


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


def groups(known: Choosing, summary: Summary, name: str) -> list[Group]:
    """The experiments by value of a hyperparameter, in the order of an axis; a range is cut into equal parts."""
    domain = domain_of(known, summary, name)
    if isinstance(domain, Interval):
        return _parts(known.tried, domain, name)
    values = {key(value): value for one in known.tried for value in [one.assignment[name]]}
    ordered = sorted(values.values(), key=_axis_order)
    return [
        Group(label(value), None, None, tuple(one for one in known.tried if key(one.assignment[name]) == key(value)))
        for value in ordered
    ]


def domain_of(known: Choosing, summary: Summary, name: str) -> Interval | None:
    """The range that a picture's axis covers; None where a hyperparameter has a few single values."""
    domains = [phase.space[name] for phase in summary.definition.phases if name in phase.space]
    intervals = [domain for domain in domains if isinstance(domain, Interval)]
    if intervals and len(intervals) == len(domains):
        return max(intervals, key=lambda one: one.high / one.low if one.log else one.high - one.low)
    values = {one.assignment[name] for one in known.tried}
    numbers = [value for value in values if isinstance(value, int | float) and not isinstance(value, bool)]
    if len(values) <= MOST_VALUES or len(numbers) < len(values):
        return None
    low, high = min(numbers), max(numbers)
    return Interval(low=low, high=high, log=low > 0 and high / low > 30)


def importance(known: Choosing, summary: Summary) -> list[tuple[str, float]]:
    """How much of the differences between experiments each hyperparameter explains taken alone, most first.

    Kelley's epsilon squared ("An unbiased correlation ratio measure", 1935): the share of the variance of the value's
    logarithm that lies between the hyperparameter's groups, less what so many groups would explain by chance. What
    two hyperparameters do only together is not seen.
    """
    if len(known.tried) < FEWEST_FOR_IMPORTANCE:
        return []
    scale: Callable[[float], float] = math.log if known.positive else float
    shares = []
    for name in summary.searched:
        parts = [[scale(one.value) for one in group.members] for group in groups(known, summary, name)]
        # Of a value that one experiment had, nobody can say whether it was the value.
        parts = [part for part in parts if len(part) > 1]
        values = [value for part in parts for value in part]
        total = _squares(values)
        if len(parts) < 2 or total == 0:
            continue
        within = sum(map(_squares, parts))
        by_chance = (len(parts) - 1) * within / (len(values) - len(parts))
        shares.append((name, max(0.0, (total - within - by_chance) / total)))
    return sorted(shares, key=lambda share: -share[1])


def sample(tried: Sequence[Tried], most: int, always: Iterable[str] = ()) -> list[Tried]:
    """At most so many, evenly along the ranking, the first and the last and those of `always` among them."""
    if len(tried) <= most:
        return list(tried)
    chosen = {round(at * (len(tried) - 1) / (most - 1)) for at in range(most)}
    wanted = set(always)
    return [one for at, one in enumerate(tried) if at in chosen or one.experiment in wanted or one.is_incumbent]


def label(value: Any) -> str:
    """A value as text that fits an axis. A long one takes the drawing of it seconds, and nobody reads it there."""
    text = value if isinstance(value, str) else to_cell(value)
    text = text.encode("utf-8", "replace").decode()
    return text if len(text) <= 24 else text[:23] + "…"


def curve_rows(summary: Summary, phase: Phase, most: int) -> list[Row]:
    """The trials whose learning curves are drawn: one per experiment, at most so many, all on one date range: the one
    that most experiments ran on, the newest of several."""
    by_range: dict[tuple[str, str], dict[str, Row]] = {}
    for row in summary.rows:
        if row["phase"] == phase.name and Status(row["status"]).is_result:
            start, end = row["date-range"]
            by_range.setdefault((start, end), {}).setdefault(row["experiment"], row)
    rows = max(by_range.items(), key=lambda item: (len(item[1]), item[0]), default=(None, {}))[1]
    order = [standing.experiment for standing in summary.ranked if standing.experiment in rows]
    order += [name for name in rows if name not in set(order)]
    always = {standing.experiment for standing in summary.ranked if standing.is_incumbent} | set(order[:1])
    if len(order) > most:
        chosen = {round(at * (len(order) - 1) / (most - 1)) for at in range(most)}
        order = [name for at, name in enumerate(order) if at in chosen or name in always]
    return [rows[name] for name in order]


def _squares(values: Sequence[float]) -> float:
    mean = fmean(values) if values else 0.0
    return math.fsum((value - mean) ** 2 for value in values)


def _parts(tried: Sequence[Tried], domain: Interval, name: str) -> list[Group]:
    numbers = [value for one in tried if isinstance(value := one.assignment[name], int | float)]
    # An incumbent may lie outside what was searched.
    low, high = min([domain.low, *numbers]), max([domain.high, *numbers])
    log = domain.log and low > 0
    scale: Callable[[float], float] = math.log if log else float
    back: Callable[[float], float] = math.exp if log else float
    width = (scale(high) - scale(low)) / BINS
    if width <= 0:
        return []
    members: list[list[Tried]] = [[] for _ in range(BINS)]
    for one in tried:
        value = one.assignment[name]
        if isinstance(value, int | float):
            members[min(int((scale(value) - scale(low)) / width), BINS - 1)].append(one)
    edges = [back(scale(low) + at * width) for at in range(BINS + 1)]
    return [
        Group(f"{edges[at]:.2g}–{edges[at + 1]:.2g}", edges[at], edges[at + 1], tuple(inside))
        for at, inside in enumerate(members)
    ]


def _spent(rows: Sequence[Row]) -> dict[str, float]:
    total, spent = 0.0, {}
    for row in sorted(rows, key=lambda row: (row.get("finished") or "", row["trial"])):
        total += row.get("training_time") or 0.0
        spent[row["trial"]] = total
    return spent


def _where(row: Row) -> tuple[str, str, str, int]:
    start, end = row["date-range"]
    return row["phase"], start, end, Trial.parse(row["trial"]).seed


def _finished(row: Row, metric: str) -> bool:
    value = row.get(metric)
    return row["status"] == Status.COMPLETE and isinstance(value, int | float) and math.isfinite(value)


def _axis_order(value: Any) -> tuple[int, Any]:
    if isinstance(value, bool) or value is None:
        return 0, str(value)
    return (1, value) if isinstance(value, int | float) else (2, value)
