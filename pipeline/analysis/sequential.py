"""Judges a claim as its date ranges come in, at looks that were fixed when the claim was made.

A test that is repeated every month will say yes by chance one day. So the allowed error of a claim is split over its
looks beforehand, by the spending function alpha x t^2 of Kim & DeMets ("Design and analysis of group sequential tests
based on the type I error spending rate function", Biometrika 74, 1987). There t is the share of the ranges that a look
has, after Lan & DeMets ("Discrete sequential boundaries for clinical trials", Biometrika 70, 1983).

Each look is the corrected t-test of `significance.py`, at its own share of the error. The c of each look is frozen with
the claim. The total error is at most the sum of the shares, however the looks are correlated. The exact levels of Slud
& Wei (1982) need that correlation, which depends on how alike months are; we give up the little that they would gain.
E-values allow a look at any time, but only if a false claim is not expected to gain in a month, given its earlier
gains. That does not hold for months that resemble each other, and no correction for it is known.

A claim whose mean gain at a look is not beyond the rope is refuted. This raises no error rate.

A range may give no result: the incumbent diverged, both failed, or there are no rows. That does not depend on the gain
of the setting. So the last look moves to the ranges that remain, at the same level. Its c grows as `power.correction`
does with fewer ranges. That is more than needed, since the remaining ranges lie further apart and are less alike.
Extra ranges in their place would keep some power (at 2 SD, one lost of twelve costs four points), but the end of the
claim would move, and there may be no later data. If only the setting fails on a range, the claim is refuted.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
from scipy import stats

from pipeline.analysis.gains import PairedGains, paired_gains
from pipeline.analysis.power import correction
from pipeline.analysis.significance import corrected_t_test, wins_needed
from pipeline.analysis.verdict import Design
from pipeline.dates import DateRange
from pipeline.scale import Scale
from pipeline.sweep.claims import Claim, Look, Pair

RANGES = 12
"""Number of date ranges of a claim: a year's, if they lie a month apart."""
LOOKS = (6,)
"""A claim is judged when it has so many ranges, and when it has all. Chosen by simulation (benchmarks/claims.py): with
more looks, or an earlier one, fewer good claims are found."""
ALLOWED = 0.045
"""Share of useless claims that may be called real, over all looks. It is below 5 % because noise may hide how alike
months are: a study of eight settings on twelve ranges misses a slow component with half of the variance and a
correlation of 0.8 (`resemblance.py`)."""
_SPENDING = 2
_ROUNDING = 1e-9


class ClaimKind(StrEnum):
    """State of a claim."""

    WAITS = "waits"
    REAL = "real"
    REFUTED = "refuted"
    GIVEN_UP = "given up"


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """Gains of a claim so far, on `scale`, positive if the setting is better; and the state of the claim."""

    kind: ClaimKind
    gains: Mapping[DateRange, float]
    """By date range, in the order in which they were judged."""
    scale: Scale
    mean: float | None = None
    interval: tuple[float, float] | None = None
    """Two-sided 90 % interval of the mean, not widened for the looks; None for fewer than three date ranges."""
    wins: int = 0
    look: Look | None = None
    """The latest look so far."""
    p: float | None = None
    """p-value at `look`; None if there was nothing to test."""
    next_look: Look | None = None
    """The look that the claim waits for; None if it has ended."""
    diverged: DateRange | None = None
    """The range on which the setting diverged, or failed for good, and the incumbent did not."""

    @property
    def ended(self) -> bool:
        return self.kind is not ClaimKind.WAITS


def looks(
    ranges: Sequence[DateRange], correction: Callable[[Sequence[DateRange]], float] = correction
) -> tuple[Look, ...]:
    """The looks at a claim with these ranges, oldest first; none if there are too few ranges.

    `correction` gives the c of a look from its ranges.
    """
    if len(ranges) < LOOKS[0]:
        return ()
    planned, spent = [], 0.0
    for count in (*(count for count in LOOKS if count < len(ranges)), len(ranges)):
        total = ALLOWED * (count / len(ranges)) ** _SPENDING
        c = correction(ranges[:count])
        planned.append(Look(ranges=count, level=round(total - spent, 6), correction=round(c, 6)))
        spent = total
    return tuple(planned)


def looks_left(planned: Sequence[Look], most: int) -> tuple[Look, ...]:
    """The looks that are possible if at most `most` ranges have a result.

    If that is too few for the last look, it moves to `most` ranges. It is dropped if an earlier look has as many, or if
    they are too few for any look. Raises ValueError if no look is planned.
    """
    *earlier, last = planned
    possible = [look for look in earlier if look.ranges <= most]
    if last.ranges <= most:
        return (*possible, last)
    fewest = max([LOOKS[0], *(look.ranges + 1 for look in earlier)])
    if most < fewest:
        return tuple(possible)
    c = last.correction * (last.ranges - 1) / (most - 1)
    return (*possible, Look(ranges=most, level=last.level, correction=c))


def evidence(claim: Claim, pairs: Sequence[Pair]) -> Evidence:
    """The gains and the state of a claim; `pairs` in the order in which they were judged.

    A range on which a score is missing gives no result. If only scores of the setting are missing (it diverged, or
    failed for good), the claim is refuted. Pairs after the end of a claim change nothing.
    """
    design = _design(claim)
    ended = next((at for at, pair in enumerate(pairs) if _diverges(pair)), len(pairs))
    counted, scale = _gains(design, pairs[:ended])
    values = list(counted.values())

    # Looks with enough ranges, oldest first, until one decides. Ranges that were judged only after the setting diverged
    # count as possible results, so that they take no look away.
    judged = {pair.range for pair in pairs[:ended]}
    planned = looks_left(claim.looks, len(values) + sum(range_ not in judged for range_ in claim.ranges))
    latest: Look | None = None
    p: float | None = None
    for look in planned:
        if len(values) < look.ranges:
            break
        latest, first = look, dict(list(counted.items())[: look.ranges])
        kind, p = _judge(design, look, list(first.values()))
        if kind is not ClaimKind.WAITS:
            return _evidence(design, scale, first, kind, latest, p)

    # None decided: the setting diverged, or no look remains, or the claim waits for the next one.
    if ended < len(pairs):
        last = _evidence(design, scale, counted, ClaimKind.REFUTED, latest, p)
        return replace(last, diverged=pairs[ended].range)
    later = [look for look in planned if look.ranges > len(values)]
    if not later:
        return _evidence(design, scale, counted, ClaimKind.GIVEN_UP, latest, p)
    return _evidence(design, scale, counted, ClaimKind.WAITS, latest, p, later[0])


def _design(claim: Claim) -> Design:
    return Design(
        ranges=claim.ranges,
        rope=claim.rope,
        scale=claim.objective.gains,
        valid=claim.training.validation_share,
        test=claim.training.test_share,
    )


def _diverges(pair: Pair) -> bool:
    return None in pair.setting and all(score is not None for score in pair.incumbent)


def _gains(design: Design, pairs: Sequence[Pair]) -> tuple[dict[DateRange, float], Scale]:
    """{range: gain}, in the order of the pairs, and the design's scale, fitted to their scores."""
    scale = design.scale.fitting(score for pair in pairs for score in (*pair.setting, *pair.incumbent))
    ours = {pair.range: dict(enumerate(pair.setting)) for pair in pairs if None not in pair.incumbent}
    theirs = {pair.range: dict(enumerate(pair.incumbent)) for pair in pairs if None not in pair.incumbent}
    paired: PairedGains = paired_gains(theirs, ours, design)
    return {pair.range: paired.gains[pair.range] for pair in pairs if pair.range in paired.gains}, scale


def _judge(design: Design, look: Look, gains: Sequence[float]) -> tuple[ClaimKind, float | None]:
    """State of a claim after a look at these gains, and the p-value."""
    values = np.array(gains)
    mean = float(values.mean())
    if mean <= design.least_gain:
        return ClaimKind.REFUTED, _p_value(design, look, values)
    p = _p_value(design, look, values)
    is_real = p is not None and p <= look.level and int((values > 0).sum()) >= wins_needed(len(values))
    return (ClaimKind.REAL if is_real else ClaimKind.WAITS), p


def _p_value(design: Design, look: Look, values: "np.ndarray[tuple[int], np.dtype[np.float64]]") -> float | None:
    # Real data never give exactly the same gain everywhere: there is nothing to test.
    if float(values.std(ddof=1)) <= _ROUNDING * max(1.0, abs(float(values.mean()))):
        return None
    return float(corrected_t_test(values, look.correction, design.least_gain))


def _evidence(
    design: Design,
    scale: Scale,
    gains: Mapping[DateRange, float],
    kind: ClaimKind,
    look: Look | None,
    p: float | None,
    next_look: Look | None = None,
) -> Evidence:
    values = np.array(list(gains.values()))
    count = len(values)
    mean = float(values.mean()) if count else None
    interval = None
    if count >= 3 and mean is not None and (nearest := look or next_look):
        c = nearest.correction * (nearest.ranges - 1) / (count - 1)
        half = float(stats.t.ppf(1 - design.alpha, count - 1) * values.std(ddof=1)) * math.sqrt(1 / count + c)
        interval = (mean - half, mean + half)
    return Evidence(
        kind=kind,
        gains=gains,
        scale=scale,
        mean=mean,
        interval=interval,
        wins=int((values > 0).sum()),
        look=look,
        p=p,
        next_look=next_look,
    )
