"""Puts a sweep's answer into words: a sentence for the page, a short form for a table. `answer.py` decides it."""

import math
from collections.abc import Sequence
from statistics import fmean

from pipeline.analysis.confirmation import Confirmation
from pipeline.analysis.ranking import Standing
from pipeline.analysis.spending import device_seconds
from pipeline.analysis.verdict import Kind, Verdict
from pipeline.report.answer import Answer, Basis, RangeComparison, diverged_on, fitting_scale
from pipeline.report.limits import limits_in_words
from pipeline.report.references import References
from pipeline.report.words import duration, incumbent_in_words, values_in_words
from pipeline.results import Row
from pipeline.scale import Scale
from pipeline.sweep import Definition

# The verdict on the best setting: in a sentence, after "e012 is the best setting", and alone, for `hpt export`.
_VERDICTS = {
    Kind.REAL: ", and that is real",
    Kind.PROMISING: ", and promising",
    Kind.NOT_SHOWN: " so far, but it is not shown to be better than {incumbent}",
    Kind.NOT_TESTABLE: ", but whether that is real could not be tested",
}
_CERTAINTIES = {
    Kind.REAL: "confirmed as real",
    Kind.PROMISING: "promising, but not confirmed as real",
    Kind.NOT_SHOWN: "not confirmed: it is not shown to be better than {incumbent}",
    Kind.NOT_TESTABLE: "not confirmed: whether it is better than {incumbent} could not be tested",
}


def certainty(definition: Definition, answer: Answer, confirmed: Confirmation | None) -> str:
    """The certainty of the answer's setting, for `hpt export`: `confirmed as real`, `not judged yet`."""
    incumbent = definition.incumbent_name
    if answer.basis is Basis.KEPT:
        return f"{answer.rival} was chosen, and is not better than {incumbent} on the date ranges that judged"
    if answer.basis is Basis.JUDGED and confirmed is not None:
        return _CERTAINTIES[confirmed.verdicts[answer.setting.experiment].kind].format(incumbent=incumbent)
    if answer.setting.is_incumbent:
        return f"nothing tried is better than {incumbent}"
    return doubt(answer)


def so_far(trials: int, planned: int) -> str:
    """The words before the sentence of an unfinished sweep: `So far (12 of 40 trials): `."""
    return f"So far ({trials} of {planned} trials): "


def sentence(
    definition: Definition,
    rows: Sequence[Row],
    answer: Answer | None,
    comparisons: Sequence[RangeComparison],
    confirmed: Confirmation | None,
    references: References | None,
) -> str:
    """One sentence: which setting, how much better, how sure, against which references, at what cost."""
    cost = f"cost {duration(device_seconds(rows))} of training."
    if answer is None:
        return f"no experiment finished on every date range, so there is no best setting; {cost}"
    claim = _claim(definition, rows, answer, comparisons, confirmed)
    against_references = references.words if references else ""
    if references and references.is_ahead and against_references:
        if answer.setting.is_incumbent:
            incumbent = incumbent_in_words(definition)
            against_references = f"{incumbent.name} {incumbent.verb} {against_references}"
        else:
            claim, against_references = f"{claim}, and {against_references}", ""
    answer_rows = [row for row in rows if row["experiment"] == answer.setting.experiment]
    limits = limits_in_words(definition, answer_rows, " of the answer")
    return "; ".join(filter(None, [claim, doubt(answer), against_references, *limits, cost]))


def in_words(definition: Definition, answer: Answer | None) -> str:
    """`e012 mse_valid 0.0312 learning_rate=0.03, not judged yet`; a dash while nothing is ranked."""
    if answer is None:
        return "—"
    setting, metric = answer.setting, definition.objective.valid
    words = f"{setting.experiment} {metric} {setting.score:.4g} {values_in_words(definition, setting.assignment)}"
    return ", ".join(filter(None, (words, doubt(answer))))


def doubt(answer: Answer) -> str:
    """`not judged yet`, `nothing judged it`; empty for a judged setting and for the incumbent."""
    if answer.basis is not Basis.CHOSEN or answer.setting.is_incumbent:
        return ""
    return "not judged yet" if answer.awaits else "nothing judged it"


def _claim(
    definition: Definition,
    rows: Sequence[Row],
    answer: Answer,
    comparisons: Sequence[RangeComparison],
    confirmed: Confirmation | None,
) -> str:
    # A spec with a single setting has the phase `train` in place of a search.
    if definition.choosing[0].name == "train":
        return _only_setting(definition, answer.setting)
    if answer.basis is Basis.KEPT and answer.rival is not None and confirmed is not None:
        diverged = diverged_on(definition, rows, confirmed, answer.rival)
        return _rival_not_better(definition, answer.rival, comparisons, confirmed, len(diverged))
    if answer.basis is Basis.JUDGED and confirmed is not None:
        verdict = confirmed.verdicts[answer.setting.experiment]
        return _judged_better(definition, answer, comparisons, verdict, is_fresh=confirmed.design.fresh)
    if answer.setting.is_incumbent:
        return _unbeaten(definition, rows, confirmed)
    return _best_of_choosing(definition, answer, comparisons)


def _only_setting(definition: Definition, setting: Standing) -> str:
    values = [row.get(definition.objective.test) for row in setting.by_range.values()]
    tests = [value for value in values if value is not None]
    return "one setting was trained and nothing tuned" + _mean_test(definition, "its", tests)


def _mean_test(definition: Definition, possessive: str, tests: Sequence[float], fresh: str = "") -> str:
    """`; its mse_test is 0.0312, the mean over 6 fresh date ranges`; empty if `tests` is. `fresh` is "fresh " or ""."""
    if not tests:
        return ""
    mean = f"{fmean(tests):.4g}"
    return f"; {possessive} {definition.objective.test} is {mean}, the mean over {_ranges(len(tests), fresh)}"


def _unbeaten(definition: Definition, rows: Sequence[Row], confirmed: Confirmation | None) -> str:
    choosing = {phase.name for phase in definition.choosing}
    tried = {row["experiment"] for row in rows if row["phase"] in choosing}
    incumbent = incumbent_in_words(definition)
    if len(tried) == 1:
        claim = f"nothing but {incumbent.name} was tried"
    else:
        claim = f"keep {incumbent.name}: nothing tried beats {incumbent.pronoun} by {definition.objective.valid}"
    if confirmed is None:
        return claim
    fresh = "fresh " if confirmed.design.fresh else ""
    return claim + _mean_test(definition, incumbent.determiner, confirmed.measured, fresh)


def _rival_not_better(
    definition: Definition,
    rival: str,
    comparisons: Sequence[RangeComparison],
    confirmed: Confirmation,
    diverged: int,
) -> str:
    """`keep the defaults: …`; `diverged` counts the judging ranges on which only the rival diverged."""
    incumbent, ranges = incumbent_in_words(definition), len(confirmed.compared[rival])
    keep, subject = f"keep {incumbent.name}:", f"{rival}, the best while choosing,"
    if diverged:
        return f"{keep} {subject} diverged on {diverged} of {ranges} date ranges that judged"
    if not comparisons:
        return f"{keep} {subject} finished on none of the {ranges} date ranges that judged"
    gains, design = _gains(comparisons), confirmed.design
    if not gains:
        return f"{keep} {subject} is not better on the date ranges that judged"
    size = _size(fitting_scale(definition, comparisons), fmean(gains))
    rope = f", within the rope of {design.scale.rope(design.rope)}" if fmean(gains) > 0 and design.rope else ""
    wins = _wins_and_certainty(gains, confirmed.verdicts[rival], is_fresh=design.fresh)
    return f"{keep} the {definition.objective.test} of {subject} is {size} {incumbent.possessive_pronoun}{rope}, {wins}"


def _judged_better(
    definition: Definition,
    answer: Answer,
    comparisons: Sequence[RangeComparison],
    verdict: Verdict,
    *,
    is_fresh: bool,
) -> str:
    claim = f"{answer.setting.experiment} is the best setting" + _VERDICTS[verdict.kind]
    claim = claim.format(incumbent=definition.incumbent_name)
    gains = _gains(comparisons)
    if not gains:
        reason = f" ({verdict.problem})" if verdict.kind is Kind.NOT_TESTABLE else ""
        return f"{claim}{reason}, by {definition.objective.test}"
    wins = _wins_and_certainty(gains, verdict, is_fresh=is_fresh)
    return f"{claim}: {_mean_gain(definition, comparisons)}, {wins}"


def _best_of_choosing(definition: Definition, answer: Answer, comparisons: Sequence[RangeComparison]) -> str:
    claim, gains = f"{answer.setting.experiment} is the best of choosing", _gains(comparisons)
    if not gains:
        return f"{claim}, by {definition.objective.valid}"
    return f"{claim}: {_mean_gain(definition, comparisons)}, better on {_wins(gains)} that chose it"


def _mean_gain(definition: Definition, comparisons: Sequence[RangeComparison]) -> str:
    """`its mse_test is 1.4 times smaller than the defaults'`."""
    size = _size(fitting_scale(definition, comparisons), fmean(_gains(comparisons)))
    return f"its {definition.objective.test} is {size} {incumbent_in_words(definition).possessive}"


def _wins_and_certainty(gains: Sequence[float], verdict: Verdict, *, is_fresh: bool) -> str:
    """`better on 6 of 6 fresh date ranges (p = 0.004)`; in brackets the p-value if real, else the reason why not."""
    # A problem without "but", like "which is within the rope", needs other words before it.
    remark = verdict.problem.removeprefix("but ") if verdict.problem.startswith("but ") else ""
    if verdict.kind is Kind.REAL:
        remark = f"p = {verdict.p_adjusted:.2g}"
    return f"better on {_wins(gains, 'fresh ' if is_fresh else '')}{remark and f' ({remark})'}"


def _wins(gains: Sequence[float], fresh: str = "") -> str:
    return f"{sum(gain > 0 for gain in gains)} of {_ranges(len(gains), fresh)}"


def _ranges(count: int, fresh: str = "") -> str:
    return f"{count} {fresh}date range{'s' if count > 1 else ''}"


def _gains(comparisons: Sequence[RangeComparison]) -> list[float]:
    """The gain on each range; empty if one of them has none, as a mean over the others would mislead."""
    gains = [comparison.gain for comparison in comparisons if comparison.gain is not None]
    return gains if len(gains) == len(comparisons) else []


def _size(scale: Scale, gain: float) -> str:
    """`2 times smaller than`, `3.1 % larger than`, `0.4 points higher than`, `the same as`."""
    if scale.name == "difference":
        if scale.better(gain) == "the same":
            return "the same as"
        is_higher = (gain > 0) == (scale.goal == "maximize")
        return f"{scale.words(abs(gain))} {'higher' if is_higher else 'lower'} than"
    factor = math.exp(min(gain, 700.0))
    better, worse = ("smaller", "larger") if scale.goal == "minimize" else ("larger", "smaller")
    if factor >= 1.1:
        return f"{factor:.2g} times {better} than"
    if f"{factor:.3f}" == "1.000":
        return "the same as"
    if factor < 1:
        return f"{100 * (1 / factor - 1):.1f} % {worse} than"
    return f"{100 * (1 - 1 / factor):.1f} % {better} than"
