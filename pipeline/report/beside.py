"""Places the answer, the incumbent and the references on one small axis, from 0 to 1."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Literal

from pipeline.analysis.verdict import Verdict
from pipeline.report.summary import Summary
from pipeline.scale import Scale

_LARGEST_LINEAR_RATIO = 4.0
"""Ratio of the largest value to the smallest; above it the axis is logarithmic."""
_LARGEST_LOG_RATIO = 600.0
"""The exponential of a much larger gain would not fit into a float."""

Kind = Literal["answer", "rival", "base", "reference"]


@dataclass(frozen=True)
class Mark:
    """One model on the axis."""

    name: str
    """`this setting`, `the defaults`, `boosted trees`."""
    kind: Kind
    score: float | None
    """Of the test metric, the mean over date ranges."""
    better: str
    """Compared with the incumbent, in words; empty for the incumbent itself."""
    place: float
    interval: tuple[float, float] | None = None
    """Places of the ends of the gain's interval."""


@dataclass(frozen=True)
class _Model:
    """A model before it has a place."""

    name: str
    kind: Kind
    score: float | None
    gain: float | None
    """Over the incumbent."""


def marks(summary: Summary, verdict: Verdict | None) -> list[Mark]:
    """The models with their places, the best first; empty if fewer than two are comparable."""
    scale, models = summary.scale, _models(summary, verdict)
    base = next((model for model in models if model.kind == "base"), None)
    if base is None or base.score is None or not all(_is_placed(model) for model in models):
        return []
    base_score = base.score

    def value(gain: float) -> float:
        """A gain as a value of the axis: a multiple of the incumbent's metric, or the metric itself."""
        sign = -1 if scale.goal == "minimize" else 1
        return _exp(sign * gain) if scale.name == "ratio" else base_score + sign * gain

    # The gain's interval by kind of model: only the answer, or its rival, has one.
    judged = (
        {"rival" if summary.keeps_incumbent else "answer": verdict.interval} if verdict and verdict.interval else {}
    )
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
    """`12.3 % better`; from a factor of two on, `22 times worse`."""
    if scale.name != "ratio" or abs(scale.per_cent(gain)) <= 100:
        return scale.better(gain)
    times = _exp(abs(gain))
    return f"{times:.2g} times {'better' if gain > 0 else 'worse'}"


def _exp(gain: float) -> float:
    return math.exp(max(-_LARGEST_LOG_RATIO, min(gain, _LARGEST_LOG_RATIO)))


def _is_placed(model: _Model) -> bool:
    return model.kind == "base" or (model.gain is not None and math.isfinite(model.gain))


def _axis(values: Sequence[float], *, is_ratio: bool) -> Callable[[float], float]:
    """Converts a value to its place on an axis that just holds these values: the lowest at 0, the highest at 1."""
    is_log = is_ratio and min(values) > 0 and max(values) / min(values) > _LARGEST_LINEAR_RATIO

    def scaled(value: float) -> float:
        return math.log(value) if is_log else value

    low, high = scaled(min(values)), scaled(max(values))
    return lambda value: round((scaled(value) - low) / (high - low), 4) if high > low else 0.5


def _models(summary: Summary, verdict: Verdict | None) -> list[_Model]:
    """The models with a result; the incumbent has no gain. Empty if the incumbent is alone."""
    decided, references = summary.decided, summary.references
    if decided is None or summary.definition.is_study:
        return []
    incumbent, scale = summary.definition.incumbent_name, summary.scale
    models: list[_Model] = []

    # The answer, or its rival, and the incumbent.
    scores = [(pair.setting, pair.incumbent, pair.gain) for pair in summary.comparisons]
    gains = [gain for _, _, gain in scores if gain is not None]
    gain = verdict.gain if verdict is not None else fmean(gains) if gains else None
    is_other = decided.rival is not None or not decided.setting.is_incumbent
    if is_other and scores and gain is not None:
        name = "the best tried" if decided.rival else "this setting"
        models.append(_Model(name, "rival" if decided.rival else "answer", fmean(ours for ours, _, _ in scores), gain))
        models.append(_Model(incumbent, "base", fmean(theirs for _, theirs, _ in scores), None))

    # The references.
    if references is None:
        return models
    base = references.answer if decided.setting.is_incumbent else references.incumbent
    if base is None:
        return models
    if not models:
        models = [_Model(incumbent, "base", base.score, None)]
    for line in references.references:
        gain = None
        if scale.name == "difference" and line.score is not None and base.score is not None:
            gain = scale.gain(base.score, line.score)
        elif line.ratio is not None and base.ratio is not None:
            gain = scale.gain(base.ratio, line.ratio)
        if gain is not None:
            models.append(_Model(line.name, "reference", line.score, gain))
    return models if len(models) > 1 else []
