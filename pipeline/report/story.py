"""A sweep of several phases, phase by phase: what each searched, what it found, and what that was worth."""

from dataclasses import dataclass
from statistics import fmean

from pipeline.analysis.ranking import Standing, standings
from pipeline.report.summary import Summary
from pipeline.results import Goal, sign
from pipeline.space import Assignment
from pipeline.sweep import Phase


@dataclass(frozen=True)
class Faster:
    """A setting that went first because it trains faster, beside the most accurate one."""

    chosen: Standing
    best: Standing
    behind: float
    """How much worse the chosen one is: 0.004 is 0.4 %."""
    share: float
    """Of the epochs of the best."""


@dataclass(frozen=True)
class Chapter:
    phase: Phase
    experiments: int
    """With a row in it."""
    seconds: float
    """Of training, all devices together."""
    best: Standing | None
    """Whom the phase puts first; None while nobody is through, and in a phase that judges."""
    found: Assignment
    """Of what it searched, the best setting's values."""
    faster: Faster | None


def seconds_per_trial(standing: Standing) -> float:
    return fmean(row.get("training_time") or 0.0 for row in standing.by_range.values())


def story(summary: Summary) -> list[Chapter]:
    """The phases in their order; none where there is only one that chooses, and nothing but accuracy to choose by."""
    definition = summary.definition
    if definition.calibrating or (len(definition.choosing) < 2 and not definition.choosing[0].faster_within):
        return []
    chapters = []
    for phase in definition.phases:
        rows = [row for row in summary.rows if row["phase"] == phase.name]
        ranked = standings(definition, rows, phase) if phase.chooses else []
        best = ranked[0] if ranked else None
        chapters.append(
            Chapter(
                phase=phase,
                experiments=len({row["experiment"] for row in rows}),
                seconds=sum(row.get("training_time") or 0.0 for row in rows if not row.get("reused_from")),
                best=best,
                found={name: best.assignment[name] for name in phase.space} if best else {},
                faster=_faster(ranked, definition.objective.goal),
            )
        )
    return chapters


def _faster(ranked: list[Standing], goal: Goal) -> Faster | None:
    if not ranked:
        return None
    chosen = ranked[0]
    best = min(ranked, key=lambda one: sign(goal) * one.score)
    if best is chosen or min(best.score, chosen.score) <= 0 or not best.epochs:
        return None
    ratio = chosen.score / best.score if goal == "minimize" else best.score / chosen.score
    return Faster(chosen, best, ratio - 1, chosen.epochs / best.epochs)
