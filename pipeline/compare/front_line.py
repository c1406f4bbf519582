"""A sweep as it stands on the store's front page: what it came to, in one small value."""

from collections.abc import Iterable
from statistics import fmean

from pipeline.base import Recorded
from pipeline.data.source import FlightsSource
from pipeline.report.answer import Basis
from pipeline.report.summary import Summary
from pipeline.report.words import values_in_words
from pipeline.results import Goal
from pipeline.sweep import Sweep
from pipeline.sweep.digests import finite

_LONGEST_TEXT = 400
_AWAITS, _UNJUDGED, _KEPT, _TRAINED, _STUDY, _NOTHING = "awaits", "unjudged", "kept", "trained", "study", "nothing"
_CLAIM = "claim"


class FrontLine(Recorded):
    """What the front page says of one sweep."""

    sweep: str
    created: str
    looked: str
    """When it was as this line says."""
    architecture: str
    source: str
    """Where its data are; empty: a trainer of a team's own knows."""
    target: tuple[str, ...]
    transform: str | None
    metric: str
    goal: Goal
    state: str
    """`done`, `12 of 31 trials`."""
    done: bool
    verdict: str
    """The kind of the answer's verdict, as of `analysis.verdict.Kind`; or `kept`, `awaits` (one that is still to come),
    `unjudged`, `trained` (nothing was tuned), `study`, `claim` (it judges one), `nothing` (no setting
    finished)."""
    incumbent: str
    """What people call it."""
    setting: str = ""
    """The answer's values, where it is not the incumbent."""
    gain: str = ""
    """By how much the answer is better: `8.3 % better`."""
    score: float | None = None
    """The answer's test metric, the mean over date ranges."""
    incumbent_score: float | None = None
    """The incumbent's on the same."""
    judged: bool = False
    """Whether these are the date ranges that judged, not those that chose."""
    note: str = ""
    """Why there is no answer."""
    trials: int
    failed: int
    seconds: float
    """Of training, all devices together."""
    money: float | None = None
    """None where no price is known."""
    has_page: bool = True
    claim: str = ""
    """The one that it judges. Where that stands changes with every sweep that does, so a line does not hold it."""


def line_of(sweep: Sweep, summary: Summary, looked: str, *, has_page: bool = True) -> FrontLine:
    """The line of a sweep that `summary` sums up; `looked` is now."""
    definition, data = sweep.definition, sweep.definition.data
    stopped = not summary.done and sweep.stop_is_asked()
    counts = f"{summary.finished} of {summary.planned} trials"
    price = definition.budget.price_per_device_hour if definition.budget else None
    score, incumbent_score, judged = _scores(summary)
    verdict = _verdict(summary)
    is_other = summary.best is not None and not summary.best.is_incumbent and not definition.is_study
    return FrontLine(
        sweep=sweep.id,
        created=definition.created,
        looked=looked,
        architecture=definition.architecture,
        source="" if data is None else data.source if isinstance(data, FlightsSource) else data.path,
        target=() if data is None else data.target,
        transform=None if data is None or isinstance(data, FlightsSource) else data.target_transform,
        metric=definition.objective.metric,
        goal=definition.objective.goal,
        state="done" if summary.done else ("stopped at " if stopped else "") + counts,
        done=summary.done,
        verdict=verdict,
        incumbent=definition.incumbent_name,
        setting=_setting(summary) if is_other or definition.claim else "",
        gain=_gain(summary) if is_other and verdict != _AWAITS else "",
        score=score,
        incumbent_score=incumbent_score,
        judged=judged,
        note=_cut(summary.answer) if verdict == _NOTHING else "",
        trials=summary.finished,
        failed=len([row for row in summary.failures if row["status"] != "diverged"]),
        seconds=finite(summary.costs.seconds) or 0.0,
        money=None if price is None else summary.costs.seconds / 3600 * price,
        has_page=has_page,
        claim=definition.claim.id if definition.claim else "",
    )


def _setting(summary: Summary) -> str:
    definition = summary.definition
    if definition.claim:
        return _cut(values_in_words(definition, definition.claim.setting))
    return _cut(values_in_words(definition, summary.best.assignment)) if summary.best else ""


def _verdict(summary: Summary) -> str:
    definition, answer = summary.definition, summary.decided
    if definition.is_study:
        return _CLAIM if definition.claim else _STUDY
    if answer is None:
        return _NOTHING
    if definition.choosing and definition.choosing[0].name == "train":
        return _TRAINED
    if answer.awaits:
        return _AWAITS
    if answer.basis is Basis.KEPT or answer.setting.is_incumbent:
        return _KEPT
    if answer.basis is Basis.JUDGED and summary.confirmed is not None:
        return summary.confirmed.verdicts[answer.setting.experiment].kind.value
    return _UNJUDGED


def _gain(summary: Summary) -> str:
    gains = [pair.gain for pair in summary.judged if pair.gain is not None]
    return summary.scale.better(fmean(gains)) if gains and len(gains) == len(summary.judged) else ""


def _scores(summary: Summary) -> tuple[float | None, float | None, bool]:
    """The answer's test metric and the incumbent's, and whether they are of what judged."""
    answer, definition = summary.decided, summary.definition
    if answer is None or definition.is_study:
        return None, None, False
    confirmed = summary.confirmed
    if answer.setting.is_incumbent and confirmed is not None and (measured := _mean(confirmed.measured)) is not None:
        return measured, measured, True
    judged = confirmed is not None and answer.setting.experiment in confirmed.compared
    if not summary.judged:
        return _mean(row.get(definition.objective.test) for row in answer.setting.by_range.values()), None, judged
    theirs = _mean(pair.incumbent for pair in summary.judged)
    return theirs if answer.setting.is_incumbent else _mean(pair.setting for pair in summary.judged), theirs, judged


def _mean(values: Iterable[object]) -> float | None:
    numbers = [finite(value) for value in values]
    known = [number for number in numbers if number is not None]
    return finite(fmean(known)) if known and len(known) == len(numbers) else None


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST_TEXT else text[:_LONGEST_TEXT] + "…"
