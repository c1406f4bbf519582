"""What is best in a sweep, ready to be used: its model, and the spec that trains the same setting on the newest days.

Which setting that is and whether it is real is only looked up here; `ranking.py` and `analysis/` decide it.
"""

from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from pipeline import dates
from pipeline.analysis.ranking import Standing
from pipeline.analysis.verdict import Kind
from pipeline.dates import DateRange
from pipeline.errors import UserError
from pipeline.report.conclude import summary_of
from pipeline.report.state import State, state_of
from pipeline.results import Row, Status
from pipeline.sweep import Definition, Sweep, Trial, models

_CHOOSING = frozenset(
    {"parameters", "phases", "mode", "short", "confirm", "confirm-range", "as-of", "constraints", "budget", "reuse"}
)
"""Keys of a spec that say how to choose or judge, which a spec with one setting has no use for."""

# Data of working days end before the month does.
_WEEKEND = timedelta(days=3)

_VERDICTS = {
    Kind.REAL: "confirmed as real",
    Kind.PROMISING: "promising, but not confirmed as real",
    Kind.NOT_SHOWN: "not confirmed: that it is better than the incumbent is not shown",
    Kind.NOT_TESTABLE: "not confirmed: whether it is better than the incumbent could not be tested",
}


@dataclass(frozen=True)
class Winner:
    """The best setting of a sweep."""

    standing: Standing
    verdict: str
    """Whether it is real, in words."""
    row: Row
    """The trial of its newest date range, with the model."""


def winner_of(state: State) -> Winner:
    """The best of those confirmed as real, else the best while choosing. Raises UserError if there is none so far."""
    sweep, ranked = state.sweep, state.ranked
    if not ranked:
        raise UserError(f"{sweep.id} has no best setting yet: {state.words}")
    confirmed = summary_of(state).confirmed
    kinds = {name: verdict.kind for name, verdict in confirmed.verdicts.items()} if confirmed else {}
    best = next((standing for standing in ranked if kinds.get(standing.experiment) is Kind.REAL), ranked[0])
    if best.is_incumbent:
        verdict = "nothing tried is better than the incumbent"
    elif best.experiment in kinds:
        verdict = _VERDICTS[kinds[best.experiment]]
    else:
        verdict = "not confirmed yet" if sweep.definition.confirm and not state.done else "not confirmed"
    return Winner(best, verdict, _with_model(state, best.experiment))


def _with_model(state: State, experiment: str) -> Row:
    phases = [phase.name for phase in state.sweep.definition.phases]
    rows = [
        row
        for row in state.rows
        if row["experiment"] == experiment and row["status"] == Status.COMPLETE and row.get("model_url")
    ]
    if not rows:
        raise UserError(f"{state.sweep.id}: {experiment} is best, but none of its trials saved a model")
    # Of several on the same days the last phase's, which had the most data and epochs.
    return max(
        rows,
        key=lambda row: (row["date-range"][::-1], phases.index(row["phase"]), -Trial.parse(row["trial"]).seed),
    )


def spec_of(definition: Definition, winner: Winner, today: date, covered: DateRange | None) -> dict[str, Any]:
    """A spec that trains the winner once, on the newest days; `covered` are the days of the data, where known."""
    spec = {
        "architecture": definition.architecture,
        "tune": "nothing",
        "incumbent": winner.standing.assignment,
        "date-range": [newest_range(definition, today, covered).as_json()],
        "data": definition.data and definition.data.model_dump(mode="json", by_alias=True, exclude_defaults=True),
        "training": definition.training.model_dump(mode="json", by_alias=True, exclude_none=True),
        # The same training, bit by bit, where the days are the same.
        "search": {"seed": definition.seed} if definition.seed else None,
        "notes": f"{winner.standing.experiment} of {definition.id}: {winner.verdict}",
    }
    kept = {key: value for key, value in definition.spec.items() if key not in spec and key not in _CHOOSING}
    return {key: value for key, value in spec.items() if value is not None} | kept


def newest_range(definition: Definition, today: date, covered: DateRange | None) -> DateRange:
    """The newest days there are, as many as the sweep's longest date ranges have."""
    if definition.data is not None:
        today = definition.data.as_of or today
    elif str(definition.as_of) != definition.created[:10]:
        # Nobody but who set the sweep's "today" knows how far a trainer's own data go.
        today = min(today, definition.as_of)
    if covered is not None:
        today = min(today, covered.end + _WEEKEND)
    training = definition.training
    ranges = (range_ for phase in definition.phases for range_ in phase.ranges)
    like = max(ranges, key=lambda range_: (range_.days, range_.end))
    return next(dates.fresh((), like, today, valid=training.validation_share, test=training.test_share))


def fetch_model(sweep: Sweep, which: str, to: Path | None) -> Path:
    """Downloads the model of a trial, of an experiment, or of the `best` experiment, on its newest range.

    Returns the folder, `to` or `<trial>` here, which `pipeline.load_model` takes if the architecture is a built-in one.
    Raises UserError if there is no such model.
    """
    now = state_of(sweep)
    experiment = which
    if which == "best":
        if not now.ranked:
            raise UserError(f"{sweep.id} has no best setting yet: {now.words}")
        experiment = now.ranked[0].experiment
    rows = [row for row in now.rows if experiment in (row["experiment"], row["trial"]) and row.get("model_url")]
    if not rows:
        raise UserError(f'{sweep.id} has no model of "{which}": name `best`, an experiment or a trial that finished')
    row = max(rows, key=lambda row: (row["date-range"], -Trial.parse(row["trial"]).seed))
    folder = to or Path(row["trial"])
    models.download(sweep.store, row, folder)
    return folder
