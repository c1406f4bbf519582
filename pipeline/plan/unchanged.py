"""Checks, before a sweep goes on, that it would read the same data as its finished trials.

Rows of different data are never ranked together (`analysis/same_data.py`), and users should know that beforehand.
"""

from collections.abc import Iterable

from pipeline.data import load
from pipeline.data.source import FilesSource
from pipeline.dates import DateRange
from pipeline.errors import UserError
from pipeline.plan import rounds
from pipeline.results import Row, range_of, rows_fingerprint, trainings
from pipeline.sweep import Phase, Sweep, merge, trials_of

_RANGES_SHOWN = 3
_DaysRead = tuple[DateRange, int | None]
"""A date range, and how many days at the end of its training part are read; None: all."""


def check(sweep: Sweep, *, retry: bool = False) -> None:
    """Raises UserError if the data of days that finished trials read have changed, and remaining trials will read them.

    No other data are read for this. Rows of older versions, and of a team's own trainer, hold no fingerprint of their
    data: nothing is checked for them.
    """
    definition = sweep.definition
    if not isinstance(definition.data, FilesSource) or definition.own is not None:
        return
    read = _read_before(sweep, trainings(merge.look(sweep).rows))
    training = definition.training
    changed: list[DateRange] = []
    trials = 0
    for days in dict.fromkeys(
        (date_range, phase.fidelity.train_days) for phase in _open_phases(sweep, retry) for date_range in phase.ranges
    ):
        before = read.get(days, [])
        if not before:
            continue
        now = load.fingerprint_of(
            definition.data, days[0], training.validation_share, training.test_share, train_days=days[1]
        )
        # A sweep that went on after a change has rows with either fingerprint; today's may be any of them.
        if now not in before:
            changed.append(days[0])
            trials += len(before)
    if changed:
        raise UserError(
            f"{sweep.id}: the data of {_in_words(changed)} changed since {trials} trials read them, so what runs now "
            "could not be ranked with those: start a new sweep of its spec, or go on all the same with --data-changed"
        )


def _read_before(sweep: Sweep, rows: Iterable[Row]) -> dict[_DaysRead, list[str]]:
    """{days: fingerprint of each row that read them}."""
    read: dict[_DaysRead, list[str]] = {}
    phases = {phase.name: phase for phase in sweep.definition.phases}
    for row in rows:
        phase, fingerprint = phases.get(row["phase"]), rows_fingerprint(row)
        if phase is not None and fingerprint is not None:
            read.setdefault((range_of(row), phase.fidelity.train_days), []).append(fingerprint)
    return read


def _open_phases(sweep: Sweep, retry: bool) -> list[Phase]:
    """The phases with trials to run or to plan."""
    planned = [sweep.round(number) for number in range(sweep.rounds())]
    packs = [pack for packs in planned for pack in packs]
    unfinished = {trial.phase for trial in trials_of(rounds.unfinished(sweep, packs, retry=retry))}
    phases = sweep.definition.of_settings
    begun = {trial.phase for trial in trials_of(packs)}
    is_over = bool(planned) and not planned[-1]  # the last round is empty
    last = max((at for at, phase in enumerate(phases) if phase.name in begun), default=0)
    return [phase for at, phase in enumerate(phases) if phase.name in unfinished or (at >= last and not is_over)]


def _in_words(ranges: list[DateRange]) -> str:
    ranges = sorted(set(ranges))
    end = f" and {len(ranges) - _RANGES_SHOWN} more date ranges" if len(ranges) > _RANGES_SHOWN else ""
    return ", ".join(map(str, ranges[:_RANGES_SHOWN])) + end
