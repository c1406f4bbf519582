"""A sweep of several phases, phase by phase: what each searched, what it chose, and what that was worth."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from pipeline.analysis.ranking import Standing, standings
from pipeline.report.summary import Summary
from pipeline.results import Goal, sign
from pipeline.space import Assignment
from pipeline.sweep import Phase


@dataclass(frozen=True)
class FasterChoice:
    """A setting that went first because it trains faster, beside the most accurate one."""

    chosen: Standing
    best: Standing
    behind: float
    """How much worse the chosen one is: 0.004 is 0.4 %."""
    share: float
    """Of the epochs of the best."""


@dataclass(frozen=True)
class PhaseSummary:
    """One phase, and its choice."""

    phase: Phase
    experiments: int
    """With a row in it."""
    seconds: float
    """Of training, all devices together."""
    best: Standing | None
    """Best experiment of the phase; None while no experiment is through, and in a phase that judges."""
    chosen: Assignment
    """The values that the best setting has of the hyperparameters that the phase searched."""
    faster: FasterChoice | None


def seconds_per_trial(standing: Standing) -> float:
    """Seconds of training, the mean over date ranges."""
    return fmean(row.get("training_time") or 0.0 for row in standing.by_range.values())


def phase_summaries(summary: Summary) -> list[PhaseSummary]:
    """The phases in their order; none where there is only one that chooses, and nothing but accuracy to choose by."""
    definition = summary.definition
    if definition.is_study or (len(definition.choosing) < 2 and not definition.choosing[0].faster_within):
        return []
    phases = []
    for phase in definition.of_settings:
        rows = [row for row in summary.rows if row["phase"] == phase.name]
        ranked = standings(definition, rows, phase) if phase.chooses else []
        best = ranked[0] if ranked else None
        phases.append(
            PhaseSummary(
                phase=phase,
                experiments=len({row["experiment"] for row in rows}),
                seconds=sum(row.get("training_time") or 0.0 for row in rows if not row.get("reused_from")),
                best=best,
                chosen={name: best.assignment[name] for name in phase.space} if best else {},
                faster=_faster_choice(ranked, definition.objective.goal),
            )
        )
    return phases


def _faster_choice(ranked: Sequence[Standing], goal: Goal) -> FasterChoice | None:
    if not ranked:
        return None
    chosen = ranked[0]
    best = min(ranked, key=lambda standing: sign(goal) * standing.score)
    if best is chosen or min(best.score, chosen.score) <= 0 or not best.epochs:
        return None
    ratio = chosen.score / best.score if goal == "minimize" else best.score / chosen.score
    return FasterChoice(chosen, best, ratio - 1, chosen.epochs / best.epochs)
