"""The phases of a sweep: experiments, cost and choice of each."""

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
    """A setting that was chosen because it trains faster, beside the most accurate setting."""

    chosen: Standing
    best: Standing
    behind: float
    """Loss of accuracy by the choice: 0.004 is 0.4 %."""
    share: float
    """Epochs of the chosen setting, as a share of the best one's."""


@dataclass(frozen=True)
class PhaseSummary:
    """One phase and its choice."""

    phase: Phase
    experiments: int
    """Experiments with a row in the phase."""
    seconds: float
    """Of training, all devices together."""
    best: Standing | None
    """Best experiment of the phase; None until one has finished, and in a phase that judges."""
    chosen: Assignment
    """The best experiment's values of the hyperparameters that the phase searched."""
    faster: FasterChoice | None


def seconds_per_trial(standing: Standing) -> float:
    """Mean seconds of training over date ranges."""
    return fmean(row.get("training_time") or 0.0 for row in standing.by_range.values())


def phase_summaries(summary: Summary) -> list[PhaseSummary]:
    """The phases in order; empty for a study, and if a single phase chooses by accuracy alone."""
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
