"""The sweeps of a store for `list`: progress, verdict, gain, cost and days of each.

It reads the store and writes nothing. `screen/sweeps.py` lays the values out.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from statistics import fmean

from pipeline.analysis.spending import device_seconds
from pipeline.dates import DateRange
from pipeline.errors import UserError
from pipeline.report.answer import Basis, fitting_scale, range_comparisons
from pipeline.report.judged_claim import standing_of
from pipeline.report.sentence import in_words
from pipeline.report.state import State, state_of
from pipeline.report.words import values_in_words
from pipeline.store import Store
from pipeline.sweep import Sweep, all_sweeps, judged


@dataclass(frozen=True)
class Listed:
    """A sweep in a list."""

    id: str
    words: str
    """`done`, `12 of 31 trials`; `damaged`."""
    best: str
    """The answer so far in words, or the reason why the sweep cannot be read."""
    verdict: str = ""
    """`real`, `not shown`, `keep the defaults`, `not judged`; empty while there is no answer. Of a sweep that judges a
    claim, the state of the claim: `claim: waits`."""
    gain: str = ""
    """Over the incumbent, on the ranges that judged, else on the ranges that chose: `+12.3 %`."""
    seconds: float = 0.0
    """Of training, all devices together."""
    days: DateRange | None = None
    """From the first day to the last of all its date ranges."""
    progress: str = ""
    """`12/31`; empty once it is done."""
    failed: int = 0


def sweeps_in(store: Store) -> list[str]:
    """The ids of a store's sweeps, oldest first. Raises UserError if there is none."""
    ids = all_sweeps(store)
    if not ids:
        raise UserError(f"{store.root} holds no sweeps; is it the right store? (--store, HPT_STORE)")
    return ids


def listing(store: Store) -> Iterator[Listed]:
    """Every sweep of a store, oldest first. A sweep whose `sweep.json` cannot be read is listed with the reason.

    Raises UserError if the store holds no sweep.
    """
    for id in sweeps_in(store):
        try:
            yield _listed(state_of(Sweep(store, id)))
        except UserError as error:
            yield Listed(id, "damaged", str(error))


def _listed(state: State) -> Listed:
    definition, (finished, planned) = state.sweep.definition, state.counts
    ranges = [date_range for phase in definition.of_settings for date_range in phase.ranges]
    claim = standing_of(state.sweep)
    return Listed(
        id=state.sweep.id,
        words=state.words,
        best=values_in_words(definition, claim.setting) if claim else in_words(definition, state.decided),
        verdict=f"claim: {claim.kind}" if claim else "study" if definition.is_study else _verdict(state),
        gain=claim.gain if claim else "" if definition.is_study else _gain(state),
        seconds=device_seconds(state.rows),
        days=DateRange(min(date_range.start for date_range in ranges), max(date_range.end for date_range in ranges)),
        progress="" if state.done else f"{'stopped ' if state.stopped else ''}{finished}/{planned}",
        failed=len(state.failed),
    )


def _verdict(state: State) -> str:
    answer, definition = state.decided, state.sweep.definition
    if answer is None:
        return ""
    if definition.choosing[0].name == "train":
        return "not tuned"
    if answer.basis is Basis.KEPT or (answer.setting.is_incumbent and state.done):
        return f"keep {definition.incumbent_name}"
    if not answer.is_judged:
        return "not judged"
    # The verdict that was noted when the sweep was done: testing again takes time.
    name, notes = answer.setting.experiment, judged.judged_by(state.sweep.store, definition)
    if notes and name in notes.verdicts:
        return notes.verdicts[name].kind
    return str(state.confirmed.verdicts[name].kind) if state.confirmed else ""


def _gain(state: State) -> str:
    definition, answer = state.sweep.definition, state.decided
    if answer is None or answer.setting.is_incumbent:
        return ""
    comparisons = range_comparisons(definition, state.ranked, answer, state.confirmed)
    gains = [comparison.gain for comparison in comparisons if comparison.gain is not None]
    return fitting_scale(definition, comparisons).words(fmean(gains), plus="+") if gains else ""
