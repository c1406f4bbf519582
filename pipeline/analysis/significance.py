"""Is a finalist's gain over the incumbent real? Judged on fresh date ranges, by a test that was fixed beforehand.

It judges what played no part in choosing; it chooses nothing and must never be fed the scores that chose.
`docs/statistics.md` says in plain words what is guaranteed, and shows the simulation behind the constants.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations, pairwise
from statistics import fmean

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special, stats

from pipeline.analysis.gains import PairedGains, paired_gains
from pipeline.analysis.verdict import ALPHA, FEWEST_RANGES, Design, Kind, Scores, Verdict, percent
from pipeline.dates import DateRange

POWER = 0.8
PROMISING = 0.2
"""Without proof, the adjusted p up to which more ranges are worth their price."""
MOST_RANGES = 60
"""Nobody has more; a number of ranges beyond it is "out of reach"."""

# Found by simulation (benchmarks/significance.py) before they were fixed: the smallest round numbers with which false
# alarms stay at 7 % for neighbours a range length apart that correlate with 0.6, and for neighbours a month apart
# that correlate with 0.67 (which is 0.3 a range length apart).
_APART = 5.5
_OVERLAP = 1.5

# A standard deviation below this share of the gains' size is what rounding leaves of "exactly the same".
_ROUNDING = 1e-9


def correction(ranges: Sequence[DateRange]) -> float:
    """The c in variance x (1/R + c), from how the ranges lie and from nothing else.

    After Nadeau & Bengio, "Inference for the generalization error", Machine Learning 52, 2003, whose c allows for
    gains that resemble each other because the training sets overlap. Ours is k / (R - 1): correlation between date
    ranges fades with their distance, so more ranges do help; k = 5.5 where neighbours share no day, and grows with the
    share of days that the closest two have in common (6.5 where ranges of three months lie a month apart).
    Raises ValueError for fewer than two ranges.
    """
    if len(ranges) < 2:
        raise ValueError("a correction takes at least two date ranges")
    shared = max(
        max(0, (first.end - second.start).days) / min(first.days, second.days)
        for first, second in pairwise(sorted(ranges))
    )
    return (_APART + _OVERLAP * min(shared, 1.0)) / (len(ranges) - 1)


def correction_of(design: Design, ranges: Sequence[DateRange]) -> float:
    """The c of a design on those of its ranges that are left: learned if it was, else a constant's."""
    if design.correction is None:
        return correction(ranges)
    # As with the constant: what is left of it fades with the number of ranges.
    return design.correction * (len(design.ranges) - 1) / (len(ranges) - 1)


def corrected_t_test(gains: NDArray[np.float64], c: float, rope: float) -> NDArray[np.float64]:
    """One-sided p-values of H0: gain <= rope, over the last axis (the ranges); `rope` as a log ratio.

    The corrected resampled t-test of Nadeau & Bengio (2003): Student's t with R - 1 degrees of freedom and variance
    x (1/R + c) in place of variance / R.
    """
    count = gains.shape[-1]
    error = gains.std(axis=-1, ddof=1) * math.sqrt(1 / count + c)
    # stdtr is Student's distribution function; it skips what makes stats.t.sf slow in a simulation.
    return np.asarray(special.stdtr(count - 1, -(gains.mean(axis=-1) - rope) / error))


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values adjusted for being many: Holm, "A simple sequentially rejective multiple test procedure", 1979."""
    adjusted = [0.0] * len(p_values)
    worst = 0.0
    for place, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        worst = max(worst, min(1.0, p_values[index] * (len(p_values) - place)))
        adjusted[index] = worst
    return adjusted


def wins_needed(ranges: int) -> int:
    """On how many ranges a finalist must be better to be called real: two thirds.

    A setting is wanted that helps in most months, not one that is carried by a single one (compare the replicability
    over data sets of Dror et al. 2017). A gain of one standard deviation wins on 84 % of the ranges, so this costs
    next to no power.
    """
    return math.ceil(2 * ranges / 3)


def overlapping_tests(design: Design) -> list[DateRange]:
    """The first two ranges whose test days overlap, empty if there are none: the same days must not count twice."""
    parts = [(range_, range_.split(design.valid, design.test).test) for range_ in design.ranges]
    return next(([one, other] for (one, a), (other, b) in combinations(parts, 2) if a.overlaps(b)), [])


def detectable_in_sd(design: Design, family: int = 1) -> float | None:
    """The smallest gain beyond the rope, in standard deviations between ranges, that is found with 80 % power.

    For saying, before anything runs, what the ranges at hand can show. None if there are too few of them.
    """
    if len(design.ranges) < FEWEST_RANGES:
        return None
    return _detectable_in_sd(len(design.ranges), correction_of(design, design.ranges), design.alpha / family)


def smallest_gain_in_sd(ranges: int, c: float) -> float:
    """The same of so many ranges and a c, for a single finalist."""
    return _detectable_in_sd(ranges, c, ALPHA)


def judge(
    design: Design,
    incumbent: Scores,
    finalists: Mapping[str, Scores],
    earlier: Sequence[float] = (),
) -> dict[str, Verdict]:
    """A verdict for every finalist, from the test metric on the design's ranges.

    `earlier` are the p-values of earlier confirmations on these ranges (1 where one is not known): with the finalists
    they are Holm's family.
    """
    twice = overlapping_tests(design)
    if twice:
        both = " and ".join(map(str, twice))
        reason = f"not testable: the test days of {both} overlap and would count twice; take ranges that lie apart"
        return {name: _not_testable(reason, None) for name in finalists}
    gains = {name: paired_gains(incumbent, scores, design) for name, scores in finalists.items()}
    first = {name: _test(design, paired) for name, paired in gains.items()}
    # A finalist that could not be tested stays in the family: its place was taken before the result was known.
    p_values = [verdict.p if verdict.p is not None else 1.0 for verdict in first.values()]
    before = [p if math.isfinite(p) else 1.0 for p in earlier]
    adjusted = holm([*p_values, *before])
    family = len(adjusted)
    return {
        name: verdict if verdict.p is None else _conclude(design, gains[name], replace(verdict, p_adjusted=p), family)
        for (name, verdict), p in zip(first.items(), adjusted, strict=False)
    }


def _not_testable(reason: str, needed: int | None, gains: Sequence[float] = ()) -> Verdict:
    return Verdict(
        kind=Kind.NOT_TESTABLE,
        gain=fmean(gains) if gains else None,
        wins=sum(gain > _ROUNDING for gain in gains),
        ranges=len(gains),
        ranges_needed=needed,
        reason=reason,
    )


def _test(design: Design, paired: PairedGains) -> Verdict:
    """The numbers of one finalist before Holm; `p` is None if there is nothing to test, and then the verdict stands."""
    gains = list(paired.gains.values())
    count = len(gains)
    if paired.not_positive:
        where = ", ".join(map(str, paired.not_positive))
        reason = (
            f"not testable: the metric is zero or negative on {where}, so that there is no ratio to compare; "
            "judge by a metric that is always positive"
        )
        return _not_testable(reason, None, gains)
    if count < FEWEST_RANGES:
        reason = (
            f"not testable: {count} of {len(design.ranges)} date ranges {'has' if count == 1 else 'have'} a result of "
            f"both the finalist and the incumbent, and a test takes at least {FEWEST_RANGES}{_why_missing(paired)}"
        )
        return _not_testable(reason, FEWEST_RANGES, gains)
    values = np.array(gains)
    mean, spread = float(values.mean()), float(values.std(ddof=1))
    wins = int((values > _ROUNDING).sum())
    not_shown = Verdict(kind=Kind.NOT_SHOWN, gain=mean, wins=wins, ranges=count)
    if spread <= _ROUNDING * max(1.0, abs(mean)):
        if mean <= design.log_rope:
            same = "the same as the incumbent" if abs(mean) <= _ROUNDING else "within the rope, and no noise,"
            reason = f"not shown: {same} on all {count} ranges"
            return replace(not_shown, interval=(mean, mean), p=1.0, reason=reason)
        reason = (
            f"not testable: the gain is the same, but for rounding, on all {count} ranges, which real data never give; "
            "check that the ranges hold different data"
        )
        return _not_testable(reason, None, gains)
    c = correction_of(design, list(paired.gains))
    p = float(corrected_t_test(values, c, design.log_rope))
    half = float(stats.t.ppf(1 - design.alpha, count - 1)) * spread * math.sqrt(1 / count + c)
    return replace(not_shown, interval=(mean - half, mean + half), p=p)


def _conclude(design: Design, paired: PairedGains, verdict: Verdict, family: int) -> Verdict:
    assert verdict.gain is not None and verdict.p_adjusted is not None  # noqa: PT018
    if verdict.reason:
        return verdict
    spread = float(np.std(list(paired.gains.values()), ddof=1))
    beyond = verdict.gain - design.log_rope
    level = design.alpha / family
    c = correction_of(design, list(paired.gains))
    detectable = design.log_rope + spread * _detectable_in_sd(verdict.ranges, c, level)
    # A range that the finalist did not finish is one that it did not win.
    needed_wins = wins_needed(len(paired.gains.keys() | set(paired.finalist_failed)))
    enough = verdict.wins >= needed_wins
    proven = verdict.p_adjusted <= design.alpha
    if proven and enough and design.fresh and not paired.finalist_failed:
        kind = Kind.REAL
    elif verdict.p_adjusted <= PROMISING and enough and beyond > 0:
        kind = Kind.PROMISING
    else:
        kind = Kind.NOT_SHOWN
    needed = None
    if kind != Kind.REAL and beyond > 0 and not proven:
        needed = _ranges_for(beyond / spread, c * (verdict.ranges - 1), level)
    verdict = replace(verdict, kind=kind, detectable=detectable, ranges_needed=needed)
    return replace(verdict, reason=_sentence(design, paired, verdict, needed_wins))


def _sentence(design: Design, paired: PairedGains, verdict: Verdict, needed_wins: int) -> str:
    assert verdict.gain is not None and verdict.p_adjusted is not None and verdict.detectable is not None  # noqa: PT018
    better = f"{'better' if verdict.gain > 0 else 'worse'} by {abs(percent(verdict.gain, design.goal)):.1f} %"
    start = (
        f"{verdict.kind}: {better}, ahead on {verdict.wins} of {verdict.ranges} ranges, p = {verdict.p_adjusted:.2g}"
    )
    proven = verdict.p_adjusted <= design.alpha
    if verdict.kind == Kind.REAL:
        return start
    if proven and verdict.wins < needed_wins:
        return f"{start}, but real takes {needed_wins} ranges ahead"
    if proven and paired.finalist_failed:
        where = ", ".join(map(str, paired.finalist_failed))
        return f"{start}, but it did not finish on {where}; a setting that fails cannot be called real"
    if proven:
        return f"{start}, but these ranges were chosen on; only fresh ones can show that it is real"
    end = f"; {verdict.ranges_needed} such ranges would find a gain like this one" if verdict.ranges_needed else ""
    least = percent(verdict.detectable, design.goal)
    return f"{start}; a true gain of {least:.1f} % would have been found with 80 % power{end}"


def _why_missing(paired: PairedGains) -> str:
    parts = [
        f"{who} did not finish on {', '.join(map(str, ranges))}"
        for who, ranges in (("the finalist", paired.finalist_failed), ("the incumbent", paired.incumbent_failed))
        if ranges
    ]
    return f" ({'; '.join(parts)})" if parts else ""


def _detectable_in_sd(ranges: int, c: float, level: float) -> float:
    """Found with 80 % power if the ranges are as alike as c allows for; less alike, and smaller gains are found."""
    critical = stats.t.ppf(1 - level, ranges - 1)
    shift = optimize.brentq(lambda x: stats.nct.sf(critical, ranges - 1, x) - POWER, 0.0, 10 * critical + 10)
    return float(shift) * math.sqrt(1 / ranges + c)


def _ranges_for(in_sd: float, k: float, level: float) -> int | None:
    """The fewest ranges, lying as these do, that find a gain of so many standard deviations with 80 % power."""
    for ranges in range(FEWEST_RANGES, MOST_RANGES + 1):
        if _detectable_in_sd(ranges, k / (ranges - 1), level) <= in_sd:
            return ranges
    return None
