"""The sentence that says what a sweep comes to, and the few words that stand for it in a table.

What the answer is, is for `answer.py` to say.
"""

import math
from collections.abc import Sequence
from statistics import fmean

from pipeline.analysis.confirmation import Confirmation
from pipeline.analysis.ranking import Standing
from pipeline.analysis.spending import device_seconds
from pipeline.analysis.verdict import Kind, Verdict
from pipeline.report.answer import Answer, Basis, Judged, diverged_on
from pipeline.report.limits import limits_in_words
from pipeline.report.references import References
from pipeline.report.words import duration, incumbent_in_words, values_in_words
from pipeline.results import Row
from pipeline.scale import Scale
from pipeline.sweep import Definition

_CLAIMS = {
    Kind.REAL: ", and that is real",
    Kind.PROMISING: ", and promising",
    Kind.NOT_SHOWN: " so far, but that it is better than {them} is not shown",
    Kind.NOT_TESTABLE: ", but whether that is real could not be tested",
}
_CERTAINTIES = {
    Kind.REAL: "confirmed as real",
    Kind.PROMISING: "promising, but not confirmed as real",
    Kind.NOT_SHOWN: "not confirmed: that it is better than {them} is not shown",
    Kind.NOT_TESTABLE: "not confirmed: whether it is better than {them} could not be tested",
}


def certainty(definition: Definition, answer: Answer, confirmed: Confirmation | None) -> str:
    """How sure it is that the answer's setting is better, as `hpt export` says it: `confirmed as real`."""
    them = incumbent_in_words(definition).name
    if answer.basis is Basis.KEPT:
        return f"{answer.rival} was chosen, and is not better than {them} on what judged"
    if answer.basis is Basis.JUDGED and confirmed is not None:
        return _CERTAINTIES[confirmed.verdicts[answer.setting.experiment].kind].format(them=them)
    if answer.setting.is_incumbent:
        return f"nothing tried is better than {them}"
    return doubt(answer)


def so_far(trials: int, planned: int) -> str:
    """What a sentence about a sweep begins with that is not finished."""
    return f"So far ({trials} of {planned} trials): "


def sentence(
    definition: Definition,
    rows: Sequence[Row],
    answer: Answer | None,
    judged: Sequence[Judged],
    confirmed: Confirmation | None,
    references: References | None,
) -> str:
    """One sentence: which setting, how much better, how sure, against which references, at what cost."""
    cost = f"cost {duration(device_seconds(rows))} of training."
    if answer is None:
        return f"no experiment finished on every date range, so there is no best setting; {cost}"
    own = [row for row in rows if row["experiment"] == answer.setting.experiment]
    claim, beside = _claim(definition, rows, answer, judged, confirmed), references.words if references else ""
    if references and references.is_ahead and beside:
        if answer.setting.is_incumbent:
            them = incumbent_in_words(definition)
            beside = f"{them.name} {them.are} {beside}"
        else:
            claim, beside = f"{claim}, and {beside}", ""
    parts = [claim, doubt(answer), beside, *limits_in_words(definition, own, " of the answer"), cost]
    return "; ".join(filter(None, parts))


def in_words(definition: Definition, answer: Answer | None) -> str:
    """`e012 mse_valid 0.0312 learning_rate=0.03, not judged yet`; a dash while nothing is ranked."""
    if answer is None:
        return "—"
    setting, metric = answer.setting, definition.objective.valid
    words = f"{setting.experiment} {metric} {setting.score:.4g} {values_in_words(definition, setting.assignment)}"
    return ", ".join(filter(None, (words, doubt(answer))))


def doubt(answer: Answer) -> str:
    """What must be said with a setting that nothing has judged."""
    if answer.basis is not Basis.CHOSEN or answer.setting.is_incumbent:
        return ""
    return "not judged yet" if answer.awaits else "nothing judged it"


def _claim(
    definition: Definition,
    rows: Sequence[Row],
    answer: Answer,
    judged: Sequence[Judged],
    confirmed: Confirmation | None,
) -> str:
    if definition.choosing[0].name == "train":
        return _nothing_tuned(definition, answer.setting)
    if answer.basis is Basis.KEPT and confirmed is not None:
        return _kept(definition, rows, answer, judged, confirmed)
    if answer.basis is Basis.JUDGED and confirmed is not None:
        verdict = confirmed.verdicts[answer.setting.experiment]
        return _better(definition, answer, judged, verdict, is_fresh=confirmed.design.fresh)
    if answer.setting.is_incumbent:
        return _unbeaten(definition, rows, confirmed)
    return _chosen(definition, answer, judged)


def _nothing_tuned(definition: Definition, only: Standing) -> str:
    values = [row.get(definition.objective.test) for row in only.by_range.values()]
    tests = [value for value in values if value is not None]
    return "one setting was trained and nothing tuned" + _worth(definition, "its", tests)


def _worth(definition: Definition, whose: str, tests: Sequence[float], fresh: str = "") -> str:
    """`; its mse_test is 0.0312, the mean over 6 fresh date ranges`; empty without a value."""
    if not tests:
        return ""
    return f"; {whose} {definition.objective.test} is {fmean(tests):.4g}, the mean over {_ranges(len(tests), fresh)}"


def _unbeaten(definition: Definition, rows: Sequence[Row], confirmed: Confirmation | None) -> str:
    choosing = {phase.name for phase in definition.choosing}
    tried = {row["experiment"] for row in rows if row["phase"] in choosing}
    them = incumbent_in_words(definition)
    if len(tried) == 1:
        claim = f"nothing but {them.name} was tried"
    else:
        claim = f"keep {them.name}: nothing tried beats {them.them} by {definition.objective.valid}"
    if confirmed is None:
        return claim
    return claim + _worth(definition, them.whose_own, confirmed.measured, "fresh " if confirmed.design.fresh else "")


def _kept(
    definition: Definition,
    rows: Sequence[Row],
    answer: Answer,
    judged: Sequence[Judged],
    confirmed: Confirmation | None,
) -> str:
    assert answer.rival is not None
    assert confirmed is not None
    them, ranges = incumbent_in_words(definition), len(confirmed.compared[answer.rival])
    keep, rival = f"keep {them.name}:", f"{answer.rival}, the best while choosing,"
    if diverged := diverged_on(definition, rows, confirmed, answer.rival):
        return f"{keep} {rival} diverged on {len(diverged)} of {ranges} date ranges that judged"
    if not judged:
        return f"{keep} {rival} finished on none of the {ranges} date ranges that judged"
    gains, design = _gains(judged), confirmed.design
    if not gains:
        return f"{keep} {rival} is not better on the date ranges that judged"
    size = _size(_scale(definition, judged), fmean(gains))
    rope = f", within the rope of {design.scale.rope(design.rope)}" if fmean(gains) > 0 and design.rope else ""
    where = _where(gains, confirmed.verdicts[answer.rival], is_fresh=design.fresh)
    return f"{keep} the {definition.objective.test} of {rival} is {size} {them.theirs}{rope}, {where}"


def _better(
    definition: Definition, answer: Answer, judged: Sequence[Judged], verdict: Verdict, *, is_fresh: bool
) -> str:
    claim = f"{answer.setting.experiment} is the best setting" + _CLAIMS[verdict.kind]
    claim = claim.format(them=incumbent_in_words(definition).name)
    gains = _gains(judged)
    if not gains:
        why = f" ({verdict.why})" if verdict.kind is Kind.NOT_TESTABLE else ""
        return f"{claim}{why}, by {definition.objective.test}"
    return f"{claim}: {_gain(definition, judged)}, {_where(gains, verdict, is_fresh=is_fresh)}"


def _chosen(definition: Definition, answer: Answer, judged: Sequence[Judged]) -> str:
    claim, gains = f"{answer.setting.experiment} is the best of choosing", _gains(judged)
    if not gains:
        return f"{claim}, by {definition.objective.valid}"
    return f"{claim}: {_gain(definition, judged)}, better on {_count(gains)} that chose it"


def _gain(definition: Definition, judged: Sequence[Judged]) -> str:
    size = _size(_scale(definition, judged), fmean(_gains(judged)))
    return f"its {definition.objective.test} is {size} {incumbent_in_words(definition).whose}"


def _where(gains: Sequence[float], verdict: Verdict, *, is_fresh: bool) -> str:
    """On how many date ranges, and how sure that is: a p-value where it is real, else why it is not."""
    beside = verdict.why.removeprefix("but ") if verdict.why.startswith("but ") else ""
    if verdict.kind is Kind.REAL:
        beside = f"p = {verdict.p_adjusted:.2g}"
    return f"better on {_count(gains, 'fresh ' if is_fresh else '')}{beside and f' ({beside})'}"


def _count(gains: Sequence[float], fresh: str = "") -> str:
    return f"{sum(gain > 0 for gain in gains)} of {_ranges(len(gains), fresh)}"


def _ranges(count: int, fresh: str = "") -> str:
    return f"{count} {fresh}date range{'s' if count > 1 else ''}"


def _gains(judged: Sequence[Judged]) -> list[float]:
    """By how much better, by range; empty if a range has no ratio."""
    gains = [one.gain for one in judged if one.gain is not None]
    return gains if len(gains) == len(judged) else []


def _scale(definition: Definition, judged: Sequence[Judged]) -> Scale:
    return definition.objective.gains.fitting(value for one in judged for value in (one.setting, one.incumbent))


def _size(scale: Scale, gain: float) -> str:
    """`2 times smaller than`, `3.1 % larger than`, `0.4 points higher than`, `the same as`."""
    if scale.name == "difference":
        if scale.better(gain) == "the same":
            return "the same as"
        is_higher = (gain > 0) == (scale.goal == "maximize")
        return f"{scale.words(abs(gain))} {'higher' if is_higher else 'lower'} than"
    factor = math.exp(min(gain, 700.0))
    less, more = ("smaller", "larger") if scale.goal == "minimize" else ("larger", "smaller")
    if factor >= 1.1:
        return f"{factor:.2g} times {less} than"
    if f"{factor:.3f}" == "1.000":
        return "the same as"
    if factor < 1:
        return f"{100 * (1 / factor - 1):.1f} % {more} than"
    return f"{100 * (1 - 1 / factor):.1f} % {less} than"
