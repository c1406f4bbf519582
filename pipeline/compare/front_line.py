"""The line of a sweep on the store's front page: its answer and its cost in one small value."""

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

_CHARACTERS_AT_MOST = 400
_AWAITS, _UNJUDGED, _KEPT, _TRAINED, _STUDY, _NOTHING = "awaits", "unjudged", "kept", "trained", "study", "nothing"
_CLAIM = "claim"


class FrontLine(Recorded):
    """All that the front page shows of one sweep."""

    sweep: str
    created: str
    looked: str
    """The time at which the sweep was read for this line."""
    architecture: str
    source: str
    """The path of its data, or a built-in source; empty if the team's own trainer reads its own data."""
    target: tuple[str, ...]
    transform: str | None
    metric: str
    goal: Goal
    state: str
    """`done`, `12 of 31 trials`."""
    done: bool
    verdict: str
    """The kind of the answer's verdict, as in `analysis.verdict.Kind`; or `kept`, `awaits` (not judged yet),
    `unjudged`, `trained` (nothing was tuned), `study`, `claim` (the sweep judges a claim), `nothing` (no setting
    finished)."""
    incumbent: str
    """The incumbent's name for people."""
    setting: str = ""
    """The answer's values; empty if the answer is the incumbent."""
    gain: str = ""
    """The gain of the answer over the incumbent: `8.3 % better`."""
    score: float | None = None
    """The answer's test metric, the mean over date ranges."""
    incumbent_score: float | None = None
    """The incumbent's test metric on the same date ranges."""
    judged: bool = False
    """True if the scores are of date ranges that judged, false if of those that chose."""
    note: str = ""
    """The reason why there is no answer."""
    trials: int
    failed: int
    seconds: float
    """Seconds of training, all devices together."""
    money: float | None = None
    """None if the spec names no price."""
    has_page: bool = True
    claim: str = ""
    """The id of the claim that the sweep judges. The line leaves out its state, which later sweeps change."""


def line_of(sweep: Sweep, summary: Summary, looked: str, *, has_page: bool = True) -> FrontLine:
    """The line of a sweep with this summary; `looked` is the present time in ISO format."""
    definition, data = sweep.definition, sweep.definition.data
    stopped = not summary.done and sweep.stop_is_asked()
    counts = f"{summary.finished} of {summary.planned} trials"
    price = definition.budget.price_per_device_hour if definition.budget else None
    score, incumbent_score, judged = _scores(summary)
    verdict = _verdict(summary)
    has_new_setting = summary.best is not None and not summary.best.is_incumbent and not definition.is_study
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
        setting=_setting(summary) if has_new_setting or definition.claim else "",
        gain=_gain(summary) if has_new_setting and verdict != _AWAITS else "",
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
    """The mean gain in words; empty unless every comparison with the incumbent has one."""
    gains = [pair.gain for pair in summary.comparisons if pair.gain is not None]
    return summary.scale.better(fmean(gains)) if gains and len(gains) == len(summary.comparisons) else ""


def _scores(summary: Summary) -> tuple[float | None, float | None, bool]:
    """The answer's test metric, the incumbent's, and True if both are of date ranges that judged."""
    answer, definition = summary.decided, summary.definition
    if answer is None or definition.is_study:
        return None, None, False
    confirmed = summary.confirmed
    if answer.setting.is_incumbent and confirmed is not None and (measured := _mean(confirmed.measured)) is not None:
        return measured, measured, True
    judged = confirmed is not None and answer.setting.experiment in confirmed.compared
    if not summary.comparisons:
        return _mean(row.get(definition.objective.test) for row in answer.setting.by_range.values()), None, judged
    incumbent = _mean(pair.incumbent for pair in summary.comparisons)
    score = incumbent if answer.setting.is_incumbent else _mean(pair.setting for pair in summary.comparisons)
    return score, incumbent, judged


def _mean(values: Iterable[object]) -> float | None:
    """The mean; None without values, or if one of them is missing or not finite."""
    numbers = [finite(value) for value in values]
    valid = [number for number in numbers if number is not None]
    return finite(fmean(valid)) if valid and len(valid) == len(numbers) else None


def _cut(text: str) -> str:
    return text if len(text) <= _CHARACTERS_AT_MOST else text[:_CHARACTERS_AT_MOST] + "…"
