"""Tests whether a finalist's gain over the incumbent is real, on fresh date ranges.

The test is fixed before any result. It chooses nothing, and must never get scores by which a setting was chosen.
`docs/statistics.md` explains the guarantee; `benchmarks/significance.md` shows the simulation behind the constants.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from statistics import fmean

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

from pipeline.analysis.gains import PairedGains, paired_gains
from pipeline.analysis.power import correction_of, smallest_gain
from pipeline.analysis.verdict import FEWEST_RANGES, Design, Kind, Scores, Verdict
from pipeline.dates import DateRange

PROMISING = 0.2
"""A gain that is not proven is promising up to this adjusted p: then more ranges are worth what they cost."""
MOST_RANGES = 60
"""Nobody has more ranges than this: a verdict names no larger number as the number needed."""

# Gains whose standard deviation is below this share of their size are the same but for rounding.
_ROUNDING = 1e-9
_ROUNDING_OF_SIZE = 1e-12
"""For gains that are differences: the same limit as a share of the metric."""


def corrected_t_test(gains: NDArray[np.float64], c: float | NDArray[np.float64], rope: float) -> NDArray[np.float64]:
    """One-sided p-values `[...]` of H0: gain <= rope, for `gains`, `[..., R]`, on R ranges. `rope` is a gain.

    `c`, `[...]`, corrects for ranges that resemble each other (`power.correction`). The test is the corrected resampled
    t-test of Nadeau & Bengio (2003): Student's t with R - 1 degrees of freedom and variance x (1/R + c) in place of
    variance / R.
    """
    count = gains.shape[-1]
    error = gains.std(axis=-1, ddof=1) * np.sqrt(1 / count + c)
    # stdtr is Student's distribution function, without the checks that make stats.t.sf slow in a simulation.
    return np.asarray(special.stdtr(count - 1, -(gains.mean(axis=-1) - rope) / error))


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjusts p-values for multiple tests: Holm, "A simple sequentially rejective multiple test procedure", 1979."""
    adjusted = [0.0] * len(p_values)
    worst = 0.0
    for place, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        worst = max(worst, min(1.0, p_values[index] * (len(p_values) - place)))
        adjusted[index] = worst
    return adjusted


def wins_needed(ranges: int) -> int:
    """Number of ranges on which a finalist must be better to be called real: two thirds.

    A setting should help in most months; a single month must not carry it (compare the replicability over data sets of
    Dror et al. 2017). A gain of one standard deviation wins on 84 % of the ranges, so this costs next to no power.
    """
    return math.ceil(2 * ranges / 3)


def overlapping_tests(design: Design) -> list[DateRange]:
    """The first two ranges whose test days overlap; empty if there are none. The same days must not count twice."""
    parts = [(range_, range_.split(design.valid, design.test).test) for range_ in design.ranges]
    return next(([first, second] for (first, a), (second, b) in combinations(parts, 2) if a.overlaps(b)), [])


def judge(
    design: Design,
    incumbent: Scores,
    finalists: Mapping[str, Scores],
    earlier: Sequence[float] = (),
) -> dict[str, Verdict]:
    """{finalist: verdict}, from the test metric of each on the design's ranges.

    `earlier` are the p-values of the earlier claims for which Holm adjusts, too; an unknown one is 1 or NaN.
    """
    # Test days that count twice make every verdict invalid.
    overlapping = overlapping_tests(design)
    if overlapping:
        ranges = " and ".join(map(str, overlapping))
        problem = f"the test days of {ranges} overlap and would count twice; take ranges that lie apart"
        return {name: _not_testable(problem, None) for name in finalists}

    # Test each finalist alone.
    all_scores = [
        score for scores in (incumbent, *finalists.values()) for seeds in scores.values() for score in seeds.values()
    ]
    design = replace(design, scale=design.scale.fitting(all_scores))
    gains = {name: paired_gains(incumbent, scores, design) for name, scores in finalists.items()}
    tested = {name: _test(design, paired) for name, paired in gains.items()}

    # Adjust for all of them together. A finalist that could not be tested counts, too: the family of claims was fixed
    # before any result.
    p_values = [verdict.p if verdict.p is not None else 1.0 for verdict in tested.values()]
    earlier_p_values = [p if math.isfinite(p) else 1.0 for p in earlier]
    adjusted = holm([*p_values, *earlier_p_values])
    family = len(adjusted)
    return {
        name: verdict if verdict.p is None else _conclude(design, gains[name], replace(verdict, p_adjusted=p), family)
        for (name, verdict), p in zip(tested.items(), adjusted, strict=False)
    }


def _not_testable(
    problem: str, needed: int | None, gains: Sequence[float] = (), rounding: float = _ROUNDING
) -> Verdict:
    return Verdict(
        kind=Kind.NOT_TESTABLE,
        gain=fmean(gains) if gains else None,
        wins=sum(gain > rounding for gain in gains),
        ranges=len(gains),
        ranges_needed=needed,
        reason=f"{Kind.NOT_TESTABLE}: {problem}",
        problem=problem,
    )


def _test(design: Design, paired: PairedGains) -> Verdict:
    """Verdict on one finalist before Holm's adjustment. Final if it has a `reason`: then there was nothing to test."""
    gains = list(paired.gains.values())
    count = len(gains)
    rounding = _ROUNDING if design.scale.name == "ratio" else _ROUNDING_OF_SIZE * abs(paired.base)

    # Too few gains for a test.
    if paired.not_positive:
        is_everywhere = len(paired.not_positive) == len(design.ranges)
        ranges = f"all {len(design.ranges)} date ranges" if is_everywhere else ", ".join(map(str, paired.not_positive))
        problem = (
            f"the metric is zero or negative on {ranges}, so that there is no ratio to compare; judge it by "
            'difference: "scale": "difference" in `objective`'
        )
        return _not_testable(problem, None, gains)
    if count < FEWEST_RANGES:
        problem = (
            f"{count} of {len(design.ranges)} date ranges {'has' if count == 1 else 'have'} a result of both the "
            f"finalist and {design.incumbent_name}, and a test takes at least "
            f"{FEWEST_RANGES}{_failures_in_words(design, paired)}"
        )
        return _not_testable(problem, FEWEST_RANGES, gains, rounding)

    # Without spread, there is no test.
    values = np.array(gains)
    mean, spread = float(values.mean()), float(values.std(ddof=1))
    wins = int((values > rounding).sum())
    not_shown = Verdict(kind=Kind.NOT_SHOWN, gain=mean, wins=wins, ranges=count)
    if spread <= max(rounding, _ROUNDING * abs(mean)):
        if mean <= design.least_gain:
            is_equal = abs(mean) <= rounding
            result = f"the same as {design.incumbent_name}" if is_equal else f"{_within(design)}, and no noise,"
            problem = f"{result} on all {count} date ranges"
            return replace(
                not_shown, interval=(mean, mean), p=1.0, reason=f"{Kind.NOT_SHOWN}: {problem}", problem=problem
            )
        problem = (
            f"the gain is the same, but for rounding, on all {count} date ranges, which real data never give; "
            "check that the ranges hold different data"
        )
        return _not_testable(problem, None, gains, rounding)

    # The test.
    c = correction_of(design, list(paired.gains))
    p = float(corrected_t_test(values, c, design.least_gain))
    half = float(stats.t.ppf(1 - design.alpha, count - 1)) * spread * math.sqrt(1 / count + c)
    return replace(not_shown, interval=design.scale.within((mean - half, mean + half), paired.base), p=p)


def _within(design: Design) -> str:
    return f"within the rope of {design.scale.rope(design.rope)}" if design.rope else "no gain"


def _conclude(design: Design, paired: PairedGains, verdict: Verdict, family: int) -> Verdict:
    """The verdict after Holm's adjustment over a family of claims, in words and numbers."""
    assert verdict.gain is not None and verdict.p_adjusted is not None  # noqa: PT018
    if verdict.reason:
        return verdict
    spread = float(np.std(list(paired.gains.values()), ddof=1))
    # The part of the gain that lies beyond the rope.
    beyond = verdict.gain - design.least_gain
    level = design.alpha / family
    c = correction_of(design, list(paired.gains))
    detectable = design.least_gain + spread * smallest_gain(verdict.ranges, c, level)
    # A range that the finalist did not finish counts as not won.
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
    problem = _problem(design, paired, verdict, needed_wins, c)
    return replace(
        verdict,
        reason=_sentence(design, verdict, problem),
        problem=problem,
        numbers=_numbers(design, verdict, c, family),
    )


def _sentence(design: Design, verdict: Verdict, problem: str) -> str:
    assert verdict.gain is not None and verdict.interval is not None  # noqa: PT018
    return (
        f"{verdict.kind}: {design.scale.better(verdict.gain)}, ahead on {verdict.wins} of {verdict.ranges} date ranges "
        f"({100 * (1 - 2 * design.alpha):.0f} % interval: {design.scale.between(verdict.interval)})"
        f"{problem and f', {problem}'}"
    )


def _problem(design: Design, paired: PairedGains, verdict: Verdict, needed_wins: int, c: float) -> str:
    """The reason why the verdict is not *real*, as half a sentence; empty if it is."""
    assert verdict.gain is not None and verdict.p is not None and verdict.p_adjusted is not None  # noqa: PT018
    if verdict.kind == Kind.REAL:
        return ""
    if verdict.p_adjusted <= design.alpha:
        if verdict.wins < needed_wins:
            return f"but real takes {needed_wins} date ranges ahead"
        if paired.finalist_failed:
            ranges = ", ".join(map(str, paired.finalist_failed))
            return f"but it did not finish on {ranges}; a setting that fails cannot be called real"
        return "but these date ranges were chosen on; only fresh ones can show that it is real"
    if verdict.gain <= design.least_gain:
        return f"which is {_within(design)}" if verdict.gain > 0 and design.rope else ""
    if verdict.p <= design.alpha:
        return "but it is one of several claims on the same date ranges, of which one may look good by chance"
    values = np.array(list(paired.gains.values()))
    if float(corrected_t_test(values, 0.0, design.least_gain)) <= design.alpha:
        many, few = _number_in_words(verdict.ranges), _number_in_words(max(1, round(1 / (1 / verdict.ranges + c))))
        return f"but neighbouring date ranges tell nearly the same story, so {many} count for about {few}"
    return "but it differs so much from one date range to the next that it may be chance"


def _numbers(design: Design, verdict: Verdict, c: float, family: int) -> str:
    """The details of a test: p, its adjustment, the gain that it could have found, the ranges that it would take."""
    assert verdict.p is not None and verdict.p_adjusted is not None and verdict.detectable is not None  # noqa: PT018
    beyond = f"a gain beyond {design.scale.rope(design.rope)}" if design.rope else "any gain"
    parts = [
        f"p = {verdict.p:.2g} for {beyond}: corrected t-test, one-sided, {verdict.ranges - 1} degrees of freedom, "
        f"variance times 1/{verdict.ranges} + {c:.3g}"
    ]
    if family > 1:
        parts.append(f"p = {verdict.p_adjusted:.2g} as one of {family} claims, after Holm")
    if verdict.kind != Kind.REAL:
        parts.append(
            f"a true gain of {design.scale.words(verdict.detectable)} would have been found four times in five"
        )
    if verdict.ranges_needed:
        parts.append(f"{verdict.ranges_needed} such date ranges would find a gain like this one")
    return "; ".join(parts)


_WORDS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")


def _number_in_words(number: int) -> str:
    return _WORDS[number] if number < len(_WORDS) else str(number)


def _failures_in_words(design: Design, paired: PairedGains) -> str:
    failures = {"the finalist": paired.finalist_failed, design.incumbent_name: paired.incumbent_failed}
    parts = [f"{name} did not finish on {', '.join(map(str, ranges))}" for name, ranges in failures.items() if ranges]
    return f" ({'; '.join(parts)})" if parts else ""


def _ranges_for(in_sd: float, k: float, level: float) -> int | None:
    """Fewest ranges that find a gain of `in_sd` standard deviations with 80 % power; None if `MOST_RANGES` do not.

    The correction for R ranges is k / (R - 1).
    """
    for ranges in range(FEWEST_RANGES, MOST_RANGES + 1):
        if smallest_gain(ranges, k / (ranges - 1), level) <= in_sd:
            return ranges
    return None
