"""The winner, ready for use: its model, and a spec that trains the same setting on the newest days.

`answer.py` decides the winner.
"""

from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from pipeline import dates
from pipeline.analysis.ranking import Standing
from pipeline.dates import DateRange
from pipeline.errors import UserError
from pipeline.report.answer import newest_model
from pipeline.report.judged_claim import ClaimStanding, answer_to, standing_of
from pipeline.report.sentence import certainty
from pipeline.report.state import State, state_of
from pipeline.results import Row
from pipeline.sweep import Definition, Sweep, models

_CHOOSING_KEYS = frozenset(
    {
        *("parameters", "phases", "mode", "short", "range-months", "confirm", "confirm-range", "as-of"),
        *("constraints", "budget", "reuse"),
    }
)
"""Keys of a spec about choosing and judging, which are of no use with a single setting."""

# Data of working days may end on the Friday before the month does; the month counts as complete all the same.
_WEEKEND = timedelta(days=3)


@dataclass(frozen=True)
class Winner:
    """The setting that is a sweep's answer."""

    standing: Standing
    verdict: str
    """In words: `confirmed as real`."""
    row: Row
    """The row of its newest date range, with the model."""


def winner_of(state: State) -> Winner:
    """The setting that is the sweep's answer, with its model. Raises UserError if there is no answer or no model."""
    claim = standing_of(state.sweep)
    setting = _setting_of(state, claim)
    row = newest_model(state.sweep.definition, _rows_of(state, setting.experiment))
    if row is None:
        raise UserError(f"{state.sweep.id}: {setting.experiment} is best, but none of its trials saved a model")
    return Winner(setting, claim.sentence if claim else _certainty(state), row)


def _certainty(state: State) -> str:
    assert state.decided is not None
    return certainty(state.sweep.definition, state.decided, state.confirmed)


def _setting_of(state: State, claim: ClaimStanding | None) -> Standing:
    setting = answer_to(state, claim) if claim else state.best
    if setting is None:
        raise UserError(f"{state.sweep.id} has no best setting yet: {state.words}")
    return setting


def _rows_of(state: State, name: str) -> list[Row]:
    """The rows of an experiment, or the row of a trial."""
    return [row for row in state.rows if name in (row["experiment"], row["trial"])]


def spec_of(definition: Definition, winner: Winner, today: date, covered: DateRange | None) -> dict[str, Any]:
    """A spec that trains the winner once, on the newest days; `covered` are the days of the data, if known."""
    setting_spec = {
        "architecture": definition.architecture,
        "tune": "nothing",
        "incumbent": winner.standing.assignment,
        "date-range": [newest_range(definition, today, covered).as_json()],
        "data": definition.data and definition.data.model_dump(mode="json", by_alias=True, exclude_defaults=True),
        "training": definition.training.model_dump(mode="json", by_alias=True, exclude_none=True),
        # With this seed the same days give the same training; on a CPU of the same kind, to the last digit.
        "search": {"seed": definition.seed} if definition.seed else None,
        "notes": f"{winner.standing.experiment} of {definition.id}: {winner.verdict}",
    }
    remainder = {key: value for key, value in definition.spec.items() if key not in {*setting_spec, *_CHOOSING_KEYS}}
    return {key: value for key, value in setting_spec.items() if value is not None} | remainder


def newest_range(definition: Definition, today: date, covered: DateRange | None) -> DateRange:
    """The newest days, as many as the sweep's longest date range has."""
    if definition.data is not None:
        today = definition.data.as_of or today
    elif str(definition.as_of) != definition.created[:10]:
        # The spec set its "today" by hand: a trainer's own data may end there.
        today = min(today, definition.as_of)
    if covered is not None:
        today = min(today, covered.end + _WEEKEND)
    training = definition.training
    ranges = (range_ for phase in definition.phases for range_ in phase.ranges)
    longest = max(ranges, key=lambda range_: (range_.days, range_.end))
    return next(dates.fresh_ranges((), longest, today, valid=training.validation_share, test=training.test_share))


def fetch_model(sweep: Sweep, name: str, to: Path | None) -> Path:
    """Downloads the model of a trial, of an experiment, or of the answer (`best`), on its newest range.

    Returns the folder: `to`, or `<trial>` in the working directory. `pipeline.load_model` loads it if the architecture
    is a built-in one. Raises UserError if there is no such model.
    """
    state = state_of(sweep)
    experiment = _setting_of(state, standing_of(sweep)).experiment if name == "best" else name
    row = newest_model(sweep.definition, _rows_of(state, experiment))
    if row is None:
        raise UserError(f'{sweep.id} has no model of "{name}": name `best`, an experiment or a trial that finished')
    folder = to or Path(row["trial"])
    models.download(sweep.store, row, folder)
    return folder
