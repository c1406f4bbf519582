"""The card, the first screen of the page: recommendation, certainty, cost, warnings and next commands.

Words and numbers only. `answer.py` decides the answer, and the template lays the card out.
"""

from dataclasses import dataclass
from datetime import date

from pipeline.analysis.failures import causes
from pipeline.analysis.verdict import Kind, Verdict
from pipeline.dates import DateRange, month_start
from pipeline.report.answer import Basis
from pipeline.report.beside import Mark, marks
from pipeline.report.commands import Command, Place, commands
from pipeline.report.judged_claim import DAMAGED, REAL, WAITS
from pipeline.report.summary import Summary
from pipeline.report.words import duration, failure_in_words, incumbent_in_words, setting_name
from pipeline.results import Status
from pipeline.scale import ROPE
from pipeline.space import Assignment

FEW_ROWS = 500
"""With fewer rows to validate on, the ranking is partly luck."""

_HEADLINES = {
    Kind.REAL: "Ship this: {setting}",
    Kind.PROMISING: "Likely better, not proven: {setting}",
    Kind.NOT_SHOWN: "Better so far, not shown: {setting}",
    Kind.NOT_TESTABLE: "Better so far, not testable: {setting}",
}
_LABELS = {
    Kind.REAL: "real",
    Kind.PROMISING: "promising, not proven",
    Kind.NOT_SHOWN: "not shown to be better",
    Kind.NOT_TESTABLE: "could not be tested",
}

_HEADLINES_OF_CLAIMS = {
    REAL: "Real: {setting} is better than {incumbent}",
    "refuted": "Refuted: {setting} is not better than {incumbent}",
    "given up": "Given up: {setting} is not shown to be better than {incumbent}",
    WAITS: "Still open: whether {setting} is better than {incumbent}",
    DAMAGED: "Cannot be read: the claim that {setting} is better than {incumbent}",
}
_TONES_OF_CLAIMS = {REAL: "good", DAMAGED: "bad"}


@dataclass(frozen=True)
class Card:
    """The contents of the first screen."""

    headline: str
    """The recommendation: `Ship this: learning_rate 0.0283`, `Keep the defaults`."""
    id: str
    """Experiment of the recommended setting; empty if that is the incumbent, or if there is none."""
    network: str
    """The best setting, if the headline recommends a reference instead."""
    tone: str
    """`good`, `bad`, or `neutral`; the colour of the card."""
    verdict: str
    """In a few words; empty without an answer."""
    gain: str
    """The gain, its interval, and the number of date ranges."""
    marks: tuple[Mark, ...]
    """The answer among the incumbent and the references, the best first."""
    worth: str
    """The answer to "Is a network worth it?"."""
    cost: str
    warnings: tuple[str, ...]
    """Facts that a reader must know before believing the rest."""
    commands: tuple[Command, ...]


def card(summary: Summary, place: Place) -> Card:
    """The card of a sweep in any state."""
    if summary.definition.claim is not None:
        return _card_of_claim(summary, summary.definition.claim.setting, place)
    verdict, references = _verdict(summary), summary.references
    is_behind = references is not None and not references.is_ahead
    setting = summary.best
    return Card(
        headline=_headline(summary, verdict, is_behind=is_behind),
        id=setting.experiment if setting and not setting.is_incumbent else "",
        network=setting_name(summary.definition, setting.assignment) if setting and is_behind else "",
        tone=_tone(summary, verdict, is_behind=is_behind),
        verdict=_label(summary, verdict),
        gain=_gain(summary, verdict),
        marks=tuple(marks(summary, verdict)),
        worth=_worth(summary),
        cost=_cost(summary),
        warnings=tuple(_warnings(summary, verdict)),
        commands=tuple(commands(summary, place)),
    )


def _card_of_claim(summary: Summary, setting: Assignment, place: Place) -> Card:
    """The card of a sweep that judges a claim: the claim's state and evidence."""
    definition, claim = summary.definition, summary.claim_standing
    kind = claim.kind if claim else WAITS
    headline = _HEADLINES_OF_CLAIMS[kind].format(
        setting=setting_name(definition, setting), incumbent=definition.incumbent_name
    )
    return Card(
        headline=headline,
        id="",
        network="",
        tone=_TONES_OF_CLAIMS.get(kind, "neutral"),
        verdict=kind,
        gain=claim.evidence if claim else "",
        marks=(),
        worth="",
        cost=_cost(summary),
        warnings=tuple(_warnings(summary, None)),
        commands=tuple(commands(summary, place)),
    )


def _verdict(summary: Summary) -> Verdict | None:
    """The verdict on the answer, or on the rival that did not beat the incumbent; None if nothing was judged."""
    decided, confirmed = summary.decided, summary.confirmed
    if decided is None or confirmed is None or not decided.is_judged:
        return None
    return confirmed.verdicts.get(decided.rival or decided.setting.experiment)


def _headline(summary: Summary, verdict: Verdict | None, *, is_behind: bool) -> str:
    definition, decided = summary.definition, summary.decided
    if definition.is_study:
        return summary.answer
    if decided is None:
        return _without_answer(summary)
    if is_behind and summary.references:
        return f"Ship no network yet: {summary.references.ahead_in_words} than the best network"
    setting = setting_name(definition, decided.setting.assignment)
    if definition.choosing[0].name == "train":
        return f"Trained, and nothing tuned: {setting}"
    if decided.setting.is_incumbent:
        return f"{'' if summary.done else 'So far: '}{'K' if summary.done else 'k'}eep {setting}"
    if decided.basis is Basis.JUDGED and verdict is not None:
        return _HEADLINES[verdict.kind].format(setting=setting)
    return f"Best while choosing, {'not judged yet' if decided.awaits else 'judged by nothing'}: {setting}"


def _without_answer(summary: Summary) -> str:
    failed = sum(count for status, count in summary.counts.items() if not Status(status).is_result)
    if not summary.finished:
        return "Nothing has finished yet"
    if failed == summary.finished:
        return f"Nothing to ship: {f'all {failed} trials' if failed > 1 else 'the only trial'} failed"
    if not summary.done:
        return "Nothing is ahead yet: no experiment has finished on every date range"
    return "Nothing to ship: no experiment finished on every date range"


def _tone(summary: Summary, verdict: Verdict | None, *, is_behind: bool) -> str:
    if summary.decided is None:
        return "neutral" if summary.definition.is_study or not summary.failures else "bad"
    if is_behind:
        return "bad"
    return "good" if verdict is not None and verdict.kind is Kind.REAL and not summary.keeps_incumbent else "neutral"


def _label(summary: Summary, verdict: Verdict | None) -> str:
    decided = summary.decided
    if decided is None or summary.definition.is_study:
        return ""
    if decided.basis is Basis.KEPT:
        return f"nothing better than {summary.definition.incumbent_name} was found"
    if verdict is not None:
        return _LABELS[verdict.kind]
    if decided.setting.is_incumbent:
        return f"nothing tried beat {summary.definition.incumbent_name} while choosing"
    return "not judged yet" if decided.awaits else "nothing judged it"


def _gain(summary: Summary, verdict: Verdict | None) -> str:
    """`mse_test is 44.3 % better than the defaults' (90 % interval: …), ahead on 5 of 5 fresh date ranges.`

    Without a verdict, the gain on the ranges that chose; empty without a gain.
    """
    definition, decided, scale = summary.definition, summary.decided, summary.scale
    if decided is None or definition.is_study:
        return ""
    incumbent, test = incumbent_in_words(definition).possessive, definition.objective.test
    subject = test
    if decided.rival and summary.confirmed:
        rival = setting_name(definition, summary.confirmed.settings.get(decided.rival, definition.incumbent))
        subject = f"Of what was tried, {rival} came closest: its {test}"
    if verdict is not None and verdict.gain is not None and summary.confirmed:
        design = summary.confirmed.design
        interval = ""
        if verdict.interval is not None:
            interval = f" ({100 * (1 - 2 * design.alpha):.0f} % interval: {scale.between(verdict.interval)})"
        ranges = f"{'fresh ' if design.fresh else ''}date range{'s' if verdict.ranges > 1 else ''}"
        size = f"{scale.better(verdict.gain)} {'as' if verdict.gain == 0 else 'than'} {incumbent}"
        return f"{subject} is {size}{interval}, ahead on {verdict.wins} of {verdict.ranges} {ranges}."
    gains = [pair.gain for pair in summary.comparisons if pair.gain is not None]
    if decided.is_judged or decided.setting.is_incumbent or not gains:
        return ""
    size = scale.better(sum(gains) / len(gains))
    return f"{test} is {size} than {incumbent} on the date ranges that also chose it, which flatters it."


def _worth(summary: Summary) -> str:
    """`Yes: 12 % better than boosted trees`; empty if no reference is comparable."""
    references = summary.references
    if references is None or references.best is None:
        return ""
    gain = references.best[1]
    if not references.is_ahead:
        return f"Not yet: {references.ahead_in_words}"
    return f"{'Yes' if gain < -ROPE else 'Hardly'}: {references.words}"


def _cost(summary: Summary) -> str:
    costs, total = summary.costs, f"{summary.finished:,} trial{'s' if summary.finished != 1 else ''}"
    words = f"{duration(costs.seconds)} of training, {total}"
    money = [line for line in costs.budget if line.name == "money"]
    return words + "".join(f", {line.spent:.2f} of money" for line in money)


def _warnings(summary: Summary, verdict: Verdict | None) -> list[str]:
    definition = summary.definition
    lines = []
    if summary.why_stopped:
        lines.append(f"Stopped, since all trials failed alike: {summary.why_stopped}")
    elif summary.failures:
        lines.append(_failures(summary))
    lines += [f"Data are lost: {line}" for line in definition.lost]
    if summary.other_data:
        lines.append(summary.other_data)
    if not definition.claim:  # a claim fixes the length of its trainings
        lines += [f"{words[:1].upper()}{words[1:]}" for words in summary.at_limit]
    if few_rows := _few_rows(summary):
        lines.append(few_rows)
    if verdict is not None and verdict.problem:
        reason = verdict.problem.removeprefix("but ")
        lines.append(f"{reason[:1].upper()}{reason[1:]}")
    if spread := _spread(summary):
        lines.append(spread)
    if verdict is not None and (adjustment := _adjustment(summary, verdict)):
        lines.append(adjustment)
    if summary.costs.left_undone:
        lines.append(f"The budget ended it: {summary.costs.left_undone}")
    if summary.skipped:
        lines.append(f"{len(summary.skipped)} damaged file{'s were' if len(summary.skipped) > 1 else ' was'} skipped")
    return lines


def _failures(summary: Summary) -> str:
    first = causes(summary.failures)[0]
    reason = failure_in_words(first.error)
    ends = {"diverged" if row["status"] == Status.DIVERGED else "failed" for row in summary.failures}
    alike = f", {len(first.trials)} of them alike" if 1 < len(first.trials) < len(summary.failures) else ""
    reason = reason if len(reason) <= 160 else f"{reason[:159]}…"
    verb = " or ".join(sorted(ends, reverse=True))
    return f"{len(summary.failures)} of {summary.finished} trials {verb}{alike}: {reason}"


def _few_rows(summary: Summary) -> str:
    """Empty if there are enough rows, or if they were not counted."""
    definition, months = summary.definition, summary.definition.rows_by_month or {}
    ranges = [date_range for phase in definition.choosing for date_range in phase.ranges]
    counts = [sum(rows * _share_within(month, date_range) for month, rows in months.items()) for date_range in ranges]
    least = min((count for count in counts if count), default=0)
    rows = round(least * definition.training.validation_share)
    if not least or rows >= FEW_ROWS:
        return ""
    return (
        f"Few rows: about {rows:,} to validate on in a date range that chose, so it is partly luck which setting came "
        "out first"
    )


def _share_within(month: str, date_range: DateRange) -> float:
    """Share of the days of a month, `2012-03`, that lie in a date range."""
    first = date.fromisoformat(f"{month}-01")
    end = month_start(first, 1)
    return max(0, (min(end, date_range.end) - max(first, date_range.start)).days) / (end - first).days


def _spread(summary: Summary) -> str:
    """The spread of gains over date ranges; empty unless one is better, and one worse, by at least the rope."""
    gains = [pair.gain for pair in summary.comparisons if pair.gain is not None]
    rope = summary.definition.objective.gains.as_gain(summary.definition.rope)
    if len(gains) < 2 or min(gains) > -rope or max(gains) < rope:
        return ""
    scale = summary.scale
    return f"Date ranges disagree: from {scale.better(min(gains))} to {scale.better(max(gains))}"


def _adjustment(summary: Summary, verdict: Verdict) -> str:
    """The reason why the p-value of the test was adjusted; empty if it was not."""
    confirmed = summary.confirmed
    if confirmed is None or verdict.p is None or verdict.p_adjusted is None or verdict.p_adjusted <= verdict.p:
        return ""
    claims, before = len(confirmed.verdicts) + len(confirmed.counted), len(confirmed.counted)
    return (
        f"Counted as one of {claims} claims on the same date ranges"
        + (f", {before} of earlier sweeps," if before else ",")
        + f" of which one may look good by chance: p = {verdict.p:.2g} counts as {verdict.p_adjusted:.2g}"
    )
