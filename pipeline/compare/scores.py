"""A setting's test metric by date range, and the date ranges on which two sweeps can be compared.

The comparison itself is made by `sweeps.py` and `nights.py`.
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
    """The test metric of one setting on one date range."""

    seeds: dict[int, float | None]
    """The metric by seed index; None for a trial that did not finish."""
    fidelity: str
    fingerprint: str | None
    """Fingerprint of the data; None if no trial finished."""
    fresh: bool
    """True if the range played no part in choosing the setting."""

    @property
    def score(self) -> float | None:
        """The mean over seeds that finished; None if none did."""
        finished = [value for value in self.seeds.values() if value is not None]
        return fmean(finished) if finished else None


def scores_by_range(state: State, experiment: str) -> dict[DateRange, RangeScore]:
    """A setting's test metric by date range. On a range that both judged and chose, the trials that judged count."""
    definition = state.sweep.definition
    scores: dict[DateRange, RangeScore] = {}
    for phase in _judging_first(definition):
        # The best setting of a running sweep may still change, so nothing is fresh before it is done.
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


def _judging_first(definition: Definition) -> list[Phase]:
    judging = [definition.confirm] if definition.confirm else []
    return [*judging, *reversed(definition.choosing)]


def _score(row: Row, metric: str) -> float | None:
    value = row.get(metric)
    if row["status"] == Status.COMPLETE and isinstance(value, int | float) and math.isfinite(value):
        return float(value)
    return None


def paired_scores(first: RangeScore, second: RangeScore) -> tuple[dict[int, float | None], dict[int, float | None]]:
    """The scores of both by seed index: of the seeds in common, or else the mean of each under seed 0."""
    common = first.seeds.keys() & second.seeds.keys()
    if common:
        return {seed: first.seeds[seed] for seed in common}, {seed: second.seeds[seed] for seed in common}
    return {0: first.score}, {0: second.score}


def why_incomparable(first: Definition, second: Definition) -> str | None:
    """The reason why the metrics of two sweeps cannot be compared; None if they can."""
    definitions = (first, second)
    if any(getattr(first.objective, name) != getattr(second.objective, name) for name in ("metric", "goal")):
        goals = [f"{definition.objective.goal}s {definition.objective.metric}" for definition in definitions]
        return f"one {goals[0]}, the other {goals[1]}"
    data = [definition.data for definition in definitions]
    targets = [source.target if source is not None else ("what its own data say",) for source in data]
    if targets[0] != targets[1]:
        return f"one predicts {' and '.join(targets[0])}, the other {' and '.join(targets[1])}"
    transforms = [getattr(source, "target_transform", None) for source in data]
    if transforms[0] != transforms[1]:
        return "the targets are transformed differently, so the metric has other units"
    shares = [(definition.training.validation_share, definition.training.test_share) for definition in definitions]
    if shares[0] != shares[1]:
        return "their date ranges are split differently, so they are tested on other days"
    return None


def comparable_ranges(
    first: Mapping[DateRange, RangeScore], second: Mapping[DateRange, RangeScore]
) -> tuple[list[DateRange], tuple[str, ...]]:
    """The common ranges on which two settings can be compared, and the reasons why other common ranges cannot."""
    ranges, left_out = [], []
    for date_range in sorted(first.keys() & second.keys()):
        if reason := _why_left_out(first[date_range], second[date_range]):
            left_out.append(f"{date_range}: {reason}")
        else:
            ranges.append(date_range)
    return ranges, tuple(left_out)


def _why_left_out(first: RangeScore, second: RangeScore) -> str | None:
    if first.fidelity != second.fidelity:
        return f"one is {first.fidelity}, the other {second.fidelity}"
    # A setting without a score needs no comparison of the data.
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
    """The ranges that are fresh for both, if they suffice for a test, else all; True in the first case.

    The choice ignores the scores, so it cannot favour either.
    """
    from pipeline.analysis.verdict import FEWEST_RANGES

    fresh = [date_range for date_range in ranges if first[date_range].fresh and second[date_range].fresh]
    return (fresh, True) if len(fresh) >= FEWEST_RANGES else (list(ranges), False)
