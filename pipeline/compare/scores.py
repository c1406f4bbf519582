"""A setting's test metric by date range, and on which ranges those of two sweeps may be set against each other.

It compares and judges nothing: that is `comparing.py`'s and `history.py`'s business.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from pipeline.dates import DateRange
from pipeline.report.state import State
from pipeline.results import Row, Status, range_of
from pipeline.sweep import Definition, Phase


@dataclass(frozen=True)
class Measured:
    """One setting on one date range, by the metric that judges."""

    seeds: dict[int, float | None]
    """By seed index; None where it did not finish."""
    fidelity: str
    fingerprint: str | None
    """Of the data that were read; None where nothing finished."""
    fresh: bool
    """Whether the range played no part in choosing the setting."""

    @property
    def score(self) -> float | None:
        known = [value for value in self.seeds.values() if value is not None]
        return fmean(known) if known else None


def measured(state: State, experiment: str) -> dict[DateRange, Measured]:
    """A setting's test metric by date range: where it was judged, else where it was chosen."""
    definition = state.sweep.definition
    metric = definition.objective.test
    found: dict[DateRange, Measured] = {}
    own = [row for row in state.rows if row["experiment"] == experiment]
    for phase in _best_evidence_first(definition):
        rows = [row for row in own if row["phase"] == phase.name]
        for date_range in dict.fromkeys(map(range_of, rows)):
            here = [row for row in rows if range_of(row) == date_range]
            fingerprints = [row["data_fingerprint"] for row in here if row.get("data_fingerprint")]
            one = Measured(
                seeds={int(row["trial"].rsplit("-s", 1)[1]): _score(row, metric) for row in here},
                fidelity=phase.fidelity.name,
                fingerprint=fingerprints[0] if fingerprints else None,
                # While a sweep runs, its best setting may still change: looking early is a kind of choosing.
                fresh=phase.judging is not None and phase.judging.fresh and state.done,
            )
            found.setdefault(date_range, one)
    return dict(sorted(found.items()))


def _best_evidence_first(definition: Definition) -> list[Phase]:
    judging = [definition.confirm] if definition.confirm else []
    return [*judging, *reversed(definition.choosing)]


def _score(row: Row, metric: str) -> float | None:
    value = row.get(metric)
    fine = row["status"] == Status.COMPLETE and isinstance(value, int | float) and math.isfinite(value)
    return float(value) if fine and value is not None else None


def scores_in_common(one: Measured, other: Measured) -> tuple[dict[int, float | None], dict[int, float | None]]:
    """Paired by seed index where the two share any, else the mean of each."""
    common = one.seeds.keys() & other.seeds.keys()
    if common:
        return {seed: one.seeds[seed] for seed in common}, {seed: other.seeds[seed] for seed in common}
    return {0: one.score}, {0: other.score}


def incomparable(one: Definition, other: Definition) -> str | None:
    """Why the metrics of two sweeps mean different things; None if they mean the same."""
    if one.objective != other.objective:
        mine, theirs = (f"{d.objective.goal}s {d.objective.metric}" for d in (one, other))
        return f"one {mine}, the other {theirs}"
    targets = [d.data.target if d.data is not None else ("what its own data say",) for d in (one, other)]
    if targets[0] != targets[1]:
        mine, theirs = (" and ".join(target) for target in targets)
        return f"one predicts {mine}, the other {theirs}"
    transforms = [getattr(d.data, "target_transform", None) for d in (one, other)]
    if transforms[0] != transforms[1]:
        return "the targets are transformed differently, so the metric has other units"
    return None


def usable(
    one: Mapping[DateRange, Measured], other: Mapping[DateRange, Measured]
) -> tuple[list[DateRange], tuple[str, ...]]:
    """The common ranges on which two measurements may be set against each other, and why the rest may not."""
    ranges, left_out = [], []
    for range_ in sorted(one.keys() & other.keys()):
        a, b = one[range_], other[range_]
        unfinished = a.score is None or b.score is None
        if a.fidelity != b.fidelity:
            left_out.append(f"{range_}: one is {a.fidelity}, the other {b.fidelity}")
        elif not unfinished and (a.fingerprint is None or b.fingerprint is None):
            left_out.append(f"{range_}: what data were read is not recorded")
        elif not unfinished and a.fingerprint != b.fingerprint:
            left_out.append(f"{range_}: the data, or how they are encoded, differ ({a.fingerprint}, {b.fingerprint})")
        else:
            ranges.append(range_)
    return ranges, tuple(left_out)


def preferred(
    ranges: Sequence[DateRange], one: Mapping[DateRange, Measured], other: Mapping[DateRange, Measured]
) -> tuple[list[DateRange], bool]:
    """Those that are fresh for both, if they suffice for a test, else all; and whether they are fresh.

    It looks at how the ranges lie and never at a score, so it cannot favour anybody.
    """
    from pipeline.analysis.verdict import FEWEST_RANGES

    fresh = [range_ for range_ in ranges if one[range_].fresh and other[range_].fresh]
    return (fresh, True) if len(fresh) >= FEWEST_RANGES else (list(ranges), False)
