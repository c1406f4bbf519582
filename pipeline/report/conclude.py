"""Merged rows -> what the sweep comes to: ranking, verdict, and the summary that says so."""

from contextlib import suppress
from dataclasses import replace

from pipeline.errors import InfrastructureError, UserError
from pipeline.report import claims
from pipeline.report.judged_claim import standing_of
from pipeline.report.page import render
from pipeline.report.sentence import so_far
from pipeline.report.state import State, state_of
from pipeline.report.summary import Summary, summarize
from pipeline.sweep import Sweep, digests, find, judged, ledger
from pipeline.sweep.merge import Merged


def summary_of(state: State) -> Summary:
    """Judges what is complete. Reads only."""
    sweep, definition = state.sweep, state.sweep.definition
    summary = summarize(definition, state.rows, state.planned, state.done, state.confirmed, state.skipped)
    if state.why_stopped:
        answer = f"stopped, since all trials failed alike: {state.why_stopped}; {summary.answer}"
        summary = replace(summary, answer=answer, why_stopped=state.why_stopped)
    if definition.claim:
        answer, judged_by_pair = claims.answer(sweep)
        answer = _progress(summary) + answer
        return replace(summary, answer=answer, judged=judged_by_pair, judges=standing_of(sweep))
    if definition.resembling:
        return _with_ranges_needed(sweep, summary)
    if not definition.calibrating:
        return replace(summary, claim=claims.what_next(state))
    return _with_calibration(sweep, summary)


def show_progress(sweep: Sweep, merged: Merged) -> None:
    """Writes the page alone, cheaply: what a sweep looks like that is still running."""
    render(
        sweep, summarize(sweep.definition, merged.rows, sweep.planned(), False, None, merged.skipped), pictures=False
    )


def conclude(sweep: Sweep, merged: Merged) -> Summary:
    """Writes the report, pictures and all, and returns what it says.

    When the sweep is done, its verdicts go into the ledger, where later confirmations on the same ranges count them,
    its digest, for later sweeps to learn from, and what is left to judge of it; of a sweep that judges a claim, what it
    came to goes to the claim, and nowhere else.
    """
    state = state_of(sweep, merged)
    if sweep.definition.claim:
        claims.keep_pairs(state)
        summary = summary_of(state)
        render(sweep, summary)
        if summary.judges is not None and summary.judges.has_ended:
            _show_at_origin(sweep, summary.judges.origin)
        return summary
    claims.make(state)
    summary = summary_of(state)
    if (confirmed := summary.confirmed) and confirmed.compared:
        p_values = {name: verdict.p for name, verdict in confirmed.verdicts.items()}
        ledger.note_confirmation(sweep.store, sweep.definition, p_values, confirmed.settings, confirmed.counted)
    if summary.calibration:
        from pipeline.report.charts.calibration import write

        write(sweep, summary.calibration)
    if summary.ranges_needed:
        from pipeline.report.charts import ranges_needed

        ranges_needed.write(sweep, summary.ranges_needed)
    render(sweep, summary)
    if summary.done:
        # What later sweeps would learn is no reason to lose this one's answer: the next report makes up for it. Of rows
        # that somebody edited there may be no digest.
        with suppress(InfrastructureError, ValueError, LookupError):
            _leave_to_later_sweeps(sweep, summary)
    return summary


def _show_at_origin(sweep: Sweep, origin: str) -> None:
    """Writes the page of the sweep that made a claim once more: it says what became of that."""
    # It may be removed, damaged or of a newer version, and its page is no reason to lose this one's answer.
    with suppress(InfrastructureError, UserError, ValueError, LookupError):
        state = state_of(find(sweep.store, origin))
        if state.done:
            render(state.sweep, summary_of(state))


def _leave_to_later_sweeps(sweep: Sweep, summary: Summary) -> None:
    """Raises InfrastructureError if the store fails, ValueError or LookupError if rows do not fit."""
    definition = sweep.definition
    digests.write(sweep.store, digests.digest(definition, summary.rows))
    if summary.confirmed:
        verdicts = {
            finalist: judged.JudgedVerdict(
                kind=verdict.kind,
                gain=verdict.gain,
                interval=verdict.interval,
                p=verdict.p,
                p_adjusted=verdict.p_adjusted,
            )
            for finalist, verdict in summary.confirmed.verdicts.items()
        }
        judged.write(sweep.store, judged.judged(definition, summary.rows, verdicts))


def _progress(summary: Summary) -> str:
    return "" if summary.done else so_far(summary.finished, summary.planned)


def _with_ranges_needed(sweep: Sweep, summary: Summary) -> Summary:
    """A study of resemblance answers how alike date ranges are; who sees which setting is ahead on them has chosen on
    them, so that is not shown."""
    from pipeline.analysis.ranges_needed import ranges_needed

    result = ranges_needed(sweep.definition, summary.rows)
    progress = _progress(summary)
    summary = replace(summary, ranked=(), decided=None, judged=(), choosing_gain=None)
    if isinstance(result, str):
        return replace(summary, answer=progress + result)
    return replace(summary, answer=progress + result.answer, ranges_needed=result)


def _with_calibration(sweep: Sweep, summary: Summary) -> Summary:
    """A calibration's answer is which fidelity to use, not which setting is best."""
    from pipeline.analysis.calibration import calibrate
    from pipeline.sweep.folder import epochs_of

    result = calibrate(sweep.definition, summary.rows, epochs_of(sweep, summary.rows))
    progress = _progress(summary)
    if isinstance(result, str):
        return replace(summary, answer=progress + result)
    return replace(summary, answer=progress + result.answer, calibration=result)
