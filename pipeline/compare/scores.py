"""A setting's test metric by date range, and on which ranges those of two sweeps may be set against each other.

It compares and judges nothing; that is for `sweeps.py` and `nights.py` to do.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from pipeline.dates import DateRange
from pipeline.report.state import State
from pipeline.results import Row, Status, is_same_data, range_of
from pipeline.sweep import Definition, Phase, Trial


@dataclass(frozen=True)
class RangeScore:
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
        """The mean over the seeds that finished; None if none did."""
        finished = [value for value in self.seeds.values() if value is not None]
        return fmean(finished) if finished else None


def scores_by_range(state: State, experiment: str) -> dict[DateRange, RangeScore]:
    """A setting's test metric by date range: where it was judged, else where it was chosen."""
    definition = state.sweep.definition
    scores: dict[DateRange, RangeScore] = {}
    for phase in _best_evidence_first(definition):
        # While a sweep runs, its best setting may still change: looking early is a kind of choosing.
        fresh = phase.judging is not None and phase.judging.fresh and state.done
        by_range: dict[DateRange, list[Row]] = {}
        for row in state.rows:
            if row["experiment"] == experiment and row["phase"] == phase.name:
                by_range.setdefault(range_of(row), []).append(row)
        for date_range, rows in by_range.items():
            fingerprints = [row["data_fingerprint"] for row in rows if row.get("data_fingerprint")]
            score = RangeScore(
                seeds={Trial.parse(row["trial"]).seed: _score(row, definition.objective.test) for row in rows},
                fidelity=phase.fidelity.name,
                fingerprint=fingerprints[0] if fingerprints else None,
                fresh=fresh,
            )
            scores.setdefault(date_range, score)
    return dict(sorted(scores.items()))


def _best_evidence_first(definition: Definition) -> list[Phase]:
    judging = [definition.confirm] if definition.confirm else []
    return [*judging, *reversed(definition.choosing)]


def _score(row: Row, metric: str) -> float | None:
    value = row.get(metric)
    if row["status"] == Status.COMPLETE and isinstance(value, int | float) and math.isfinite(value):
        return float(value)
    return None


def paired_scores(first: RangeScore, second: RangeScore) -> tuple[dict[int, float | None], dict[int, float | None]]:
    """The scores of either by seed index: of the seeds that the two share, else the mean of each as that of seed 0."""
    common = first.seeds.keys() & second.seeds.keys()
    if common:
        return {seed: first.seeds[seed] for seed in common}, {seed: second.seeds[seed] for seed in common}
    return {0: first.score}, {0: second.score}


def why_incomparable(first: Definition, second: Definition) -> str | None:
    """Why the metrics of two sweeps mean different things; None if they mean the same."""
    definitions = (first, second)
    if any(getattr(first.objective, name) != getattr(second.objective, name) for name in ("metric", "goal")):
        mine, theirs = (f"{d.objective.goal}s {d.objective.metric}" for d in definitions)
        return f"one {mine}, the other {theirs}"
    targets = [d.data.target if d.data is not None else ("what its own data say",) for d in definitions]
    if targets[0] != targets[1]:
        mine, theirs = (" and ".join(target) for target in targets)
        return f"one predicts {mine}, the other {theirs}"
    transforms = [getattr(d.data, "target_transform", None) for d in definitions]
    if transforms[0] != transforms[1]:
        return "the targets are transformed differently, so the metric has other units"
    if shares_of(first) != shares_of(second):
        return "their date ranges are split differently, so they are tested on other days"
    return None


def shares_of(definition: Definition) -> tuple[float, float]:
    """The shares of a date range's days that validate and that test."""
    return definition.training.validation_share, definition.training.test_share


def comparable_ranges(
    first: Mapping[DateRange, RangeScore], second: Mapping[DateRange, RangeScore]
) -> tuple[list[DateRange], tuple[str, ...]]:
    """The common ranges on which two settings may be set against each other, and why others may not, a line each."""
    ranges, left_out = [], []
    for date_range in sorted(first.keys() & second.keys()):
        if why := _why_left_out(first[date_range], second[date_range]):
            left_out.append(f"{date_range}: {why}")
        else:
            ranges.append(date_range)
    return ranges, tuple(left_out)


def _why_left_out(first: RangeScore, second: RangeScore) -> str | None:
    if first.fidelity != second.fidelity:
        return f"one is {first.fidelity}, the other {second.fidelity}"
    # A setting that did not finish there says so itself, whatever data it would have read.
    if first.score is None or second.score is None:
        return None
    if first.fingerprint is None or second.fingerprint is None:
        return "what data were read is not recorded"
    is_same = is_same_data(first.fingerprint, second.fingerprint)
    if is_same is None:
        return "an older version recorded the data of one in another way, so nobody can say whether they are the same"
    return None if is_same else f"the data differ ({first.fingerprint}, {second.fingerprint})"


def fresh_or_all(
    ranges: Sequence[DateRange], first: Mapping[DateRange, RangeScore], second: Mapping[DateRange, RangeScore]
) -> tuple[list[DateRange], bool]:
    """The ranges that are fresh for both, if they suffice for a test, else all; and whether they are fresh.

    It looks at how the ranges lie and never at a score, so it cannot favour either.
    """
    from pipeline.analysis.verdict import FEWEST_RANGES

    fresh = [date_range for date_range in ranges if first[date_range].fresh and second[date_range].fresh]
    return (fresh, True) if len(fresh) >= FEWEST_RANGES else (list(ranges), False)
