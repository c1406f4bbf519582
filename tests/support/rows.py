"""Rows of trials, made without training."""

from typing import Any

from pipeline.results import Row
from pipeline.space import Assignment
from pipeline.sweep import Definition, Sweep, Trial


def row_of(definition: Definition, trial: Trial, assignment: Assignment, **cells: Any) -> Row:
    """A complete row of a trial. `cells` are further cells, or replace the usual ones."""
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
    """A complete row of a trial with the setting that the sweep has planned."""
    return row_of(sweep.definition, trial, sweep.experiments()[trial.experiment].assignment, **cells)


def bare_row(sweep: Sweep, trial: Trial, **cells: Any) -> Row:
    """A row with the fewest cells that a row of this trial can have."""
    fixed = {"trial": str(trial), "sweep": sweep.id, "experiment": trial.experiment, "phase": trial.phase}
    return fixed | {"date-range": ["2024-01-01", "2024-03-01"], "status": "complete"} | cells
