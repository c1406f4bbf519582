"""Turns merged rows into a sweep's summary and report, and notes in the ledger what later sweeps read."""

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
    """The summary of a sweep so far, verdicts included. Reads the store and writes nothing."""
    sweep, definition = state.sweep, state.sweep.definition
    summary = summarize(definition, state.rows, state.planned, state.done, state.confirmed, state.skipped)
    if state.why_stopped:
        answer = f"stopped, since all trials failed alike: {state.why_stopped}; {summary.answer}"
        summary = replace(summary, answer=answer, why_stopped=state.why_stopped)
    if standing := standing_of(sweep):
        answer = _progress(summary) + standing.answer
        return replace(summary, answer=answer, comparisons=standing.comparisons, claim_standing=standing)
    if definition.resembling:
        return _with_ranges_needed(sweep, summary)
    if definition.calibrating:
        return _with_calibration(sweep, summary)
    return replace(summary, open_claim=claims.open_claim_in_words(state))


def show_progress(sweep: Sweep, merged: Merged) -> None:
    """Writes the page of a running sweep, without pictures: a cheap refresh."""
    render(
        sweep, summarize(sweep.definition, merged.rows, sweep.planned(), False, None, merged.skipped), pictures=False
    )


def conclude(sweep: Sweep, merged: Merged) -> Summary:
    """Writes the report with its pictures, and returns the summary.

    A sweep that is done also leaves its verdicts, its digest and its claim in the ledger: later confirmations on the
    same ranges count the verdicts, later sweeps learn from the digest. A sweep that judges a claim leaves nothing but
    its pairs of scores, which belong to the claim.
    """
    state = state_of(sweep, merged)
    if sweep.definition.claim:
        claims.store_pairs(state)
        summary = summary_of(state)
        render(sweep, summary)
        if summary.claim_standing is not None and summary.claim_standing.has_ended:
            _render_origin(sweep, summary.claim_standing.origin)
        return summary

    # The ledger's verdicts and the claim.
    claims.store_claim(state)
    summary = summary_of(state)
    if (confirmed := summary.confirmed) and confirmed.compared:
        p_values = {name: verdict.p for name, verdict in confirmed.verdicts.items()}
        ledger.note_confirmation(sweep.store, sweep.definition, p_values, confirmed.settings, confirmed.counted)

    # The report.
    if summary.calibration:
        from pipeline.report.charts.calibration import write

        write(sweep, summary.calibration)
    if summary.ranges_needed:
        from pipeline.report.charts import ranges_needed

        ranges_needed.write(sweep, summary.ranges_needed)
    render(sweep, summary)

    if summary.done:
        # A digest that fails must not cost this sweep its answer: the next report writes it. Rows that somebody
        # edited may have none.
        with suppress(InfrastructureError, ValueError, LookupError):
            _leave_to_later_sweeps(sweep, summary)
    return summary


def _render_origin(sweep: Sweep, origin: str) -> None:
    """Renders the page of the sweep that made a claim once more, now that the claim has ended."""
    # That sweep may be removed, damaged or of a newer version; its page must not cost this one its answer.
    with suppress(InfrastructureError, UserError, ValueError, LookupError):
        state = state_of(find(sweep.store, origin))
        if state.done:
            render(state.sweep, summary_of(state))


def _leave_to_later_sweeps(sweep: Sweep, summary: Summary) -> None:
    """Writes the digest and the verdicts.

    Raises InfrastructureError if the store fails, ValueError or LookupError if rows do not fit.
    """
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
    """The answer of a study of resemblance: how alike date ranges are.

    Its ranking is not shown. A person who saw it would have chosen on these ranges, and they could judge no more.
    """
    from pipeline.analysis.ranges_needed import ranges_needed

    result = ranges_needed(sweep.definition, summary.rows)
    progress = _progress(summary)
    summary = replace(summary, ranked=(), decided=None, comparisons=(), choosing_gain=None)
    if isinstance(result, str):
        return replace(summary, answer=progress + result)
    return replace(summary, answer=progress + result.answer, ranges_needed=result)


def _with_calibration(sweep: Sweep, summary: Summary) -> Summary:
    """The answer of a calibration: the fidelity to use, not the best setting."""
    from pipeline.analysis.calibration import calibrate
    from pipeline.sweep.folder import epochs_of

    result = calibrate(sweep.definition, summary.rows, epochs_of(sweep, summary.rows))
    progress = _progress(summary)
    if isinstance(result, str):
        return replace(summary, answer=progress + result)
    return replace(summary, answer=progress + result.answer, calibration=result)
