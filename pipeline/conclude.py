"""Merged rows -> what the sweep comes to: ranking, verdict, and the summary that says so, written to the store."""

from pipeline import ledger
from pipeline.merge import Merged
from pipeline.report import Summary, render, summarize
from pipeline.sweep import Sweep, trials_of


def conclude(sweep: Sweep, merged: Merged) -> Summary:
    """Judges what is complete, renders the report, and returns what it says.

    When the sweep is done, its verdicts go into the ledger: later confirmations on the same ranges count them.
    """
    definition = sweep.definition
    rounds = [sweep.round(number) for number in range(sweep.rounds())]
    planned = [trial for packs in rounds for trial in trials_of(packs)]
    done = bool(rounds) and not rounds[-1] and len(merged.rows) >= len(planned)
    confirmed = None
    if done and any(definition.phase(trial.phase).judging for trial in planned):
        from pipeline.analysis.confirmation import confirmation

        confirmed = confirmation(definition, merged.rows, ledger.earlier_p_values(sweep.store, definition))
        if confirmed:
            ledger.note_confirmation(sweep.store, definition, [one.p for one in confirmed.verdicts.values()])
    summary = summarize(definition, merged.rows, planned, done, confirmed, merged.skipped)
    render(sweep, summary)
    return summary
