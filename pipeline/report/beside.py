"""The answer beside the incumbent and the references on one small axis, as places between 0 and 1."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Literal

from pipeline.analysis.verdict import Verdict
from pipeline.report.summary import Summary
from pipeline.report.words import incumbent_in_words
from pipeline.scale import Scale

_MUCH = 4.0
"""Values that are so many times apart are read on a log axis."""

Kind = Literal["answer", "rival", "base", "reference"]


@dataclass(frozen=True)
class Mark:
    """One model."""

    name: str
    """`this setting`, `the defaults`, `boosted trees`."""
    kind: Kind
    score: float | None
    """Of the test metric, the mean over date ranges."""
    better: str
    """Than the incumbent, in words; empty for itself, and where there is no ratio."""
    place: float
    """On the axis."""
    interval: tuple[float, float] | None = None
    """Places between which the answer lies, if its gain lies in its interval."""


@dataclass(frozen=True)
class _Model:
    """A model before it has a place."""

    name: str
    kind: Kind
    score: float | None
    gain: float | None
    """Over the incumbent."""


def marks(summary: Summary, verdict: Verdict | None) -> list[Mark]:
    """The best first; none where there are not two to set beside each other."""
    scale, models = summary.scale, _models(summary, verdict)
    base = next((model for model in models if model.kind == "base"), None)
    if base is None or base.score is None or not all(_is_placed(model) for model in models):
        return []
    base_score = base.score

    def value(gain: float) -> float:
        """What the axis shows: a multiple of the incumbent's metric, or the metric itself."""
        sign = -1 if scale.goal == "minimize" else 1
        return math.exp(max(-600.0, min(sign * gain, 600.0))) if scale.name == "ratio" else base_score + sign * gain

    judged = {"rival" if summary.keeps else "answer": verdict.interval} if verdict and verdict.interval else {}
    ends = {kind: tuple(sorted(map(value, interval))) for kind, interval in judged.items()}
    values = [value(model.gain or 0.0) for model in models]
    place = _axis([*values, *(end for pair in ends.values() for end in pair)], is_ratio=scale.name == "ratio")
    drawn = [
        Mark(
            name=model.name,
            kind=model.kind,
            score=model.score,
            better="" if model is base else _better(scale, model.gain or 0.0),
            place=place(value(model.gain or 0.0)),
        )
        for model in models
    ]
    drawn = [
        replace(mark, interval=(place(ends[mark.kind][0]), place(ends[mark.kind][1]))) if mark.kind in ends else mark
        for mark in drawn
    ]
    return sorted(drawn, key=lambda mark: mark.place if scale.goal == "minimize" else -mark.place)


def _better(scale: Scale, gain: float) -> str:
    """`12.3 % better`; what is more than doubled, as `22 times worse`."""
    if scale.name != "ratio" or abs(scale.per_cent(gain)) <= 100:
        return scale.better(gain)
    times = math.exp(min(abs(gain), 600.0))
    return f"{times:.2g} times {'better' if gain > 0 else 'worse'}"


def _is_placed(model: _Model) -> bool:
    return model.kind == "base" or (model.gain is not None and math.isfinite(model.gain))


def _axis(values: Sequence[float], *, is_ratio: bool) -> Callable[[float], float]:
    is_log = is_ratio and min(values) > 0 and max(values) / min(values) > _MUCH

    def scaled(value: float) -> float:
        return math.log(value) if is_log else value

    low, high = scaled(min(values)), scaled(max(values))
    return lambda value: round((scaled(value) - low) / (high - low), 4) if high > low else 0.5


def _models(summary: Summary, verdict: Verdict | None) -> list[_Model]:
    """The models that have a result: the incumbent's gain is none."""
    decided, references = summary.decided, summary.references
    if decided is None or summary.definition.is_study:
        return []
    them, scale = incumbent_in_words(summary.definition).name, summary.scale
    found: list[_Model] = []
    scores = [(one.setting, one.incumbent, one.gain) for one in summary.judged]
    gains = [gain for _, _, gain in scores if gain is not None]
    gain = verdict.gain if verdict is not None else fmean(gains) if gains else None
    is_other = decided.rival is not None or not decided.setting.is_incumbent
    if is_other and scores and gain is not None:
        name = "the best tried" if decided.rival else "this setting"
        found.append(_Model(name, "rival" if decided.rival else "answer", fmean(own for own, _, _ in scores), gain))
        found.append(_Model(them, "base", fmean(theirs for _, theirs, _ in scores), None))
    if references is None:
        return found
    base = references.answer if decided.setting.is_incumbent else references.incumbent
    if base is None:
        return found
    if not found:
        found = [_Model(them, "base", base.score, None)]
    for line in references.references:
        against: float | None = None
        if scale.name == "difference" and line.score is not None and base.score is not None:
            against = scale.gain(base.score, line.score)
        elif line.ratio is not None and base.ratio is not None:
            against = scale.gain(base.ratio, line.ratio)
        if against is not None:
            found.append(_Model(line.name, "reference", line.score, against))
    return found if len(found) > 1 else []
