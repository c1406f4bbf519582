"""Is a claim real? Judged again and again while its date ranges come in, at looks that were fixed when it was made.

A test that is asked every month will once say yes. So what a claim may err is shared out over its looks beforehand, by
the spending function alpha x t^2 of Kim & DeMets ("Design and analysis of group sequential tests based on the type I
error spending rate function", Biometrika 74, 1987), t being the share of the ranges that a look has; after Lan & DeMets
("Discrete sequential boundaries for clinical trials", Biometrika 70, 1983). Each look rejects at its own share, so the
shares add up whatever the looks have in common (Slud & Wei 1982 spend exactly; we give that little away, because
how a corrected t is correlated from look to look hangs on how alike months are). E-values, which allow a look at any
time, need each month's gain to be fair given those before; months that resemble each other are not, and no correction
for that is known. Each look is the corrected t-test of `significance.py`, its c frozen with the claim.

Futility binds nobody's level: a claim that has gained nothing by a look is given up as refuted.

A range that says nothing (the defaults diverged, both failed, there are no rows) is lost whatever the setting would
have gained, so the last look moves to the ranges that are left: at its own level, never more, and with a c that grows
as the constant's does with fewer ranges; ranges further apart are less alike, so that is too much rather than too
little. The setting's own failures lose nothing: they refute. Further ranges in place of the lost ones
would keep some power (one lost in twelve costs four points at 2 SD), but put the end off, and data that end have none.
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
"""Of a claim: a year, where they lie a month apart."""
LOOKS = (6,)
"""And all of them. Found by simulation (benchmarks/claims.py): with more looks, or an earlier one, less is found."""
ALLOWED = 0.045
"""Share of claims that are no better and called real, over all looks. A tenth of the 5 % is kept back for months whose
likeness lies hidden under noise, which a study of eight settings on twelve ranges does not find (w 0.5, rho 0.8)."""
_SPENDING = 2
_ROUNDING = 1e-9


class ClaimKind(StrEnum):
    """Where a claim stands."""

    WAITS = "waits"
    REAL = "real"
    REFUTED = "refuted"
    GIVEN_UP = "given up"


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What the pairs of a claim say. Gains are on `scale`, positive where the setting is better."""

    kind: ClaimKind
    gains: Mapping[DateRange, float]
    """Of the date ranges that count so far, in the order in which they were judged."""
    scale: Scale
    mean: float | None = None
    interval: tuple[float, float] | None = None
    """Two-sided, 90 %, not widened for the looks; None of fewer than three date ranges."""
    wins: int = 0
    look: Look | None = None
    """The last one that was taken."""
    p: float | None = None
    """At that look; None where there was nothing to test."""
    next_look: Look | None = None
    """None where the claim has come to its end."""
    diverged: DateRange | None = None
    """Where the setting diverged, or failed for good, and the incumbent did not."""

    @property
    def ended(self) -> bool:
        return self.kind is not ClaimKind.WAITS


def looks(
    ranges: Sequence[DateRange], correction: Callable[[Sequence[DateRange]], float] = correction
) -> tuple[Look, ...]:
    """The looks at a claim with these ranges, oldest first; none where there are too few to judge.

    `correction` gives the c of the first of them.
    """
    if len(ranges) < LOOKS[0]:
        return ()
    made, spent = [], 0.0
    for count in (*(count for count in LOOKS if count < len(ranges)), len(ranges)):
        total = ALLOWED * (count / len(ranges)) ** _SPENDING
        c = correction(ranges[:count])
        made.append(Look(ranges=count, level=round(total - spent, 6), correction=round(c, 6)))
        spent = total
    return tuple(made)


def looks_left(planned: Sequence[Look], most: int) -> tuple[Look, ...]:
    """The looks of a claim of whose ranges `most` can count; the last one is moved to them if they are too few for it,
    and still more than the look before has, and enough for a look.

    Raises IndexError if none are planned.
    """
    *earlier, last = planned
    kept = [look for look in earlier if look.ranges <= most]
    if last.ranges <= most:
        return (*kept, last)
    fewest = max([LOOKS[0], *(look.ranges + 1 for look in earlier)])
    if most < fewest:
        return tuple(kept)
    c = last.correction * (last.ranges - 1) / (most - 1)
    return (*kept, Look(ranges=most, level=last.level, correction=c))


def evidence(claim: Claim, pairs: Sequence[Pair]) -> Evidence:
    """What a claim's pairs, in the order in which they were judged, come to.

    A range without a score of both says nothing, but one on which the setting alone diverged, or failed for good,
    refutes the claim. What comes after the end of a claim changes nothing.
    """
    design = _design(claim)
    ended = next((at for at, pair in enumerate(pairs) if _diverges(pair)), len(pairs))
    counted, scale = _gains(design, pairs[:ended])
    values = list(counted.values())
    # Without what comes after the end: neither does that take a look away.
    judged = {pair.range for pair in pairs[:ended]}
    planned = looks_left(claim.looks, len(values) + sum(one not in judged for one in claim.ranges))
    taken: Look | None = None
    p: float | None = None
    for look in planned:
        if len(values) < look.ranges:
            break
        taken, first = look, dict(list(counted.items())[: look.ranges])
        kind, p = _judge(design, look, list(first.values()))
        if kind is not ClaimKind.WAITS:
            return _evidence(design, scale, first, kind, taken, p)
    if ended < len(pairs):
        last = _evidence(design, scale, counted, ClaimKind.REFUTED, taken, p)
        return replace(last, diverged=pairs[ended].range)
    later = [look for look in planned if look.ranges > len(values)]
    if not later:
        return _evidence(design, scale, counted, ClaimKind.GIVEN_UP, taken, p)
    return _evidence(design, scale, counted, ClaimKind.WAITS, taken, p, later[0])


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
    """By range, in the order of the pairs; and the scale in the units that the metric has here."""
    scale = design.scale.fitting(score for pair in pairs for score in (*pair.setting, *pair.incumbent))
    ours = {pair.range: dict(enumerate(pair.setting)) for pair in pairs if None not in pair.incumbent}
    theirs = {pair.range: dict(enumerate(pair.incumbent)) for pair in pairs if None not in pair.incumbent}
    paired: PairedGains = paired_gains(theirs, ours, design)
    return {pair.range: paired.gains[pair.range] for pair in pairs if pair.range in paired.gains}, scale


def _judge(design: Design, look: Look, gains: Sequence[float]) -> tuple[ClaimKind, float | None]:
    """What a look at these gains says, and its p-value."""
    values = np.array(gains)
    mean = float(values.mean())
    if mean <= design.least_gain:
        return ClaimKind.REFUTED, _p_value(design, look, values)
    p = _p_value(design, look, values)
    is_real = p is not None and p <= look.level and int((values > 0).sum()) >= wins_needed(len(values))
    return (ClaimKind.REAL if is_real else ClaimKind.WAITS), p


def _p_value(design: Design, look: Look, values: "np.ndarray[tuple[int], np.dtype[np.float64]]") -> float | None:
    # The very same gain everywhere is what real data never give: there is nothing to test.
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
