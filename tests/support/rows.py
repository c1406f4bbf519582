"""Rows without trainings: what a trial would have left."""

from typing import Any

from pipeline.results import Row
from pipeline.space import Assignment
from pipeline.sweep import Definition, Sweep, Trial


def row_of(definition: Definition, trial: Trial, assignment: Assignment, **cells: Any) -> Row:
    """A complete row of a trial; `cells` stand beside the usual ones, or instead."""
    return {
        "architecture": definition.architecture,
        "date-range": definition.phase(trial.phase).ranges[trial.range].as_json(),
        **assignment,
        "sweep": definition.id,
        "experiment": trial.experiment,
        "trial": str(trial),
        "phase": trial.phase,
        "status": "complete",
        **cells,
    }


def planned_row(sweep: Sweep, trial: Trial, **cells: Any) -> Row:
    """The same with the setting that the sweep's rounds asked for."""
    return row_of(sweep.definition, trial, sweep.experiments()[trial.experiment].assignment, **cells)


def bare_row(sweep: Sweep, trial: Trial, **cells: Any) -> Row:
    """The least that is a row of this trial."""
    fixed = {"trial": str(trial), "sweep": sweep.id, "experiment": trial.experiment, "phase": trial.phase}
    return fixed | {"date-range": ["2024-01-01", "2024-03-01"], "status": "complete"} | cells
